//! The audit trail: who changed or looked up what, when, from where and why. Append only but for the outcome.

use crate::error::Done;
use crate::requests::Requests;
use juden_store::Page;
use juden_store::records::AuditEntry;

impl Requests {
    /// Keeps an entry before its request is done; its number.
    pub async fn begin_audit(&self, entry: &AuditEntry) -> Done<i64> {
        Ok(self.store.save_audit(entry).await?)
    }

    /// Keeps the outcome of an entry's request.
    pub async fn end_audit(&self, number: i64, outcome: &str) -> Done<()> {
        Ok(self.store.save_audit_outcome(number, outcome).await?)
    }

    /// A page of entries, the newest first, of one subject or of all.
    pub async fn audit(&self, subject: Option<&str>, page: &Page) -> Done<Vec<(i64, AuditEntry)>> {
        Ok(self.store.audit(subject, page).await?)
    }
}
