//! The programme's own history, and who did what.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{KeptEvent, Once, Page, Stored};
use juden_domain::card::Dated;
use juden_domain::month::BillingMonth;
use juden_domain::programme::ProgrammeEvent;

/// What someone did, or looked up.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Who, as they name themselves.
    pub actor: String,
    /// From where.
    pub peer: String,
    /// What.
    pub action: String,
    /// About what.
    pub subject: String,
    /// About what else: the card that a member's call names.
    pub also: Option<String>,
    /// Why, in their words.
    pub reason: String,
    /// With what, without secrets.
    pub detail: String,
    /// What became of it; `None`: the process ended first.
    pub outcome: Option<String>,
}

/// Histories of the programme and of its operation.
#[async_trait]
pub trait RecordStore: Send + Sync {
    /// Every event of the programme, in order.
    async fn programme_events(&self) -> Stored<Vec<Dated<ProgrammeEvent>>>;
    /// The same, as they are kept.
    async fn programme_history(&self) -> Stored<Vec<KeptEvent>>;
    /// Appends an event; its number. `recheck`: the month from which it may alter what was billed.
    async fn append_programme_event(
        &self,
        event: &ProgrammeEvent,
        at: DateTime<Utc>,
        recheck: Option<BillingMonth>,
        once: Option<&Once>,
    ) -> Stored<i64>;
    /// Keeps an audit entry; its number.
    async fn save_audit(&self, entry: &AuditEntry) -> Stored<i64>;
    /// Keeps what became of it.
    async fn save_audit_outcome(&self, number: i64, outcome: &str) -> Stored<()>;
    /// Audit entries, the newest first, with their numbers; of one subject, or of all.
    async fn audit(&self, subject: Option<&str>, page: &Page) -> Stored<Vec<(i64, AuditEntry)>>;
}
