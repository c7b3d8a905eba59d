//! The store on a PostgreSQL server, 15 or newer: for one node or several.
//!
//! Instants are kept to the millisecond, as the embedded store does. Text there cannot hold NUL: it becomes
//! U+FFFD on its way in, and in what is looked for.
//!
//! Locks are advisory and taken in this order: `locks::CHANGES` (who changes members, cards, stations or the
//! programme), `locks::CLOSING` (shared by who writes what a close reads; a run begins with it alone), then
//! those of stations and tags, by their keys.

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
    /// The ledger's batches.
    write: PgPool,
    /// What stations' messages wait for beside them: cards and stations that are not remembered.
    messages: PgPool,
    /// Everything else.
    api: PgPool,
    /// Turns, each on a connection of its own.
    turns: PgPool,
    /// For turns that are tried: their holders may take others.
    tries: PgPool,
    /// That the node lives: no load of the others may starve it.
    pulse: PgPool,
    /// How often it was shown.
    pulses: Arc<AtomicU64>,
}

/// How often a change that another one crossed is tried again.
const TRIES: u32 = 5;

/// Does it again where another transaction crossed it.
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

/// Whether a deadlock, or another transaction's commit, broke this one off.
fn is_crossed(cause: &StoreError) -> bool {
    matches!(cause, StoreError::Failed(sqlx::Error::Database(fault)) if matches!(fault.code().as_deref(), Some("40001" | "40P01")))
}

/// The schema's versions.
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
        // A connection of its own: what takes long here is not cut off.
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

    /// Ends the connections.
    pub async fn close(&self) {
        self.write.close().await;
        self.messages.close().await;
        self.api.close().await;
        self.turns.close().await;
        self.tries.close().await;
        self.pulse.close().await;
    }

    /// A transaction of a change.
    async fn begin(&self) -> Stored<Transaction<'static, Postgres>> {
        begun(&self.api, "BEGIN").await
    }

    /// A transaction whose statements all see one state.
    async fn look(&self) -> Stored<Transaction<'static, Postgres>> {
        look_by(&self.api).await
    }

    /// The same, for what a station's message waits for: no other work keeps it waiting.
    async fn look_for_message(&self) -> Stored<Transaction<'static, Postgres>> {
        look_by(&self.messages).await
    }
}

async fn look_by(pool: &PgPool) -> Stored<Transaction<'static, Postgres>> {
    begun(pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
}

/// Begins a transaction, to its end also where nobody waits for it any more: one that is dropped half begun would stay open
/// on a connection that others are given, and they would see what was there before.
async fn begun(pool: &PgPool, statement: &'static str) -> Stored<Transaction<'static, Postgres>> {
    let pool = pool.clone();
    let beginning = tokio::spawn(async move { pool.begin_with(statement).await });
    match beginning.await {
        Ok(begun) => Ok(begun?),
        Err(_) => Err(StoreError::Failed(sqlx::Error::WorkerCrashed)),
    }
}
