//! Messages between Juden and a station beside its transactions: commands with their results, and
//! the station's messages that are stored as they came.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::ledger::ReportRow;
use super::{KeptCommand, Page, Stored};
use juden_domain::ids::StationId;
use juden_domain::station::VariableReport;

/// Messages that are kept of one station. Newer ones replace the oldest.
pub const REPORTS_KEPT: i64 = 5_000;

/// Variables that are kept of one station's device model. Further ones are ignored.
pub const VARIABLES_KEPT: i64 = 20_000;

/// The newest commands of one station that a search by action covers.
pub const COMMANDS_SEARCHED: i64 = 2_000;

/// Commands that are kept of one station. Newer ones replace the oldest.
pub const COMMANDS_KEPT: i64 = 10_000;

/// A variable of a station's device model, and the instant of its report.
#[derive(Debug, Clone)]
pub struct KeptVariable {
    /// The variable as the station reported it.
    pub report: VariableReport,
    /// The instant of the report.
    pub at: DateTime<Utc>,
}

/// A filter of a station's messages.
#[derive(Debug, Clone, Default)]
pub struct ReportFilter {
    /// Only messages with this action.
    pub action: Option<String>,
    /// Only messages with this requestId.
    pub request_id: Option<i64>,
}

/// A stored message of a station.
#[derive(Debug, Clone)]
pub struct KeptReport {
    /// The message's number in the store.
    pub number: i64,
    /// The received time.
    pub at: DateTime<Utc>,
    /// The message.
    pub row: ReportRow,
}

/// A command with its result.
#[derive(Debug, Clone)]
pub struct SentCommand {
    /// The command's number.
    pub number: i64,
    /// The command.
    pub command: KeptCommand,
    /// The command's outcome; `None`: not known yet.
    pub outcome: Option<String>,
    /// The payload of the station's answer.
    pub answer: Option<String>,
    /// The instant at which the outcome was known.
    pub answered_at: Option<DateTime<Utc>>,
}

impl KeptVariable {
    /// The cursor of the page after this variable.
    pub fn cursor(&self) -> String {
        format!("{}|{}", self.report.component, self.report.variable)
    }
}

/// The component and variable after which a page begins.
pub fn variable_after(page: &Page) -> (&str, &str) {
    page.after.as_deref().and_then(|after| after.split_once('|')).unwrap_or_default()
}

/// A station's stored messages and commands, the newest first, and the variables of its device
/// model.
#[async_trait]
pub trait ExchangeStore: Send + Sync {
    /// A station's stored messages, the newest first.
    async fn reports(
        &self,
        station: &StationId,
        filter: &ReportFilter,
        page: &Page,
    ) -> Stored<Vec<KeptReport>>;
    /// The variables of a station's device model, in the order of component and variable. The
    /// cursor of a page is its last `component|variable`.
    async fn variables(&self, station: &StationId, page: &Page) -> Stored<Vec<KeptVariable>>;
    /// The newest commands with these actions among the last [`COMMANDS_SEARCHED`] commands to a
    /// station.
    async fn commands_of(
        &self,
        station: &StationId,
        actions: &[&str],
        limit: i64,
    ) -> Stored<Vec<SentCommand>>;
    /// The commands to a station, the newest first.
    async fn commands(&self, station: &StationId, page: &Page) -> Stored<Vec<SentCommand>>;
}
