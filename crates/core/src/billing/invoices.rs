//! Reading a month's invoices page by page: however big the month, memory does not grow with it.

use crate::billing::Billing;
use crate::error::{AppError, Done};
use crate::export::cdr::{BilledMember, CdrFacts};
use juden_domain::invoice::Invoice;
use juden_domain::month::BillingMonth;
use juden_store::billing::{BilledPart, ClosedMonth, InvoiceCursor, Run};

/// Invoices read at a time.
const INVOICES_AT_ONCE: i64 = 500;

/// Members whose billed sessions are read at a time.
const BILLED_AT_ONCE: i64 = 100;

/// A month's invoices, a page at a time.
pub struct InvoicePages<'a> {
    app: &'a Billing,
    month: BillingMonth,
    run: Option<Run>,
    after: InvoiceCursor,
}

impl InvoicePages<'_> {
    /// The next page; `None`: there are no more.
    pub async fn next(&mut self) -> Done<Option<Vec<Invoice>>> {
        let page = self
            .app
            .store
            .invoices(self.month, self.run.as_ref(), &self.after, INVOICES_AT_ONCE)
            .await?;
        let Some(last) = page.last() else { return Ok(None) };
        self.after = InvoiceCursor { member: last.member.to_string(), number: last.id.clone() };
        Ok(Some(page))
    }
}

/// A month's billed sessions, a page at a time.
pub struct BilledPages<'a> {
    app: &'a Billing,
    month: BillingMonth,
    after: Option<BilledPart>,
}

impl BilledPages<'_> {
    /// The next page, with the sessions themselves; `None`: there are no more.
    pub async fn next(&mut self) -> Done<Option<Vec<BilledMember>>> {
        let page =
            self.app.store.billed_of_month(self.month, self.after.as_ref(), BILLED_AT_ONCE).await?;
        self.after = page.last().cloned();
        if page.is_empty() {
            return Ok(None);
        }
        let names: Vec<_> = page
            .iter()
            .flat_map(|part| &part.groups)
            .flat_map(|group| &group.sessions)
            .map(|one| one.session.clone())
            .collect();
        let facts = CdrFacts::of(self.app.store.sessions_by_reference(&names).await?);
        let member = |part: BilledPart| BilledMember {
            member: part.member,
            groups: part.groups,
            facts: facts.clone(),
        };
        Ok(Some(page.into_iter().map(member).collect()))
    }
}

impl Billing {
    /// An invoice by its number.
    pub async fn invoice(&self, id: &str) -> Done<Invoice> {
        self.store.invoice(id).await?.ok_or_else(|| AppError::not_found("invoice", id))
    }

    /// The invoices of a month; with a run, those that it is about to issue too.
    pub fn invoice_pages(&self, month: BillingMonth, run: Option<Run>) -> InvoicePages<'_> {
        InvoicePages { app: self, month, run, after: InvoiceCursor::default() }
    }

    /// The billed sessions of a month.
    pub fn billed_pages(&self, month: BillingMonth) -> BilledPages<'_> {
        BilledPages { app: self, month, after: None }
    }

    /// A month that is closed.
    pub async fn closed(&self, month: BillingMonth) -> Done<ClosedMonth> {
        let closed = self.store.closed_month(month).await?;
        closed.ok_or_else(|| {
            AppError::conflict(
                "month_open",
                format!("the month {month} is not closed: close it first"),
            )
        })
    }
}
