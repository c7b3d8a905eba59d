//! Payment by members (articles 10 and 13.1(1)): the payment method with its history, and payments
//! made and failed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};

use super::member::{Member, MemberEvent};
use super::units::Yen;

/// The kind of a payment method (article 10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaymentKind {
    /// By credit card.
    CreditCard,
    /// By debit of a bank account.
    AccountDebit,
    /// By payment of an invoice.
    Invoice,
}

/// The brand of the credit card that pays. The brand decides about the towing benefit (article
/// 5.1(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardBrand {
    /// The Nissan Card.
    NissanCard,
    /// The Biz NISSAN CARD.
    BizNissanCard,
    /// Any other credit card.
    Other,
}

named!(
    PaymentKind,
    CreditCard = "credit_card",
    AccountDebit = "account_debit",
    Invoice = "invoice"
);
named!(CardBrand, NissanCard = "nissan_card", BizNissanCard = "biz_nissan_card", Other = "other");

/// A payment method.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentMethod {
    /// The kind of the method.
    pub kind: PaymentKind,
    /// The credit card's brand, if a credit card pays.
    pub brand: Option<CardBrand>,
}

/// A payment method with the instant at which it was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MethodInForce {
    /// The payment method.
    pub method: PaymentMethod,
    /// The time at which it was set. Setting the same method again does not change this time.
    pub since: DateTime<Utc>,
}

impl Member {
    /// The payment method in force at an instant (rule R10.1).
    pub fn payment_at(&self, at: DateTime<Utc>) -> MethodInForce {
        let first = MethodInForce {
            method: self.admission.payment,
            since: self.admitted_at.unwrap_or(self.applied_at),
        };
        self.events_until(at).fold(first, |current, dated| match &dated.event {
            MemberEvent::PaymentMethodChanged(method) if *method != current.method => {
                MethodInForce { method: *method, since: dated.at }
            }
            _ => current,
        })
    }

    /// The invoices in arrears at an instant: their payment failed and was not made since (article
    /// 13.1(1)).
    pub fn arrears_at(&self, at: DateTime<Utc>) -> BTreeSet<&str> {
        let mut unpaid = BTreeSet::new();
        for dated in self.events_until(at) {
            match &dated.event {
                MemberEvent::PaymentFailed { invoice_id } => {
                    unpaid.insert(invoice_id.as_str());
                }
                MemberEvent::Paid { invoice_id } => {
                    unpaid.remove(invoice_id.as_str());
                }
                _ => {}
            }
        }
        unpaid
    }

    /// The sums paid in parts by an instant, for each invoice.
    pub fn paid_in_part(&self, at: DateTime<Utc>) -> BTreeMap<&str, Yen> {
        let mut paid: BTreeMap<&str, Yen> = BTreeMap::new();
        for dated in self.events_until(at) {
            if let MemberEvent::PaidInPart { invoice_id, amount } = &dated.event {
                let known = paid.entry(invoice_id).or_default();
                *known = *known + *amount;
            }
        }
        paid
    }

    /// The invoices that were paid in full by an instant.
    pub fn paid_by(&self, at: DateTime<Utc>) -> BTreeSet<&str> {
        self.events_until(at)
            .filter_map(|dated| match &dated.event {
                MemberEvent::Paid { invoice_id } => Some(invoice_id.as_str()),
                _ => None,
            })
            .collect()
    }
}
