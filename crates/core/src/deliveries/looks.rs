//! A card that is no longer valid is dead everywhere: every node refuses it before the change is confirmed,
//! and every station that may remember it learns of it as soon as it can (article 3.6, rule R4.2c). The same
//! the other way when it is valid again.

use crate::found;
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::warn;

use crate::cluster::Heard;
use crate::deliveries::Deliveries;
use crate::directory::SETTLED_WITHIN;
use crate::error::{AppError, Done};
use juden_domain::authorization::CardFile;
use juden_domain::card::{Card, CardState};
use juden_domain::ids::{CardNumber, IdTag, StationId};
use juden_domain::member::Member;
use juden_store::blocks::{BlockOrAllow, Delivery};
use juden_store::nodes::ChangedItem;
use juden_store::{Seen, StoreError};

/// When a card is looked at after a change beside the look that the change waits for: should that not have come
/// about, and once more, because a node that was stopped while it answered may have kept an exposure meanwhile.
const LATER_LOOKS_S: [i64; 2] = [2, 10];

/// How often it is looked whether a card is to be looked at, and when one is again that could not be.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const LOOK_AFTER_FAULT_S: i64 = 30;

/// Cards looked at between two reads of the store.
const LOOKS_AT_ONCE: i64 = 100;

/// How often a look is begun again because the card changed meanwhile.
const TRIES: usize = 8;

/// How a change of cards reached nodes and stations.
#[derive(Debug, Clone, Default)]
pub struct Reached {
    /// Which nodes heard of it.
    pub nodes: Heard,
    /// The stations that are still to learn of it.
    pub stations_pending: Vec<StationId>,
}

impl Deliveries {
    /// Lets everyone hear that an id tag is a card's from now on.
    pub(crate) async fn announce_new(&self, id_tag: &IdTag) {
        self.forget_here(id_tag);
        self.cluster.announce(&[ChangedItem::Card(id_tag.matched().to_owned())]).await;
    }

    /// Has this node read an id tag's card from the store again.
    pub(crate) fn forget_here(&self, id_tag: &IdTag) {
        self.cards.forget_tags(&[id_tag]);
    }

    /// The looks that a change of cards asks for beside the one that it waits for. They come after it, from
    /// whatever instant the change holds.
    pub(crate) fn looks(&self, cards: &[CardNumber]) -> Vec<(CardNumber, DateTime<Utc>)> {
        let instants = LATER_LOOKS_S.map(|after| self.clock.now() + TimeDelta::seconds(after));
        cards.iter().flat_map(|card| instants.map(|instant| (card.clone(), instant))).collect()
    }

    /// Lets everyone hear of a change of cards that was committed. Returns when no node accepts by what it
    /// remembers from before.
    pub(crate) async fn spread(
        &self,
        files: &[CardFile],
        member: Option<&Member>,
        looks: &[CardNumber],
    ) -> Reached {
        let began = std::time::Instant::now();
        let cards = files
            .iter()
            .map(|file| &file.card)
            .chain(member.into_iter().flat_map(|member| &member.cards));
        let tags: Vec<_> = cards.flat_map(Card::tags).collect();
        self.cards.forget_tags(&tags);
        let changed: Vec<ChangedItem> =
            tags.iter().map(|tag| ChangedItem::Card(tag.matched().to_owned())).collect();
        let (nodes, settled) = tokio::join!(
            self.cluster.announce(&changed),
            self.cards.answers.settled(SETTLED_WITHIN)
        );
        if !settled {
            warn!("a station did not take an answer that it was sent before a card changed");
        }
        // Not before the answers from before have left: the stations that they went to are known by now, and none is
        // told "accepted" after it forgot the card.
        let mut pending = BTreeSet::new();
        for card in looks {
            match self.look_at_card(card).await {
                Ok(stations) => pending.extend(stations),
                // The look is kept with the change: it is done later.
                Err(cause) => {
                    warn!(card_number = %card, %cause, "stations could not be told of a card yet");
                }
            }
        }
        if !looks.is_empty() {
            metrics::histogram!("juden_revocation_seconds").record(began.elapsed().as_secs_f64());
            self.cards.changed.notify_one();
        }
        if !pending.is_empty() {
            // The nodes that hold the other stations find what is to be told now; nobody waits for that.
            let cluster = self.cluster.clone();
            tokio::spawn(async move { cluster.announce(&changed).await });
        }
        Reached { nodes, stations_pending: pending.into_iter().collect() }
    }

    /// Looks at a card's standing: what stations are to learn of it is noted. Those that are still to learn.
    pub(crate) async fn look_at_card(&self, number: &CardNumber) -> Done<Vec<StationId>> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let (file, programme) =
                (found::card(self.store.as_ref(), number).await?, self.programme.current());
            let reach = match file.state_now(now, &programme) {
                CardState::Active => BlockOrAllow::Allow,
                CardState::Suspended(_) | CardState::Dead(_) => BlockOrAllow::Block,
                CardState::Stock | CardState::Mailed => {
                    self.store.looked(number, now).await?;
                    return Ok(Vec::new());
                }
            };
            let end = file.member.as_ref().and_then(|member| member.end(&programme));
            if let Some(end) = end.filter(|end| end.at > now) {
                self.store.add_look(number, end.at).await?;
            }
            match self
                .store
                .recall(number, reach, now, &Seen::of(&[&file], file.member.as_ref()))
                .await
            {
                Err(StoreError::Conflict(_)) => {}
                other => return Ok(other?),
            }
        }
        Err(AppError::Busy("the card is being changed by others"))
    }

    /// How far stations are with learning of a card.
    pub async fn deliveries_of(&self, number: &CardNumber) -> Done<Vec<Delivery>> {
        Ok(self.store.deliveries_of(number).await?)
    }

    /// Looks now and then at the cards that are due, for as long as it is polled.
    pub async fn keep_looking_at_cards(&self) {
        loop {
            if let Err(cause) = self.look_at_due_cards().await {
                warn!(%cause, "it could not be looked which stations are to learn of cards; it will be tried again");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks at every card that is due.
    pub(crate) async fn look_at_due_cards(&self) -> Done<()> {
        // With the service every card ends, also those that came to a station after the end was set.
        if self.programme.current().service_ends_at.is_some_and(|end| end <= self.clock.now()) {
            self.store.add_looks_at_unblocked(self.clock.now()).await?;
        }
        loop {
            let now = self.clock.now();
            let due = self.store.due_looks(now, LOOKS_AT_ONCE).await?;
            if due.is_empty() {
                return Ok(());
            }
            for card in due {
                match self.look_at_card(&card).await {
                    Ok(pending) if pending.is_empty() => {}
                    Ok(_) => self.cards.changed.notify_one(),
                    // One card's fault keeps no other waiting, and no month.
                    Err(cause) => {
                        warn!(card_number = %card, %cause, "a card could not be looked at; it is looked at again");
                        self.store
                            .add_look(&card, now + TimeDelta::seconds(LOOK_AFTER_FAULT_S))
                            .await?;
                        self.store.looked(&card, now).await?;
                    }
                }
            }
        }
    }
}
