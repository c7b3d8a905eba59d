//! Between columns and domain values.

use std::borrow::Cow;

use chrono::{DateTime, SubsecRound, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::columns;
use crate::documents::evidence::read_evidence;
use crate::documents::settled::{self, Decided, Texts};
use crate::ledger::LedgerRow;
use crate::{StoreError, Stored};
use juden_domain::ids::{CardNumber, IdTag, MemberId, SessionId, SessionRef, StationId};
use juden_domain::over::Trail;
use juden_domain::session::{Edge, Session, Stop, StopBasis};
use juden_domain::station::{ChargerClass, ConnectorSite};
use juden_domain::units::WattHours;

/// A session's columns by name: a statement keeps its meaning when a newer schema adds some.
pub const SESSION: &str = "s.session_id, s.station_id, s.connector_id, s.charger_class, s.power_w, s.session_cap_min, s.id_tag,
    s.card_number, s.member_id, s.refusal, s.start_key, s.start_ordinal, s.start_reported, s.start_said_at, s.start_received_at,
    s.started_at, s.start_meter_wh, s.start_answer, s.stop_key, s.stop_reported, s.stop_said_at, s.stop_received_at, s.stopped_at,
    s.stop_meter_wh, s.stop_reason, s.stop_id_tag, s.energy_wh, s.stop_answer, s.last_reading_wh, s.flags, s.repeats, s.decision,
    s.decision_note, s.decided_at, s.reference, s.site, s.transaction_name, s.evidence, s.shown_at, s.stop_basis, s.trail,
    s.corrections, s.measured";

/// Text as it can be kept: without NUL.
pub fn text(text: &str) -> Cow<'_, str> {
    if text.contains('\0') {
        Cow::Owned(text.replace('\0', "\u{FFFD}"))
    } else {
        Cow::Borrowed(text)
    }
}

/// An instant as it is kept: to the millisecond.
pub fn ms(at: DateTime<Utc>) -> DateTime<Utc> {
    at.trunc_subsecs(3)
}

/// One value of each row, as one parameter.
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

/// The site data of a row with the columns `charger_class`, `power_w`, `session_cap_min`.
pub fn site(row: &PgRow) -> Stored<Option<ConnectorSite>> {
    let Some(class) = optional::<String>(row, "charger_class")? else {
        return Ok(None);
    };
    let charger_class =
        ChargerClass::parse(&class).ok_or(StoreError::Unreadable("charger class"))?;
    Ok(Some(ConnectorSite {
        charger_class,
        power_w: optional(row, "power_w")?,
        session_cap_min: optional(row, "session_cap_min")?,
    }))
}

fn id<T, E>(parsed: Result<T, E>, what: &'static str) -> Stored<T> {
    parsed.map_err(|_| StoreError::Unreadable(what))
}

/// A row's station.
pub fn station_id(row: &PgRow) -> Stored<StationId> {
    id(StationId::parse(row.try_get("station_id")?), "station id")
}

/// A member's number.
pub fn member_id(text: &str) -> Stored<MemberId> {
    id(MemberId::parse(text), "member id")
}

/// A card's number.
pub fn card_number(text: &str) -> Stored<CardNumber> {
    id(CardNumber::parse(text), "card number")
}

/// A row's session name.
pub fn reference(row: &PgRow) -> Stored<SessionRef> {
    id(SessionRef::parse(row.try_get("reference")?), "session name")
}

fn stop(row: &PgRow) -> Stored<Option<Stop>> {
    let Some(at) = optional(row, "stopped_at")? else {
        return Ok(None);
    };
    Ok(Some(Stop {
        edge: Edge {
            reported: optional::<String>(row, "stop_reported")?.unwrap_or_default(),
            said: optional(row, "stop_said_at")?,
            received_at: optional(row, "stop_received_at")?.unwrap_or(at),
            at,
            meter: optional(row, "stop_meter_wh")?.map(WattHours),
        },
        reason: optional::<String>(row, "stop_reason")?.unwrap_or_default(),
        id_tag: optional::<String>(row, "stop_id_tag")?.map(|text| IdTag::new(&text)),
        energy: optional(row, "energy_wh")?.map(WattHours),
        basis: StopBasis::Told,
    }))
}

/// The session of a row that counts: with what persons corrected.
pub fn session(row: &PgRow) -> Stored<Session> {
    let session = measured(row)?;
    Ok(if session.corrections.is_empty() { session } else { session.corrected() })
}

/// The session of a row as it was measured.
pub fn measured(row: &PgRow) -> Stored<Session> {
    let flags: &str = row.try_get("flags")?;
    let session = Session {
        id: SessionId(row.try_get("session_id")?),
        reference: reference(row)?,
        transaction: optional(row, "transaction_name")?,
        shown_at: optional(row, "shown_at")?,
        site_name: row.try_get("site")?,
        station_id: station_id(row)?,
        connector_id: row.try_get("connector_id")?,
        site: site(row)?,
        id_tag: IdTag::new(row.try_get("id_tag")?),
        card: optional::<&str>(row, "card_number")?.map(card_number).transpose()?,
        member: optional::<&str>(row, "member_id")?.map(member_id).transpose()?,
        refusal: columns::refusal(optional(row, "refusal")?)?,
        start: Edge {
            reported: row.try_get("start_reported")?,
            said: optional(row, "start_said_at")?,
            received_at: row.try_get("start_received_at")?,
            at: row.try_get("started_at")?,
            meter: optional(row, "start_meter_wh")?.map(WattHours),
        },
        stop: stop(row)?,
        last_reading: optional(row, "last_reading_wh")?.map(WattHours),
        flags: columns::flags(flags)?,
        decision: None,
        reduction: None,
        is_assigned: false,
        trail: Trail::default(),
        corrections: Vec::new(),
    };
    let texts = Texts {
        trail: optional(row, "trail")?,
        corrections: optional(row, "corrections")?,
        measured: optional(row, "measured")?,
    };
    let decided = Decided {
        decision: optional(row, "decision")?,
        note: optional(row, "decision_note")?,
        at: optional(row, "decided_at")?,
    };
    settled::read(session, optional(row, "stop_basis")?, &texts, &decided)
}

/// A session row with what exactly-once needs.
pub fn ledger_row(row: &PgRow) -> Stored<LedgerRow> {
    Ok(LedgerRow {
        session: measured(row)?,
        start_key: row.try_get("start_key")?,
        start_ordinal: row.try_get("start_ordinal")?,
        start_answer: row.try_get("start_answer")?,
        stop_key: optional(row, "stop_key")?,
        stop_answer: optional(row, "stop_answer")?,
        repeats: row.try_get("repeats")?,
        evidence: optional::<&str>(row, "evidence")?.map(read_evidence).transpose()?,
    })
}
