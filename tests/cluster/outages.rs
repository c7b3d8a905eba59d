//! Redis or PostgreSQL away, for all nodes or for one: what was confirmed stays, what waits goes on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use crate::hammer::Charger;
use crate::ledger::check_confirmed;
use crate::nodes::{LIMIT, Nodes, seed, until};

const STATIONS: usize = 8;
const SESSIONS: usize = 40;
const PLANNED: u64 = (STATIONS * SESSIONS * 4) as u64;

/// Runs a fleet; `strike` does its worst when a third of the messages is confirmed.
async fn struck(count: usize, strike: impl AsyncFnOnce(&mut Nodes)) -> Nodes {
    let mut nodes = Nodes::start(count).await;
    let stations = nodes.fleet(STATIONS).await;
    let (progress, running) = nodes.charge(seed(), SESSIONS, stations);
    until("the fleet is at work", async || {
        progress.confirmed.load(Ordering::Relaxed) >= PLANNED / 3
    })
    .await;
    strike(&mut nodes).await;
    let logs = tokio::time::timeout(LIMIT, running).await.unwrap().unwrap();
    assert_eq!(progress.confirmed.load(Ordering::Relaxed), PLANNED);
    for n in 0..count {
        nodes.ready(n, true).await;
    }
    check_confirmed(&logs, &nodes.sessions(0).await);
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_charging_goes_on_and_everything_heals_when_it_is_back() {
    struck(2, async |nodes| {
        nodes.redis.kill();
        nodes.ready(0, false).await;
        assert!(nodes.is_ready(0, "/readyz?of=store").await, "stations are served all the same");
        let card = nodes.card("NOREDIS").await;
        nodes.station("CPX").await;
        let mut charger = Charger::connect(nodes.nodes[1].ocpp, "CPX").await;
        assert_eq!(charger.authorize("NOREDIS").await.as_deref(), Some("Accepted"));
        let (status, answer) = nodes
            .ask(0, "POST", "/stations/CPX/commands", Some(&json!({"command": "clear_cache"})))
            .await;
        assert_eq!(status, 503, "a station of another node cannot be reached: {answer}");
        let suspended = nodes
            .send(0, "POST", &format!("/cards/{card}/suspend"), Some(&json!({"reason": "lost"})))
            .await;
        assert_eq!(
            suspended["nodes_missing"],
            json!([]),
            "the store tells who has heard of it: {suspended}"
        );
        assert_eq!(charger.authorize("NOREDIS").await.as_deref(), Some("Blocked"));
        nodes.redis.start_again();
        nodes.ready(0, true).await;
        nodes.ready(1, true).await;
        let serving = tokio::spawn(async move { charger.serve_until("ClearCache").await });
        until("the command gets through", async || {
            nodes
                .ask(0, "POST", "/stations/CPX/commands", Some(&json!({"command": "clear_cache"})))
                .await
                .0
                == 200
        })
        .await;
        serving.await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_of_postgresql_loses_nothing_that_was_confirmed() {
    struck(2, async |nodes| {
        for _ in 0..3 {
            nodes.postgres.crash_and_restart();
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_postgresql_is_away_messages_wait_and_readiness_tells_it() {
    struck(2, async |nodes| {
        nodes.station("CPX").await;
        nodes.card("AWAY").await;
        let mut charger = Charger::connect(nodes.nodes[0].ocpp, "CPX").await;
        assert_eq!(charger.authorize("AWAY").await.as_deref(), Some("Accepted"));
        nodes.postgres.stop();
        nodes.ready(0, false).await;
        // For a moment what is remembered holds; then it is an internal error, never a verdict from stale memory.
        until("the node trusts its memory no longer", async || {
            charger.authorize("AWAY").await.is_none()
        })
        .await;
        let started = tokio::spawn(async move {
            let answer = charger.start("AWAY").await;
            (charger, answer)
        });
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(!started.is_finished(), "the start is not answered before it is kept");
        nodes.postgres.start_again();
        let (_charger, answer) = started.await.unwrap();
        assert!(answer["transactionId"].as_i64().is_some_and(|id| id > 0), "{answer}");
        let number = answer["transactionId"].as_i64().unwrap();
        nodes.ready(0, true).await;
        let session = nodes.send(1, "GET", &format!("/sessions/{number}"), None).await;
        assert_eq!(session["messages"].as_array().unwrap().len(), 1, "kept once: {session}");
        forget(nodes, number).await;
    })
    .await;
}

/// The extra session is stopped at no station: it is taken out of what the fleet is compared with.
async fn forget(nodes: &Nodes, number: i64) {
    nodes.postgres.sql(&format!("DELETE FROM journal WHERE session_id = {number}; DELETE FROM sessions WHERE session_id = {number}")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_postgresql_makes_messages_wait_until_it_takes_them() {
    struck(2, async |nodes| {
        nodes.postgres.read_only(true).await;
        nodes.ready(0, false).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        nodes.postgres.read_only(false).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_cut_from_redis_or_from_postgresql_comes_back_by_itself() {
    struck(2, async |nodes| {
        nodes.nodes[0].redis.cut();
        nodes.ready(0, false).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        nodes.nodes[0].redis.heal();
        nodes.ready(0, true).await;
        nodes.nodes[1].postgres.cut();
        nodes.ready(1, false).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        nodes.nodes[1].postgres.heal();
        nodes.ready(1, true).await;
        // The same without anybody being told: packets vanish.
        nodes.nodes[0].postgres.hold();
        tokio::time::sleep(Duration::from_secs(3)).await;
        nodes.nodes[0].postgres.heal();
        nodes.nodes[1].redis.hold();
        tokio::time::sleep(Duration::from_secs(3)).await;
        nodes.nodes[1].redis.heal();
    })
    .await;
}
