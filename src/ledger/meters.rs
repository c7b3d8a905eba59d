//! Readings: to which session they belong, and what is kept of them.

use chrono::{DateTime, Utc};

use super::Submission;
use super::book::Book;
use super::decide::keep;
use super::registers::registers;
use crate::domain::flag::Flag;
use crate::domain::ids::SessionId;
use crate::domain::instant::Reported;
use crate::domain::session::{Phase, Session};
use crate::ocpp::event::{Answer, MeterReport, Reading};
use crate::store::ledger::{LedgerRow, ReadingRow};

/// Keeps meter values; the answer's payload.
pub(super) fn meter(book: &mut Book, submission: &Submission, report: &MeterReport) -> String {
    let station = &submission.station;
    let connector_id = report.connector_id.unwrap_or_default();
    let named = report.transaction_id.filter(|id| (1..=SessionId::MAX).contains(id)).and_then(|id| book.row(SessionId(id)));
    let row =
        named.filter(|row| row.session.station_id == station.id).or_else(|| at_that_time(book, submission, connector_id, report)).cloned();
    let answer = (submission.encode)(&Answer::Done);
    match row {
        Some(mut row) => {
            let before = (row.session.last_reading, row.session.flags.len());
            add_readings(book, submission, Some(&mut row.session), connector_id, &report.readings);
            keep(book, submission, Some(row.session.id), "readings", &answer);
            if (row.session.last_reading, row.session.flags.len()) != before {
                book.put(row);
            }
        }
        None => {
            add_readings(book, submission, None, connector_id, &report.readings);
            keep(book, submission, None, "readings", &answer);
        }
    }
    answer
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
    if let Some(session) = session.as_mut().filter(|session| session.phase() == Phase::Running) {
        session.last_reading = session.last_reading.max(registers(readings).into_iter().map(|(_, value)| value).max());
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
