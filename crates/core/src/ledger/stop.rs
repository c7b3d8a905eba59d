//! Stops: the session that a stop ends, and those that only a stop tells of (rule B8).

use super::batch_state::BatchState;
use super::decide::{BatchFacts, judged_now, keep, keep_repeat, only_kind_of_connector};
use super::meters::add_readings;
use super::registers::registers;
use super::{CommittedAnswer, TransactionJob, guess, keys};
use juden_domain::authorization::Place;
use juden_domain::flag::Flag;
use juden_domain::ids::{IdTag, SessionId};
use juden_domain::recording::{self, EndFacts, StartFacts};
use juden_domain::session::{Reaction, Session, SessionMessage, Stop, StopBasis, react};
use juden_domain::units::Register;
use juden_ocpp::event::StopReport;
use juden_ocpp::reply::{self, CardReply};
use juden_store::ledger::{LedgerRow, Occasion};

pub fn stop(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StopReport,
) -> CommittedAnswer {
    let id_tag = report.id_tag.as_ref().filter(|tag| !tag.is_empty());
    let tag =
        id_tag.map(|id_tag| facts.tag_answer(job, id_tag, Place::Open, false, Occasion::Stop));
    let answer = reply::stopped(tag.as_ref());
    // A repeat means the card that it was kept with, whatever is registered of the station by now.
    let kept = state
        .by_stop(&job.call.station.id, &job.content)
        .and_then(|row| row.session.stop.as_ref()?.id_tag.clone());
    let payload = apply_stop(state, facts, job, report, answer);
    let id_tag = id_tag.map(|id_tag| kept.unwrap_or_else(|| id_tag.clone()));
    let acceptance = id_tag.and_then(|id_tag| judged_now(id_tag, Place::Open, CardReply::Stopped));
    CommittedAnswer { payload, session: None, acceptance }
}

/// What a stop does; the answer's payload: `answer`, or that of an earlier one (rule B8).
fn apply_stop(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StopReport,
    answer: String,
) -> String {
    let station = &job.call.station.id;
    let stop_key = job.content.clone();
    let id_tag = report.id_tag.as_ref().filter(|tag| !tag.is_empty());
    if let Some(row) = state.by_stop(station, &stop_key).cloned() {
        return repeated_stop(state, job, row, &stop_key, answer);
    }
    let named = report
        .transaction_id
        .filter(|id| (1..=SessionId::MAX).contains(id))
        .and_then(|id| state.row(SessionId(id)));
    if let Some(mut row) = named.filter(|row| row.session.station_id == *station).cloned() {
        row.session.trail.is_number_named = true;
        return stop_of_known(state, job, row, report, stop_key, answer);
    }
    let foreign = named.is_some();
    if let Some(row) = guess::meant(state, facts, job, report, foreign) {
        return close_row(state, job, row, (report, StopBasis::Guessed), stop_key, answer);
    }
    if !foreign && (id_tag.is_some() || !report.readings.is_empty()) {
        return build_from_stop(state, facts, job, report, stop_key, answer);
    }
    if (facts.keep_unmatched)(&format!("{station}|{stop_key}")) {
        keep(state, job, None, if foreign { "foreign_stop" } else { "unmatched_stop" }, &answer);
    }
    answer
}

/// A stop that came before, also one that was guessed onto the session until its own came.
fn repeated_stop(
    state: &mut BatchState,
    job: &TransactionJob,
    row: LedgerRow,
    stop_key: &str,
    answer: String,
) -> String {
    let of_guess = row
        .session
        .trail
        .guess
        .as_ref()
        .filter(|(key, _)| key == stop_key)
        .map(|(_, answer)| answer.clone());
    let first = of_guess.or_else(|| row.stop_answer.clone()).unwrap_or(answer);
    keep_repeat(state, job, row, "repeated_stop", &first);
    first
}

/// A stop that names a session of this station.
fn stop_of_known(
    state: &mut BatchState,
    job: &TransactionJob,
    mut row: LedgerRow,
    report: &StopReport,
    stop_key: String,
    answer: String,
) -> String {
    if react(row.session.phase(), SessionMessage::OtherStop) == Reaction::Close {
        return close_row(state, job, row, (report, StopBasis::Told), stop_key, answer);
    }
    let first = row.stop_answer.clone().unwrap_or(answer);
    if is_cut_off_stop_again(&row.session, job, report) {
        keep_repeat(state, job, row, "repeated_stop", &first);
        return first;
    }
    row.session.flags.insert(Flag::StopDiffers);
    keep_repeat(state, job, row, "differing_stop", &first);
    first
}

/// Ends a session. An end that was guessed or estimated before gives way to it, and stays as evidence.
fn close_row(
    state: &mut BatchState,
    job: &TransactionJob,
    mut row: LedgerRow,
    (report, basis): (&StopReport, StopBasis),
    stop_key: String,
    answer: String,
) -> String {
    if let Some(before) = row.session.stop.as_ref().map(|stop| stop.basis) {
        match before {
            StopBasis::Guessed => row.take_guess_back(),
            StopBasis::Told | StopBasis::Estimated => row.session.reopen(),
        }
    }
    close(state, job, &mut row.session, report, basis);
    if basis == StopBasis::Guessed {
        row.session.flags.insert(Flag::MatchedByContent);
    }
    if row.session.is_ended_by_person() {
        row.session.flags.insert(Flag::StopAfterCorrection);
    }
    row.stop_key = Some(stop_key);
    row.stop_answer = Some(answer.clone());
    keep(
        state,
        job,
        Some(row.session.id),
        if basis == StopBasis::Guessed { "guessed_stop" } else { "stopped" },
        &answer,
    );
    state.put(row);
    answer
}

/// Whether a stop says what one said that came cut off: all that a bill rests on.
fn is_cut_off_stop_again(session: &Session, job: &TransactionJob, report: &StopReport) -> bool {
    let same = |stop: &Stop| {
        stop.edge.said == report.timestamp.instant(job.call.station.zone())
            && stop.edge.meter == report.meter_stop.map(Register::watt_hours)
    };
    session.flags.contains(&Flag::MalformedStop) && session.stop.as_ref().is_some_and(same)
}

/// A stop's report with how it was heard.
pub(super) fn closing<'a>(
    job: &TransactionJob,
    report: &'a StopReport,
    basis: StopBasis,
) -> EndFacts<'a> {
    EndFacts {
        zone: job.call.station.zone(),
        reported: &report.timestamp,
        heard: job.call.heard,
        meter: report.meter_stop.map(Register::watt_hours),
        reason: &report.reason,
        id_tag: report.id_tag.clone(),
        malformed: !report.faults.is_empty(),
        basis,
    }
}

fn close(
    state: &mut BatchState,
    job: &TransactionJob,
    session: &mut Session,
    report: &StopReport,
    basis: StopBasis,
) {
    let connector_id = session.connector_id;
    add_readings(state, job, Some(session), connector_id, &report.readings);
    recording::close(session, &closing(job, report, basis));
}

/// Only the stop ever arrived: a session is built from it and held for a person's decision.
fn build_from_stop(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StopReport,
    stop_key: String,
    answer: String,
) -> String {
    let station = &job.call.station;
    let first =
        report.readings.iter().min_by_key(|reading| reading.sampled_at.instant(station.zone()));
    let (connector_id, site) = only_kind_of_connector(job);
    let id_tag = report.id_tag.clone().unwrap_or_else(|| IdTag::new(""));
    let start_key = format!("stop|{stop_key}");
    let mut session = recording::open(&StartFacts {
        id: facts.allot(),
        reference: keys::reference(&station.id, &start_key, 0),
        station_id: &station.id,
        site_name: &station.site,
        programme: facts.programme,
        zone: station.zone(),
        connector_id,
        site,
        id_tag: &id_tag,
        shown_at: None,
        file: facts.file(&id_tag),
        reported: first.map_or(&report.timestamp, |reading| &reading.sampled_at),
        heard: job.call.heard,
        meter: registers(&report.readings)
            .into_iter()
            .find(|(reading, _)| reading.context == "Transaction.Begin")
            .map(|(_, value)| value),
        malformed: false,
    });
    session.flags.insert(Flag::StartMissing);
    close(state, job, &mut session, report, StopBasis::Told);
    keep(state, job, Some(session.id), "built_from_stop", &answer);
    state.put(LedgerRow {
        session,
        start_key,
        start_ordinal: 0,
        start_answer: String::new(),
        stop_key: Some(stop_key),
        stop_answer: Some(answer.clone()),
        repeats: 0,
        evidence: None,
    });
    answer
}
