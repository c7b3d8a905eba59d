//! Which stations may remember a card, and how they learn that it is blocked, or no longer.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Seen, Stored};
use juden_domain::ids::{CardNumber, IdTag, StationId};

/// What a station is to learn of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockOrAllow {
    /// That it is blocked.
    Block,
    /// That it is no longer blocked.
    Allow,
}

impl BlockOrAllow {
    /// Its code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Block => "block",
            Self::Allow => "allow",
        }
    }

    /// The one with a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Block, Self::Allow].into_iter().find(|reach| reach.code() == code)
    }
}

/// How far a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// The station does not know yet.
    Pending,
    /// It knows.
    Delivered,
    /// It has no means to be told.
    Unsupported,
}

impl DeliveryState {
    /// Its code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Unsupported => "unsupported",
        }
    }

    /// The one with a code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Unsupported]
            .into_iter()
            .find(|state| state.code() == code)
    }
}

/// Something that a station is to learn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The station.
    pub station_id: StationId,
    /// The card.
    pub card: CardNumber,
    /// What readers read from it.
    pub id_tag: IdTag,
    /// What other readers read from it.
    pub readings: Vec<IdTag>,
    /// What it is to learn.
    pub reach: BlockOrAllow,
    /// How far it is.
    pub state: DeliveryState,
    /// By which means it was told last: `local_list`, `clear_cache`.
    pub means: Option<String>,
    /// Whether its list is to hold the card as accepted while it is not blocked.
    pub listed: bool,
    /// How often it was tried.
    pub tries: i64,
    /// Since when it is to learn it; never the same twice for a card and station.
    pub since: DateTime<Utc>,
    /// When it last came to its state.
    pub at: DateTime<Utc>,
}

/// What became of telling a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryOutcome {
    /// How far it is now.
    pub state: DeliveryState,
    /// By which means it was told.
    pub means: Option<&'static str>,
    /// When.
    pub at: DateTime<Utc>,
    /// Not to be tried again before.
    pub next_try_at: DateTime<Utc>,
    /// Whether it is of a whole list: it holds whatever was known before.
    pub whole: bool,
}

/// Exposures and deliveries.
#[async_trait]
pub trait BlockStore: Send + Sync {
    /// Every station where a card was accepted is to learn this of it from now on, and those at sites whose list has the
    /// card that it is in theirs, unless what that rests on was changed since. What a station already learnt, or never
    /// needs to, stays. The stations that are still to learn it.
    async fn recall(
        &self,
        card: &CardNumber,
        reach: BlockOrAllow,
        at: DateTime<Utc>,
        seen: &Seen,
    ) -> Stored<Vec<StationId>>;
    /// What stations are to learn, or learnt, of a card, in order of the stations.
    async fn deliveries_of(&self, card: &CardNumber) -> Stored<Vec<Delivery>>;
    /// What a station is still to learn: blocks before all else, the oldest first.
    async fn pending_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>>;
    /// Cards that a station's list is to hold, known to it or not: first those that are blocked, then those that it is to
    /// hold as accepted; the newest first.
    async fn list_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>>;
    /// Of these stations, those that are to be told something now.
    async fn stations_to_tell(
        &self,
        stations: &[StationId],
        now: DateTime<Utc>,
    ) -> Stored<Vec<StationId>>;
    /// From now on the stations' lists may hold what these deliveries say, whatever is heard of it. Those that
    /// still hold; what something else took the place of is not to be sent.
    async fn begin_listing(&self, deliveries: &[Delivery]) -> Stored<Vec<Delivery>>;
    /// Every block, and everything that a station's list was sent and is to hold, is to be told again, also what it is being
    /// told now.
    async fn relist(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()>;
    /// What a station had no list for is to be told again: it may have one now.
    async fn relist_unsupported(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()>;
    /// Whether a station's list is to hold cards as accepted.
    async fn has_listed(&self, station: &StationId) -> Stored<bool>;
    /// Keeps what became of deliveries that wait, or of all of them, unless something else is to be learnt since.
    async fn save_told(&self, deliveries: &[Delivery], told: &DeliveryOutcome) -> Stored<()>;
    /// Cards to be looked at again by now, at most `limit`.
    async fn due_looks(&self, now: DateTime<Utc>, limit: i64) -> Stored<Vec<CardNumber>>;
    /// A card is to be looked at when an instant comes.
    async fn add_look(&self, card: &CardNumber, due: DateTime<Utc>) -> Stored<()>;
    /// Every card that a station may remember, and was not to learn is blocked, is to be looked at when an
    /// instant comes.
    async fn add_looks_at_unblocked(&self, due: DateTime<Utc>) -> Stored<()>;
    /// A card was looked at: what fell due up to then is done.
    async fn looked(&self, card: &CardNumber, until: DateTime<Utc>) -> Stored<()>;
    /// The version of the local list that was last sent to a station; 0 before the first.
    async fn list_version(&self, station: &StationId) -> Stored<i64>;
    /// Keeps it.
    async fn save_list_version(&self, station: &StationId, version: i64) -> Stored<()>;
}
