//! Whose stop it is that names no session of ours (rule B8): the start's answer may have been lost, or it may be another
//! driver's. A guess is made only where nothing else is possible, and gives way to the session's own stop.

use chrono::{DateTime, TimeDelta, Utc};

use super::TransactionJob;
use super::batch_state::BatchState;
use super::decide::BatchFacts;
use super::stop::closing;
use juden_domain::ids::SessionId;
use juden_domain::instant::CLOCK_TOLERANCE_S;
use juden_domain::metering::is_plausible;
use juden_domain::recording;
use juden_domain::session::{Session, StopBasis};
use juden_domain::units::{Register, WattHours};
use juden_ocpp::event::StopReport;
use juden_store::ledger::LedgerRow;

/// The one session of the station that a stop can mean although it does not name it. `foreign`: it names a session of another
/// station.
pub(super) fn meant(
    state: &BatchState,
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    report: &StopReport,
    foreign: bool,
) -> Option<LedgerRow> {
    let station = &job.call.station.id;
    let can_be = |row: &&LedgerRow| fits(facts, job, report, &row.session, foreign);
    let running: Vec<&LedgerRow> = state.running_at(station).filter(can_be).collect();
    // Where no session runs, the stop may belong to a session whose end is only estimated, if the stop is no later
    // than the evidence of that end.
    let before_its_end = |row: &&LedgerRow| is_before_its_end(job, report, &row.session);
    let candidates = if running.is_empty() {
        state.estimated_at(station).filter(can_be).filter(before_its_end).collect()
    } else {
        running
    };
    match candidates.as_slice() {
        [only]
            if !only.session.trail.is_number_named
                && !is_other_in_use(state, facts, job, &only.session) =>
        {
            Some((*only).clone())
        }
        _ => None,
    }
}

/// Whether a stop can be a session's by its card, its register and its time.
fn fits(
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    report: &StopReport,
    session: &Session,
    foreign: bool,
) -> bool {
    let id_tag = report.id_tag.as_ref().filter(|tag| !tag.is_empty());
    let member = id_tag
        .and_then(|tag| facts.file(tag))
        .and_then(|file| file.member.as_ref())
        .map(|member| &member.id);
    let is_card = id_tag.is_some_and(|tag| *tag == session.id_tag);
    let card_fits = match id_tag {
        None => !foreign,
        Some(_) => is_card || (member.is_some() && member == session.member.as_ref()),
    };
    // A register that stands where the session began is that of the one before it, unless the card itself says otherwise.
    let was_never_told = report.transaction_id.is_none_or(|number| number <= 0);
    let meter_fits = match (session.start.meter, report.meter_stop.map(Register::watt_hours)) {
        (Some(start), Some(stop)) if stop != WattHours::UNKNOWN => {
            start < stop || (start == stop && is_card && was_never_told)
        }
        _ => true,
    };
    let is_above = session
        .start
        .meter
        .zip(report.meter_stop)
        .is_some_and(|(start, stop)| start < stop.watt_hours());
    let duration = end(job, report, session) - session.start.at;
    let is_after_start = duration >= TimeDelta::zero();
    let energy = session
        .start
        .meter
        .zip(report.meter_stop)
        .map(|(start, stop)| WattHours(stop.watt_hours().0.saturating_sub(start.0)));
    let is_too_much = energy
        .zip(session.site)
        .is_some_and(|(energy, site)| !is_plausible(energy, site.most_power_w(), duration));
    card_fits
        && meter_fits
        && (is_card || !is_too_much)
        && is_after_start
        && (is_above || !is_said_before(session, job, report))
}

/// When a session would have ended by a stop.
fn end(job: &TransactionJob, report: &StopReport, session: &Session) -> DateTime<Utc> {
    recording::stopped_at(session, &closing(job, report, StopBasis::Guessed)).at
}

/// Whether the end by this stop lies at or before the instant at which the session was found to be over, within the
/// clock tolerance.
fn is_before_its_end(job: &TransactionJob, report: &StopReport, session: &Session) -> bool {
    let at = end(job, report, session);
    session.trail.over.is_some_and(|over| at <= over.at + TimeDelta::seconds(CLOCK_TOLERANCE_S))
}

/// Whether a stop says a time before the session began: of an earlier one, where no register speaks for this one.
fn is_said_before(session: &Session, job: &TransactionJob, report: &StopReport) -> bool {
    let said = report.timestamp.instant(job.call.station.zone());
    said.is_some_and(|said| said < session.start.said.unwrap_or(session.start.at))
}

/// Whether another connector is, or since the session's start was, in use by a transaction that we do not know.
fn is_other_in_use(
    state: &BatchState,
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    session: &Session,
) -> bool {
    let station = &job.call.station.id;
    if job.call.station.connectors.len() < 2 {
        return false;
    }
    let Some(in_use) = facts.in_use.get(station) else { return false };
    let is_ours = |connector_id: i64| {
        state.at_connector(station, connector_id).any(|row| row.session.stop.is_none())
    };
    let occupied = in_use.connectors.iter().any(|id| *id != session.connector_id && !is_ours(*id));
    occupied || in_use.unknown_readings_at.is_some_and(|at| at >= session.start.received_at)
}

/// Whether readings that name a number belong to a session at their connector that has another one: not where the station
/// knows that session's own.
pub(super) fn is_other_transaction(session: &Session, named: Option<i64>) -> bool {
    session.trail.is_number_named
        && named.is_some_and(|number| number > 0 && SessionId(number) != session.id)
}
