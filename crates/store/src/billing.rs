//! Closed months, their invoices, and the records of billed sessions. Issued invoices never change.
//!
//! A run closes a month. It writes invoices in parts, which count only after the run is complete.
//! The parts of an incomplete run are removed when the next run begins.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Stored;
use juden_domain::billed::BilledGroup;
use juden_domain::ids::MemberId;
use juden_domain::invoice::Invoice;
use juden_domain::month::BillingMonth;
use juden_domain::units::Yen;

/// A closed month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedMonth {
    /// The usage month.
    pub month: BillingMonth,
    /// The instant at which it was closed.
    pub closed_at: DateTime<Utc>,
    /// The number of members with invoices.
    pub members: i64,
    /// The number of billed sessions.
    pub sessions: i64,
    /// The total of the invoices.
    pub total: Yen,
    /// The SHA-256 of the month's CSV export.
    pub sha256: String,
    /// The version of its export's columns. A month keeps the columns with which it was closed.
    pub layout: i64,
}

/// A run that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The run's number.
    pub number: i64,
    /// The last recheck (a row of `rechecks`) that the run takes into account.
    pub recheck_until: i64,
}

/// The invoices and records of one member in a close, or of a final invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPart {
    /// The member.
    pub member: MemberId,
    /// The member's invoices.
    pub invoices: Vec<Invoice>,
    /// The records of the member's billed sessions.
    pub billed: Vec<BilledGroup>,
}

/// A cursor in a month's list of invoices, which is ordered by member, then invoice number.
#[derive(Debug, Clone, Default)]
pub struct InvoiceCursor {
    /// The member id.
    pub member: String,
    /// The invoice number.
    pub number: String,
}

/// Records of billed sessions, with their member, month and part number.
#[derive(Debug, Clone)]
pub struct BilledPart {
    /// The member.
    pub member: MemberId,
    /// The month with whose close, or final invoice, it was recorded.
    pub month: BillingMonth,
    /// The number of this part among the member's parts of the month.
    pub part: i64,
    /// The records.
    pub groups: Vec<BilledGroup>,
}

/// Closed months, invoices, and records of billed sessions.
#[async_trait]
pub trait BillingStore: Send + Sync {
    /// A closed month.
    async fn closed_month(&self, month: BillingMonth) -> Stored<Option<ClosedMonth>>;
    /// The latest closed month.
    async fn last_closed_month(&self) -> Stored<Option<BillingMonth>>;
    /// The earliest month in which a member was admitted.
    async fn first_month(&self) -> Stored<Option<BillingMonth>>;
    /// Begins a run for a month, and removes the parts of incomplete runs.
    async fn begin_run(&self, month: BillingMonth, at: DateTime<Utc>) -> Stored<Run>;
    /// Members whose past months are to be rated again, up to the recheck `until`, each with the
    /// earliest such month. `None` stands for every member.
    async fn rechecks(&self, until: i64) -> Stored<Vec<(Option<MemberId>, BillingMonth)>>;
    /// Writes members' parts of a run.
    async fn save_parts(&self, run: &Run, month: BillingMonth, parts: &[MemberPart]) -> Stored<()>;
    /// Completes a run and closes its month in one transaction. `false`: the month was closed
    /// already.
    async fn complete_run(&self, run: &Run, closed: &ClosedMonth) -> Stored<bool>;
    /// Invoices issued with a month, in order of member and number: those that count, and with a
    /// run also those of that run.
    async fn invoices(
        &self,
        month: BillingMonth,
        run: Option<&Run>,
        after: &InvoiceCursor,
        limit: i64,
    ) -> Stored<Vec<Invoice>>;
    /// Members' invoices that count, oldest first.
    async fn invoices_of_members(&self, members: &[&MemberId]) -> Stored<Vec<Invoice>>;
    /// An invoice that counts.
    async fn invoice(&self, id: &str) -> Stored<Option<Invoice>>;
    /// Records of billed sessions that count, of one month, in order of member.
    async fn billed_of_month(
        &self,
        month: BillingMonth,
        after: Option<&BilledPart>,
        limit: i64,
    ) -> Stored<Vec<BilledPart>>;
    /// Members' records of billed sessions that count, oldest first.
    async fn billed_of_members(&self, members: &[&MemberId]) -> Stored<Vec<BilledPart>>;
    /// The members that have a final invoice.
    async fn members_with_final(&self) -> Stored<Vec<MemberId>>;
    /// The members with carried credit.
    async fn members_with_credit(&self) -> Stored<Vec<MemberId>>;
    /// The next ended membership that is due a final invoice, with the instant at which the invoice
    /// is due.
    async fn next_ending(&self) -> Stored<Option<(MemberId, DateTime<Utc>)>>;
    /// Issues a final invoice, if the membership still waits for one, and ends that wait.
    async fn issue_final(&self, month: BillingMonth, part: &MemberPart) -> Stored<()>;
}
