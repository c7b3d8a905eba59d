//! The embedded store: SQLite for one machine with nothing to install.
//!
//! One connection writes, in WAL mode with every commit synced to disk; others read beside it.

mod blocks;
mod claim;
mod disk_reserve;
mod events;
mod ledger;
mod members;
mod months;
mod once;
mod operations;
mod records;
mod reports;
pub(crate) mod rows;
mod sessions;
mod sites;
mod stations;

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use self::disk_reserve::DiskReserve;
use crate::migrations::{SQLITE, migrator};
use crate::schema::{Schema, SchemaError};

pub use self::claim::Claim;

/// The schema's versions.
fn migrations() -> Migrator {
    migrator(SQLITE)
}

/// What a schema's fault means for opening.
fn unreadable(url: &str, cause: SchemaError) -> OpenError {
    let url = url.to_owned();
    match cause {
        SchemaError::Outdated => OpenError::Outdated { url },
        SchemaError::Newer(at, needs) => {
            OpenError::Newer { url, at, needs, known: Schema::newest(&migrations()) }
        }
    }
}

/// Connections that read beside the one that writes.
const READERS: u32 = 4;

/// How long a statement waits for another process's lock before it fails.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The embedded store.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    write: SqlitePool,
    read: SqlitePool,
    room: DiskReserve,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("cannot create the folder {folder} of the database: {cause}")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(
        "cannot open the database {url}: {cause}; it must be sqlite://PATH in a folder that can be written"
    )]
    Open {
        /// Which.
        url: String,
        /// Why.
        cause: sqlx::Error,
    },
    /// It was there, and nothing is in it any more.
    #[error(
        "the database {url} is an empty file: it was emptied, or a first start was broken off; put a backup in its place, or remove the file to begin anew"
    )]
    Emptied {
        /// Which.
        url: String,
    },
    /// Another process has it.
    #[error(
        "the database {url} is another process's: one juden serves an embedded database; stop the other, or name another database (several nodes share a postgres:// store)"
    )]
    Taken {
        /// Which.
        url: String,
    },
    /// It cannot be claimed.
    #[error(
        "cannot claim the database {url} for this process: {cause}; its folder must be one that can be written"
    )]
    Claim {
        /// Which.
        url: String,
        /// Why.
        cause: std::io::Error,
    },
    /// There is none.
    #[error("there is no database {url}: name the server's, or run `juden migrate` to make one")]
    Missing {
        /// Which.
        url: String,
    },
    /// Its schema cannot be brought up to date.
    #[error("cannot bring the schema of {url} up to date: {cause}")]
    Migrate {
        /// Which.
        url: String,
        /// Why.
        cause: sqlx::migrate::MigrateError,
    },
    /// Its schema is too new.
    #[error(
        "the schema of {url} is at {at} and needs a juden that knows schema {needs} or later; this one knows {known}: start a newer juden"
    )]
    Newer {
        /// Which.
        url: String,
        /// The database's version.
        at: i64,
        /// What a program must know.
        needs: i64,
        /// What this one knows.
        known: i64,
    },
    /// Its schema is older than the program.
    #[error(
        "the schema of {url} is not up to date: run `juden migrate`, or start without --no-migrate"
    )]
    Outdated {
        /// Which.
        url: String,
    },
}

impl SqliteStore {
    /// Opens, and creates where there is none, the database of a `sqlite://PATH` URL.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_or(url, true).await
    }

    /// Opens a database that is there.
    pub async fn open_existing(url: &str) -> Result<Self, OpenError> {
        Self::open_or(url, false).await
    }

    async fn open_or(url: &str, create: bool) -> Result<Self, OpenError> {
        let failed = |cause| OpenError::Open { url: url.to_owned(), cause };
        let options = SqliteConnectOptions::from_str(url)
            .map_err(failed)?
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true);
        let folder = options.get_filename().parent().map(Path::to_path_buf).unwrap_or_default();
        if !create && !options.get_filename().exists() {
            return Err(OpenError::Missing { url: url.to_owned() });
        }
        if create && !folder.as_os_str().is_empty() {
            std::fs::create_dir_all(&folder).map_err(|cause| OpenError::Folder {
                folder: folder.display().to_string(),
                cause,
            })?;
        }
        let room = DiskReserve::of(options.get_filename());
        if std::fs::metadata(options.get_filename()).is_ok_and(|file| file.len() == 0) {
            return Err(OpenError::Emptied { url: url.to_owned() });
        }
        // A connection whose transaction failed, and that the engine rolled back by itself, is not what the pool takes it
        // for: it is closed, and the next one is new.
        let write = SqlitePoolOptions::new().max_connections(1).after_release(|connection, _| {
            let is_clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(is_clean) })
        });
        let write = write.connect_with(options.clone()).await.map_err(failed)?;
        let read = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_lazy_with(options.read_only(true));
        Ok(Self { write, read, room })
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self, url: &str) -> Result<(), OpenError> {
        let migrations = migrations();
        self.schema(&migrations).await.may_migrate().map_err(|cause| unreadable(url, cause))?;
        migrations
            .run(&self.write)
            .await
            .map_err(|cause| OpenError::Migrate { url: url.to_owned(), cause })
    }

    /// Checks that the program can work with the schema.
    pub async fn check_schema(&self, url: &str) -> Result<(), OpenError> {
        self.schema(&migrations()).await.is_readable().map_err(|cause| unreadable(url, cause))
    }

    async fn schema(&self, migrations: &Migrator) -> Schema {
        let known = Schema::newest(migrations);
        let at = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&self.write)
            .await;
        let needs =
            sqlx::query_scalar("SELECT max(readable_from) FROM schema_readable WHERE version > ?1")
                .bind(known);
        Schema {
            known,
            at: at.ok().flatten(),
            needs: needs.fetch_one(&self.write).await.ok().flatten(),
        }
    }

    /// Claims the database of a URL for this process: nobody else serves it.
    pub fn claim(url: &str) -> Result<Claim, OpenError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|cause| OpenError::Open { url: url.to_owned(), cause })?;
        claim::claim(url, options.get_filename())
    }

    /// Lets go of the files.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}
