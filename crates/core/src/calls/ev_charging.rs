//! Charging as vehicles ask for it: each may have what its charger gives. Juden shares no power out among chargers; an
//! operator who does sends profiles of his own, which go before ours and bind the vehicle's schedule the same way
//! (OCPP 2.0.1 K15 to K17).

use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;
use tracing::{info, warn};

use crate::calls::EvCharging;
use crate::commands::capabilities::known_refusal;
use crate::commands::settings::{REQUEST_MAX, SENT_BY};
use crate::error::Done;
use juden_domain::ids::StationId;
use juden_ocpp::command_intent::{EvAllowed, SET_PROFILE};
use juden_ocpp::event::{EvNeeds, EvSchedule};
use juden_ocpp::protocol::Protocol;
use juden_store::StationRecord;
use juden_store::exchanges::SentCommand;

/// A station's newest profiles among which the one that binds a vehicle is looked for.
const LOOKED_THROUGH: i64 = 50;

/// How often a vehicle is told again what it may have: one that never heeds it is left to the charger.
const TOLD_AGAIN_MAX: usize = 5;

/// A profile that binds a vehicle.
struct Binding {
    is_ours: bool,
    allowed: EvAllowed,
    payload: Value,
}

impl EvCharging {
    /// Whether a vehicle is told what it may have: it charges here, and what its charger gives is known. The profile
    /// follows once the answer is written.
    pub(crate) async fn accept_needs(
        self: &Arc<Self>,
        station: &StationRecord,
        needs: EvNeeds,
        written: oneshot::Receiver<()>,
    ) -> Done<bool> {
        // A profile that the station does not take follows for nobody.
        if known_refusal(station, SET_PROFILE).is_some() {
            return Ok(false);
        }
        let Ok(protocol) = self.commands.protocol_of(&station.id).await else { return Ok(false) };
        let Some(transaction) = self.transaction_at(&station.id, needs.evse_id).await? else {
            return Ok(false);
        };
        let bound = self.bindings(&station.id, protocol, needs.evse_id).await?;
        let is_bound =
            |one: &&Binding| !one.is_ours && one.allowed.transaction.as_ref() == Some(&transaction);
        let profile = match bound.iter().find(is_bound) {
            // What the operator lets this vehicle have stands.
            Some(binding) => Some(binding.payload.clone()),
            None => station.connector_site(needs.evse_id).and_then(|site| site.power_w).and_then(
                |charger_w| {
                    let limit_w = needs.most_w.map_or(charger_w, |most_w| most_w.min(charger_w));
                    protocol.ev_profile(
                        rand::random_range(1..=REQUEST_MAX),
                        &transaction,
                        &needs,
                        limit_w,
                        self.clock.now(),
                    )
                },
            ),
        };
        let sends = profile.is_some();
        if let Some(profile) = profile {
            self.send_profile_after(written, &station.id, profile);
        }
        Ok(sends)
    }

    /// Whether a vehicle's schedule stays within what it was told that it may have. Where not, it is told again.
    pub(crate) async fn accept_schedule(
        self: &Arc<Self>,
        station: &StationRecord,
        schedule: EvSchedule,
        written: oneshot::Receiver<()>,
    ) -> Done<bool> {
        let Ok(protocol) = self.commands.protocol_of(&station.id).await else { return Ok(true) };
        let bound = self.bindings(&station.id, protocol, schedule.evse_id).await?;
        let Some(newest) = bound.first() else { return Ok(true) };
        if newest.allowed.unit != schedule.unit
            || schedule.most.is_none_or(|most| most <= newest.allowed.most)
        {
            return Ok(true);
        }
        let again = bound.iter().filter(|one| one.is_ours && one.payload == newest.payload).count();
        info!(station_id = %station.id, evse_id = schedule.evse_id, again, "a vehicle's schedule exceeds what it may have");
        if again <= TOLD_AGAIN_MAX {
            self.send_profile_after(written, &station.id, newest.payload.clone());
        }
        Ok(false)
    }

    /// The profiles that a station took for an EVSE's transaction, the newest first.
    async fn bindings(
        &self,
        id: &StationId,
        protocol: Protocol,
        evse_id: i64,
    ) -> Done<Vec<Binding>> {
        let commands = self.store.commands_of(id, &[SET_PROFILE], LOOKED_THROUGH).await?;
        let taken = commands.into_iter().filter(|one| one.outcome.as_deref() == Some("accepted"));
        let binding = |one: SentCommand| {
            let payload: Value = serde_json::from_str(&one.command.payload).ok()?;
            let allowed = protocol.ev_allowed(&payload, evse_id)?;
            Some(Binding { is_ours: one.command.sent_by == SENT_BY, allowed, payload })
        };
        Ok(taken.filter_map(binding).collect())
    }

    /// The name of the transaction that runs at an EVSE.
    async fn transaction_at(&self, id: &StationId, evse_id: i64) -> Done<Option<String>> {
        let open = self.store.open_sessions_of(&[id]).await?;
        let Some((.., reference)) = open.into_iter().find(|(_, at, _)| *at == evse_id) else {
            return Ok(None);
        };
        Ok(self
            .store
            .session_by_reference(&reference)
            .await?
            .and_then(|session| session.transaction))
    }

    /// Sends a profile once the answer to the vehicle is written.
    fn send_profile_after(
        self: &Arc<Self>,
        written: oneshot::Receiver<()>,
        id: &StationId,
        profile: Value,
    ) {
        let (app, id) = (self.clone(), id.clone());
        tokio::spawn(async move {
            let _ = written.await;
            let payload = profile.as_object().cloned().unwrap_or_default();
            match app.commands.send_call(&id, SET_PROFILE, &payload, SENT_BY).await {
                Ok(result) => {
                    info!(station_id = %id, outcome = %result.outcome, "a vehicle was told how much it may have");
                }
                Err(cause) => {
                    warn!(station_id = %id, %cause, "a vehicle could not be told how much it may have");
                }
            }
        });
    }
}
