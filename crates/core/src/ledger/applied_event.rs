//! The session that the events of a 2.0.1 transaction come to: made anew with each event that was not there before.

use super::batch_state::BatchState;
use super::decide::{
    BatchFacts, flag_concurrency, flag_refusal, keep, only_kind_of_connector, supersede,
};
use super::events::of_no_transaction;
use super::meters::{add_readings, sampled_at};
use super::registers::registers as of_readings;
use super::{Acceptance, CommittedAnswer, TransactionJob, keys};
use juden_domain::assembling::{Assembling, assemble};
use juden_domain::authorization::{Place, judge_now};
use juden_domain::event::{EventType, Evidence, Register, Registers, TransactionEvent};
use juden_domain::flag::Flag;
use juden_domain::ids::IdTag;
use juden_domain::instant::{Heard, attribute};
use juden_domain::session::Session;
use juden_ocpp::event::{TagAnswer, TransactionEventReport};
use juden_ocpp::reply::{self, CardReply};
use juden_store::ledger::{EventRow, LedgerRow, Occasion};

/// Doubts that events do not tell: they stay when the session is made anew.
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

/// Which transaction an event belongs to: its name, which one of that name, and its session so far.
pub struct Belonging {
    pub start_key: String,
    pub ordinal: i64,
    pub earlier: Option<LedgerRow>,
}

pub fn apply(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
    order: i64,
    belonging: Belonging,
) -> CommittedAnswer {
    let Belonging { start_key, ordinal, earlier } = belonging;
    let mut evidence = earlier.as_ref().and_then(|row| row.evidence.clone()).unwrap_or_default();
    evidence.tells_charged |= report.charged_s.is_some_and(|seconds| seconds > 0);
    evidence.add(as_event(facts, job, report, order, &evidence));
    let binds = report.shown.is_some()
        && report.kind != EventType::Ended
        && evidence.bound().is_some_and(|bound| bound.order == order);
    let before = earlier.as_ref().map(|row| &row.session);
    let Some(mut session) = made_anew(facts, job, report, (&start_key, ordinal), &evidence, before)
    else {
        return of_no_transaction(state, facts, job, report);
    };
    if let Some(before) = before {
        keep_from_before(&mut session, before, &evidence, binds);
    }
    see_charging(job, report, &mut session, before);
    let shows =
        report.shown.as_ref().is_some_and(|shown| !shown.nobody && shown.id_tag == session.id_tag);
    let busy = shows
        && report.kind != EventType::Ended
        && flag_concurrency(state, facts, job, &mut session);
    // Connector 0: it is not known yet.
    if session.connector_id != 0
        && before.is_none_or(|before| before.connector_id != session.connector_id)
    {
        supersede(state, &mut session);
    }
    let listed = session.site.is_some();
    let place = match report.kind {
        EventType::Ended => Place::Open,
        EventType::Started | EventType::Updated => job
            .call
            .station
            .place(facts.programme, job.call.heard.received_at)
            .listed(listed || evidence.evse_id().is_none()),
    };
    let (tag, acceptance) = judged(facts, job, report, place, busy);
    if let (true, Some(tag)) = (binds, &tag) {
        flag_refusal(job, &mut session, tag, place);
    }
    let payload = reply::transaction_event(tag.as_ref());
    let connector_id = session.connector_id;
    add_readings(state, job, Some(&mut session), connector_id, &report.readings);
    let again = report.kind == EventType::Ended
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
        state.put_event(EventRow {
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
    CommittedAnswer { payload, session: Some(now), acceptance }
}

/// Keeps of the session as it was before what events do not tell: its trail, an end that came otherwise, and the doubts
/// that stay. `binds`: the card of the session is known by this event only.
fn keep_from_before(session: &mut Session, before: &Session, evidence: &Evidence, binds: bool) {
    session.trail = before.trail.clone();
    // What was ended otherwise, such as over a connection of 1.6, stays so until its own end comes; an estimate is made anew.
    match (evidence.ended(), &before.stop, before.trail.over) {
        (None, Some(_), Some(over)) if before.is_estimated() => session.estimate_end(over),
        (None, Some(_), _) => *session = before.clone(),
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

/// The verdict about the card that was shown, where one was; and its acceptance.
pub fn judged(
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
    place: Place,
    busy: bool,
) -> (Option<TagAnswer>, Option<Acceptance>) {
    let Some(shown) = &report.shown else { return (None, None) };
    if shown.nobody {
        return (Some(TagAnswer::nobodys()), None);
    }
    let occasion = match report.kind {
        EventType::Ended => Occasion::Stop,
        EventType::Started | EventType::Updated => Occasion::Start,
    };
    let tag = facts.tag_answer(job, &shown.id_tag, place, busy, occasion);
    let accepted = tag.verdict.refusal.is_none().then(|| Acceptance {
        reply: CardReply::TransactionEvent,
        id_tag: shown.id_tag.clone(),
        place,
    });
    (Some(tag), accepted)
}

/// The session of all that is known by now. Its number, name and site data stay as they were.
fn made_anew(
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
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
    let bound = evidence.bound().and_then(|event| event.id_tag.as_deref()).map(IdTag::new);
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

/// What an event shows of its session's charging, and that it goes on.
fn see_charging(
    job: &TransactionJob,
    report: &TransactionEventReport,
    session: &mut Session,
    before: Option<&Session>,
) {
    if report.kind == EventType::Ended {
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

/// An event as the rules see it. One that is heard after a later one, or that happened offline, comes late: its own time
/// is right.
fn as_event(
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    report: &TransactionEventReport,
    order: i64,
    evidence: &Evidence,
) -> TransactionEvent {
    let late = report.offline || evidence.is_passed(order);
    let heard = job.call.heard;
    let is_card = |tag: &&IdTag| !tag.is_empty() && report.kind != EventType::Ended;
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
    TransactionEvent {
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
