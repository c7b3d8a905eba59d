//! Charging sites, and the cards that their stations' local lists are to hold.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Page, Stored};
use juden_domain::billed::SiteRecord;
use juden_domain::ids::{CardNumber, StationId};

/// The most cards of a site's list.
pub const SITE_LIST_MAX: usize = 3_000;

/// A change of a site's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange {
    /// The list gets exactly these cards.
    Replace(Vec<CardNumber>),
    /// The list gets this card too.
    Add(CardNumber),
    /// The list loses this card.
    Remove(CardNumber),
}

/// The result of a change of a site's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListChanged {
    /// Cards that were not in it before.
    pub added: i64,
    /// Cards that are in it no longer.
    pub removed: i64,
}

/// The state of a station's local list, compared with its site's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedStation {
    /// The station.
    pub station_id: StationId,
    /// The list version that the station was last sent; 0: none.
    pub version: i64,
    /// The number of cards that the station's list holds as accepted.
    pub held: i64,
    /// The number of pending deliveries, including blocks and removals.
    pub pending: i64,
    /// The number of cards for which the station has no list, or no room in it.
    pub unsupported: i64,
}

/// Charging sites and their lists.
#[async_trait]
pub trait SiteStore: Send + Sync {
    /// Stores a site's record. `true`: the site is new.
    async fn put_site(&self, site: &SiteRecord) -> Stored<bool>;
    /// Sites' records in order of their names.
    async fn sites(&self, page: &Page) -> Stored<Vec<SiteRecord>>;
    /// The registered plug standards, by station and connector.
    async fn plug_standards(&self) -> Stored<Vec<(StationId, i64, String)>>;
    /// Whether a station stands at the site, or a list is kept for it.
    async fn is_site(&self, site: &str) -> Stored<bool>;
    /// The cards of a site's list, in order of their numbers.
    async fn site_list(&self, site: &str, page: &Page) -> Stored<Vec<CardNumber>>;
    /// Changes a site's list and schedules a check of the changed cards at `at`. `None`: the list
    /// would get more than `most` cards, and nothing was changed.
    async fn change_site_list(
        &self,
        site: &str,
        change: &ListChange,
        most: usize,
        at: DateTime<Utc>,
    ) -> Stored<Option<ListChanged>>;
    /// Those of the given cards that do not exist.
    async fn unknown_cards(&self, cards: &[CardNumber]) -> Stored<Vec<String>>;
    /// The local lists of the site's stations, in order of their identity.
    async fn listed_stations(&self, site: &str, page: &Page) -> Stored<Vec<ListedStation>>;
}
