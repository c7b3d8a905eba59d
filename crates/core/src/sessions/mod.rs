//! Sessions as they stand, and what persons settle of them.

pub mod corrections;
mod joined_stop;
pub mod views;

use std::sync::Arc;

use juden_domain::units::Yen;
use juden_store::Store;

use crate::billing::Billing;
use crate::clock::Clock;
use crate::directory::MonthUses;
use crate::directory::ProgrammeDirectory;
use crate::ledger::Ledger;
use crate::stations::Stations;

/// Shows and corrects sessions.
pub struct Sessions {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// The durable ledger.
    pub(crate) ledger: Ledger,
    /// Rates months.
    pub(crate) billing: Arc<Billing>,
    /// Members' use of a month, for what drivers are shown.
    pub(crate) uses: MonthUses,
    /// What is known of stations.
    pub(crate) stations: Arc<Stations>,
    /// Corrections above this sum count once a second person confirmed them.
    pub(crate) confirm_over: Yen,
}

impl Sessions {
    /// Makes the service of the parts that it uses.
    pub fn new(
        billing: Arc<Billing>,
        stations: Arc<Stations>,
        ledger: Ledger,
        uses: MonthUses,
        confirm_over: Yen,
    ) -> Self {
        let (store, clock, programme) =
            (billing.store.clone(), billing.clock.clone(), billing.programme.clone());
        Self { store, clock, programme, ledger, billing, uses, stations, confirm_over }
    }
}

#[cfg(test)]
mod tests;
