//! The programme's history, and the audit trail.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{KeptEvent, Once, Page, Stored};
use juden_domain::card::Dated;
use juden_domain::month::BillingMonth;
use juden_domain::programme::ProgrammeEvent;

/// An entry of the audit trail: a change or a look-up by a person.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// The instant of the call.
    pub at: DateTime<Utc>,
    /// The person, as named by the caller.
    pub actor: String,
    /// The caller's address.
    pub peer: String,
    /// The action.
    pub action: String,
    /// The subject, such as a member or a station.
    pub subject: String,
    /// A second subject: the card that a member's call names.
    pub also: Option<String>,
    /// The reason, in the caller's words.
    pub reason: String,
    /// The parameters, without secrets.
    pub detail: String,
    /// The outcome; `None`: the process ended before it was known.
    pub outcome: Option<String>,
}

/// Histories of the programme and of its operation.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Every event of the programme, in order.
    async fn programme_events(&self) -> Stored<Vec<Dated<ProgrammeEvent>>>;
    /// Every event of the programme as it is stored, in order.
    async fn programme_history(&self) -> Stored<Vec<KeptEvent>>;
    /// Appends an event and returns its number. `recheck` is the first month whose bills it may
    /// alter.
    async fn append_programme_event(
        &self,
        event: &ProgrammeEvent,
        at: DateTime<Utc>,
        recheck: Option<BillingMonth>,
        once: Option<&Once>,
    ) -> Stored<i64>;
    /// Stores an audit entry and returns its number.
    async fn save_audit(&self, entry: &AuditEntry) -> Stored<i64>;
    /// Stores the outcome of an audit entry.
    async fn save_audit_outcome(&self, number: i64, outcome: &str) -> Stored<()>;
    /// Audit entries with their numbers, the newest first: those about one subject, or all.
    async fn audit(&self, subject: Option<&str>, page: &Page) -> Stored<Vec<(i64, AuditEntry)>>;
}
