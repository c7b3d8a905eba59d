//! A node's memory of cards, stations and the programme, filled from the store. Authorize is answered
//! from here.
//!
//! A change commits first and calls [`CardDirectory::forget_tags`] before it is confirmed; a look-up that
//! read the store before the change never survives it.

mod exposures;
mod memories;
mod month_uses;
mod patience;
mod trust;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use dashmap::DashMap;
use moka::sync::Cache;
use tokio::sync::Notify;

use crate::clock::Clock;
use juden_domain::authorization::CardFile;
use juden_domain::ids::{IdTag, StationId};
use juden_domain::programme::Programme;
use juden_domain::tariff::TariffBook;
use juden_store::{StationRecord, Store, Stored};

use patience::Patience;

pub use exposures::Exposures;
pub use memories::{Memories, SETTLED_WITHIN};
pub use month_uses::{MonthUses, UseFault};
pub use trust::{Answering, Answers, Trust};

/// Cards remembered at most, unknown ones included.
const CARDS_MAX: u64 = 200_000;

/// The cards.
pub struct CardDirectory {
    store: Arc<dyn Store>,
    known: Cache<String, Option<Arc<CardFile>>>,
    changes: AtomicU64,
    filling: Mutex<()>,
    clock: Arc<Clock>,
    /// Whether what is remembered may be answered from.
    pub trust: Trust,
    /// Told when a card changed.
    pub changed: Notify,
    /// Answers on their way to stations.
    pub answers: Answers,
}

impl CardDirectory {
    /// An empty memory over a store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>, trust: Trust) -> Self {
        Self {
            store,
            known: Cache::new(CARDS_MAX),
            changes: AtomicU64::new(0),
            filling: Mutex::new(()),
            clock,
            trust,
            changed: Notify::new(),
            answers: Answers::default(),
        }
    }

    /// The card that readers read as this tag; `None`: it is no card of the programme.
    pub async fn find(&self, id_tag: &IdTag) -> Stored<Option<Arc<CardFile>>> {
        Ok(self.find_all(&[id_tag]).await?.remove(id_tag.matched()).flatten())
    }

    /// The cards that readers read as these tags, by the tags' matched spelling: what is not remembered is read
    /// at once.
    pub async fn find_all(
        &self,
        id_tags: &[&IdTag],
    ) -> Stored<HashMap<String, Option<Arc<CardFile>>>> {
        let is_trusted = self.trust.holds();
        let mut found: HashMap<String, Option<Arc<CardFile>>> =
            HashMap::with_capacity(id_tags.len());
        for tag in id_tags.iter().filter(|_| is_trusted) {
            if let Some(known) = self.known.get(tag.matched()) {
                found.insert(tag.matched().to_owned(), known);
            }
        }
        let unknown: Vec<&IdTag> =
            id_tags.iter().copied().filter(|tag| !found.contains_key(tag.matched())).collect();
        if !unknown.is_empty() {
            found.extend(self.read(&unknown).await?);
        }
        Ok(found)
    }

    /// Reads cards from the store, and remembers them unless a card changed meanwhile.
    async fn read(&self, id_tags: &[&IdTag]) -> Stored<HashMap<String, Option<Arc<CardFile>>>> {
        let mut patience = Patience::new("card");
        let (changes, files) = loop {
            let changes = self.changes.load(Ordering::SeqCst);
            match self.store.cards_by_tags(id_tags).await {
                Ok(files) => break (changes, files),
                Err(cause) if patience.lasts(&cause).await => {}
                Err(cause) => return Err(cause),
            }
        };
        // Another node's clock may be ahead: what it did is not judged as if it were still to come.
        if let Some(newest) = files.iter().flatten().filter_map(CardFile::newest_event_at).max() {
            self.clock.not_before(newest);
        }
        let read: HashMap<_, _> = id_tags
            .iter()
            .map(|tag| tag.matched().to_owned())
            .zip(files.into_iter().map(|file| file.map(Arc::new)))
            .collect();
        let _alone = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes.load(Ordering::SeqCst) == changes {
            for (tag, file) in &read {
                self.known.insert(tag.clone(), file.clone());
            }
        }
        Ok(read)
    }

    /// Forgets cards: they, or their members, changed. Look-ups under way are not kept either.
    pub fn forget_tags(&self, tags: &[&IdTag]) {
        self.forget(tags.iter().map(|tag| tag.matched()));
    }

    /// The same, by the tags' matched spelling.
    pub fn forget<'a>(&self, matched: impl Iterator<Item = &'a str>) {
        let _alone = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::SeqCst);
        for tag in matched {
            self.known.invalidate(tag);
        }
        self.changed.notify_one();
    }

    /// Forgets every card.
    pub fn forget_all(&self) {
        let _alone = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.known.invalidate_all();
    }
}

/// The stations that were looked up since the start.
pub struct StationDirectory {
    store: Arc<dyn Store>,
    known: DashMap<StationId, Arc<StationRecord>>,
    /// Identities that nobody has, for a moment: who tries them out reads the store once each.
    unknown: Cache<StationId, ()>,
    refreshing: Vec<tokio::sync::Mutex<()>>,
    hashes: RandomState,
}

/// Identities that nobody has: how many are remembered, and for how long.
const UNKNOWN_MAX: u64 = 10_000;
const UNKNOWN_FOR: Duration = Duration::from_secs(5);

/// Stations' records that are read at once.
const READS_AT_ONCE: usize = 32;

impl StationDirectory {
    /// An empty memory over a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            known: DashMap::new(),
            unknown: Cache::builder().max_capacity(UNKNOWN_MAX).time_to_live(UNKNOWN_FOR).build(),
            refreshing: (0..READS_AT_ONCE).map(|_| tokio::sync::Mutex::new(())).collect(),
            hashes: RandomState::new(),
        }
    }

    /// A station's record, read from the store when it is not known yet. Only registered stations
    /// are remembered, so the memory is bounded by their number.
    pub async fn find(&self, id: &StationId) -> Stored<Option<Arc<StationRecord>>> {
        if let Some(known) = self.known.get(id) {
            return Ok(Some(known.clone()));
        }
        if self.unknown.contains_key(id) {
            return Ok(None);
        }
        self.refresh(id).await
    }

    /// Forgets a station: the next look-up reads it again.
    pub fn forget(&self, id: &StationId) {
        self.known.remove(id);
        self.unknown.invalidate(id);
    }

    /// Forgets every station.
    pub fn forget_all(&self) {
        self.known.clear();
        self.unknown.invalidate_all();
    }

    /// Reads a station's record again. One read of a station at a time, so that none puts an older one back.
    pub async fn refresh(&self, id: &StationId) -> Stored<Option<Arc<StationRecord>>> {
        let place = self.hashes.hash_one(id) % u64::try_from(READS_AT_ONCE).unwrap_or(1);
        let _alone = self.refreshing[usize::try_from(place).unwrap_or(0)].lock().await;
        let mut patience = Patience::new("station");
        let record = loop {
            match self.store.station(id).await {
                Ok(record) => break record.map(Arc::new),
                Err(cause) if patience.lasts(&cause).await => {}
                Err(cause) => return Err(cause),
            }
        };
        match &record {
            Some(record) => {
                self.unknown.invalidate(id);
                self.known.insert(id.clone(), record.clone());
            }
            None => self.unknown.insert(id.clone(), ()),
        }
        Ok(record)
    }
}

/// The programme: tariffs, terms, suspensions, openings, the service's end.
pub struct ProgrammeDirectory {
    store: Arc<dyn Store>,
    tariffs: Arc<TariffBook>,
    known: RwLock<Arc<Programme>>,
    refreshing: tokio::sync::Mutex<()>,
}

impl ProgrammeDirectory {
    /// The programme as the store holds it now.
    pub async fn new(store: Arc<dyn Store>, tariffs: Arc<TariffBook>) -> Stored<Self> {
        let known = RwLock::new(Arc::new(Programme::of_tariffs(tariffs.clone())));
        let directory = Self { store, tariffs, known, refreshing: tokio::sync::Mutex::new(()) };
        directory.refresh().await?;
        Ok(directory)
    }

    /// The programme as it was last read.
    pub fn current(&self) -> Arc<Programme> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads it again: something of it changed.
    pub async fn refresh(&self) -> Stored<()> {
        let _alone = self.refreshing.lock().await;
        let events = self.store.programme_events().await?;
        let programme = Programme::from_events(self.tariffs.clone(), events);
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(programme);
        Ok(())
    }
}
