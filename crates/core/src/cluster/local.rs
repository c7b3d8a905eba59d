//! One node alone: everything is in this process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Cluster, Connection, Heard, LocalConnections, NotRouted, OutgoingCall};
use juden_domain::ids::StationId;
use juden_store::NodeRun;
use juden_store::nodes::ChangedItem;

/// A node that shares its store with nobody.
pub struct LocalCluster {
    node: String,
    run: NodeRun,
    seats: Arc<LocalConnections>,
}

impl LocalCluster {
    /// A cluster of this node alone.
    pub fn new(node: String, run: NodeRun, seats: Arc<LocalConnections>) -> Self {
        Self { node, run, seats }
    }
}

#[async_trait]
impl Cluster for LocalCluster {
    fn node(&self) -> &str {
        &self.node
    }

    fn run(&self) -> &NodeRun {
        &self.run
    }

    fn live_node(&self, run: &NodeRun) -> Option<String> {
        (*run == self.run).then(|| self.node.clone())
    }

    fn connection(&self, station: &StationId) -> Option<Connection> {
        self.seats.connection(station, &self.node)
    }

    fn stations(&self) -> Vec<StationId> {
        self.seats.stations().into_iter().map(|(station, _)| station).collect()
    }

    fn evict(&self, station: &StationId, below: i64) {
        self.seats.evict(station, below);
    }

    async fn hold(&self, _station: &StationId, _fence: i64) {}

    async fn release(&self, _station: &StationId, _fence: i64) {}

    async fn count_failure(&self, _what: &str, _window: Duration) -> Option<u32> {
        None
    }

    async fn move_clocks(&self, _now: DateTime<Utc>) {}

    async fn route(&self, station: &StationId, call: OutgoingCall) -> Result<(), NotRouted> {
        self.seats.route(station, call)
    }

    async fn announce(&self, _changed: &[ChangedItem]) -> Heard {
        Heard { confirmed: vec![self.node.clone()], missing: Vec::new() }
    }

    fn heard_up_to(&self) -> i64 {
        i64::MAX
    }

    fn health(&self) -> Result<(), String> {
        Ok(())
    }
}
