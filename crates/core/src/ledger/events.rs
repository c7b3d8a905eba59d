//! Transactions that stations tell event by event (OCPP 2.0.1). With each event that was not there before, its session is
//! made anew of all that is known: events may come late, twice and in any order.

use chrono::{DateTime, Utc};

use super::applied_event::{Belonging, apply, judged};
use super::batch_state::BatchState;
use super::decide::{BatchFacts, judged_now, keep, keep_repeat};
use super::{CommittedAnswer, TransactionJob, keys};
use juden_domain::authorization::Place;
use juden_domain::event::{EventType, Evidence};
use juden_domain::flag::Flag;
use juden_domain::ids::IdTag;
use juden_domain::instant::attribute;
use juden_domain::over::{Over, OverBy};
use juden_ocpp::event::TransactionEventReport;
use juden_ocpp::reply::{self, CardReply};
use juden_store::ledger::{EventRow, LedgerRow};

/// What an event does: its answer.
pub fn event(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
) -> CommittedAnswer {
    match belonging(state, facts, job, report) {
        Ok((order, belonging)) => apply(state, facts, job, report, order, belonging),
        Err(answered) => answered,
    }
}

/// The transaction that an event belongs to, and the event's place in it; or the answer, where the event changes nothing: it came
/// before, or differs from one under its number.
fn belonging(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
) -> Result<(i64, Belonging), CommittedAnswer> {
    let station = &job.call.station.id;
    if report.transaction.is_empty() {
        return Err(of_no_transaction(state, facts, job, report));
    }
    let start_key = keys::transaction(&report.transaction);
    let (order, second) =
        (keys::order(report, &job.call.payload), keys::second_order(&job.content));
    let to = |order, ordinal, earlier| {
        Ok((order, Belonging { start_key: start_key.clone(), ordinal, earlier }))
    };
    // A name may be used again: what was answered before is looked for in all of its transactions.
    let rows = state.all_by_start(station, &start_key);
    let known_event = |row: &&LedgerRow| {
        let orders = [order, second, keys::order_by_time(report, &job.call.payload)];
        orders
            .iter()
            .find_map(|order| state.event(row.session.id, *order))
            .filter(|event| event.key == job.content)
            .cloned()
    };
    if let Some((row, first)) =
        rows.iter().find_map(|row| Some(((*row).clone(), known_event(row)?)))
    {
        return Err(repeat(state, job, report, row, &first));
    }
    // One name may be in use at two EVSEs at once.
    let at_evse = |row: &&LedgerRow| {
        row.evidence.as_ref().and_then(Evidence::evse_id) == report.evse_id
            && report.evse_id.is_some()
    };
    let place = if report.kind == EventType::Started {
        0
    } else {
        rows.iter().position(at_evse).unwrap_or(0)
    };
    let Some(newest) = rows.get(place).map(|row| (*row).clone()) else {
        return to(order, 0, None);
    };
    let is_number_known = state.event(newest.session.id, order).is_some()
        && !is_uncounted(&newest, order, report.kind);
    if begins_anew(&newest, job, report)
        || is_of_another(&newest, facts, job, report, is_number_known)
    {
        let ordinal =
            rows.iter().map(|row| row.start_ordinal).max().unwrap_or(newest.start_ordinal) + 1;
        end_used_name(state, newest, job, report);
        return to(order, ordinal, None);
    }
    let before = rows
        .get(place + 1)
        .filter(|before| belongs_before(before, &newest, job, report))
        .map(|row| (*row).clone());
    let of = before.unwrap_or(newest);
    let ordinal = of.start_ordinal;
    match state.event(of.session.id, order).cloned() {
        None => to(order, ordinal, Some(of)),
        Some(_) if is_uncounted(&of, order, report.kind) => {
            let mut row = of;
            row.session.flags.insert(Flag::StepsUncounted);
            let order = keys::order_by_time(report, &job.call.payload);
            to(order, ordinal, Some(row))
        }
        Some(_) if of.evidence.as_ref().is_some_and(|evidence| evidence.misses(report.kind)) => {
            let mut row = of;
            if let Some(evidence) = &mut row.evidence {
                evidence.numbers_repeated = true;
            }
            to(second, ordinal, Some(row))
        }
        Some(_) if brings_card(&of, report) => to(second, ordinal, Some(of)),
        Some(first) => Err(differing(state, facts, job, report, of, &first)),
    }
}

/// Whether an event comes from a station that never counts its events.
fn is_uncounted(row: &LedgerRow, order: i64, kind: EventType) -> bool {
    let evidence = row.evidence.as_ref().filter(|evidence| evidence.is_uncounted(order));
    evidence.is_some_and(|evidence| kind != EventType::Started || evidence.misses(kind))
}

/// Whether a start that comes again names a card where none was shown before: it is an event of the same transaction.
fn brings_card(row: &LedgerRow, report: &TransactionEventReport) -> bool {
    let shows = report.shown.as_ref().is_some_and(|shown| !shown.id_tag.is_empty());
    report.kind == EventType::Started && shows && row.session.id_tag.is_empty()
}

/// Whether a start begins another transaction under a name that was used before (rule B10): it names another card or another
/// EVSE than the kept start did, or comes after what shows that the kept one is over.
fn begins_anew(newest: &LedgerRow, job: &TransactionJob, report: &TransactionEventReport) -> bool {
    let Some(evidence) = newest.evidence.as_ref().filter(|_| report.kind == EventType::Started)
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

/// Whether an event after a transaction was over by all evidence is of another one under its name, whose start did not come: it
/// shows another member's card, or begins to count anew.
fn is_of_another(
    newest: &LedgerRow,
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
    is_number_known: bool,
) -> bool {
    let session = &newest.session;
    let Some(over) =
        session.trail.over.filter(|_| session.is_estimated() && report.kind != EventType::Started)
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
    report: &TransactionEventReport,
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

/// Whether an event that comes late belongs to the transaction before the newest of its name: it lies before that one began,
/// and the one before has no end of its own yet.
fn belongs_before(
    before: &LedgerRow,
    newest: &LedgerRow,
    job: &TransactionJob,
    report: &TransactionEventReport,
) -> bool {
    let said = report.timestamp.instant(job.call.station.zone());
    let began = newest
        .evidence
        .as_ref()
        .and_then(|evidence| evidence.started())
        .and_then(|event| event.reported.instant(job.call.station.zone()));
    let is_open = before.evidence.as_ref().is_some_and(|evidence| evidence.ended().is_none());
    report.kind != EventType::Started
        && is_open
        && said.zip(began).is_some_and(|(said, began)| said < began)
}

/// An event that names no transaction is kept, and belongs to none.
pub fn of_no_transaction(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
) -> CommittedAnswer {
    let (tag, acceptance) = judged(facts, job, report, Place::Open, false);
    let payload = reply::transaction_event(tag.as_ref());
    if (facts.keep_unmatched)(&format!("{}|{}", job.call.station.id, job.content)) {
        keep(state, job, None, "step_of_no_transaction", &payload);
    }
    CommittedAnswer { payload, session: None, acceptance }
}

/// An event under a number that another one has is kept and not applied; a card that it shows is judged (rule B10).
fn differing(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
    mut row: LedgerRow,
    first: &EventRow,
) -> CommittedAnswer {
    row.session.flags.insert(Flag::StepDiffers);
    let session = Some(Box::new(row.session.clone()));
    let (payload, acceptance) = if report.shown.is_none() {
        (first.answer.clone(), None)
    } else {
        let (tag, acceptance) = judged(facts, job, report, Place::Open, false);
        (reply::transaction_event(tag.as_ref()), acceptance)
    };
    keep_repeat(state, job, row, "differing_step", &payload);
    CommittedAnswer { payload, session, acceptance }
}

/// An event that came before has its first answer, unless its card is refused by now.
fn repeat(
    state: &mut BatchState,
    job: &TransactionJob,
    report: &TransactionEventReport,
    row: LedgerRow,
    first: &EventRow,
) -> CommittedAnswer {
    let session = Some(Box::new(row.session.clone()));
    keep_repeat(state, job, row, "repeated_step", &first.answer);
    let shown =
        report.shown.as_ref().filter(|shown| !shown.nobody).map(|shown| shown.id_tag.clone());
    let acceptance =
        shown.and_then(|tag| judged_now(tag, Place::Open, CardReply::TransactionEvent));
    CommittedAnswer { payload: first.answer.clone(), session, acceptance }
}
