//! Converts between columns and domain values, in PostgreSQL.

use std::borrow::Cow;

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Stored;

/// A session's columns by name, so that a statement keeps its meaning when a newer schema adds
/// columns.
pub const SESSION: &str = "s.session_id, s.station_id, s.connector_id, s.charger_class, s.power_w, s.session_cap_min, s.id_tag,
    s.card_number, s.member_id, s.refusal, s.start_key, s.start_ordinal, s.start_reported, s.start_said_at, s.start_received_at,
    s.started_at, s.start_meter_wh, s.start_answer, s.stop_key, s.stop_reported, s.stop_said_at, s.stop_received_at, s.stopped_at,
    s.stop_meter_wh, s.stop_reason, s.stop_id_tag, s.energy_wh, s.stop_answer, s.last_reading_wh, s.flags, s.repeats, s.decision,
    s.decision_note, s.decided_at, s.reference, s.site, s.transaction_name, s.evidence, s.shown_at, s.stop_basis, s.trail,
    s.corrections, s.measured";

/// Text without NUL, as PostgreSQL can store it.
pub fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// An instant cut to the millisecond, as it is stored.
pub fn ms(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(3)
}

/// One value of each row, as an array parameter.
pub fn column<'a, R, T>(rows: &'a [R], value: impl Fn(&'a R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

/// A column that may be empty.
pub fn optional<'r, T>(row: &'r PgRow, name: &str) -> Stored<Option<T>>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    Ok(row.try_get::<Option<T>, _>(name)?)
}
