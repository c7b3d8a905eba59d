//! Stations learn which cards are blocked, and which they may accept by themselves.

pub mod block_delivery;
mod local_list;
pub mod looks;
mod onboarding;
pub mod sites;

use std::sync::Arc;

use juden_domain::ids::StationId;
use juden_store::Store;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::commands::Commands;
use crate::directory::CardDirectory;
use crate::directory::ProgrammeDirectory;

use block_delivery::Telling;
use dashmap::DashSet;

/// Tells stations of cards.
pub struct Deliveries {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// The programme's own history.
    pub(crate) programme: Arc<ProgrammeDirectory>,
    /// Which node holds which station.
    pub(crate) cluster: Arc<dyn Cluster>,
    /// Which cards there are.
    pub(crate) cards: Arc<CardDirectory>,
    /// Sends commands.
    pub(crate) commands: Arc<Commands>,
    /// Which stations are being told.
    pub(crate) telling: Telling,
    /// Stations that were asked for their boot message by this node.
    pub(crate) asked_to_boot: DashSet<StationId>,
}

impl Deliveries {
    /// Makes the service of the parts that it uses.
    pub fn new(commands: Arc<Commands>, programme: Arc<ProgrammeDirectory>) -> Self {
        let (store, clock, cluster) =
            (commands.store.clone(), commands.clock.clone(), commands.cluster.clone());
        let (cards, telling, asked_to_boot) =
            (commands.cards.clone(), Telling::default(), DashSet::new());
        Self { store, clock, programme, cluster, cards, commands, telling, asked_to_boot }
    }
}
