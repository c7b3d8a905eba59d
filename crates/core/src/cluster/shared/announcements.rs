//! A change is announced to every node, and confirmed by it. Who announces it waits until each has confirmed, or
//! trusts its memory no longer.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::RedisError;
use tokio::sync::Notify;
use tracing::{debug, warn};
use uuid::Uuid;

use super::SharedCluster;
use super::bus::Bus;
use super::messages::{Item, NodeMessage};
use super::pulse::lapses_in;
use crate::cluster::{CallOutcome, Heard, TRUSTED_FOR};
use juden_domain::ids::StationId;
use juden_store::NodeRun;
use juden_store::nodes::{ChangedItem, NodeState};

/// How often it is looked in the store who has heard of a change, beside what nodes tell at once.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A read of the streams that failed is tried again after so long.
const LISTEN_RETRY: Duration = Duration::from_millis(250);

/// Who confirmed what.
#[derive(Default)]
pub struct Announcements {
    waited: Mutex<HashMap<String, HashSet<NodeRun>>>,
    told: Notify,
}

impl Announcements {
    fn heard_by(&self, id: &str) -> HashSet<NodeRun> {
        self.waited
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
            .unwrap_or_default()
    }

    fn note(&self, id: &str, by: String) {
        if let Some(heard) = self.waited.lock().unwrap_or_else(PoisonError::into_inner).get_mut(id)
        {
            heard.insert(NodeRun(by));
            self.told.notify_waiters();
        }
    }
}

impl SharedCluster {
    pub(super) async fn tell_everyone(&self, changed: &[ChangedItem]) -> Heard {
        let began = Instant::now();
        let id = Uuid::new_v4().to_string();
        self.announcements
            .waited
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(id.clone(), HashSet::new());
        self.pulse_now();
        if let Some(bus) = &self.bus {
            let items = changed.iter().map(Item::from).collect();
            let message = NodeMessage::Changed {
                id: id.clone(),
                from: self.me.run.0.clone(),
                clock: self.clock.now(),
                changed: items,
            };
            if let Err(cause) = bus.send_all(&message).await {
                debug!(%cause, "a change was not announced over redis; nodes hear of it from the store");
            }
        }
        let heard = self.wait_for_all(&id, began).await;
        self.announcements.waited.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        metrics::histogram!("juden_announcement_seconds").record(began.elapsed().as_secs_f64());
        if !heard.missing.is_empty() {
            warn!(missing = ?heard.missing, "nodes did not confirm a change; they trust their memory no longer");
        }
        heard
    }

    /// Waits until every node has heard of an announcement, or of a change after it, or its trust has lapsed.
    async fn wait_for_all(&self, id: &str, began: Instant) -> Heard {
        let mut heard = Heard { confirmed: vec![self.me.name.clone()], missing: Vec::new() };
        let Ok((mark, mut others)) = self.others().await else {
            // The store answers no more: every node's trust lapses by itself.
            tokio::time::sleep(TRUSTED_FOR.saturating_sub(began.elapsed())).await;
            let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
            heard.missing = live
                .iter()
                .filter(|(run, _)| **run != self.me.run)
                .map(|(_, name)| name.clone())
                .collect();
            return heard;
        };
        let mut looked_at = Instant::now();
        loop {
            let told = self.announcements.told.notified();
            let by = self.announcements.heard_by(id);
            let (confirmed, open): (Vec<NodeState>, Vec<NodeState>) =
                others.into_iter().partition(|node| by.contains(&node.run) || node.applied >= mark);
            heard.confirmed.extend(confirmed.into_iter().map(|node| node.name));
            let (waiting, lapsed): (Vec<NodeState>, Vec<NodeState>) =
                open.into_iter().partition(|node| looked_at.elapsed() < lapses_in(node.silent_ms));
            heard.missing.extend(lapsed.into_iter().map(|node| node.name));
            if waiting.is_empty() {
                heard.confirmed.sort();
                heard.missing.sort();
                return heard;
            }
            others = waiting;
            let _ = tokio::time::timeout(LOOK_EVERY, told).await;
            if looked_at.elapsed() >= LOOK_EVERY
                && let Ok((_, now)) = self.others().await
            {
                looked_at = Instant::now();
                let waiting: HashSet<NodeRun> =
                    others.iter().map(|node| node.run.clone()).collect();
                others = now.into_iter().filter(|node| waiting.contains(&node.run)).collect();
            }
        }
    }

    /// The last change, then the other nodes, in this order: who joins after it knows the change.
    async fn others(&self) -> juden_store::Stored<(i64, Vec<NodeState>)> {
        let mark = self.store.last_change().await?;
        let nodes = self.store.nodes().await?;
        Ok((mark, nodes.into_iter().filter(|node| node.run != self.me.run).collect()))
    }

    /// Hears the other nodes, for as long as it is polled.
    pub(super) async fn listen(self: Arc<Self>) {
        let Some(bus) = &self.bus else { return };
        let mut place = None;
        loop {
            let cause = match bus.begin_reading(&self.me.run, &mut place).await {
                Ok(mut conn) => {
                    bus.came_through(Ok(()));
                    self.renew_now().await;
                    loop {
                        let Some(place) = place.as_mut() else { break None };
                        match bus.read(&mut conn, &self.me.run, place).await {
                            Ok(messages) => self.take_all(bus, messages).await,
                            Err(cause) => break Some(cause),
                        }
                    }
                }
                Err(cause) => Some(cause),
            };
            if let Some(cause) = &cause {
                bus.came_through(Err::<(), &RedisError>(cause));
            }
            tokio::time::sleep(LISTEN_RETRY).await;
        }
    }

    async fn take_all(self: &Arc<Self>, bus: &Bus, messages: Vec<NodeMessage>) {
        for message in messages {
            match message {
                NodeMessage::Changed { from, .. } if from == self.me.run.0 => {}
                NodeMessage::Changed { id, from, clock, changed } => {
                    self.apply(id, NodeRun(from), clock, changed).await;
                }
                NodeMessage::Heard { id, by } => self.announcements.note(&id, by),
                NodeMessage::Call { id, from, station, message_id, action, payload } => {
                    self.clone().take_call(id, NodeRun(from), station, message_id, action, payload);
                }
                NodeMessage::Outcome { id, outcome } => {
                    self.calls.ended(&id, CallOutcome::from(outcome));
                }
                NodeMessage::Evict { station, below } => {
                    if let Ok(station) = StationId::parse(&station) {
                        self.seats.evict(&station, below);
                    }
                }
                NodeMessage::Clock(now) => self.clock.not_before(now),
            }
        }
        bus.came_through(Ok(()));
    }

    /// Applies an announcement and confirms it once the answers from before have left.
    async fn apply(
        self: &Arc<Self>,
        id: String,
        from: NodeRun,
        clock: chrono::DateTime<chrono::Utc>,
        changed: Vec<Item>,
    ) {
        self.clock.not_before(clock);
        let changed: Vec<ChangedItem> = changed.iter().filter_map(Item::changed).collect();
        if !self.memory.apply(&changed).await {
            return;
        }
        let node = self.clone();
        tokio::spawn(async move {
            node.memory.settled().await;
            if let Some(bus) = &node.bus {
                let _ =
                    bus.send_to(&from, &NodeMessage::Heard { id, by: node.me.run.0.clone() }).await;
            }
        });
    }
}
