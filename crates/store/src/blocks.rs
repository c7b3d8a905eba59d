//! Exposures and deliveries: the stations that may remember a card as accepted, and how they learn
//! that it is blocked or accepted again.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Seen, Stored};
use juden_domain::ids::{CardNumber, IdTag, StationId};

/// The fact about a card that a station is to learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOrAllow {
    /// The card is blocked.
    Block,
    /// The card is no longer blocked.
    Allow,
}

impl BlockOrAllow {
    /// The code that the store and the API use.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }

    /// The variant with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Block, Self::Allow].into_iter().find(|reach| reach.code() == code)
    }
}

/// The state of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// The station does not know yet.
    Pending,
    /// The station knows.
    Delivered,
    /// The station has no means to learn it: no list, or no room in it.
    Unsupported,
}

impl DeliveryState {
    /// The code that the store and the API use.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Unsupported => "unsupported",
        }
    }

    /// The variant with this code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Unsupported]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// A block delivery: what a station is to learn of a card, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The station.
    pub station_id: StationId,
    /// The card.
    pub card: CardNumber,
    /// The card's id tag.
    pub id_tag: IdTag,
    /// Further id tags that other readers read from the card.
    pub readings: Vec<IdTag>,
    /// Whether the station is to learn a block or an acceptance.
    pub reach: BlockOrAllow,
    /// The delivery's state.
    pub state: DeliveryState,
    /// The means of the last delivery: `local_list`, `clear_cache`.
    pub means: Option<String>,
    /// Whether the station's local list is to hold the card as accepted while the card is not
    /// blocked.
    pub listed: bool,
    /// The number of tries.
    pub tries: i64,
    /// The instant from which the station is to learn it. It never repeats for a card and station,
    /// so that a result can be matched to the delivery.
    pub since: DateTime<Utc>,
    /// The instant of the last change of state.
    pub at: DateTime<Utc>,
}

/// The result of a try to deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// The new state.
    pub state: DeliveryState,
    /// The means that was used.
    pub means: Option<&'static str>,
    /// The instant of the result.
    pub at: DateTime<Utc>,
    /// The earliest instant of the next try.
    pub next_try_at: DateTime<Utc>,
    /// Whether a whole list was sent. Its result also holds for deliveries that were not pending.
    pub whole: bool,
}

/// Exposures and deliveries.
#[async_trait]
pub trait BlockStore: Send + Sync {
    /// Sets deliveries of a block, or of its end, for every station where the card was accepted,
    /// and for stations whose site's list has the card. It is a conflict if the histories changed
    /// after `seen`. Deliveries that are done or not needed stay. Returns the stations with pending
    /// deliveries.
    async fn recall(
        &self,
        card: &CardNumber,
        reach: BlockOrAllow,
        at: DateTime<Utc>,
        seen: &Seen,
    ) -> Stored<Vec<StationId>>;
    /// All deliveries of a card, in order of the stations.
    async fn deliveries_of(&self, card: &CardNumber) -> Stored<Vec<Delivery>>;
    /// A station's pending deliveries: blocks first, the oldest first.
    async fn pending_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>>;
    /// The cards that a station's local list is to hold, whether delivered or not: first the
    /// blocked ones, then the accepted ones; the newest first.
    async fn list_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>>;
    /// Those of the given stations that have a pending delivery due now.
    async fn stations_to_tell(
        &self,
        stations: &[StationId],
        now: DateTime<Utc>,
    ) -> Stored<Vec<StationId>>;
    /// Marks deliveries as sent in a local list, before the list is sent, because it may arrive
    /// even if no answer does. Returns the deliveries that are still current. The others were
    /// replaced and must not be sent.
    async fn begin_listing(&self, deliveries: &[Delivery]) -> Stored<Vec<Delivery>>;
    /// Sets every block of a station, and every card that its list was sent and is to hold, back to
    /// pending. A delivery that is just being sent does not complete them.
    async fn relist(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()>;
    /// Sets a station's unsupported list entries back to pending, because the station may have a
    /// list now.
    async fn relist_unsupported(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()>;
    /// Whether a station's local list is to hold any card as accepted.
    async fn has_listed(&self, station: &StationId) -> Stored<bool>;
    /// Saves the result of pending deliveries, or with `whole` of all of them, unless they were
    /// replaced in the meantime.
    async fn save_told(&self, deliveries: &[Delivery], told: &DeliveryOutcome) -> Stored<()>;
    /// At most `limit` cards whose check for blocks is due by now.
    async fn due_looks(&self, now: DateTime<Utc>, limit: i64) -> Stored<Vec<CardNumber>>;
    /// Schedules a check of a card for blocks.
    async fn add_look(&self, card: &CardNumber, due: DateTime<Utc>) -> Stored<()>;
    /// Schedules a check of every card that some station may remember and that has no block
    /// delivery there.
    async fn add_looks_at_unblocked(&self, due: DateTime<Utc>) -> Stored<()>;
    /// Removes a card's checks that were due up to an instant, because the card was checked.
    async fn looked(&self, card: &CardNumber, until: DateTime<Utc>) -> Stored<()>;
    /// The version of the local list that was last sent to a station; 0 before the first.
    async fn list_version(&self, station: &StationId) -> Stored<i64>;
    /// Saves the version of the local list that a station was sent.
    async fn save_list_version(&self, station: &StationId, version: i64) -> Stored<()>;
}
