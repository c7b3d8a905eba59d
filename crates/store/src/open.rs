//! Opens the engine that a database URL names.

use std::sync::Arc;

use super::Store;
use super::nodes::NodeStore;
use super::postgres::{self, PostgresStore};
use super::sqlite::{self, SqliteStore};

/// An opened store.
#[derive(Debug, Clone)]
pub enum Opened {
    /// `sqlite://PATH`: embedded, for one node.
    Sqlite(SqliteStore),
    /// `postgres://…` or `postgresql://…`: a server, for one node or several.
    Postgres(PostgresStore),
}

/// The error of opening a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The error of an embedded database (SQLite).
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// The error of a PostgreSQL server.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
}

/// Whether a URL names a PostgreSQL server.
pub fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// The URL of any server as it may be shown: without its password.
pub fn shown(url: &str) -> String {
    if url.is_empty() || url.starts_with("sqlite://") {
        url.to_owned()
    } else {
        postgres::shown(url)
    }
}

/// Opens a URL's store. An embedded database is created if it is missing.
pub async fn open(url: &str) -> Result<Opened, OpenError> {
    Ok(if is_postgres(url) {
        Opened::Postgres(PostgresStore::open(url).await?)
    } else {
        Opened::Sqlite(SqliteStore::open(url).await?)
    })
}

/// Opens a URL's store. A missing embedded database is an error.
pub async fn open_existing(url: &str) -> Result<Opened, OpenError> {
    Ok(if is_postgres(url) {
        Opened::Postgres(PostgresStore::open(url).await?)
    } else {
        Opened::Sqlite(SqliteStore::open_existing(url).await?)
    })
}

/// Claims an embedded database for this process. The claim lasts as long as the returned value.
pub fn claim(url: &str) -> Result<Option<sqlite::Claim>, OpenError> {
    if is_postgres(url) { Ok(None) } else { Ok(Some(SqliteStore::claim(url)?)) }
}

impl Opened {
    /// Brings the schema up to date.
    pub async fn migrate(&self, url: &str) -> Result<(), OpenError> {
        match self {
            Self::Sqlite(store) => Ok(store.migrate(url).await?),
            Self::Postgres(store) => Ok(store.migrate(url).await?),
        }
    }

    /// Checks that the program can work with the schema.
    pub async fn check_schema(&self, url: &str) -> Result<(), OpenError> {
        match self {
            Self::Sqlite(store) => Ok(store.check_schema(url).await?),
            Self::Postgres(store) => Ok(store.check_schema(url).await?),
        }
    }

    /// The store.
    pub fn store(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(store) => Arc::new(store.clone()),
            Self::Postgres(store) => Arc::new(store.clone()),
        }
    }

    /// The data of nodes that share the store. `None`: the store serves one node only.
    pub fn nodes(&self) -> Option<Arc<dyn NodeStore>> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(store) => Some(Arc::new(store.clone())),
        }
    }

    /// Closes files and connections.
    pub async fn close(&self) {
        match self {
            Self::Sqlite(store) => store.close().await,
            Self::Postgres(store) => store.close().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        assert_eq!(shown("redis://:secret@h:6379/1"), "redis://@h:6379/1");
        assert_eq!(
            shown("rediss+sentinel://u:p%40@h1:1,h2:2/m"),
            "rediss+sentinel://u@h1:1,h2:2/m"
        );
        assert_eq!(shown("redis://h:6379"), "redis://h:6379");
        assert_eq!(shown("sqlite://a:b@c.db"), "sqlite://a:b@c.db", "a path is no server");
        assert_eq!(shown(""), "");
    }
}
