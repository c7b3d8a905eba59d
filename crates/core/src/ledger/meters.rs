//! Readings: to which session they belong, and what is kept of them.

use chrono::{DateTime, Utc};

use super::Submission;
use super::book::Book;
use super::decide::keep;
use super::guess::is_other_transaction;
use super::registers::registers;
use juden_domain::flag::Flag;
use juden_domain::ids::SessionId;
use juden_domain::instant::Reported;
use juden_domain::instant::attribute;
use juden_domain::session::{Session, StopBasis};
use juden_domain::units::WattHours;
use juden_ocpp::event::{Answer, MeterReport, Reading};
use juden_store::ledger::{LedgerRow, ReadingRow, UNKNOWN_READINGS};

/// Keeps meter values; the answer's payload.
pub(super) fn meter(book: &mut Book, submission: &Submission, report: &MeterReport) -> String {
    let station = &submission.station;
    let connector_id = report.connector_id.unwrap_or_default();
    let named = report.transaction_id.filter(|id| (1..=SessionId::MAX).contains(id)).and_then(|id| book.row(SessionId(id)));
    let named = named.filter(|row| row.session.station_id == station.id);
    let is_named = named.is_some();
    let here = || at_that_time(book, submission, connector_id, report);
    let row = named.or_else(|| here().filter(|row| !is_other_transaction(&row.session, report.transaction_id))).cloned();
    let answer = (submission.encode)(&Answer::Done);
    match row {
        Some(mut row) => {
            let before = row.session.clone();
            row.session.trail.is_number_named |= is_named;
            if is_named && is_after_guess(submission, &row.session, report) {
                row.take_guess_back();
            }
            add_readings(book, submission, Some(&mut row.session), connector_id, &report.readings);
            keep(book, submission, Some(row.session.id), "readings", &answer);
            if row.session != before {
                book.put(row);
            }
        }
        None => {
            add_readings(book, submission, None, connector_id, &report.readings);
            let of_unknown = report.transaction_id.is_some_and(|number| number > 0);
            keep(book, submission, None, if of_unknown { UNKNOWN_READINGS } else { "readings" }, &answer);
        }
    }
    answer
}

/// Whether a session that was ended by a guess goes on: its station names it in readings of later.
fn is_after_guess(submission: &Submission, session: &Session, report: &MeterReport) -> bool {
    let Some(guess) = session.stop.as_ref().filter(|stop| stop.basis == StopBasis::Guessed) else { return false };
    let newest = report.readings.iter().map(|reading| attribute(&reading.sampled_at, submission.station.zone(), submission.heard).at).max();
    newest.is_some_and(|newest| newest > guess.edge.at)
}

/// The session that ran at the connector when the first of the readings was taken.
fn at_that_time<'a>(book: &'a Book, submission: &Submission, connector_id: i64, report: &MeterReport) -> Option<&'a LedgerRow> {
    let sampled_at = sampled_at(submission, report.readings.first().map(|reading| &reading.sampled_at));
    book.at_connector(&submission.station.id, connector_id)
        .filter(|row| row.session.start.at <= sampled_at)
        .filter(|row| row.session.stop.as_ref().is_none_or(|stop| sampled_at <= stop.edge.at))
        .max_by_key(|row| row.session.start.at)
}

/// When a reading was taken; our receipt where the station's time cannot be read.
pub(super) fn sampled_at(submission: &Submission, reported: Option<&Reported>) -> DateTime<Utc> {
    reported.and_then(|reported| reported.instant(submission.station.zone())).unwrap_or(submission.heard.received_at)
}

/// What readings show of a session's charging: a register that rose, or power that flows.
fn see_charging(submission: &Submission, session: &mut Session, readings: &[Reading]) {
    let zone = submission.station.zone();
    let at = |reading: &Reading| attribute(&reading.sampled_at, zone, submission.heard).at;
    let known = session.last_reading.max(session.start.meter).unwrap_or(WattHours::UNKNOWN);
    let found = registers(readings);
    let rose = found.iter().filter(|(_, value)| *value > known).map(|(reading, _)| at(reading)).max();
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
        && reading.value.trim().parse::<rust_decimal::Decimal>().is_ok_and(|value| value > rust_decimal::Decimal::ZERO)
}

/// Readings of one message that are kept as rows; further ones stay in the message itself.
const READINGS_KEPT: usize = 2_000;

/// Keeps readings with the session that they belong to.
pub(super) fn add_readings(
    book: &mut Book,
    submission: &Submission,
    mut session: Option<&mut Session>,
    connector_id: i64,
    readings: &[Reading],
) {
    if let Some(session) = session.as_mut().filter(|session| session.stop.is_none() || session.is_estimated()) {
        see_charging(submission, session, readings);
    }
    if submission.over_quota {
        if let Some(session) = session {
            session.flags.insert(Flag::ReadingsNotKept);
        }
        return;
    }
    for reading in readings.iter().take(READINGS_KEPT) {
        book.reading(ReadingRow {
            station_id: submission.station.id.clone(),
            connector_id,
            session_id: session.as_ref().map(|session| session.id),
            sampled_at: sampled_at(submission, Some(&reading.sampled_at)),
            measurand: reading.measurand.clone(),
            phase: reading.phase.clone(),
            location: reading.location.clone(),
            context: reading.context.clone(),
            unit: reading.unit.clone(),
            value: reading.value.clone(),
        });
    }
}
