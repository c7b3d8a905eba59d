//! What a station says, and what it is answered.

mod authorizations;
pub mod certificates;
mod connections;
mod dispatch;
pub mod displays;
mod ev_charging;
mod observed;
mod quotas;
mod reports;
mod transactions;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use juden_domain::display::Language;
use juden_domain::ids::SessionRef;
use juden_domain::ids::StationId;
use juden_store::Store;
use juden_store::ledger::TagHasher;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::commands::Commands;
use crate::deliveries::Deliveries;
use crate::directory::CardDirectory;
use crate::directory::MonthUses;
use crate::directory::ProgrammeDirectory;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::overdue::Overdue;
use crate::stations::Stations;

use dashmap::DashSet;
use moka::sync::Cache;

use certificates::{StationAuthority, VehicleAuthority};
pub(crate) use observed::Observed;
pub(crate) use quotas::Quotas;

/// What drivers are shown, and how often.
#[derive(Debug, Clone)]
pub struct DisplayRules {
    /// The languages of what drivers are shown, in order; empty: nothing is shown.
    pub languages: Vec<Language>,
    /// Between messages that tell a running session's cost; `None`: none are sent.
    pub cost_update: Option<Duration>,
}

/// Who signs stations' certificates and answers for vehicles'.
#[derive(Debug, Clone)]
pub struct Authorities {
    /// Who signs stations' certificates, where anybody does.
    pub stations: Option<Arc<dyn StationAuthority>>,
    /// Who answers for vehicles' certificates, where anybody does.
    pub vehicles: Option<Arc<dyn VehicleAuthority>>,
    /// The organization that stations' certificates must name; empty: any.
    pub organization: String,
}

/// Answers stations' calls.
pub struct Calls {
    /// How the server stands.
    pub(crate) health: Arc<Health>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Tells stations of cards.
    pub(crate) deliveries: Arc<Deliveries>,
    /// Judges cards.
    pub(crate) authorizations: Arc<Authorizations>,
    /// Keeps transaction messages.
    pub(crate) transactions: Transactions,
    /// Keeps what stations report.
    pub(crate) reports: Arc<Reports>,
    /// Has certificates signed.
    pub(crate) certificates: Arc<Certificates>,
    /// Vehicles' schedules.
    pub(crate) ev_charging: Arc<EvCharging>,
}

/// Judges cards, from memory.
pub struct Authorizations {
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// Which cards there are.
    pub(crate) cards: Arc<CardDirectory>,
    /// The durable ledger.
    pub(crate) ledger: Ledger,
    /// Which stations may remember which cards.
    pub(crate) commands: Arc<Commands>,
    /// How much of what stations send is kept.
    pub(crate) quotas: Arc<Quotas>,
    /// Hashes what readers read.
    pub(crate) hasher: TagHasher,
    /// How long a station may believe an accepted card without asking.
    pub(crate) cache_for: TimeDelta,
}

/// Hands transaction messages to the ledger, and answers once they are durable.
pub struct Transactions {
    /// The durable ledger.
    pub(crate) ledger: Ledger,
    /// What is known of stations.
    pub(crate) stations: Arc<Stations>,
    /// What was observed of stations beside what is kept.
    pub(crate) observed: Arc<Observed>,
    /// How much of what stations send is kept.
    pub(crate) quotas: Arc<Quotas>,
    /// Judges cards.
    pub(crate) authorizations: Arc<Authorizations>,
    /// What drivers are shown.
    pub(crate) displays: Arc<Displays>,
    /// Asks after transactions whose events are missing.
    pub(crate) overdue: Arc<Overdue>,
    /// What events of transactions were answered with what their drivers are shown, by station and a hash of their payload.
    pub(crate) displayed: Cache<(StationId, String), String>,
}

/// Keeps what stations report of themselves.
pub struct Reports {
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The durable ledger.
    pub(crate) ledger: Ledger,
    /// Sends commands.
    pub(crate) commands: Arc<Commands>,
    /// What was observed of stations beside what is kept.
    pub(crate) observed: Arc<Observed>,
    /// How much of what stations send is kept.
    pub(crate) quotas: Arc<Quotas>,
    /// Seconds between a station's heartbeats.
    pub(crate) heartbeat_interval_s: u32,
}

impl Reports {
    /// Makes the service of the parts that it uses.
    pub fn new(
        clock: Arc<Clock>,
        ledger: Ledger,
        commands: Arc<Commands>,
        observed: Arc<Observed>,
        quotas: Arc<Quotas>,
        heartbeat_interval_s: u32,
    ) -> Self {
        Self { clock, ledger, commands, observed, quotas, heartbeat_interval_s }
    }
}

/// What drivers are shown.
pub struct Displays {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Which cards there are.
    pub(crate) cards: Arc<CardDirectory>,
    /// Members' use of a month.
    pub(crate) uses: MonthUses,
    /// Which node holds which station.
    pub(crate) cluster: Arc<dyn Cluster>,
    /// Sends commands.
    pub(crate) commands: Arc<Commands>,
    /// Sessions whose costs are being told to their chargers, or were not answered lately.
    pub(crate) costs_told: Cache<(StationId, SessionRef), ()>,
    /// The languages of drivers' displays, and the interval between messages of a running session's cost.
    pub(crate) rules: DisplayRules,
}

/// Has stations' certificates signed, and vehicles' answered for.
pub struct Certificates {
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Sends commands.
    pub(crate) commands: Arc<Commands>,
    /// Who signs and answers.
    pub(crate) authorities: Authorities,
    /// Stations whose certificate is being signed.
    pub(crate) signing: DashSet<StationId>,
}

/// Vehicles' needs and schedules (OCPP 2.0.1 K15 to K17).
pub struct EvCharging {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Sends commands.
    pub(crate) commands: Arc<Commands>,
}

impl EvCharging {
    /// Makes the service of the parts that it uses.
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>, commands: Arc<Commands>) -> Self {
        Self { store, clock, commands }
    }
}

impl Displays {
    /// Makes the service of the parts that it uses.
    pub fn new(commands: Arc<Commands>, uses: MonthUses, rules: DisplayRules) -> Self {
        let (store, clock, cluster) =
            (commands.store.clone(), commands.clock.clone(), commands.cluster.clone());
        Self {
            store,
            clock,
            cards: commands.cards.clone(),
            uses,
            cluster,
            commands,
            costs_told: displays::costs_told(),
            rules,
        }
    }
}

impl Certificates {
    /// Makes the service of the parts that it uses.
    pub fn new(commands: Arc<Commands>, authorities: Authorities) -> Self {
        Self { clock: commands.clock.clone(), commands, authorities, signing: DashSet::new() }
    }
}

#[cfg(test)]
mod tests;
