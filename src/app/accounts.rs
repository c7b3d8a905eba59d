//! What a member owes and has paid (articles 11, 13.1(1), 13.2, 23.2).

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};

use super::{App, AppError, Done};
use crate::domain::ending::{EndCause, liability_until};
use crate::domain::ids::MemberId;
use crate::domain::invoice::Invoice;
use crate::domain::member::{Member, MemberEvent};
use crate::domain::month::in_japan;
use crate::domain::units::Yen;

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was made.
    Paid,
    /// It failed.
    Failed,
}

/// An invoice that is not paid.
#[derive(Debug, Clone)]
pub struct OpenInvoice {
    /// The invoice.
    pub invoice: Invoice,
    /// When it is due: at once where the operator ended the membership (article 13.2).
    pub due_on: NaiveDate,
    /// Whether its payment failed.
    pub failed: bool,
}

/// A member's account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The invoices that are not paid.
    pub open: Vec<OpenInvoice>,
    /// What they come to.
    pub open_total: Yen,
    /// The day by which all of it is due as one sum, where the operator ended the membership.
    pub accelerated_to: Option<NaiveDate>,
}

impl App {
    /// A member's account as it stands.
    pub async fn account(&self, id: &MemberId) -> Done<Account> {
        let member = self.member(id).await?;
        let now = self.now();
        let (paid, failed) = (member.paid_by(now), member.arrears_at(now));
        let accelerated_to = self.accelerated_to(&member, now);
        let invoices = self.store.invoices_of_members(&[id]).await?;
        let open: Vec<OpenInvoice> = invoices
            .into_iter()
            .filter(|invoice| !paid.contains(invoice.id.as_str()))
            .map(|invoice| OpenInvoice {
                due_on: accelerated_to.map_or(invoice.due_on, |day| invoice.due_on.min(day.max(in_japan(invoice.issued_at).date_naive()))),
                failed: failed.contains(invoice.id.as_str()),
                invoice,
            })
            .collect();
        Ok(Account { open_total: open.iter().map(|open| open.invoice.total()).sum(), open, accelerated_to })
    }

    fn accelerated_to(&self, member: &Member, now: DateTime<Utc>) -> Option<NaiveDate> {
        let end = member.end(&self.programme()).filter(|end| end.cause == EndCause::Disqualified && end.at <= now)?;
        Some(in_japan(end.at).date_naive())
    }

    /// Notes what became of an invoice's payment. It can be told of an ended membership too.
    pub async fn note_payment(&self, id: &MemberId, invoice_id: &str, outcome: Outcome) -> Done<Member> {
        let known = self.store.invoice(invoice_id).await?.filter(|invoice| invoice.member == *id);
        let Some(known) = known else {
            self.member(id).await?;
            return Err(AppError::not_found("invoice", invoice_id));
        };
        if outcome == Outcome::Failed && known.total() <= Yen::ZERO {
            return Err(AppError::conflict("nothing_owed", "the member owes nothing by this invoice: its payment cannot fail"));
        }
        self.change_member(id, None, |member, sight| {
            let is_paid = member.paid_by(sight.at).contains(invoice_id);
            let invoice_id = invoice_id.to_owned();
            match outcome {
                Outcome::Paid => Ok((!is_paid).then_some(MemberEvent::Paid { invoice_id })),
                Outcome::Failed if is_paid => {
                    Err(AppError::conflict("already_paid", "the invoice was paid: its payment cannot fail any more"))
                }
                Outcome::Failed => {
                    let known = member.arrears_at(sight.at).contains(invoice_id.as_str());
                    Ok((!known).then_some(MemberEvent::PaymentFailed { invoice_id }))
                }
            }
        })
        .await
    }

    /// The fees that limit the operator's liability (article 23.2): those paid by an instant, but no later
    /// than the end of the month in which twelve months since the contract were complete. The sum and the
    /// instant up to which it counts.
    pub async fn fees_paid(&self, id: &MemberId, until: DateTime<Utc>) -> Done<(Yen, DateTime<Utc>)> {
        let member = self.member(id).await?;
        let Some(admitted_at) = member.admitted_at else { return Ok((Yen::ZERO, until)) };
        let until = until.min(liability_until(in_japan(admitted_at).date_naive()));
        let paid: BTreeSet<&str> = member.paid_by(until);
        let invoices = self.store.invoices_of_members(&[id]).await?;
        let sum = invoices.iter().filter(|invoice| paid.contains(invoice.id.as_str())).map(Invoice::total).sum();
        Ok((sum, until))
    }
}
