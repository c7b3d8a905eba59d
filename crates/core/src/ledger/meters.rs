//! Readings: to which session they belong, and what is kept of them.

use chrono::{DateTime, Utc};

use super::TransactionJob;
use super::batch_state::BatchState;
use super::decide::keep;
use super::guess::is_other_transaction;
use super::registers::registers;
use juden_domain::flag::Flag;
use juden_domain::ids::SessionId;
use juden_domain::instant::Reported;
use juden_domain::instant::attribute;
use juden_domain::session::{Session, StopBasis};
use juden_domain::units::WattHours;
use juden_ocpp::event::{MeterReport, Reading};
use juden_ocpp::reply;
use juden_store::ledger::{LedgerRow, ReadingRow, UNKNOWN_READINGS};

/// Keeps meter values; the answer's payload.
pub(super) fn meter(state: &mut BatchState, job: &TransactionJob, report: &MeterReport) -> String {
    let station = &job.call.station;
    let connector_id = report.connector_id.unwrap_or_default();
    let named = report
        .transaction_id
        .filter(|id| (1..=SessionId::MAX).contains(id))
        .and_then(|id| state.row(SessionId(id)));
    let named = named.filter(|row| row.session.station_id == station.id);
    let is_named = named.is_some();
    let here = || at_that_time(state, job, connector_id, report);
    let row = named
        .or_else(|| here().filter(|row| !is_other_transaction(&row.session, report.transaction_id)))
        .cloned();
    let answer = reply::heard();
    if let Some(mut row) = row {
        let before = row.session.clone();
        row.session.trail.is_number_named |= is_named;
        if is_named && is_after_guess(job, &row.session, report) {
            row.take_guess_back();
        }
        add_readings(state, job, Some(&mut row.session), connector_id, &report.readings);
        keep(state, job, Some(row.session.id), "readings", &answer);
        if row.session != before {
            state.put(row);
        }
    } else {
        add_readings(state, job, None, connector_id, &report.readings);
        let of_unknown = report.transaction_id.is_some_and(|number| number > 0);
        keep(state, job, None, if of_unknown { UNKNOWN_READINGS } else { "readings" }, &answer);
    }
    answer
}

/// Whether a session that was ended by a guess goes on: its station names it in readings of later.
fn is_after_guess(job: &TransactionJob, session: &Session, report: &MeterReport) -> bool {
    let Some(guess) = session.stop.as_ref().filter(|stop| stop.basis == StopBasis::Guessed) else {
        return false;
    };
    let newest = report
        .readings
        .iter()
        .map(|reading| attribute(&reading.sampled_at, job.call.station.zone(), job.call.heard).at)
        .max();
    newest.is_some_and(|newest| newest > guess.edge.at)
}

/// The session that ran at the connector when the first of the readings was taken.
fn at_that_time<'a>(
    state: &'a BatchState,
    job: &TransactionJob,
    connector_id: i64,
    report: &MeterReport,
) -> Option<&'a LedgerRow> {
    let sampled_at = sampled_at(job, report.readings.first().map(|reading| &reading.sampled_at));
    state
        .at_connector(&job.call.station.id, connector_id)
        .filter(|row| row.session.may_have_run_at(sampled_at))
        .max_by_key(|row| row.session.start.at)
}

/// When a reading was taken; our receipt where the station's time cannot be read.
pub(super) fn sampled_at(job: &TransactionJob, reported: Option<&Reported>) -> DateTime<Utc> {
    reported
        .and_then(|reported| reported.instant(job.call.station.zone()))
        .unwrap_or(job.call.heard.received_at)
}

/// What readings show of a session's charging: a register that rose, or power that flows.
fn see_charging(job: &TransactionJob, session: &mut Session, readings: &[Reading]) {
    let zone = job.call.station.zone();
    let at = |reading: &Reading| attribute(&reading.sampled_at, zone, job.call.heard).at;
    let known = session.last_reading.max(session.start.meter).unwrap_or(WattHours::UNKNOWN);
    let found = registers(readings);
    let rose =
        found.iter().filter(|(_, value)| *value > known).map(|(reading, _)| at(reading)).max();
    let powered = readings.iter().filter(|reading| is_power(reading)).map(at).max();
    session.last_reading = session.last_reading.max(found.iter().map(|(_, value)| *value).max());
    // A first register says nothing where that of the start is not known.
    let rose = rose.filter(|_| known != WattHours::UNKNOWN);
    if let Some(seen) = rose.max(powered) {
        session.is_seen_charging(seen.max(session.start.at));
    } else if let Some(newest) = readings.iter().map(at).max() {
        session.goes_on(newest);
    }
}

/// Whether a reading tells power above 0 at the outlet.
fn is_power(reading: &Reading) -> bool {
    let is_import = matches!(reading.measurand.as_str(), "Power.Active.Import" | "Current.Import");
    is_import
        && !reading.signed
        && reading.location == "Outlet"
        && reading
            .value
            .trim()
            .parse::<rust_decimal::Decimal>()
            .is_ok_and(|value| value > rust_decimal::Decimal::ZERO)
}

/// Readings of one message that are kept as rows; further ones stay in the message itself.
const READINGS_KEPT: usize = 2_000;

/// Keeps readings with the session that they belong to.
pub(super) fn add_readings(
    state: &mut BatchState,
    job: &TransactionJob,
    mut session: Option<&mut Session>,
    connector_id: i64,
    readings: &[Reading],
) {
    if let Some(session) =
        session.as_mut().filter(|session| session.stop.is_none() || session.is_estimated())
    {
        see_charging(job, session, readings);
    }
    if job.over_quota {
        if let Some(session) = session {
            session.flags.insert(Flag::ReadingsNotKept);
        }
        return;
    }
    for reading in readings.iter().take(READINGS_KEPT) {
        state.reading(ReadingRow {
            station_id: job.call.station.id.clone(),
            connector_id,
            session_id: session.as_ref().map(|session| session.id),
            sampled_at: sampled_at(job, Some(&reading.sampled_at)),
            measurand: reading.measurand.clone(),
            phase: reading.phase.clone(),
            location: reading.location.clone(),
            context: reading.context.clone(),
            unit: reading.unit.clone(),
            value: reading.value.clone(),
        });
    }
}
