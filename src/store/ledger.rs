//! What the ledger's writer reads and writes: facts for a batch, and the batch.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Stored;
use crate::domain::ids::{SessionId, StationId};
use crate::domain::session::Session;
use crate::domain::station::{BootReport, StatusReport};

/// A session with what exactly-once needs: its keys and first answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The session.
    pub session: Session,
    /// The content that makes a start the same start.
    pub start_key: String,
    /// Which start of that content, where a clock that is none repeats itself.
    pub start_ordinal: i64,
    /// The first answer to the start, word for word.
    pub start_answer: String,
    /// The content that makes a stop the same stop.
    pub stop_key: Option<String>,
    /// The first answer to the stop, word for word.
    pub stop_answer: Option<String>,
    /// How many repeated and differing messages of it the journal holds.
    pub repeats: i64,
}

/// A transaction message for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The station.
    pub station_id: StationId,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// Its action.
    pub action: String,
    /// Its message id.
    pub message_id: String,
    /// Its payload as it came.
    pub payload: String,
    /// The answer's payload.
    pub answer: String,
    /// What it did.
    pub effect: &'static str,
    /// When it was heard.
    pub received_at: DateTime<Utc>,
    /// Since when the station was connected then.
    pub connected_since: DateTime<Utc>,
}

/// A reading for the store. Its key is everything but unit and value; the first of a key stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingRow {
    /// The station.
    pub station_id: StationId,
    /// The connector.
    pub connector_id: i64,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// When it was sampled.
    pub sampled_at: DateTime<Utc>,
    /// What was measured.
    pub measurand: String,
    /// On which phase.
    pub phase: String,
    /// Where.
    pub location: String,
    /// On what occasion.
    pub context: String,
    /// In which unit.
    pub unit: String,
    /// The value.
    pub value: String,
}

/// Something a station said that no money hangs on.
#[derive(Debug, Clone, PartialEq)]
pub enum StationNote {
    /// It started up.
    Boot(BootReport),
    /// A connector's state.
    Status(StatusReport),
    /// It was heard last.
    Seen,
    /// How its firmware update goes.
    FirmwareStatus(String),
    /// How its diagnostics upload goes.
    DiagnosticsStatus(String),
}

/// A note with its station and instant.
#[derive(Debug, Clone, PartialEq)]
pub struct NoteRow {
    /// The station.
    pub station_id: StationId,
    /// When it was heard.
    pub at: DateTime<Utc>,
    /// What it said.
    pub note: StationNote,
}

/// What one commit writes.
#[derive(Debug, Default)]
pub struct Batch {
    /// New and changed sessions.
    pub sessions: Vec<LedgerRow>,
    /// Messages.
    pub journal: Vec<JournalRow>,
    /// Readings.
    pub readings: Vec<ReadingRow>,
    /// Notes.
    pub notes: Vec<NoteRow>,
}

/// The facts that a batch's decisions need.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Sessions with these start keys.
    pub start_keys: Vec<(StationId, String)>,
    /// Sessions with these stop keys.
    pub stop_keys: Vec<(StationId, String)>,
    /// Sessions with these numbers.
    pub sessions: Vec<i64>,
    /// Running sessions of these stations.
    pub stations: Vec<StationId>,
    /// Running sessions of these cards, by the tag's matched spelling.
    pub tags: Vec<String>,
    /// The session that ran, or had last begun, at a connector at an instant.
    pub connectors: Vec<(StationId, i64, DateTime<Utc>)>,
}

/// The ledger's part of the store.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Reserves `count` session numbers that no one else gets; the first of them.
    async fn reserve_session_ids(&self, count: i64) -> Stored<i64>;
    /// Every session that is wanted, each once.
    async fn ledger_rows(&self, wanted: &Wanted) -> Stored<Vec<LedgerRow>>;
    /// When each of these stations was last heard, as far as it was kept.
    async fn last_seen(&self, stations: &[StationId]) -> Stored<Vec<(StationId, DateTime<Utc>)>>;
    /// Writes a batch, all or nothing, durably.
    async fn commit(&self, batch: &Batch) -> Stored<()>;
}
