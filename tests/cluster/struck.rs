//! Nodes that die, and a fleet that goes on at the others.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::{RngExt, SeedableRng};

use crate::ledger::check_confirmed;
use crate::nodes::{BINARY, LIMIT, Nodes, seed, until};
use crate::servers::Postgres;

const STATIONS: usize = 10;
const SESSIONS: usize = 40;

/// Confirmed messages of a fleet's whole plan: a start, two readings and a stop a session.
const PLANNED: u64 = (STATIONS * SESSIONS * 4) as u64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_killed_in_turn_lose_nothing_that_was_confirmed_and_count_nothing_twice() {
    let seed = seed();
    let mut nodes = Nodes::start(3).await;
    let stations = nodes.fleet(STATIONS).await;
    let (progress, running) = nodes.charge(seed, SESSIONS, stations);
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    for n in 1..=9_u64 {
        until("the fleet goes on", async || {
            progress.confirmed.load(Ordering::Relaxed) >= n * PLANNED / 11
        })
        .await;
        let victim = random.random_range(0..3);
        tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
        nodes.nodes[victim].kill();
        nodes.start_node(victim).await;
    }
    let logs = tokio::time::timeout(LIMIT, running).await.unwrap().unwrap();
    assert_eq!(progress.confirmed.load(Ordering::Relaxed), PLANNED);
    println!(
        "9 kills, {PLANNED} messages confirmed, {} connects",
        progress.connects.load(Ordering::Relaxed)
    );
    let told = nodes.sessions(0).await;
    check_confirmed(&logs, &told);
    assert_eq!(nodes.sessions(2).await, told, "every node tells the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_stations_of_a_dead_node_go_on_at_the_others_at_once() {
    let mut nodes = Nodes::start(2).await;
    let stations = nodes.fleet(60).await;
    let planned = 60 * 6 * 4;
    let (progress, running) = nodes.charge(seed(), 6, stations);
    until("the fleet is at work", async || {
        progress.confirmed.load(Ordering::Relaxed) >= planned / 3
    })
    .await;
    nodes.nodes[0].kill();
    let logs = tokio::time::timeout(LIMIT, running).await.unwrap().unwrap();
    assert_eq!(progress.confirmed.load(Ordering::Relaxed), planned);
    check_confirmed(&logs, &nodes.sessions(1).await);
}

/// Where `JUDEN_OLDER_BINARY` names the release before, its nodes are the ones that are replaced, on its schema and,
/// after the first of the new ones came, on the new one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_replaced_one_by_one_under_load_and_stations_only_connect_again() {
    let older = std::env::var("JUDEN_OLDER_BINARY").unwrap_or_else(|_| BINARY.to_owned());
    let mut nodes = Nodes::of(&older, Postgres::start(), 3).await;
    let stations = nodes.fleet(STATIONS).await;
    let (progress, running) = nodes.charge(seed(), SESSIONS, stations);
    for n in 0..3 {
        let part = u64::try_from(n + 1).unwrap();
        until("the fleet goes on", async || {
            progress.confirmed.load(Ordering::Relaxed) >= part * PLANNED / 5
        })
        .await;
        nodes.nodes[n].stop();
        BINARY.clone_into(&mut nodes.nodes[n].binary);
        nodes.start_node(n).await;
    }
    let logs = tokio::time::timeout(LIMIT, running).await.unwrap().unwrap();
    assert_eq!(progress.confirmed.load(Ordering::Relaxed), PLANNED);
    assert_eq!(progress.refused.load(Ordering::Relaxed), 0, "no call was answered with an error");
    check_confirmed(&logs, &nodes.sessions(1).await);
}
