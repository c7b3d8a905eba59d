//! What was said between Juden and a station beside its transactions: commands with what came of them, and the
//! station's messages that are kept as they came.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ledger::ReportRow;
use super::{KeptCommand, Page, Stored};
use crate::domain::ids::StationId;

/// Messages of one station that are kept; older ones make room for newer ones.
pub const REPORTS_KEPT: i64 = 5_000;

/// Which messages.
#[derive(Debug, Clone, Default)]
pub struct ReportFilter {
    /// Of this action.
    pub action: Option<String>,
    /// Of this request.
    pub request_id: Option<i64>,
}

/// A message of a station.
#[derive(Debug, Clone)]
pub struct KeptReport {
    /// Its number.
    pub number: i64,
    /// When it was heard.
    pub at: DateTime<Utc>,
    /// What it was.
    pub row: ReportRow,
}

/// A command with what came of it.
#[derive(Debug, Clone)]
pub struct SentCommand {
    /// Its number.
    pub number: i64,
    /// What was sent.
    pub command: KeptCommand,
    /// What it came to; `None`: not known yet.
    pub outcome: Option<String>,
    /// The station's answer.
    pub answer: Option<String>,
    /// When that was known.
    pub answered_at: Option<DateTime<Utc>>,
}

/// Messages and commands of a station, the newest first.
#[async_trait]
pub trait ExchangeStore: Send + Sync {
    /// A station's messages that are kept as they came.
    async fn reports(&self, station: &StationId, filter: &ReportFilter, page: &Page) -> Stored<Vec<KeptReport>>;
    /// The commands that a station was sent.
    async fn commands(&self, station: &StationId, page: &Page) -> Stored<Vec<SentCommand>>;
}
