//! Locks among nodes, and how long a call waits for a server that does not answer at all.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{StoreError, Stored};

/// Who changes members, cards, stations or the programme: one at a time, so that the numbers of events and
/// changes are in the order of the commits.
pub const CHANGES: i64 = 0x4a75_6465_6e01;

/// Shared by who writes what a close reads. A run begins with it alone: whatever is written later sees the run.
pub const CLOSING: i64 = 0x4a75_6465_6e02;

/// Who makes, or drops, parts of tables.
pub const ROOM: i64 = 0x4a75_6465_6e03;

/// What names of turns are hashed with.
pub const TURN_SEED: i64 = 0x4a75_6465_6e04;

/// What names of stations and tags are hashed with.
pub const NAME_SEED: i64 = 0x4a75_6465_6e05;

/// Takes the lock of changes, then shares that of closing: both until the transaction ends.
pub async fn change(write: &mut PgConnection) -> Stored<()> {
    take(write, "SELECT pg_advisory_xact_lock($1)", CHANGES).await?;
    share_closing(write).await
}

/// Shares the lock of closing until the transaction ends.
pub async fn share_closing(write: &mut PgConnection) -> Stored<()> {
    take(write, "SELECT pg_advisory_xact_lock_shared($1)", CLOSING).await
}

/// Takes a lock alone until the transaction ends.
pub async fn alone(write: &mut PgConnection, lock: i64) -> Stored<()> {
    take(write, "SELECT pg_advisory_xact_lock($1)", lock).await
}

async fn take(write: &mut PgConnection, statement: &'static str, lock: i64) -> Stored<()> {
    sqlx::query(statement).bind(lock).execute(write).await?;
    Ok(())
}

/// Gives a call up where the server is silent for too long: a host that vanished answers nothing, not even
/// that a statement took too long.
pub async fn within<T>(limit: Duration, call: impl Future<Output = Stored<T>> + Send) -> Stored<T> {
    if let Ok(done) = tokio::time::timeout(limit, call).await {
        done
    } else {
        let cause = std::io::Error::new(
            std::io::ErrorKind::TimedOut,
            "the database server does not answer",
        );
        Err(StoreError::Failed(sqlx::Error::Io(cause)))
    }
}
