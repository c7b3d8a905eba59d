//! The stations that may remember a card.

use chrono::{DateTime, Utc};
use juden_domain::ids::CardNumber;
use juden_store::StationRecord;
use juden_store::ledger::{StationNote, StationNoteRow};

use crate::commands::Commands;
use crate::error::Done;

impl Commands {
    /// Keeps that a station may remember a card from now on, before it is told so. Whether that was not kept already.
    pub(crate) async fn expose(
        &self,
        station: &StationRecord,
        card: &CardNumber,
        at: DateTime<Utc>,
    ) -> Done<bool> {
        let fresh = !self.exposures.is_kept(card, &station.id);
        if fresh {
            let note = StationNote::Exposed(card.clone());
            self.ledger.note(StationNoteRow { station_id: station.id.clone(), at, note }).await?;
            self.exposures.kept(card, &station.id);
        }
        Ok(fresh)
    }
}
