//! Everything that a node remembers, as other nodes' changes reach it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tracing::warn;

use super::{CardDirectory, ProgrammeDirectory, StationDirectory};
use crate::cluster::{Memory, TRUSTED_FOR};
use juden_store::nodes::ChangedItem;

/// How long a change waits for answers that stations are being sent. One that was not sent by then goes to a
/// station that does not read.
pub const SETTLED_WITHIN: Duration = Duration::from_millis(500);

/// Cards, stations and the programme.
pub struct Memories {
    /// The cards.
    pub cards: Arc<CardDirectory>,
    /// The stations.
    pub stations: Arc<StationDirectory>,
    /// The programme.
    pub programme: Arc<ProgrammeDirectory>,
}

impl Memories {
    async fn read_programme(&self) -> bool {
        match self.programme.refresh().await {
            Ok(()) => true,
            Err(cause) => {
                warn!(%cause, "the programme changed and could not be read yet");
                false
            }
        }
    }
}

#[async_trait]
impl Memory for Memories {
    async fn apply(&self, changed: &[ChangedItem]) -> bool {
        let tags = changed.iter().filter_map(|changed| match changed {
            ChangedItem::Card(tag) => Some(tag.as_str()),
            _ => None,
        });
        self.cards.forget(tags);
        for station in changed {
            if let ChangedItem::Station(station) = station {
                self.stations.forget(station);
            }
        }
        !changed.contains(&ChangedItem::Programme) || self.read_programme().await
    }

    async fn forget_everything(&self) -> bool {
        self.cards.forget_all();
        self.stations.forget_all();
        self.read_programme().await
    }

    fn is_right_as_of(&self, asked_at: Instant) {
        self.cards.trust.extend(asked_at, TRUSTED_FOR);
    }

    async fn settled(&self) {
        if !self.cards.answers.settled(SETTLED_WITHIN).await {
            warn!("a station did not take an answer that it was sent before a card changed");
        }
    }
}
