//! Transactions that stations tell step by step (OCPP 2.0.1). With each step that was not there before, its session is
//! made anew of all that is facts: steps may come late, twice and in any order.

use chrono::{DateTime, Utc};

use super::batch_state::BatchState;
use super::decide::{
    BatchFacts, flag_concurrency, flag_refusal, judged_now, keep, keep_repeat,
    only_kind_of_connector, supersede,
};
use super::meters::{add_readings, sampled_at};
use super::registers::registers as of_readings;
use super::{Acceptance, CommittedAnswer, TransactionJob, keys};
use juden_domain::assembling::{Assembling, assemble};
use juden_domain::authorization::{Place, judge_now};
use juden_domain::flag::Flag;
use juden_domain::ids::IdTag;
use juden_domain::instant::{Heard, attribute};
use juden_domain::over::{Over, OverBy};
use juden_domain::session::Session;
use juden_domain::step::{Evidence, Register, Registers, Step, StepKind};
use juden_ocpp::event::{Answer, StepReport, TagAnswer};
use juden_store::ledger::{LedgerRow, Occasion, StepRow};

/// Doubts that steps do not tell: they stay when the session is made anew.
const STAYING: [Flag; 10] = [
    Flag::Concurrent,
    Flag::StaleConcurrent,
    Flag::Superseded,
    Flag::RefusedWhenHeard,
    Flag::ChargerUnavailable,
    Flag::StepDiffers,
    Flag::ReadingsNotKept,
    Flag::EndReplaced,
    Flag::NameUsedAgain,
    Flag::StopAfterCorrection,
];

/// What a step does: its answer.
pub fn step(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
) -> CommittedAnswer {
    let station = &job.call.station.id;
    if report.transaction.is_empty() {
        return of_no_transaction(state, facts, job, report);
    }
    let start_key = keys::transaction(&report.transaction);
    let (order, second) =
        (keys::order(report, &job.call.payload), keys::second_order(&job.content));
    // A name may be used again: what was answered before is looked for in all of its transactions.
    let rows = state.all_by_start(station, &start_key);
    let known_step = |row: &&LedgerRow| {
        let orders = [order, second, keys::order_by_time(report, &job.call.payload)];
        orders
            .iter()
            .find_map(|order| state.step(row.session.id, *order))
            .filter(|step| step.key == job.content)
            .cloned()
    };
    if let Some((row, first)) = rows.iter().find_map(|row| Some(((*row).clone(), known_step(row)?)))
    {
        return repeat(state, job, report, row, &first);
    }
    // One name may be in use at two EVSEs at once.
    let at_evse = |row: &&LedgerRow| {
        row.evidence.as_ref().and_then(Evidence::evse_id) == report.evse_id
            && report.evse_id.is_some()
    };
    let place = if report.kind == StepKind::Started {
        0
    } else {
        rows.iter().position(at_evse).unwrap_or(0)
    };
    let Some(newest) = rows.get(place).map(|row| (*row).clone()) else {
        return apply(
            state,
            facts,
            job,
            report,
            order,
            Belonging { start_key, ordinal: 0, earlier: None },
        );
    };
    let is_number_known = state.step(newest.session.id, order).is_some()
        && !is_uncounted(&newest, order, report.kind);
    if begins_anew(&newest, job, report)
        || is_of_another(&newest, facts, job, report, is_number_known)
    {
        let ordinal =
            rows.iter().map(|row| row.start_ordinal).max().unwrap_or(newest.start_ordinal) + 1;
        end_used_name(state, newest, job, report);
        return apply(
            state,
            facts,
            job,
            report,
            order,
            Belonging { start_key, ordinal, earlier: None },
        );
    }
    let before = rows
        .get(place + 1)
        .filter(|before| belongs_before(before, &newest, job, report))
        .map(|row| (*row).clone());
    let of = before.unwrap_or(newest);
    let ordinal = of.start_ordinal;
    match state.step(of.session.id, order).cloned() {
        None => apply(
            state,
            facts,
            job,
            report,
            order,
            Belonging { start_key, ordinal, earlier: Some(of) },
        ),
        Some(_) if is_uncounted(&of, order, report.kind) => {
            let mut row = of;
            row.session.flags.insert(Flag::StepsUncounted);
            let order = keys::order_by_time(report, &job.call.payload);
            apply(
                state,
                facts,
                job,
                report,
                order,
                Belonging { start_key, ordinal, earlier: Some(row) },
            )
        }
        Some(_) if of.evidence.as_ref().is_some_and(|evidence| evidence.misses(report.kind)) => {
            let mut row = of;
            if let Some(evidence) = &mut row.evidence {
                evidence.numbers_repeated = true;
            }
            apply(
                state,
                facts,
                job,
                report,
                second,
                Belonging { start_key, ordinal, earlier: Some(row) },
            )
        }
        Some(_) if brings_card(&of, report) => apply(
            state,
            facts,
            job,
            report,
            second,
            Belonging { start_key, ordinal, earlier: Some(of) },
        ),
        Some(first) => differing(state, facts, job, report, of, &first),
    }
}

/// Whether a step comes from a station that never counts its steps.
fn is_uncounted(row: &LedgerRow, order: i64, kind: StepKind) -> bool {
    let evidence = row.evidence.as_ref().filter(|evidence| evidence.is_uncounted(order));
    evidence.is_some_and(|evidence| kind != StepKind::Started || evidence.misses(kind))
}

/// Whether a start that comes again names a card where none was shown before: it is a step of the same transaction.
fn brings_card(row: &LedgerRow, report: &StepReport) -> bool {
    let shows = report.shown.as_ref().is_some_and(|shown| !shown.id_tag.is_empty());
    report.kind == StepKind::Started && shows && row.session.id_tag.is_empty()
}

/// Which transaction a step belongs to: its name, which one of that name, and its session so far.
struct Belonging {
    start_key: String,
    ordinal: i64,
    earlier: Option<LedgerRow>,
}

/// Whether a start begins another transaction under a name that was used before (rule B10): it names another card or another
/// EVSE than the kept start did, or comes after what shows that the kept one is over.
fn begins_anew(newest: &LedgerRow, job: &TransactionJob, report: &StepReport) -> bool {
    let Some(evidence) = newest.evidence.as_ref().filter(|_| report.kind == StepKind::Started)
    else {
        return false;
    };
    let Some(started) = evidence.started() else { return false };
    let began = report.timestamp.instant(job.call.station.zone());
    let session = &newest.session;
    let card =
        report.shown.as_ref().map(|shown| shown.id_tag.matched()).filter(|tag| !tag.is_empty());
    let card_before = started.id_tag.as_deref().map(IdTag::new).filter(|tag| !tag.is_empty());
    let is_other_card =
        card.zip(card_before).is_some_and(|(card, before)| card != before.matched());
    let is_other_evse =
        report.evse_id.zip(evidence.evse_id()).is_some_and(|(evse, before)| evse != before);
    let is_after = |at: DateTime<Utc>| began.is_none_or(|began| began > at);
    let told_end = evidence
        .ended()
        .and(session.stop.as_ref())
        .is_some_and(|stop| is_after(stop.edge.said.unwrap_or(stop.edge.at)));
    let over = session
        .trail
        .over
        .map(|over| over.at)
        .or(session.trail.booted_at)
        .is_some_and(|at| job.call.heard.received_at >= at && is_after(at));
    is_other_card || is_other_evse || told_end || over
}

/// Whether a step after a transaction was over by all evidence is of another one under its name, whose start did not come: it
/// shows another member's card, or begins to count anew.
fn is_of_another(
    newest: &LedgerRow,
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
    is_number_known: bool,
) -> bool {
    let session = &newest.session;
    let Some(over) =
        session.trail.over.filter(|_| session.is_estimated() && report.kind != StepKind::Started)
    else {
        return false;
    };
    if report.timestamp.instant(job.call.station.zone()).is_none_or(|said| said <= over.at) {
        return false;
    }
    let tag = report
        .shown
        .as_ref()
        .filter(|shown| !shown.nobody && !shown.id_tag.is_empty())
        .map(|shown| &shown.id_tag);
    let is_other_card = tag.is_some_and(|tag| {
        let member = facts.file(tag).and_then(|file| file.member.as_ref()).map(|member| &member.id);
        *tag != session.id_tag && (member.is_none() || member != session.member.as_ref())
    });
    is_other_card || is_number_known
}

/// The transaction before under a name that is used again ends as one whose stop never comes (rules B9, B10).
fn end_used_name(
    state: &mut BatchState,
    mut row: LedgerRow,
    job: &TransactionJob,
    report: &StepReport,
) {
    row.session.flags.insert(Flag::NameUsedAgain);
    let began = attribute(&report.timestamp, job.call.station.zone(), job.call.heard).at;
    let at = row.session.trail.booted_at.filter(|booted| *booted < began).unwrap_or(began);
    row.session.estimate_end(Over { at, by: OverBy::NextTransaction });
    if row.session.is_estimated() {
        row.session.flags.insert(Flag::Superseded);
    }
    state.put(row);
}

/// Whether a step that comes late belongs to the transaction before the newest of its name: it lies before that one began,
/// and the one before has no end of its own yet.
fn belongs_before(
    before: &LedgerRow,
    newest: &LedgerRow,
    job: &TransactionJob,
    report: &StepReport,
) -> bool {
    let said = report.timestamp.instant(job.call.station.zone());
    let began = newest
        .evidence
        .as_ref()
        .and_then(|evidence| evidence.started())
        .and_then(|step| step.reported.instant(job.call.station.zone()));
    let is_open = before.evidence.as_ref().is_some_and(|evidence| evidence.ended().is_none());
    report.kind != StepKind::Started
        && is_open
        && said.zip(began).is_some_and(|(said, began)| said < began)
}

/// A step that names no transaction is kept, and belongs to none.
fn of_no_transaction(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
) -> CommittedAnswer {
    let (told, acceptance) = told(facts, job, report, Place::Open, false);
    let payload = (job.call.encode)(&told);
    if (facts.keep_unmatched)(&format!("{}|{}", job.call.station.id, job.content)) {
        keep(state, job, None, "step_of_no_transaction", &payload);
    }
    CommittedAnswer {
        payload,
        session: None,
        acceptance: acceptance.map(|(id_tag, place)| Acceptance { answer: told, id_tag, place }),
    }
}

/// A step under a number that another one has is kept and not applied; a card that it shows is judged (rule B10).
fn differing(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
    mut row: LedgerRow,
    first: &StepRow,
) -> CommittedAnswer {
    row.session.flags.insert(Flag::StepDiffers);
    let session = Some(Box::new(row.session.clone()));
    let (payload, acceptance) = match &report.shown {
        None => (first.answer.clone(), None),
        Some(_) => {
            let (told, acceptance) = told(facts, job, report, Place::Open, false);
            let payload = (job.call.encode)(&told);
            (payload, acceptance.map(|(id_tag, place)| Acceptance { answer: told, id_tag, place }))
        }
    };
    keep_repeat(state, job, row, "differing_step", &payload);
    CommittedAnswer { payload, session, acceptance }
}

/// A step that came before has its first answer, unless its card is refused by now.
fn repeat(
    state: &mut BatchState,
    job: &TransactionJob,
    report: &StepReport,
    row: LedgerRow,
    first: &StepRow,
) -> CommittedAnswer {
    let session = Some(Box::new(row.session.clone()));
    keep_repeat(state, job, row, "repeated_step", &first.answer);
    let shown =
        report.shown.as_ref().filter(|shown| !shown.nobody).map(|shown| shown.id_tag.clone());
    let acceptance =
        shown.and_then(|tag| judged_now(tag, Place::Open, |tag| Answer::Step { tag: Some(tag) }));
    CommittedAnswer { payload: first.answer.clone(), session, acceptance }
}

fn apply(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
    order: i64,
    belonging: Belonging,
) -> CommittedAnswer {
    let Belonging { start_key, ordinal, earlier } = belonging;
    let mut evidence = earlier.as_ref().and_then(|row| row.evidence.clone()).unwrap_or_default();
    evidence.tells_charged |= report.charged_s.is_some_and(|seconds| seconds > 0);
    evidence.add(as_step(facts, job, report, order, &evidence));
    let binds = report.shown.is_some()
        && report.kind != StepKind::Ended
        && evidence.bound().is_some_and(|bound| bound.order == order);
    let before = earlier.as_ref().map(|row| &row.session);
    let Some(mut session) = made_anew(facts, job, report, (&start_key, ordinal), &evidence, before)
    else {
        return of_no_transaction(state, facts, job, report);
    };
    if let Some(before) = before {
        session.trail = before.trail.clone();
        // What was ended otherwise, such as over a connection of 1.6, stays so until its own end comes; an estimate is made anew.
        match (evidence.ended(), &before.stop, before.trail.over) {
            (None, Some(_), Some(over)) if before.is_estimated() => session.estimate_end(over),
            (None, Some(_), _) => session = before.clone(),
            _ => {}
        }
        if evidence.ended().is_some() && before.is_provisional() {
            session.trail.over = None;
        }
        if evidence.ended().is_some() && before.is_ended_by_person() {
            session.flags.insert(Flag::StopAfterCorrection);
        }
        let was_uncounted = before.flags.contains(&Flag::StepsUncounted);
        session.flags.extend(was_uncounted.then_some(Flag::StepsUncounted));
        let stays = |flag: &&Flag| {
            STAYING.contains(flag)
                && !(binds && matches!(flag, Flag::Concurrent | Flag::StaleConcurrent))
        };
        session.flags.extend(before.flags.iter().filter(stays));
    }
    see_charging(job, report, &mut session, before);
    let shows =
        report.shown.as_ref().is_some_and(|shown| !shown.nobody && shown.id_tag == session.id_tag);
    let busy = shows
        && report.kind != StepKind::Ended
        && flag_concurrency(state, facts, job, &mut session);
    // Connector 0: it is not facts yet.
    if session.connector_id != 0
        && before.is_none_or(|before| before.connector_id != session.connector_id)
    {
        supersede(state, &mut session);
    }
    let listed = session.site.is_some();
    let place = match report.kind {
        StepKind::Ended => Place::Open,
        StepKind::Started | StepKind::Updated => job
            .call
            .station
            .place(facts.programme, job.call.heard.received_at)
            .listed(listed || evidence.evse_id().is_none()),
    };
    let (told, acceptance) = told(facts, job, report, place, busy);
    if let (true, Answer::Step { tag: Some(tag) }) = (binds, &told) {
        flag_refusal(job, &mut session, tag, place);
    }
    let payload = (job.call.encode)(&told);
    let connector_id = session.connector_id;
    add_readings(state, job, Some(&mut session), connector_id, &report.readings);
    let again = report.kind == StepKind::Ended
        && before.is_some_and(|before| before.stop.is_some() && !before.is_provisional());
    keep(
        state,
        job,
        Some(session.id),
        if again { "differing_stop" } else { report.kind.name() },
        &payload,
    );
    let left = before.and_then(|before| Some((before.member.clone()?, before.month())));
    if let Some((member, month)) = left.filter(|(member, month)| {
        session.member.as_ref() != Some(member) || session.month() != *month
    }) {
        state.left(member, month);
    }
    if !job.over_quota {
        state.put_step(StepRow {
            session_id: session.id,
            order,
            key: job.content.clone(),
            answer: payload.clone(),
        });
    }
    let now = Box::new(session.clone());
    let row = LedgerRow {
        session,
        start_key,
        start_ordinal: ordinal,
        start_answer: String::new(),
        stop_key: None,
        stop_answer: None,
        repeats: earlier.as_ref().map_or(0, |row| row.repeats),
        evidence: Some(evidence),
    };
    state.put(row);
    CommittedAnswer {
        payload,
        session: Some(now),
        acceptance: acceptance.map(|(id_tag, place)| Acceptance { answer: told, id_tag, place }),
    }
}

/// What is answered about what was shown; and the card and place, where it is accepted.
fn told(
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
    place: Place,
    busy: bool,
) -> (Answer, Option<(IdTag, Place)>) {
    let Some(shown) = &report.shown else { return (Answer::Step { tag: None }, None) };
    if shown.nobody {
        return (Answer::Step { tag: Some(TagAnswer::nobodys()) }, None);
    }
    let occasion = match report.kind {
        StepKind::Ended => Occasion::Stop,
        StepKind::Started | StepKind::Updated => Occasion::Start,
    };
    let tag = facts.tag_answer(job, &shown.id_tag, place, busy, occasion);
    let accepted = tag.verdict.refusal.is_none().then(|| (shown.id_tag.clone(), place));
    (Answer::Step { tag: Some(tag) }, accepted)
}

/// The session of all that is facts by now. Its number, name and site data stay as they were.
fn made_anew(
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
    (start_key, ordinal): (&str, i64),
    evidence: &Evidence,
    before: Option<&Session>,
) -> Option<Session> {
    let station = &job.call.station;
    let (connector_id, site) = match evidence.evse_id() {
        Some(evse) => (evse, station.connector_site(evse)),
        None => only_kind_of_connector(job),
    };
    let stays =
        before.filter(|before| before.connector_id == connector_id && before.site.is_some());
    let (site_name, site) = stays
        .map_or((station.site.as_str(), site), |before| (before.site_name.as_str(), before.site));
    let bound = evidence.bound().and_then(|step| step.id_tag.as_deref()).map(IdTag::new);
    let id = before.map_or_else(|| facts.allot(), |before| before.id);
    let assembling = Assembling {
        id,
        reference: keys::reference(&station.id, start_key, ordinal),
        station_id: &station.id,
        transaction: &report.transaction,
        site_name,
        zone: station.zone(),
        connector_id,
        site,
        register_seen: before.and_then(|before| before.last_reading),
        file: bound.as_ref().and_then(|tag| facts.file(tag)),
        programme: facts.programme,
    };
    let mut session = assemble(evidence, &assembling)?;
    session.corrections = before.map(|before| before.corrections.clone()).unwrap_or_default();
    Some(session)
}

/// What a step shows of its session's charging, and that it goes on.
fn see_charging(
    job: &TransactionJob,
    report: &StepReport,
    session: &mut Session,
    before: Option<&Session>,
) {
    if report.kind == StepKind::Ended {
        return;
    }
    let at = attribute(&report.timestamp, job.call.station.zone(), job.call.heard).at;
    let facts = before.and_then(|before| before.last_reading).max(session.start.meter);
    let rose = of_readings(&report.readings)
        .iter()
        .any(|(_, value)| facts.is_some_and(|facts| *value > facts));
    if rose || report.charging() == Some(true) {
        session.is_seen_charging(at.max(session.start.at));
    } else {
        session.goes_on(at);
    }
}

/// A step as the rules see it. One that is heard after a later one, or that happened offline, comes late: its own time
/// is right.
fn as_step(
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    report: &StepReport,
    order: i64,
    evidence: &Evidence,
) -> Step {
    let late = report.offline || evidence.is_passed(order);
    let heard = job.call.heard;
    let is_card = |tag: &&IdTag| !tag.is_empty() && report.kind != StepKind::Ended;
    let tag = report.shown.as_ref().map(|shown| &shown.id_tag).filter(is_card);
    let accepted = tag.is_some_and(|tag| {
        judge_now(facts.file(tag), heard.received_at, Place::Open, false, facts.programme)
            .refusal
            .is_none()
    });
    let mut registers = Registers::default();
    for (reading, value) in of_readings(&report.readings) {
        registers.take(
            &reading.context,
            Register { at: sampled_at(job, Some(&reading.sampled_at)), value },
        );
    }
    Step {
        order,
        kind: report.kind,
        reported: report.timestamp.clone(),
        heard: if late { Heard { connected_since: heard.received_at, ..heard } } else { heard },
        id_tag: report.shown.as_ref().map(|shown| shown.id_tag.as_sent().to_owned()),
        accepted,
        // EVSE 0 is the station: where it has one EVSE only, that.
        evse_id: report.evse_id.filter(|evse| *evse != 0 || job.call.station.connectors.len() != 1),
        charging: report.charging(),
        changed: report.tells_a_change(),
        reason: report.stopped_reason.clone(),
        registers,
        malformed: !report.faults.is_empty(),
    }
}
