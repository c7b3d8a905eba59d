//! Which cards a site's chargers are to hold in their local lists.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Page, Stored};
use juden_domain::billed::SiteRecord;
use juden_domain::ids::{CardNumber, StationId};

/// A site's list has this many cards at most.
pub const SITE_LIST_MAX: usize = 3_000;

/// A change of a site's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChange {
    /// These cards, and no others.
    Replace(Vec<CardNumber>),
    /// This card too.
    Add(CardNumber),
    /// This card no longer.
    Remove(CardNumber),
}

/// What a change of a site's list came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListChanged {
    /// Cards that were not in it before.
    pub added: i64,
    /// Cards that are in it no longer.
    pub removed: i64,
}

/// How far a site's charger is with the site's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedStation {
    /// The charger.
    pub station_id: StationId,
    /// The version that it was last sent; 0: none.
    pub version: i64,
    /// Cards that its list holds as accepted.
    pub held: i64,
    /// Cards that it is still to learn of, also that they are blocked or to be taken out.
    pub pending: i64,
    /// Cards that it has no list, or no room, for.
    pub unsupported: i64,
}

/// Sites' lists.
#[async_trait]
pub trait SiteStore: Send + Sync {
    /// Keeps a site's record. `true`: it is new.
    async fn put_site(&self, site: &SiteRecord) -> Stored<bool>;
    /// Sites' records in order of their names.
    async fn sites(&self, page: &Page) -> Stored<Vec<SiteRecord>>;
    /// The standards of plugs that are registered, by station and connector.
    async fn plug_standards(&self) -> Stored<Vec<(StationId, i64, String)>>;
    /// Whether a station stands there, or a list is kept for it.
    async fn is_site(&self, site: &str) -> Stored<bool>;
    /// The cards of a site's list, in order of their numbers.
    async fn site_list(&self, site: &str, page: &Page) -> Stored<Vec<CardNumber>>;
    /// Changes a site's list, unless more than `most` cards would be in it: `None`. The cards that it concerns are to be
    /// looked at from `at` on.
    async fn change_site_list(
        &self,
        site: &str,
        change: &ListChange,
        most: usize,
        at: DateTime<Utc>,
    ) -> Stored<Option<ListChanged>>;
    /// Those of the cards that there are not.
    async fn unknown_cards(&self, cards: &[CardNumber]) -> Stored<Vec<String>>;
    /// How far the site's chargers are, in order of their identity.
    async fn listed_stations(&self, site: &str, page: &Page) -> Stored<Vec<ListedStation>>;
}
