//! Which stations may remember which cards: those that were told that a card is accepted. It is kept before
//! the station is told.

use std::time::Duration;

use moka::sync::Cache;

use juden_domain::ids::{CardNumber, StationId};

/// Pairs that a node remembers to have kept, and for how long.
const PAIRS_MAX: u64 = 1_000_000;
const KEPT_FOR: Duration = Duration::from_secs(24 * 3_600);

/// The pairs of card and station that were kept lately.
#[derive(Debug, Clone)]
pub struct Exposures(Cache<(CardNumber, StationId), ()>);

impl Default for Exposures {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(PAIRS_MAX).time_to_live(KEPT_FOR).build())
    }
}

impl Exposures {
    /// Whether a pair was kept lately.
    pub fn is_kept(&self, card: &CardNumber, station: &StationId) -> bool {
        self.0.contains_key(&(card.clone(), station.clone()))
    }

    /// A pair was kept.
    pub fn kept(&self, card: &CardNumber, station: &StationId) {
        self.0.insert((card.clone(), station.clone()), ());
    }
}
