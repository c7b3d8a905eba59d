//! What was said between Juden and a station beside its transactions: commands with what came of them, and the
//! station's messages that are kept as they came.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ledger::ReportRow;
use super::{KeptCommand, Page, Stored};
use juden_domain::ids::StationId;
use juden_domain::station::VariableReport;

/// Messages of one station that are kept; older ones make room for newer ones.
pub const REPORTS_KEPT: i64 = 5_000;

/// Variables of one station's device model that are kept; further ones are passed over.
pub const VARIABLES_KEPT: i64 = 20_000;

/// Commands of one station among which those of an action are looked for.
pub const COMMANDS_SEARCHED: i64 = 2_000;

/// Commands of one station that are kept; older ones make room for newer ones.
pub const COMMANDS_KEPT: i64 = 10_000;

/// A variable of a station's device model, and when it was told.
#[derive(Debug, Clone)]
pub struct KeptVariable {
    /// What was told.
    pub report: VariableReport,
    /// When.
    pub at: DateTime<Utc>,
}

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

impl KeptVariable {
    /// Where a list goes on behind it.
    pub fn cursor(&self) -> String {
        format!("{}|{}", self.report.component, self.report.variable)
    }
}

/// Where a list of variables goes on: component and variable.
pub fn variable_after(page: &Page) -> (&str, &str) {
    page.after.as_deref().and_then(|after| after.split_once('|')).unwrap_or_default()
}

/// Messages and commands of a station, the newest first.
#[async_trait]
pub trait ExchangeStore: Send + Sync {
    /// A station's messages that are kept as they came.
    async fn reports(
        &self,
        station: &StationId,
        filter: &ReportFilter,
        page: &Page,
    ) -> Stored<Vec<KeptReport>>;
    /// The variables of a station's device model, in the order of component and variable. The cursor of a page is its last
    /// `component|variable`.
    async fn variables(&self, station: &StationId, page: &Page) -> Stored<Vec<KeptVariable>>;
    /// The newest commands with these actions among the last [`COMMANDS_SEARCHED`] that a station was sent.
    async fn commands_of(
        &self,
        station: &StationId,
        actions: &[&str],
        limit: i64,
    ) -> Stored<Vec<SentCommand>>;
    /// The commands that a station was sent.
    async fn commands(&self, station: &StationId, page: &Page) -> Stored<Vec<SentCommand>>;
}
