//! Sessions as they stand, what persons settle of them, and the ends of those whose stop never comes.

pub mod corrections;
mod overdue;
pub mod views;

use std::sync::Arc;

use juden_domain::ids::SessionId;
use juden_domain::session::Session;
use juden_domain::units::Yen;
use juden_store::Store;

use crate::billing::Billing;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::commands::Commands;
use crate::directory::MonthUses;
use crate::directory::ProgrammeDirectory;
use crate::ledger::Ledger;
use crate::stations::Stations;

use moka::sync::Cache;

/// Sessions that are remembered to have been asked after.
const SESSIONS_ASKED: u64 = 10_000;

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

/// Ends sessions that are over by what the clock shows.
pub struct Overdue {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Which node holds which station.
    pub(crate) cluster: Arc<dyn Cluster>,
    /// The durable ledger.
    pub(crate) ledger: Ledger,
    /// Sends commands.
    pub(crate) commands: Arc<Commands>,
    /// Sessions whose stations were asked whether they go on.
    pub(crate) asked_whether_ongoing: Cache<SessionId, bool>,
    /// Transactions whose events are missing and whose stations are to be asked.
    pub(crate) steps_awaited: Cache<SessionId, Arc<Session>>,
}

impl Sessions {
    /// Puts it together.
    pub fn new(billing: Arc<Billing>, stations: Arc<Stations>, ledger: Ledger, uses: MonthUses, confirm_over: Yen) -> Self {
        let (store, clock, programme) = (billing.store.clone(), billing.clock.clone(), billing.programme.clone());
        Self { store, clock, programme, ledger, billing, uses, stations, confirm_over }
    }
}

impl Overdue {
    /// Puts it together.
    pub fn new(commands: Arc<Commands>) -> Self {
        let (store, clock, cluster) = (commands.store.clone(), commands.clock.clone(), commands.cluster.clone());
        let (asked_whether_ongoing, steps_awaited) = (Cache::new(SESSIONS_ASKED), Cache::new(SESSIONS_ASKED));
        Self { store, clock, cluster, ledger: commands.ledger.clone(), commands, asked_whether_ongoing, steps_awaited }
    }
}
