//! Lists that an operator sends a station himself. What they accept, a suspension must reach; and what Juden holds in the
//! station's list goes on top of them.

use futures_util::future::try_join_all;

use crate::commands::Commands;
use crate::commands::capabilities::is_refused_for_good;
use crate::commands::sending::CommandResult;
use crate::error::{AppError, Done};
use crate::stations::quirks;
use juden_domain::blocking::{Means, means};
use juden_domain::ids::{CardNumber, IdTag, StationId};
use juden_store::StationRecord;
use juden_store::sites::{ListChange, SITE_LIST_MAX};

impl Commands {
    /// Keeps, before a list is sent, that the station may remember its cards from then on: which ones they are.
    pub(crate) async fn expect_listed(
        &self,
        station: &StationRecord,
        id_tags: &[IdTag],
    ) -> Done<Vec<CardNumber>> {
        let mut cards = Vec::new();
        for id_tag in id_tags {
            if let Some(file) =
                self.cards.find(&quirks::card_told(station, id_tag.as_sent())).await?
            {
                cards.push(file.card.number.clone());
            }
        }
        let now = self.clock.now();
        let kept = try_join_all(cards.iter().map(|card| self.expose(station, card, now))).await;
        kept.map_err(|_| AppError::Busy("it could not be kept which cards the list has"))?;
        Ok(cards)
    }

    /// A list was sent: blocked cards and those of the site's list are told anew, and the cards that it names are looked at,
    /// for some may be blocked already.
    pub(crate) async fn list_was_sent(
        &self,
        station: &StationRecord,
        version: i64,
        cards: &[CardNumber],
        result: &CommandResult,
    ) -> Done<()> {
        let in_use = station
            .settings()
            .is_none_or(|settings| means(&settings, station.may_configure) == Means::List);
        let now_has = match result.outcome.as_str() {
            "accepted" if in_use => version,
            "error" if is_refused_for_good(&result.answer) => return Ok(()),
            // What the list is now nobody knows, or it is not in use: it is sent whole once it is.
            "failed" | "version_mismatch" | "not_supported" | "rejected" | "not_sent" => {
                return Ok(());
            }
            _ => self.store.list_version(&station.id).await?.max(version).saturating_add(1),
        };
        let now = self.clock.now();
        for card in cards {
            self.store.add_look(card, now).await?;
        }
        self.store.relist(&station.id, now).await?;
        // Last: where it is not kept, the list is another than the one that was sent, and is sent whole.
        self.store.save_list_version(&station.id, now_has).await?;
        self.cards.changed.notify_one();
        Ok(())
    }

    /// A customer's data were cleared at a station: what its site's list holds of them goes too (N10.FR.08).
    pub(crate) async fn forget_customer_at(&self, id: &StationId, id_tag: &str) -> Done<()> {
        let Some(station) = self.stations.find(id).await? else { return Ok(()) };
        let Some(file) = self.cards.find(&quirks::card_told(&station, id_tag)).await? else {
            return Ok(());
        };
        let change = ListChange::Remove(file.card.number.clone());
        self.store
            .change_site_list(&station.site, &change, SITE_LIST_MAX, self.clock.now())
            .await?;
        Ok(())
    }
}
