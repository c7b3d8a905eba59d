//! A node's memory of cards, stations and the programme, filled from the store. Authorize is answered
//! from here.
//!
//! A change commits first and calls [`CardDirectory::forget_tags`] before it is confirmed; a look-up that
//! read the store before the change never survives it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use dashmap::DashMap;
use moka::sync::Cache;

use crate::domain::authorization::CardFile;
use crate::domain::ids::{IdTag, StationId};
use crate::domain::programme::Programme;
use crate::domain::tariff::TariffBook;
use crate::store::{StationRecord, Store, Stored};

/// Cards remembered at most, unknown ones included.
const CARDS_MAX: u64 = 200_000;

/// The cards.
pub struct CardDirectory {
    store: Arc<dyn Store>,
    known: Cache<String, Option<Arc<CardFile>>>,
    changes: AtomicU64,
    filling: Mutex<()>,
}

impl CardDirectory {
    /// An empty memory over a store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store, known: Cache::new(CARDS_MAX), changes: AtomicU64::new(0), filling: Mutex::new(()) }
    }

    /// The card that readers read as this tag; `None`: it is no card of the programme.
    pub async fn find(&self, id_tag: &IdTag) -> Stored<Option<Arc<CardFile>>> {
        if let Some(known) = self.known.get(id_tag.matched()) {
            return Ok(known);
        }
        let changes = self.changes.load(Ordering::SeqCst);
        let file = self.store.card_by_tag(id_tag).await?.map(Arc::new);
        let _alone = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        if self.changes.load(Ordering::SeqCst) == changes {
            self.known.insert(id_tag.matched().to_owned(), file.clone());
        }
        Ok(file)
    }

    /// Forgets cards: they, or their members, changed. Look-ups under way are not kept either.
    pub fn forget_tags(&self, tags: &[&IdTag]) {
        let _alone = self.filling.lock().unwrap_or_else(PoisonError::into_inner);
        self.changes.fetch_add(1, Ordering::SeqCst);
        for tag in tags {
            self.known.invalidate(tag.matched());
        }
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
