//! Between columns and domain values.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::columns;
use crate::documents::evidence::{evidence, read_evidence};
use crate::documents::settled::{self, Decided, Texts};
use crate::ledger::LedgerRow;
use crate::{StoreError, Stored};
use juden_domain::ids::{CardNumber, IdTag, MemberId, SessionId, SessionRef, StationId};
use juden_domain::over::Trail;
use juden_domain::refusal::Reason;
use juden_domain::session::{Edge, Session, Stop, StopBasis};
use juden_domain::station::{ChargerClass, ConnectorSite};
use juden_domain::units::WattHours;

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

/// The site data of a row with the columns `charger_class`, `power_w`, `session_cap_min`.
pub fn site(row: &SqliteRow) -> Stored<Option<ConnectorSite>> {
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

/// The session of a row that counts: with what persons corrected.
pub fn counted(row: &SqliteRow) -> Stored<Session> {
    let session = session(row)?.session;
    Ok(if session.corrections.is_empty() { session } else { session.corrected() })
}

/// A session row.
pub fn session(row: &SqliteRow) -> Stored<LedgerRow> {
    let flags: String = row.try_get("flags")?;
    let stop = match optional_instant(row, "stopped_at")? {
        None => None,
        Some(at) => Some(Stop {
            edge: Edge {
                reported: optional::<String>(row, "stop_reported")?.unwrap_or_default(),
                said: optional_instant(row, "stop_said_at")?,
                received_at: optional_instant(row, "stop_received_at")?.unwrap_or(at),
                at,
                meter: optional(row, "stop_meter_wh")?.map(WattHours),
            },
            reason: optional::<String>(row, "stop_reason")?.unwrap_or_default(),
            id_tag: optional::<String>(row, "stop_id_tag")?.map(|text| IdTag::new(&text)),
            energy: optional(row, "energy_wh")?.map(WattHours),
            basis: StopBasis::Told,
        }),
    };
    let session = Session {
        id: SessionId(row.try_get("session_id")?),
        reference: id(SessionRef::parse(row.try_get("reference")?), "session name")?,
        transaction: optional(row, "transaction_name")?,
        shown_at: optional_instant(row, "shown_at")?,
        site_name: row.try_get("site")?,
        station_id: id(StationId::parse(row.try_get("station_id")?), "station id")?,
        connector_id: row.try_get("connector_id")?,
        site: site(row)?,
        id_tag: IdTag::new(row.try_get("id_tag")?),
        card: optional::<String>(row, "card_number")?
            .map(|text| id(CardNumber::parse(&text), "card number"))
            .transpose()?,
        member: optional::<String>(row, "member_id")?
            .map(|text| id(MemberId::parse(&text), "member id"))
            .transpose()?,
        refusal: columns::refusal(optional::<String>(row, "refusal")?.as_deref())?,
        start: Edge {
            reported: row.try_get("start_reported")?,
            said: optional_instant(row, "start_said_at")?,
            received_at: instant(row.try_get("start_received_at")?),
            at: instant(row.try_get("started_at")?),
            meter: optional(row, "start_meter_wh")?.map(WattHours),
        },
        stop,
        last_reading: optional(row, "last_reading_wh")?.map(WattHours),
        flags: columns::flags(&flags)?,
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
    let (decision, note) =
        (optional::<String>(row, "decision")?, optional::<String>(row, "decision_note")?);
    let decided = Decided {
        decision: decision.as_deref(),
        note: note.as_deref(),
        at: optional_instant(row, "decided_at")?,
    };
    let session = settled::read(
        session,
        optional::<String>(row, "stop_basis")?.as_deref(),
        &texts,
        &decided,
    )?;
    Ok(LedgerRow {
        session,
        start_key: row.try_get("start_key")?,
        start_ordinal: row.try_get("start_ordinal")?,
        start_answer: row.try_get("start_answer")?,
        stop_key: optional(row, "stop_key")?,
        stop_answer: optional(row, "stop_answer")?,
        repeats: row.try_get("repeats")?,
        evidence: optional::<String>(row, "evidence")?
            .map(|text| read_evidence(&text))
            .transpose()?,
    })
}

/// A session's columns, in the order of the ledger's insert.
pub fn session_values(row: &LedgerRow) -> Value {
    let texts = settled::texts(&row.session);
    let session = &*row.session.counted();
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
