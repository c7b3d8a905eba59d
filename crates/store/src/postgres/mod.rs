//! The store on a PostgreSQL server, 15 or newer: for one node or several.
//!
//! Instants are stored to the millisecond, as in SQLite. PostgreSQL's text cannot hold NUL. It is
//! replaced by U+FFFD in stored values and in search values.
//!
//! Locks are advisory and taken in this order: `locks::CHANGES` (changes of members, cards,
//! stations and the programme), `locks::CLOSING` (shared by writers of data that a close reads; a
//! run begins with it alone), then those of stations and id tags, by their keys.

mod blocks;
mod connect;
mod events;
mod histories;
mod ledger;
mod locks;
mod members;
mod months;
mod nodes;
mod once;
mod operations;
mod partitions;
mod records;
mod reports;
mod rows;
mod sessions;
mod sites;
mod stations;
mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{Connection, Postgres, Transaction};

pub use connect::{OpenError, shown};

use crate::migrations::{POSTGRES, migrator};
use crate::schema::{Schema, SchemaError};
use crate::{StoreError, Stored};

/// The store on a PostgreSQL server.
#[derive(Debug, Clone)]
pub struct PostgresStore {
    /// The pool for the ledger's batches.
    write: PgPool,
    /// The pool for other queries that stations' messages wait for: cards and stations that are not
    /// in memory.
    messages: PgPool,
    /// The pool for everything else.
    api: PgPool,
    /// The pool for turns, each on its own connection.
    turns: PgPool,
    /// The pool for turns taken without waiting. It is separate, because their holders may wait for
    /// other turns.
    tries: PgPool,
    /// The pool for the node's pulse, so that no load on the others can delay it.
    pulse: PgPool,
    /// The number of pulses so far.
    pulses: Arc<AtomicU64>,
}

/// The most repeats of a change after conflicts with other transactions.
const TRIES: u32 = 5;

/// Repeats the work after a deadlock or a serialization failure.
macro_rules! retried {
    ($work:expr) => {{
        let mut tries = 0;
        loop {
            match $work.await {
                Err(cause)
                    if tries < crate::postgres::TRIES && crate::postgres::is_crossed(&cause) =>
                {
                    tries += 1
                }
                done => break done,
            }
        }
    }};
}
pub(crate) use retried;

/// Whether the transaction failed because of a deadlock, or of another transaction's commit.
fn is_crossed(cause: &StoreError) -> bool {
    matches!(cause, StoreError::Failed(sqlx::Error::Database(fault)) if matches!(fault.code().as_deref(), Some("40001" | "40P01")))
}

/// The migrations.
fn migrations() -> Migrator {
    migrator(POSTGRES)
}

impl PostgresStore {
    /// Connects to the database of a `postgres://USER:PASSWORD@HOST:PORT/DATABASE` URL.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        let server = connect::server(url)?;
        let server = connect::probe(url, server).await?;
        Ok(Self {
            write: server.write_pool(),
            messages: server.messages_pool(),
            api: server.api_pool(),
            turns: server.turns_pool(),
            tries: server.turns_pool(),
            pulse: server.pulse_pool(),
            pulses: Arc::default(),
        })
    }

    /// Brings the schema up to date. Nodes take turns at it.
    pub async fn migrate(&self, url: &str) -> Result<(), OpenError> {
        let failed = |cause| OpenError::Migrate { url: connect::shown(url), cause };
        let migrations = migrations();
        self.schema(&migrations)
            .await
            .may_migrate()
            .map_err(|cause| connect::unreadable(url, cause))?;
        // A separate connection, which has no statement timeout.
        let mut connection = PgConnection::connect_with(&self.turns.connect_options())
            .await
            .map_err(|cause| failed(cause.into()))?;
        migrations.run(&mut connection).await.map_err(failed)?;
        let _ = connection.close().await;
        Ok(())
    }

    /// Checks that the program can work with the schema.
    pub async fn check_schema(&self, url: &str) -> Result<(), OpenError> {
        self.schema(&migrations())
            .await
            .is_readable()
            .map_err(|cause: SchemaError| connect::unreadable(url, cause))
    }

    async fn schema(&self, migrations: &Migrator) -> Schema {
        let known = Schema::newest(migrations);
        let at = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&self.api)
            .await;
        let needs =
            sqlx::query_scalar("SELECT max(readable_from) FROM schema_readable WHERE version > $1")
                .bind(known);
        Schema {
            known,
            at: at.ok().flatten(),
            needs: needs.fetch_one(&self.api).await.ok().flatten(),
        }
    }

    /// Closes the connections.
    pub async fn close(&self) {
        self.write.close().await;
        self.messages.close().await;
        self.api.close().await;
        self.turns.close().await;
        self.tries.close().await;
        self.pulse.close().await;
    }

    /// Begins a transaction for a change.
    async fn begin(&self) -> Stored<Transaction<'static, Postgres>> {
        begun(&self.api, "BEGIN").await
    }

    /// Begins a read-only transaction whose statements all see the same state.
    async fn look(&self) -> Stored<Transaction<'static, Postgres>> {
        look_by(&self.api).await
    }

    /// The same for a query that a station's message waits for, on a pool that no other work uses.
    async fn look_for_message(&self) -> Stored<Transaction<'static, Postgres>> {
        look_by(&self.messages).await
    }
}

async fn look_by(pool: &PgPool) -> Stored<Transaction<'static, Postgres>> {
    begun(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

/// Begins a transaction in a task, so that BEGIN completes even if the caller is dropped. A
/// half-begun transaction would stay open on a pooled connection, whose next users would read an
/// old state.
async fn begun(pool: &PgPool, statement: &'static str) -> Stored<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    let beginning = tokio::spawn(async move { pool.begin_with(statement).await });
    match beginning.await {
        Ok(begun) => Ok(begun?),
        Err(_) => Err(StoreError::Failed(sqlx::Error::WorkerCrashed)),
    }
}
