//! Converts between columns and domain values, in SQLite.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::Stored;
use crate::columns;
use crate::documents::evidence::evidence;
use crate::documents::settled::{self};
use crate::ledger::LedgerRow;
use juden_domain::ids::{CardNumber, IdTag, MemberId};
use juden_domain::refusal::Reason;

/// An instant out of its milliseconds.
pub fn instant(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::UNIX_EPOCH)
}

/// A column that may be empty.
pub fn optional<'r, T>(row: &'r SqliteRow, name: &str) -> Stored<Option<T>>
where
    T: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    Ok(row.try_get::<Option<T>, _>(name)?)
}

/// A column's instant, where it has one.
pub fn optional_instant(row: &SqliteRow, name: &str) -> Stored<Option<DateTime<Utc>>> {
    Ok(optional::<i64>(row, name)?.map(instant))
}

/// A session's columns, in the order of the ledger's insert.
pub fn session_values(row: &LedgerRow) -> Value {
    let texts = settled::texts(&row.session);
    let session = &*row.session.with_corrections();
    let stop = session.stop.as_ref();
    let edge = stop.map(|stop| &stop.edge);
    json!([
        session.id.0,
        session.station_id.as_str(),
        session.connector_id,
        session.site.map(|site| site.charger_class.name()),
        session.site.and_then(|site| site.power_w),
        session.site.and_then(|site| site.session_cap_min),
        session.id_tag.as_sent(),
        session.id_tag.matched(),
        session.card.as_ref().map(CardNumber::as_str),
        session.member.as_ref().map(MemberId::as_str),
        session.refusal.map(Reason::code),
        row.start_key,
        row.start_ordinal,
        session.start.reported,
        session.start.received_at.timestamp_millis(),
        session.start.at.timestamp_millis(),
        session.month().to_string(),
        session.start.meter.map(|register| register.0),
        row.start_answer,
        row.stop_key,
        edge.map(|edge| edge.reported.as_str()),
        edge.map(|edge| edge.received_at.timestamp_millis()),
        edge.map(|edge| edge.at.timestamp_millis()),
        edge.and_then(|edge| edge.meter).map(|register| register.0),
        stop.map(|stop| stop.reason.as_str()),
        stop.and_then(|stop| stop.id_tag.as_ref()).map(IdTag::as_sent),
        stop.and_then(|stop| stop.energy).map(|energy| energy.0),
        row.stop_answer,
        session.last_reading.map(|register| register.0),
        columns::flags_text(&session.flags),
        row.repeats,
        session.start.said.map(|said| said.timestamp_millis()),
        edge.and_then(|edge| edge.said).map(|said| said.timestamp_millis()),
        session.reference.as_str(),
        session.site_name,
        session.transaction,
        row.evidence.as_ref().map(evidence),
        session.shown_at.map(|at| at.timestamp_millis()),
        settled::basis(session),
        row.session.trail.guess.as_ref().map(|(key, _)| key),
        texts.trail,
        texts.corrections,
        texts.measured,
    ])
}
