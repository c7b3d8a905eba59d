//! A member's usage and bills, invoices, and the close of months.

pub mod bills;
mod drawing;
pub mod exports;
mod invoices;
pub mod months;
pub mod verification;

use std::sync::Arc;

use juden_domain::invoice::Issuer;
use juden_store::Store;

use crate::clock::Clock;
use crate::deliveries::Deliveries;
use crate::directory::ProgrammeDirectory;
use crate::export::Party;
use crate::health::Health;
use crate::overdue::Overdue;

use chrono::NaiveTime;
use tokio::sync::Mutex;

/// What invoices are issued by.
#[derive(Debug, Clone)]
pub struct BillingRules {
    /// Who issues the invoices.
    pub issuer: Issuer,
    /// Days from an invoice's issue until it is due.
    pub payment_due_days: u64,
    /// Who issues charge records; `None`: nobody is named.
    pub party: Option<Party>,
    /// The day of the following month on which a month is closed, and the time of that day in Japan; `None`: by hand.
    pub month_close: Option<(u32, NaiveTime)>,
}

/// Draws up and shows bills.
pub struct Billing {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// What invoices are issued by.
    pub(crate) rules: BillingRules,
}

impl Billing {
    /// Makes the service of the parts that it uses.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<Clock>,
        programme: Arc<ProgrammeDirectory>,
        rules: BillingRules,
    ) -> Self {
        Self { store, clock, programme, rules }
    }
}

/// Closes months and cuts final invoices.
pub struct Closing {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// Draws up bills.
    pub(crate) billing: Arc<Billing>,
    /// Ends what is over.
    pub(crate) overdue: Arc<Overdue>,
    /// Tells stations of cards.
    pub(crate) deliveries: Arc<Deliveries>,
    /// How the server stands.
    pub(crate) health: Arc<Health>,
    /// Months are closed one at a time.
    pub(crate) closing: Mutex<()>,
}

impl Closing {
    /// Makes the service of the parts that it uses.
    pub fn new(
        billing: Arc<Billing>,
        overdue: Arc<Overdue>,
        deliveries: Arc<Deliveries>,
        health: Arc<Health>,
    ) -> Self {
        let (store, clock, programme) =
            (billing.store.clone(), billing.clock.clone(), billing.programme.clone());
        Self {
            store,
            clock,
            programme,
            billing,
            overdue,
            deliveries,
            health,
            closing: Mutex::new(()),
        }
    }
}

#[cfg(test)]
mod tests;
