//! Calls to stations that another node holds, and leases that say which node that is.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::oneshot;
use tracing::debug;
use uuid::Uuid;

use super::SharedCluster;
use super::leases::LEASE_MS;
use super::messages::{NodeMessage, RoutedOutcome};
use crate::cluster::{CallOutcome, NotRouted, OutgoingCall};
use juden_domain::ids::StationId;
use juden_store::NodeRun;

/// What a call's way to another node and back may take beyond the station's time.
const WAY_AND_BACK: Duration = Duration::from_secs(3);

/// Calls to other nodes that may be under way at once.
pub const CALLS_MAX: usize = 10_000;

/// Calls whose answers are awaited from other nodes.
pub struct Calls {
    under_way: DashMap<String, oneshot::Sender<CallOutcome>>,
    call_timeout: Duration,
}

impl Calls {
    /// No calls yet.
    pub fn new(call_timeout: Duration) -> Self {
        Self { under_way: DashMap::new(), call_timeout }
    }

    /// A call has its outcome.
    pub fn ended(&self, id: &str, outcome: CallOutcome) {
        if let Some((_, reply)) = self.under_way.remove(id) {
            let _ = reply.send(outcome);
        }
    }
}

impl SharedCluster {
    /// Hands a call to the node that holds the station.
    pub(super) async fn route_elsewhere(
        &self,
        station: &StationId,
        call: OutgoingCall,
    ) -> Result<(), NotRouted> {
        let Some(bus) = &self.bus else { return Err(NotRouted::Offline) };
        let holder = bus.holder(station).await.map_err(|_| NotRouted::Unreachable)?;
        let holder = holder
            .filter(|lease| lease.run != self.me.run && self.is_live(&lease.run))
            .ok_or(NotRouted::Offline)?;
        if self.calls.under_way.len() >= CALLS_MAX {
            return Err(NotRouted::Busy);
        }
        let id = Uuid::new_v4().to_string();
        let message = NodeMessage::Call {
            id: id.clone(),
            from: self.me.run.0.clone(),
            station: station.as_str().to_owned(),
            message_id: call.message_id,
            action: call.action,
            payload: call.payload,
        };
        let (reply, mut outcome) = oneshot::channel();
        self.calls.under_way.insert(id.clone(), reply);
        if bus.send_to(&holder.run, &message).await.is_err() {
            self.calls.under_way.remove(&id);
            return Err(NotRouted::Unreachable);
        }
        // The station may have answered although nobody told so: what it did is unknown.
        let within = self.calls.call_timeout + WAY_AND_BACK;
        let came = tokio::time::timeout(within, &mut outcome).await;
        self.calls.under_way.remove(&id);
        let _ = call.reply.send(came.ok().and_then(Result::ok).unwrap_or(CallOutcome::TimedOut));
        Ok(())
    }

    /// Takes a call that another node has for a station here.
    pub(super) fn take_call(
        self: Arc<Self>,
        id: String,
        from: NodeRun,
        station: String,
        message_id: String,
        action: String,
        payload: String,
    ) {
        tokio::spawn(async move {
            let (reply, answered) = oneshot::channel();
            let call = OutgoingCall { message_id, action, payload, reply };
            let routed = match StationId::parse(&station) {
                Ok(station) => self.seats.route(&station, call),
                Err(_) => Err(NotRouted::Offline),
            };
            let outcome = match routed {
                Ok(()) => Ok(answered.await.unwrap_or(CallOutcome::Disconnected)),
                Err(cause) => Err(cause),
            };
            if let Some(bus) = &self.bus
                && let Err(cause) = bus
                    .send_to(
                        &from,
                        &NodeMessage::Outcome { id, outcome: RoutedOutcome::from(outcome) },
                    )
                    .await
            {
                debug!(%cause, "a command's outcome could not be told to the node that asked for it");
            }
        });
    }

    /// Renews the leases of the stations that are connected here, for as long as it is polled.
    pub(super) async fn renew_leases(self: Arc<Self>) {
        loop {
            tokio::time::sleep(Duration::from_millis(LEASE_MS / 3)).await;
            self.renew_now().await;
        }
    }

    pub(super) async fn renew_now(&self) {
        let Some(bus) = &self.bus else { return };
        let held: Vec<(StationId, i64)> = self
            .seats
            .stations()
            .into_iter()
            .filter_map(|(station, fence)| Some((station, fence?)))
            .collect();
        if let Ok(lost) = bus.renew(&held, &self.me.run).await {
            for (station, newer) in lost {
                self.seats.evict(&station, newer);
            }
        }
    }
}
