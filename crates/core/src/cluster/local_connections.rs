//! The connections that this node holds.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::{mpsc, watch};

use super::{Connection, Fence, NotRouted, OutgoingCall};
use juden_domain::ids::StationId;

/// Calls that may wait for one station.
pub const CALLS_WAITING_MAX: usize = 16;

struct Held {
    generation: u64,
    fence: Fence,
    protocol: &'static str,
    connected_since: DateTime<Utc>,
    last_heard_ms: Arc<AtomicI64>,
    calls: mpsc::Sender<OutgoingCall>,
    replaced: watch::Sender<bool>,
}

/// The connections of this process.
#[derive(Default)]
pub struct LocalConnections {
    held: DashMap<StationId, Held>,
    generations: AtomicU64,
}

/// A connection's place among the others. When it is dropped, the place is free, unless a newer
/// connection of the station has taken it.
pub struct LocalConnection {
    seats: Arc<LocalConnections>,
    station: StationId,
    generation: u64,
    last_heard_ms: Arc<AtomicI64>,
    /// Calls to send to the station.
    pub calls: mpsc::Receiver<OutgoingCall>,
    /// Becomes true when a newer connection took the place.
    pub replaced: watch::Receiver<bool>,
}

impl LocalConnections {
    /// Takes a station's place. An older connection of the station is told that it was replaced.
    pub fn seat(
        self: &Arc<Self>,
        station: &StationId,
        protocol: &'static str,
        fence: Fence,
        now: DateTime<Utc>,
    ) -> LocalConnection {
        let generation = self.generations.fetch_add(1, Ordering::Relaxed);
        let (calls_in, calls) = mpsc::channel(CALLS_WAITING_MAX);
        let (replace, replaced) = watch::channel(false);
        let last_heard_ms = Arc::new(AtomicI64::new(now.timestamp_millis()));
        let heard = last_heard_ms.clone();
        let held = Held {
            generation,
            fence,
            protocol,
            connected_since: now,
            last_heard_ms: heard,
            calls: calls_in,
            replaced: replace,
        };
        if let Some(older) = self.held.insert(station.clone(), held) {
            older.replaced.send_replace(true);
        }
        LocalConnection {
            seats: self.clone(),
            station: station.clone(),
            generation,
            last_heard_ms,
            calls,
            replaced,
        }
    }

    /// Tells a station's connection to end, where its fence is lower than this.
    pub fn evict(&self, station: &StationId, below: i64) {
        if let Some(held) = self.held.get(station)
            && held.fence.number().is_some_and(|fence| fence < below)
        {
            held.replaced.send_replace(true);
        }
    }

    /// A station's connection here.
    pub fn connection(&self, station: &StationId, node: &str) -> Option<Connection> {
        self.held.get(station).map(|held| Connection {
            node: node.to_owned(),
            protocol: held.protocol.to_owned(),
            connected_since: held.connected_since,
            last_heard: DateTime::from_timestamp_millis(held.last_heard_ms.load(Ordering::Relaxed))
                .unwrap_or_default(),
        })
    }

    /// Hands a call to a station's connection here.
    pub fn route(&self, station: &StationId, call: OutgoingCall) -> Result<(), NotRouted> {
        let calls = self.held.get(station).ok_or(NotRouted::Offline)?.calls.clone();
        calls.try_send(call).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotRouted::Busy,
            mpsc::error::TrySendError::Closed(_) => NotRouted::Offline,
        })
    }

    /// The stations that are connected here, with the fence of each connection that has one.
    pub fn stations(&self) -> Vec<(StationId, Option<i64>)> {
        self.held.iter().map(|held| (held.key().clone(), held.fence.number())).collect()
    }

    /// Whether a station is connected here.
    pub fn is_held(&self, station: &StationId) -> bool {
        self.held.contains_key(station)
    }

    /// How many stations are connected here.
    pub fn connected(&self) -> usize {
        self.held.len()
    }

    /// Tells every connection to end: the node stops.
    pub fn end_all(&self) {
        for held in &self.held {
            held.replaced.send_replace(true);
        }
    }
}

impl LocalConnection {
    /// The station was heard.
    pub fn heard(&self, at: DateTime<Utc>) {
        self.last_heard_ms.store(at.timestamp_millis(), Ordering::Relaxed);
    }

    /// Whether this is still the station's connection.
    pub fn is_current(&self) -> bool {
        self.seats.held.get(&self.station).is_some_and(|held| held.generation == self.generation)
    }
}

impl Drop for LocalConnection {
    fn drop(&mut self) {
        if let Entry::Occupied(held) = self.seats.held.entry(self.station.clone())
            && held.get().generation == self.generation
        {
            held.remove();
        }
    }
}

#[cfg(test)]
#[path = "local_connections_tests.rs"]
mod tests;
