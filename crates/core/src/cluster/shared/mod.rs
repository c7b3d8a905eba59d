//! Nodes that share a store. The store is the truth: who lives, which connection of a station is the newest, and
//! what changed. Redis makes it fast: changes are heard at once, commands reach the node that holds a station,
//! and the loser of a station closes. Without Redis everything that money hangs on goes on.

mod announcements;
mod bus;
mod calls;
mod dial;
mod leases;
mod messages;
mod pulse;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::Notify;
use tracing::warn;

pub use bus::{Bus, Keys};
pub use dial::{RedisEndpoint, URLS};

use self::announcements::Announcements;
use self::calls::Calls;
use self::messages::NodeMessage;
use super::{Cluster, Connection, Heard, LocalConnections, Memory, NotRouted, OutgoingCall};
use crate::clock::Clock;
use juden_domain::ids::StationId;
use juden_store::NodeRun;
use juden_store::nodes::{ChangedItem, NewNode, NodeStore};

/// A node that was not heard for so long is taken for dead, and its name is free.
pub const SILENT_MS: i64 = 3_000;

/// What a node of several works with.
pub struct SharedCluster {
    me: NewNode,
    seats: Arc<LocalConnections>,
    store: Arc<dyn NodeStore>,
    memory: Arc<dyn Memory>,
    clock: Arc<Clock>,
    bus: Option<Bus>,
    /// The last change that was applied, and the last before which every answer has left.
    heard: AtomicI64,
    settled: Arc<AtomicI64>,
    live: RwLock<HashMap<NodeRun, String>>,
    nudge: Notify,
    announcements: Announcements,
    calls: Calls,
}

/// What a node is made of.
pub struct Parts {
    /// Who it is.
    pub me: NewNode,
    /// Its connections.
    pub seats: Arc<LocalConnections>,
    /// What nodes share.
    pub store: Arc<dyn NodeStore>,
    /// What it remembers.
    pub memory: Arc<dyn Memory>,
    /// Its clock.
    pub clock: Arc<Clock>,
    /// The way to the others; `None`: it is alone.
    pub bus: Option<Bus>,
    /// What a station has to answer a command.
    pub call_timeout: Duration,
    /// The change at which it joined.
    pub joined_at: i64,
}

impl SharedCluster {
    /// A node that has joined. It lives while [`SharedCluster::run_until_dropped`] is polled.
    pub fn new(parts: Parts) -> Arc<Self> {
        let live = HashMap::from([(parts.me.run.clone(), parts.me.name.clone())]);
        Arc::new(Self {
            me: parts.me,
            seats: parts.seats,
            store: parts.store,
            memory: parts.memory,
            clock: parts.clock,
            bus: parts.bus,
            heard: AtomicI64::new(parts.joined_at),
            settled: Arc::new(AtomicI64::new(parts.joined_at)),
            live: RwLock::new(live),
            nudge: Notify::new(),
            announcements: Announcements::default(),
            calls: Calls::new(parts.call_timeout),
        })
    }

    /// Shows that the node lives, and hears the others, for as long as it is polled.
    pub async fn run_until_dropped(self: Arc<Self>) {
        tokio::join!(self.clone().keep_pulse(), self.clone().listen(), self.clone().renew_leases());
    }

    /// Leaves: the other nodes wait for this one no more.
    pub async fn leave(&self) {
        if let Err(cause) = self.store.leave(&self.me.run).await {
            warn!(%cause, "the node could not say that it leaves; the others see it in some seconds");
        }
    }

    fn is_live(&self, run: &NodeRun) -> bool {
        self.live.read().unwrap_or_else(PoisonError::into_inner).contains_key(run)
    }
}

#[async_trait]
impl Cluster for SharedCluster {
    fn node(&self) -> &str {
        &self.me.name
    }

    fn run(&self) -> &NodeRun {
        &self.me.run
    }

    fn live_node(&self, run: &NodeRun) -> Option<String> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).get(run).cloned()
    }

    fn connection(&self, station: &StationId) -> Option<Connection> {
        self.seats.connection(station, &self.me.name)
    }

    fn stations(&self) -> Vec<StationId> {
        self.seats.stations().into_iter().map(|(station, _)| station).collect()
    }

    fn evict(&self, station: &StationId, below: i64) {
        self.seats.evict(station, below);
    }

    async fn hold(&self, station: &StationId, fence: i64) {
        let Some(bus) = &self.bus else { return };
        match bus.take(station, &self.me.run, fence).await {
            Ok(Some(had)) if had.fence > fence => self.seats.evict(station, had.fence),
            Ok(Some(had)) if had.run != self.me.run => {
                let evict =
                    NodeMessage::Evict { station: station.as_str().to_owned(), below: fence };
                // Where it is not heard, the other connection ends with its first late message.
                let _ = bus.send_to(&had.run, &evict).await;
            }
            // Without Redis the lease is taken when it is back.
            Ok(_) | Err(_) => {}
        }
    }

    async fn release(&self, station: &StationId, fence: i64) {
        if let Some(bus) = &self.bus {
            let _ = bus.give_back(station, &self.me.run, fence).await;
        }
    }

    async fn count_failure(&self, what: &str, window: Duration) -> Option<u32> {
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.bus.as_ref()?.count(what, window_ms).await.ok()
    }

    async fn move_clocks(&self, now: DateTime<Utc>) {
        if let Some(bus) = &self.bus
            && let Err(cause) = bus.send_all(&NodeMessage::Clock(now)).await
        {
            warn!(%cause, "the other nodes' clocks follow in a moment");
        }
    }

    async fn route(&self, station: &StationId, call: OutgoingCall) -> Result<(), NotRouted> {
        if self.seats.connection(station, &self.me.name).is_some() {
            return self.seats.route(station, call);
        }
        self.route_elsewhere(station, call).await
    }

    async fn announce(&self, changed: &[ChangedItem]) -> Heard {
        self.tell_everyone(changed).await
    }

    fn heard_up_to(&self) -> i64 {
        self.heard.load(Ordering::SeqCst)
    }

    fn health(&self) -> Result<(), String> {
        match &self.bus {
            Some(bus) if !bus.is_up() => Err("redis does not answer".to_owned()),
            _ => Ok(()),
        }
    }
}
