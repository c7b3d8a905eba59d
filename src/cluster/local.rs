//! One node: everything is in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::{mpsc, watch};

use super::{Cluster, Connection, NotRouted, OutgoingCall};
use crate::domain::ids::StationId;

/// Calls that may wait for one station.
pub const CALLS_WAITING_MAX: usize = 16;

struct Held {
    generation: u64,
    protocol: &'static str,
    connected_since: DateTime<Utc>,
    last_heard_ms: Arc<AtomicI64>,
    calls: mpsc::Sender<OutgoingCall>,
    replaced: watch::Sender<bool>,
}

/// The connections of this process.
pub struct LocalCluster {
    node: String,
    held: DashMap<StationId, Held>,
    generations: AtomicU64,
}

/// A connection's place among the others. When it is dropped, the place is free, unless a newer
/// connection of the station has taken it.
pub struct Seat {
    cluster: Arc<LocalCluster>,
    station: StationId,
    generation: u64,
    last_heard_ms: Arc<AtomicI64>,
    /// Calls to send to the station.
    pub calls: mpsc::Receiver<OutgoingCall>,
    /// Becomes true when a newer connection took the place.
    pub replaced: watch::Receiver<bool>,
}

impl LocalCluster {
    /// A cluster of this node alone.
    pub fn new(node: String) -> Self {
        Self { node, held: DashMap::new(), generations: AtomicU64::new(1) }
    }

    /// Takes a station's place. An older connection of the station is told that it was replaced.
    pub fn seat(self: &Arc<Self>, station: &StationId, protocol: &'static str, now: DateTime<Utc>) -> Seat {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        let (calls_in, calls) = mpsc::channel(CALLS_WAITING_MAX);
        let (replace, replaced) = watch::channel(false);
        let last_heard_ms = Arc::new(AtomicI64::new(now.timestamp_millis()));
        let held =
            Held { generation, protocol, connected_since: now, last_heard_ms: last_heard_ms.clone(), calls: calls_in, replaced: replace };
        if let Some(older) = self.held.insert(station.clone(), held) {
            older.replaced.send_replace(true);
        }
        Seat { cluster: self.clone(), station: station.clone(), generation, last_heard_ms, calls, replaced }
    }

    /// Tells every connection to end: the node stops.
    pub fn end_all(&self) {
        for held in &self.held {
            held.replaced.send_replace(true);
        }
    }
}

impl Seat {
    /// The station was heard.
    pub fn heard(&self, at: DateTime<Utc>) {
        self.last_heard_ms.store(at.timestamp_millis(), Ordering::Relaxed);
    }

    /// Whether this is still the station's connection.
    pub fn is_current(&self) -> bool {
        self.cluster.held.get(&self.station).is_some_and(|held| held.generation == self.generation)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Entry::Occupied(held) = self.cluster.held.entry(self.station.clone())
            && held.get().generation == self.generation
        {
            held.remove();
        }
    }
}

#[async_trait]
impl Cluster for LocalCluster {
    fn connection(&self, station: &StationId) -> Option<Connection> {
        self.held.get(station).map(|held| Connection {
            node: self.node.clone(),
            protocol: held.protocol,
            connected_since: held.connected_since,
            last_heard: DateTime::from_timestamp_millis(held.last_heard_ms.load(Ordering::Relaxed)).unwrap_or_default(),
        })
    }

    async fn route(&self, station: &StationId, call: OutgoingCall) -> Result<(), NotRouted> {
        let calls = self.held.get(station).ok_or(NotRouted::Offline)?.calls.clone();
        calls.try_send(call).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotRouted::Busy,
            mpsc::error::TrySendError::Closed(_) => NotRouted::Offline,
        })
    }

    fn nodes(&self) -> Vec<String> {
        vec![self.node.clone()]
    }

    fn connected(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_newer_connection_wins_and_the_older_ones_end_leaves_it_in_place() {
        let cluster = Arc::new(LocalCluster::new("n1".into()));
        let station = StationId::parse("CP1").unwrap();
        let now = DateTime::UNIX_EPOCH;
        let older = cluster.seat(&station, "ocpp1.6", now);
        let newer = cluster.seat(&station, "ocpp1.6", now);
        assert!(*older.replaced.borrow());
        assert!(!older.is_current() && newer.is_current());
        drop(older);
        assert!(cluster.connection(&station).is_some());
        drop(newer);
        assert!(cluster.connection(&station).is_none());
    }

    #[tokio::test]
    async fn calls_wait_up_to_the_limit_and_are_refused_past_it() {
        let cluster = Arc::new(LocalCluster::new("n1".into()));
        let station = StationId::parse("CP1").unwrap();
        let call = || OutgoingCall {
            message_id: "m".into(),
            action: "ClearCache".into(),
            payload: "{}".into(),
            reply: tokio::sync::oneshot::channel().0,
        };
        assert_eq!(cluster.route(&station, call()).await, Err(NotRouted::Offline));
        let _seat = cluster.seat(&station, "ocpp1.6", DateTime::UNIX_EPOCH);
        for _ in 0..CALLS_WAITING_MAX {
            assert_eq!(cluster.route(&station, call()).await, Ok(()));
        }
        assert_eq!(cluster.route(&station, call()).await, Err(NotRouted::Busy));
    }
}
