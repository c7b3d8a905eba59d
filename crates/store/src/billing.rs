//! Closed months, their invoices, and the records of billed sessions. What is issued never changes.
//!
//! A month is closed by a run: it writes invoices in parts, and what it wrote counts once the run is
//! complete. What a killed run left is removed when the next one begins.

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
    /// Which.
    pub month: BillingMonth,
    /// When it was closed.
    pub closed_at: DateTime<Utc>,
    /// How many members have invoices.
    pub members: i64,
    /// How many sessions were billed.
    pub sessions: i64,
    /// What the invoices come to.
    pub total: Yen,
    /// The hash of its CSV export.
    pub sha256: String,
    /// How its files are laid out: a month keeps the columns that it was closed with.
    pub layout: i64,
}

/// A run that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Its number.
    pub number: i64,
    /// The last recheck that it takes in.
    pub recheck_until: i64,
}

/// A member's part of a close, or of a final invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberPart {
    /// The member.
    pub member: MemberId,
    /// Its invoices.
    pub invoices: Vec<Invoice>,
    /// What is recorded of its billed sessions.
    pub billed: Vec<BilledGroup>,
}

/// A place in a month's list, which is ordered by member, then number.
#[derive(Debug, Clone, Default)]
pub struct InvoiceCursor {
    /// The member.
    pub member: String,
    /// The number within the member.
    pub number: String,
}

/// Records of billed sessions with their member and place.
#[derive(Debug, Clone)]
pub struct BilledPart {
    /// The member.
    pub member: MemberId,
    /// The month with whose close, or final invoice, it was recorded.
    pub month: BillingMonth,
    /// Which of the member's parts of the month.
    pub part: i64,
    /// The records.
    pub groups: Vec<BilledGroup>,
}

/// Months, invoices, records.
#[async_trait]
pub trait BillingStore: Send + Sync {
    /// A closed month.
    async fn closed_month(&self, month: BillingMonth) -> Stored<Option<ClosedMonth>>;
    /// The latest closed month.
    async fn last_closed_month(&self) -> Stored<Option<BillingMonth>>;
    /// The earliest month in which a member was admitted.
    async fn first_month(&self) -> Stored<Option<BillingMonth>>;
    /// Begins a run for a month, and removes what uncompleted ones left.
    async fn begin_run(&self, month: BillingMonth, at: DateTime<Utc>) -> Stored<Run>;
    /// Members' months that wait to be rated again, up to a mark, each with the earliest; `None` is every member.
    async fn rechecks(&self, until: i64) -> Stored<Vec<(Option<MemberId>, BillingMonth)>>;
    /// Writes a part of a run.
    async fn save_parts(&self, run: &Run, month: BillingMonth, parts: &[MemberPart]) -> Stored<()>;
    /// Completes a run and closes its month, all or nothing. `false`: it was closed already.
    async fn complete_run(&self, run: &Run, closed: &ClosedMonth) -> Stored<bool>;
    /// Invoices issued with a month, in order of member and number: those that count, or, with a run, those
    /// that will count when it is complete.
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
    /// Members' records that count, oldest first.
    async fn billed_of_members(&self, members: &[&MemberId]) -> Stored<Vec<BilledPart>>;
    /// The members that have a final invoice.
    async fn members_with_final(&self) -> Stored<Vec<MemberId>>;
    /// The members whose invoices leave credit over.
    async fn members_with_credit(&self) -> Stored<Vec<MemberId>>;
    /// The next membership that waits for its final invoice, with the instant at which that is due.
    async fn next_ending(&self) -> Stored<Option<(MemberId, DateTime<Utc>)>>;
    /// Issues a final invoice, if there is one to issue; the membership waits no more.
    async fn issue_final(&self, month: BillingMonth, part: &MemberPart) -> Stored<()>;
}
