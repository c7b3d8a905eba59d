//! Commands to stations: checked, kept with who asked and what came of it, sent over the connection wherever that is.

pub mod capabilities;
mod credentials;
pub mod effects;
mod exchanges;
mod exposures;
mod operator_lists;
pub mod remote_starts;
pub mod sending;
pub mod settings;

use std::sync::Arc;

use juden_domain::ids::StationId;
use juden_store::Store;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::directory::CardDirectory;
use crate::directory::Exposures;
use crate::ledger::Ledger;
use crate::stations::Stations;

use dashmap::DashMap;
use tokio::sync::Mutex;

/// Sends commands to stations.
pub struct Commands {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Which node holds which station.
    pub(crate) cluster: Arc<dyn Cluster>,
    /// What is known of stations.
    pub(crate) stations: Arc<Stations>,
    /// Which cards there are.
    pub(crate) cards: Arc<CardDirectory>,
    /// The durable ledger.
    pub(crate) ledger: Ledger,
    /// Which stations may remember which cards.
    pub(crate) exposures: Exposures,
    /// Held while a station is told what to come with, by station.
    pub(crate) credentials_turns: DashMap<StationId, Arc<Mutex<()>>>,
}

impl Commands {
    /// Makes the service of the parts that it uses.
    pub fn new(
        stations: Arc<Stations>,
        cards: Arc<CardDirectory>,
        ledger: Ledger,
        exposures: Exposures,
    ) -> Self {
        let (store, clock, cluster) =
            (stations.store.clone(), stations.clock.clone(), stations.cluster.clone());
        Self {
            store,
            clock,
            cluster,
            stations,
            cards,
            ledger,
            exposures,
            credentials_turns: DashMap::new(),
        }
    }
}

#[cfg(test)]
mod tests;
