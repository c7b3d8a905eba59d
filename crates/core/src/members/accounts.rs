//! What a member owes and has paid (articles 11, 13.1(1), 13.2, 23.2).

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};

use crate::error::{AppError, Done};
use crate::members::Members;
use juden_domain::credit::Balance;
use juden_domain::ending::{EndCause, liability_until};
use juden_domain::entry::Entry;
use juden_domain::ids::MemberId;
use juden_domain::invoice::Invoice;
use juden_domain::member::{Member, MemberEvent};
use juden_domain::month::in_japan;
use juden_domain::units::Yen;

/// What became of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentOutcome {
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
    /// What is not paid of it.
    pub left: Yen,
}

/// A member's account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The invoices that are not paid.
    pub open: Vec<OpenInvoice>,
    /// What they come to.
    pub open_total: Yen,
    /// What credits left over, for the next invoices (rule B3b).
    pub carried_credit: Yen,
    /// Every invoice, oldest first, each with what was paid of it.
    pub invoices: Vec<(Invoice, Yen)>,
    /// What was entered by hand.
    pub entries: Vec<Entry>,
    /// The day by which all of it is due as one sum, where the operator ended the membership.
    pub accelerated_to: Option<NaiveDate>,
}

impl Members {
    /// A member's account as it stands.
    pub async fn account(&self, id: &MemberId) -> Done<Account> {
        let member = self.member(id).await?;
        let now = self.clock.now();
        let (paid, failed) = (member.paid_by(now), member.arrears_at(now));
        let accelerated_to = self.accelerated_to(&member, now);
        let invoices = self.store.invoices_of_members(&[id]).await?;
        let parts = member.paid_in_part(now);
        let paid_of = |invoice: &Invoice| {
            if paid.contains(invoice.id.as_str()) {
                invoice.total()
            } else {
                parts.get(invoice.id.as_str()).copied().unwrap_or_default()
            }
        };
        let carried_credit = Balance::of(&invoices).total();
        // What asks for nothing is open for nobody.
        let is_owed = |invoice: &&Invoice| {
            invoice.kind.is_billed()
                && invoice.total() > Yen::ZERO
                && !paid.contains(invoice.id.as_str())
        };
        let open: Vec<OpenInvoice> = invoices
            .iter()
            .filter(is_owed)
            .cloned()
            .map(|invoice| OpenInvoice {
                left: invoice.total() - paid_of(&invoice),
                due_on: accelerated_to.map_or(invoice.due_on, |day| {
                    invoice.due_on.min(day.max(in_japan(invoice.issued_at).date_naive()))
                }),
                failed: failed.contains(invoice.id.as_str()),
                invoice,
            })
            .collect();
        let invoices =
            invoices.into_iter().map(|invoice| (invoice.clone(), paid_of(&invoice))).collect();
        let open_total = open.iter().map(|open| open.left).sum();
        Ok(Account {
            open_total,
            open,
            carried_credit,
            invoices,
            entries: member.entries(),
            accelerated_to,
        })
    }

    fn accelerated_to(&self, member: &Member, now: DateTime<Utc>) -> Option<NaiveDate> {
        let end = member
            .end(&self.programme.current())
            .filter(|end| end.cause == EndCause::Disqualified && end.at <= now)?;
        Some(in_japan(end.at).date_naive())
    }

    /// Notes what became of an invoice's payment. It can be told of an ended membership too.
    pub async fn note_payment(
        &self,
        id: &MemberId,
        invoice_id: &str,
        outcome: PaymentOutcome,
        part: Option<Yen>,
    ) -> Done<Member> {
        let known = self.store.invoice(invoice_id).await?.filter(|invoice| invoice.member == *id);
        let Some(known) = known else {
            self.member(id).await?;
            return Err(AppError::not_found("invoice", invoice_id));
        };
        if outcome == PaymentOutcome::Failed && known.total() <= Yen::ZERO {
            return Err(AppError::conflict(
                "nothing_owed",
                "the member owes nothing by this invoice: its payment cannot fail",
            ));
        }
        if outcome == PaymentOutcome::Failed && part.is_some() {
            return Err(AppError::invalid("amount_yen", "left out where a payment failed"));
        }
        self.changes
            .change_member(id, None, |member, sight| {
                let is_paid = member.paid_by(sight.at).contains(invoice_id);
                let left = known.total()
                    - member.paid_in_part(sight.at).get(invoice_id).copied().unwrap_or_default();
                if part.is_some_and(|part| part <= Yen::ZERO || (part > left && !is_paid)) {
                    return Err(AppError::invalid(
                        "amount_yen",
                        format!("above 0 and at most what is not paid of the invoice: {left} yen"),
                    ));
                }
                let invoice_id = invoice_id.to_owned();
                match outcome {
                    PaymentOutcome::Paid if is_paid => Ok(None),
                    PaymentOutcome::Paid => Ok(Some(match part.filter(|part| *part < left) {
                        Some(amount) => MemberEvent::PaidInPart { invoice_id, amount },
                        None => MemberEvent::Paid { invoice_id },
                    })),
                    PaymentOutcome::Failed if is_paid => Err(AppError::conflict(
                        "already_paid",
                        "the invoice was paid: its payment cannot fail any more",
                    )),
                    PaymentOutcome::Failed => {
                        let known = member.arrears_at(sight.at).contains(invoice_id.as_str());
                        Ok((!known).then_some(MemberEvent::PaymentFailed { invoice_id }))
                    }
                }
            })
            .await
    }

    /// The fees that limit the operator's liability (article 23.2): base and metered fees paid by an instant, but no later
    /// than the end of the month in which twelve months since the contract were complete. The sum and the
    /// instant up to which it counts.
    pub async fn fees_paid(
        &self,
        id: &MemberId,
        until: DateTime<Utc>,
    ) -> Done<(Yen, DateTime<Utc>)> {
        let member = self.member(id).await?;
        let Some(admitted_at) = member.admitted_at else { return Ok((Yen::ZERO, until)) };
        let until = until.min(liability_until(in_japan(admitted_at).date_naive()));
        let (paid, parts): (BTreeSet<&str>, _) =
            (member.paid_by(until), member.paid_in_part(until));
        let invoices = self.store.invoices_of_members(&[id]).await?;
        let of_invoice = |invoice: &Invoice| {
            let fees: Yen = invoice
                .lines
                .iter()
                .filter(|line| line.code.is_usage_fee())
                .map(|line| line.amount)
                .sum();
            if paid.contains(invoice.id.as_str()) {
                fees
            } else {
                fees.min(parts.get(invoice.id.as_str()).copied().unwrap_or_default())
            }
        };
        Ok((
            invoices.iter().filter(|invoice| invoice.kind.is_billed()).map(of_invoice).sum(),
            until,
        ))
    }
}
