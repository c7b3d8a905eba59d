//! What a store lets go of, what of a newer version it works with, and how it says that it cannot work.

use crate::engine::{Database, is_postgres};
use crate::stores::{at, commit, station_id};
use chrono::{DateTime, Utc};
use juden_domain::month::BillingMonth;
use juden_store::ledger::{Batch, JournalRow};
use std::time::Duration;

#[tokio::test]
async fn what_is_old_is_forgotten_and_what_is_not_stays() {
    let database = Database::new().await;
    let (store, other) = (database.store().await, database.store().await);
    store.make_room(at("2026-08-10T00:00:00Z")).await.unwrap();
    let (made, same) = tokio::join!(
        store.make_room(at("2026-09-15T00:00:00Z")),
        other.make_room(at("2026-09-15T00:00:00Z"))
    );
    made.and(same).unwrap();
    let row = |received_at| JournalRow {
        station_id: station_id("S1"),
        session_id: None,
        action: "x".into(),
        message_id: "x".into(),
        payload: "x".into(),
        answer: "x".into(),
        effect: "x",
        received_at,
        connected_since: received_at,
        clock: None,
    };
    let instants = [
        "2020-01-01T00:00:00Z",
        "2026-08-31T14:59:59Z",
        "2026-09-30T14:59:59.999Z",
        "2026-09-30T15:00:00Z",
        "2026-10-01T00:00:00Z",
    ];
    let journal: Vec<JournalRow> = instants.into_iter().map(|instant| row(at(instant))).collect();
    commit(store.as_ref(), "run", 1, Batch { journal, ..Batch::default() }).await;
    // The default part holds rows of this month: there is nothing to be made, and no error.
    commit(
        store.as_ref(),
        "run",
        2,
        Batch { journal: vec![row(at("2027-03-10T00:00:00Z"))], ..Batch::default() },
    )
    .await;
    store.make_room(at("2027-01-10T00:00:00Z")).await.unwrap();
    assert_eq!(store.forget_before(BillingMonth::parse("2026-10").unwrap()).await.unwrap(), 3);
    let left: Vec<DateTime<Utc>> =
        store.journal(0, 10).await.unwrap().iter().map(|entry| entry.received_at).collect();
    assert_eq!(
        left,
        [at("2026-09-30T15:00:00Z"), at("2026-10-01T00:00:00Z"), at("2027-03-10T00:00:00Z")]
    );
    assert_eq!(store.forget_before(BillingMonth::parse("2026-10").unwrap()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_newer_schema_is_worked_with_where_it_says_so() {
    let database = Database::new().await;
    database.opened().await.close().await;
    database
        .run(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (90, 'wider', true, '', 0);
             INSERT INTO schema_readable (version, readable_from) VALUES (90, 8)",
        )
        .await;
    database.opened().await.check_schema(&database.url()).await.unwrap();
    database.run("UPDATE schema_readable SET readable_from = 89 WHERE version = 90").await;
    let opened = juden_store::open::open(&database.url()).await.unwrap();
    for refused in
        [opened.migrate(&database.url()).await, opened.check_schema(&database.url()).await]
    {
        let told = refused.unwrap_err().to_string();
        assert!(
            told.contains(
                "is at 90 and needs a juden that knows schema 89 or later; this one knows 8"
            ),
            "{told}"
        );
    }
}

#[tokio::test]
async fn on_postgresql_a_store_that_takes_no_writes_says_so() {
    if !is_postgres() {
        return;
    }
    let database = Database::new().await;
    let store = database.store().await;
    store.ping().await.unwrap();
    database.run("DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || current_database() || ' SET default_transaction_read_only = on'; END $$").await;
    let told = juden_store::open::open(&database.url()).await.unwrap_err().to_string();
    assert!(told.contains("takes no writes"), "{told}");
    // What is open already learns of it with its next connection.
    database
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await;
    let refused = async {
        loop {
            match store.ping().await {
                Err(cause) if cause.to_string().contains("takes no writes") => return cause,
                // A connection that was ended says so once.
                Ok(()) | Err(_) => tokio::task::yield_now().await,
            }
        }
    };
    let cause = tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
    assert!(cause.is_transient() && cause.to_string().contains("takes no writes"), "{cause}");
}

#[tokio::test]
async fn on_postgresql_what_stands_in_the_way_of_a_server_is_told_in_a_line_without_the_password() {
    if !is_postgres() {
        return;
    }
    for (url, why) in [
        (
            "postgres://juden:secret@127.0.0.1:1/juden",
            "cannot reach the database server of postgres://juden@127.0.0.1:1/juden",
        ),
        ("postgres://juden:secret@no-such-host.invalid/juden", "cannot reach the database server"),
    ] {
        let told = juden_store::open::open(url).await.unwrap_err().to_string();
        assert!(
            told.contains(why) && !told.contains("secret") && told.lines().count() == 1,
            "{told}"
        );
    }
    let database = Database::new().await;
    let missing = database.url().replace("juden_test_", "juden_none_");
    let told = juden_store::open::open(&missing).await.unwrap_err().to_string();
    assert!(told.contains("there is no database"), "{told}");
}
