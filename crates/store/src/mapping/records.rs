//! Reads rows of the journal, commands, events of transactions, and the audit trail.

use juden_domain::ids::SessionId;

use super::{Columns, station_id};
use crate::exchanges::SentCommand;
use crate::ledger::EventRow;
use crate::records::AuditEntry;
use crate::{JournalEntry, KeptCommand, Stored, columns};

/// A message of the journal.
pub fn journal_entry(row: &impl Columns) -> Stored<JournalEntry> {
    Ok(JournalEntry {
        seq: row.of("seq")?,
        station_id: row.of("station_id")?,
        action: row.of("action")?,
        message_id: row.of("message_id")?,
        payload: row.of("payload")?,
        answer: row.of("answer")?,
        effect: row.of("effect")?,
        received_at: row.of("received_at")?,
        connected_since: row.of("connected_since")?,
        session_id: row.integer("session_id")?.map(SessionId),
        clock: columns::clock(row.of("clock_offset_ms")?, row.of("clock_since")?),
    })
}

/// A command with its outcome.
pub fn sent_command(row: &impl Columns) -> Stored<SentCommand> {
    let command = KeptCommand {
        station_id: station_id(row)?,
        sent_by: row.of("sent_by")?,
        message_id: row.of("message_id")?,
        action: row.of("action")?,
        payload: row.of("payload")?,
        sent_at: row.of("sent_at")?,
        once: None,
    };
    Ok(SentCommand {
        number: row.of("command_no")?,
        command,
        outcome: row.of("outcome")?,
        answer: row.of("answer")?,
        answered_at: row.of("answered_at")?,
    })
}

/// An event of a transaction.
pub fn event(row: &impl Columns) -> Stored<EventRow> {
    Ok(EventRow {
        session_id: SessionId(row.of("session_id")?),
        order: row.of("step")?,
        key: row.of("step_key")?,
        answer: row.of("answer")?,
    })
}

/// An entry of the audit trail, with its number.
pub fn audit_entry(row: &impl Columns) -> Stored<(i64, AuditEntry)> {
    let entry = AuditEntry {
        at: row.of("at")?,
        actor: row.of("actor")?,
        peer: row.of("peer")?,
        action: row.of("action")?,
        subject: row.of("subject")?,
        also: row.of("also")?,
        reason: row.of("reason")?,
        detail: row.of("detail")?,
        outcome: row.of("outcome")?,
    };
    Ok((row.of("entry")?, entry))
}
