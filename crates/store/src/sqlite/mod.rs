//! The embedded store: SQLite, for one node, with nothing to install.
//!
//! One connection writes, in WAL mode with every commit synced to disk. Others read at the same
//! time.

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

/// The migrations.
fn migrations() -> Migrator {
    migrator(SQLITE)
}

/// The opening error for a schema that does not fit the program.
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

/// The longest wait of a statement for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The embedded store.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    write: SqlitePool,
    read: SqlitePool,
    room: DiskReserve,
}

/// The error of opening the store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be created.
    #[error("cannot create the folder {folder} of the database: {cause}")]
    Folder {
        /// The folder's path.
        folder: String,
        /// The cause.
        cause: std::io::Error,
    },
    /// The database cannot be opened.
    #[error(
        "cannot open the database {url}: {cause}; it must be sqlite://PATH in a folder that can be written"
    )]
    Open {
        /// The database's URL.
        url: String,
        /// The cause.
        cause: sqlx::Error,
    },
    /// The database is an empty file.
    #[error(
        "the database {url} is an empty file: it was emptied, or a first start was broken off; put a backup in its place, or remove the file to begin anew"
    )]
    Emptied {
        /// The database's URL.
        url: String,
    },
    /// Another process has claimed the database.
    #[error(
        "the database {url} is another process's: one juden serves an embedded database; stop the other, or name another database (several nodes share a postgres:// store)"
    )]
    Taken {
        /// The database's URL.
        url: String,
    },
    /// The database cannot be claimed.
    #[error(
        "cannot claim the database {url} for this process: {cause}; its folder must be one that can be written"
    )]
    Claim {
        /// The database's URL.
        url: String,
        /// The cause.
        cause: std::io::Error,
    },
    /// There is no such database.
    #[error("there is no database {url}: name the server's, or run `juden migrate` to make one")]
    Missing {
        /// The database's URL.
        url: String,
    },
    /// The schema cannot be brought up to date.
    #[error("cannot bring the schema of {url} up to date: {cause}")]
    Migrate {
        /// The database's URL.
        url: String,
        /// The cause.
        cause: sqlx::migrate::MigrateError,
    },
    /// The schema is too new.
    #[error(
        "the schema of {url} is at {at} and needs a juden that knows schema {needs} or later; this one knows {known}: start a newer juden"
    )]
    Newer {
        /// The database's URL.
        url: String,
        /// The schema version of the database.
        at: i64,
        /// The schema version that a program must know to work with it.
        needs: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The schema is older than the program.
    #[error(
        "the schema of {url} is not up to date: run `juden migrate`, or start without --no-migrate"
    )]
    Outdated {
        /// The database's URL.
        url: String,
    },
}

impl SqliteStore {
    /// Opens the database of a `sqlite://PATH` URL, and creates it if it is missing.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_or(url, true).await
    }

    /// Opens an existing database.
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
        // If SQLite rolled a failed transaction back by itself, the connection's state differs from
        // what the pool assumes. Such a connection is closed, and the pool opens a new one.
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

    /// Claims the database of a URL for this process, so that no other process serves it.
    pub fn claim(url: &str) -> Result<Claim, OpenError> {
        let options = SqliteConnectOptions::from_str(url)
            .map_err(|cause| OpenError::Open { url: url.to_owned(), cause })?;
        claim::claim(url, options.get_filename())
    }

    /// Closes the files.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}
