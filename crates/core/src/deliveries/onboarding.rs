//! The first minutes of a station: it is asked what is missing, and told of the cards that it is still to learn of.

use crate::deliveries::Deliveries;
use juden_domain::ids::StationId;
use juden_store::StationRecord;
use std::sync::Arc;
use tracing::info;

impl Deliveries {
    /// Asks a station that was just accepted, or heard without a boot message, what is missing.
    /// Then it is told of the cards that it is still to learn of. Ends quietly where the station leaves.
    pub async fn onboard(self: &Arc<Self>, id: &StationId) {
        let Ok(Some(station)) = self.commands.stations.find(id).await else {
            return;
        };
        let Some(boot) = &station.observed.boot else {
            // Once: some stations connect anew whenever they are asked.
            if self.asked_to_boot.insert(id.clone()) {
                self.commands.trigger(id, "BootNotification").await;
            }
            return self.tell_soon(id);
        };
        if station.observed.configuration.is_none()
            || station.observed.configuration_firmware != boot.firmware
        {
            self.commands.ask_configuration(id, boot.firmware.as_deref()).await;
            self.commands.ask_inventory(id).await;
        }
        if let Err(cause) = self.reconcile_list(id).await {
            info!(station_id = %id, %cause, "it could not be looked whether a station still has its list");
        }
        self.tell_soon(id);
    }

    /// Asks a station for its connectors' states, where it has told none by itself.
    pub async fn ask_silent_for_states(&self, id: &StationId) {
        let is_silent = |now: &StationRecord| {
            now.observed.boot.is_some() && now.connectors.iter().all(|one| one.status.is_none())
        };
        let silent = matches!(self.store.station(id).await, Ok(Some(now)) if is_silent(&now));
        if silent {
            self.commands.trigger(id, "StatusNotification").await;
        }
    }
}
