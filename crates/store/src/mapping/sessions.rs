//! Reads rows of sessions.

use juden_domain::ids::{IdTag, SessionId};
use juden_domain::over::Trail;
use juden_domain::session::{Edge, Session, Stop, StopBasis};
use juden_domain::units::WattHours;

use super::stations::site;
use super::{Columns, card_number, member_id, reference, station_id};
use crate::documents::evidence::read_evidence;
use crate::documents::settled::{self, Decided, Texts};
use crate::ledger::LedgerRow;
use crate::{Stored, columns};

/// The session of a row with its corrections applied.
pub fn counted(row: &impl Columns) -> Stored<Session> {
    let session = measured(row)?;
    Ok(if session.corrections.is_empty() { session } else { session.corrected() })
}

/// A session with its keys and first answers.
pub fn ledger_row(row: &impl Columns) -> Stored<LedgerRow> {
    Ok(LedgerRow {
        session: measured(row)?,
        start_key: row.of("start_key")?,
        start_ordinal: row.of("start_ordinal")?,
        start_answer: row.of("start_answer")?,
        stop_key: row.of("stop_key")?,
        stop_answer: row.of("stop_answer")?,
        repeats: row.of("repeats")?,
        evidence: row.text("evidence")?.map(|text| read_evidence(&text)).transpose()?,
    })
}

fn energy(row: &impl Columns, name: &str) -> Stored<Option<WattHours>> {
    Ok(row.integer(name)?.map(WattHours))
}

fn stop(row: &impl Columns) -> Stored<Option<Stop>> {
    let Some(at) = row.instant("stopped_at")? else { return Ok(None) };
    Ok(Some(Stop {
        edge: Edge {
            reported: row.text("stop_reported")?.unwrap_or_default(),
            said: row.of("stop_said_at")?,
            received_at: row.instant("stop_received_at")?.unwrap_or(at),
            at,
            meter: energy(row, "stop_meter_wh")?,
        },
        reason: row.text("stop_reason")?.unwrap_or_default(),
        id_tag: row.text("stop_id_tag")?.map(|text| IdTag::new(&text)),
        energy: energy(row, "energy_wh")?,
        basis: StopBasis::Told,
    }))
}

/// The session of a row without its corrections applied. The corrections are in it.
pub fn measured(row: &impl Columns) -> Stored<Session> {
    let session = Session {
        id: SessionId(row.of("session_id")?),
        reference: reference(row)?,
        transaction: row.of("transaction_name")?,
        shown_at: row.of("shown_at")?,
        site_name: row.of("site")?,
        station_id: station_id(row)?,
        connector_id: row.of("connector_id")?,
        site: site(row)?,
        id_tag: IdTag::new(&row.of::<String>("id_tag")?),
        card: row.text("card_number")?.map(|text| card_number(&text)).transpose()?,
        member: row.text("member_id")?.map(|text| member_id(&text)).transpose()?,
        refusal: columns::refusal(row.text("refusal")?.as_deref())?,
        start: Edge {
            reported: row.of("start_reported")?,
            said: row.of("start_said_at")?,
            received_at: row.of("start_received_at")?,
            at: row.of("started_at")?,
            meter: energy(row, "start_meter_wh")?,
        },
        stop: stop(row)?,
        last_reading: energy(row, "last_reading_wh")?,
        flags: columns::flags(&row.of::<String>("flags")?)?,
        decision: None,
        reduction: None,
        is_assigned: false,
        trail: Trail::default(),
        corrections: Vec::new(),
    };
    let texts = Texts {
        trail: row.of("trail")?,
        corrections: row.of("corrections")?,
        measured: row.of("measured")?,
    };
    let (decision, note) = (row.text("decision")?, row.text("decision_note")?);
    let decided =
        Decided { decision: decision.as_deref(), note: note.as_deref(), at: row.of("decided_at")? };
    settled::read(session, row.text("stop_basis")?.as_deref(), &texts, &decided)
}
