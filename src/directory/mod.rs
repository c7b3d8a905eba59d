//! A node's memory of cards, stations and the programme, filled from the store. Authorize is answered
//! from here.
//!
//! A change commits first and calls [`CardDirectory::forget_tags`] before it is confirmed; a look-up that
//! read the store before the change never survives it.

mod exposures;
mod memories;
mod trust;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dashmap::DashMap;
use moka::sync::Cache;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::domain::authorization::CardFile;
use crate::domain::ids::{IdTag, StationId};
use crate::domain::programme::Programme;
use crate::domain::tariff::TariffBook;
use crate::store::{StationRecord, Store, Stored};

pub use exposures::Exposures;
pub use memories::{Memories, SETTLED_WITHIN};
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
    pub async fn find_all(&self, id_tags: &[&IdTag]) -> Stored<HashMap<String, Option<Arc<CardFile>>>> {
        let is_trusted = self.trust.holds();
        let mut found: HashMap<String, Option<Arc<CardFile>>> = HashMap::with_capacity(id_tags.len());
        for tag in id_tags.iter().filter(|_| is_trusted) {
            if let Some(known) = self.known.get(tag.matched()) {
                found.insert(tag.matched().to_owned(), known);
            }
        }
        let unknown: Vec<&IdTag> = id_tags.iter().copied().filter(|tag| !found.contains_key(tag.matched())).collect();
        if !unknown.is_empty() {
            found.extend(self.read(&unknown).await?);
        }
        Ok(found)
    }

    /// Reads cards from the store, and remembers them unless a card changed meanwhile.
    async fn read(&self, id_tags: &[&IdTag]) -> Stored<HashMap<String, Option<Arc<CardFile>>>> {
        let changes = self.changes.load(Ordering::SeqCst);
        let files = self.store.cards_by_tags(id_tags).await?;
        // Another node's clock may be ahead: what it did is not judged as if it were still to come.
        if let Some(newest) = files.iter().flatten().filter_map(CardFile::newest_event_at).max() {
            self.clock.not_before(newest);
        }
        let read: HashMap<_, _> =
            id_tags.iter().map(|tag| tag.matched().to_owned()).zip(files.into_iter().map(|file| file.map(Arc::new))).collect();
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
    refreshing: tokio::sync::Mutex<()>,
}

impl StationDirectory {
    /// An empty memory over a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: DashMap::new(), refreshing: tokio::sync::Mutex::new(()) }
    }

    /// A station's record, read from the store when it is not known yet. Only registered stations
    /// are remembered, so the memory is bounded by their number.
    pub async fn find(&self, id: &StationId) -> Stored<Option<Arc<StationRecord>>> {
        if let Some(known) = self.known.get(id) {
            return Ok(Some(known.clone()));
        }
        self.refresh(id).await
    }

    /// Forgets a station: the next look-up reads it again.
    pub fn forget(&self, id: &StationId) {
        self.known.remove(id);
    }

    /// Forgets every station.
    pub fn forget_all(&self) {
        self.known.clear();
    }

    /// Reads a station's record again. One read at a time, so that none puts an older one back.
    pub async fn refresh(&self, id: &StationId) -> Stored<Option<Arc<StationRecord>>> {
        let _alone = self.refreshing.lock().await;
        let record = self.store.station(id).await?.map(Arc::new);
        if let Some(record) = &record {
            self.known.insert(id.clone(), record.clone());
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
