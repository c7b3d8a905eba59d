//! The beginning and end of a station's connection: all nodes learn which connection holds the station.

use std::time::Duration;

use tokio::time::timeout;

use crate::calls::Calls;
use crate::cluster::Fence;
use crate::ledger::ConnectionOpened;
use juden_domain::ids::StationId;
use juden_store::ledger::{StationNote, StationNoteRow};

/// How long a new connection waits to be known to all nodes before the station is heard.
const OPENING_WAIT: Duration = Duration::from_secs(1);

impl Calls {
    /// Keeps that a connection was opened, and takes the station where the connection has a fencing number.
    pub async fn connection_opened(&self, opening: ConnectionOpened) {
        let (station, fence) = (opening.station_id.clone(), opening.fence.clone());
        if let Ok(kept) = self.reports.ledger.open(opening).await {
            let _ = timeout(OPENING_WAIT, kept).await;
        }
        if let Some(fence) = fence.number() {
            self.deliveries.cluster.hold(&station, fence).await;
        }
    }

    /// Keeps that a connection has ended, and gives the station back where the connection has a fencing number.
    pub async fn connection_closed(&self, station: &StationId, fence: &Fence) {
        if let Some(fence) = fence.number() {
            self.reports.ledger.note_soon(StationNoteRow {
                station_id: station.clone(),
                at: self.clock.now(),
                note: StationNote::Closed(fence),
            });
            self.deliveries.cluster.release(station, fence).await;
        }
    }
}
