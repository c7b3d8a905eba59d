//! Lists that an operator sends a station himself. What they accept, a suspension must reach; and what Juden holds in the
//! station's list goes on top of them.

use futures_util::future::try_join_all;

use super::{App, AppError, Done, quirks};
use crate::domain::ids::{CardNumber, IdTag, StationId};
use crate::store::StationRecord;

impl App {
    /// Keeps, before a list is sent, that the station may remember its cards from then on: which ones they are.
    pub(super) async fn expect_listed(&self, station: &StationRecord, id_tags: &[IdTag]) -> Done<Vec<CardNumber>> {
        let mut cards = Vec::new();
        for id_tag in id_tags {
            if let Some(file) = self.cards.find(&quirks::card_told(station, id_tag.as_sent())).await? {
                cards.push(file.card.number.clone());
            }
        }
        let now = self.now();
        let kept = try_join_all(cards.iter().map(|card| self.expose(station, card, now))).await;
        kept.map_err(|_| AppError::Busy("it could not be kept which cards the list has"))?;
        Ok(cards)
    }

    /// A list was sent: blocked cards and those of the site's list are told anew, and the cards that it names are looked at,
    /// for some may be blocked already.
    pub(super) async fn list_was_sent(&self, id: &StationId, version: i64, cards: &[CardNumber], outcome: &str) -> Done<()> {
        match outcome {
            "accepted" => self.store.save_list_version(id, version).await?,
            // What the list is now nobody knows: it is sent whole.
            "unknown" => self.list_is_behind(id).await,
            _ => return Ok(()),
        }
        let now = self.now();
        self.store.relist(id, now).await?;
        for card in cards {
            self.store.add_look(card, now).await?;
        }
        self.cards.changed.notify_one();
        Ok(())
    }
}
