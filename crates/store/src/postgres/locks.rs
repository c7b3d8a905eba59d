//! Advisory locks among nodes, and a time limit for calls to a server that does not answer.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{StoreError, Stored};

/// The lock for changes of members, cards, stations and the programme. Only one holder at a time,
/// so that events and changes are numbered in the order of their commits.
pub const CHANGES: i64 = 0x4a75_6465_6e01;

/// The lock of a month's close. Writers of data that a close reads share it. A run takes it alone
/// when it begins, so that every later writer sees the run.
pub const CLOSING: i64 = 0x4a75_6465_6e02;

/// The lock for creating and dropping partitions.
pub const ROOM: i64 = 0x4a75_6465_6e03;

/// The hash seed for the names of turns.
pub const TURN_SEED: i64 = 0x4a75_6465_6e04;

/// The hash seed for the names of stations and id tags.
pub const NAME_SEED: i64 = 0x4a75_6465_6e05;

/// Takes the lock of changes, then shares the lock of closing, both until the transaction ends.
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

/// Ends a call after a time limit. A host that vanished answers nothing, not even that a statement
/// timed out.
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
