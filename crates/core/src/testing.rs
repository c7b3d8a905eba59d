//! What the services' unit tests stand on: an embedded store of their own, and a clock that stands.

use std::sync::Arc;

use juden_store::Store;
use juden_store::sqlite::SqliteStore;
use tempfile::TempDir;

use crate::clock::Clock;

/// An embedded store with its schema; it is gone with the folder.
pub struct Ground {
    pub store: Arc<dyn Store>,
    pub clock: Arc<Clock>,
    _folder: TempDir,
}

impl Ground {
    /// One whose clock stands at an instant.
    pub async fn at(now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("juden.db").display());
        let store = SqliteStore::open(&url).await.unwrap();
        store.migrate(&url).await.unwrap();
        Self {
            store: Arc::new(store),
            clock: Arc::new(Clock::standing(now.parse().unwrap())),
            _folder: folder,
        }
    }
}
