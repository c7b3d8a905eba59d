//! Lists that an operator sends a station himself. What they accept, a suspension must reach; and what Juden holds in the
//! station's list goes on top of them.

use futures_util::future::try_join_all;

use super::capabilities::is_refused_for_good;
use super::commands::CommandResult;
use super::{App, AppError, Done, quirks};
use juden_domain::blocking::{Means, means};
use juden_domain::ids::{CardNumber, IdTag};
use juden_store::StationRecord;

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
    pub(super) async fn list_was_sent(
        &self,
        station: &StationRecord,
        version: i64,
        cards: &[CardNumber],
        result: &CommandResult,
    ) -> Done<()> {
        let in_use = station.settings().is_none_or(|settings| means(&settings, station.may_configure) == Means::List);
        let now_has = match result.outcome.as_str() {
            "accepted" if in_use => version,
            "error" if is_refused_for_good(&result.answer) => return Ok(()),
            // What the list is now nobody knows, or it is not in use: it is sent whole once it is.
            "failed" | "version_mismatch" | "not_supported" | "rejected" | "not_sent" => return Ok(()),
            _ => self.store.list_version(&station.id).await?.max(version).saturating_add(1),
        };
        let now = self.now();
        for card in cards {
            self.store.add_look(card, now).await?;
        }
        self.store.relist(&station.id, now).await?;
        // Last: where it is not kept, the list is another than the one that was sent, and is sent whole.
        self.store.save_list_version(&station.id, now_has).await?;
        self.cards.changed.notify_one();
        Ok(())
    }
}
