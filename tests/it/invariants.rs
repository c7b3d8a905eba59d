//! What must hold whatever arrives first, however often, and wherever the host thinks it is.

use std::process::Command;

use juden_domain::hex;
use juden_domain::month::BillingMonth;
use rand::RngExt;

use crate::history::{History, exports, months, play};

/// Time zones of hosts: behind and ahead of Japan, with summer time of an hour and of half an hour.
const ZONES: [&str; 5] =
    ["UTC", "Asia/Tokyo", "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe"];

/// Generated histories that are played in two orders.
const HISTORIES: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_order_and_any_repetition_of_arrival_gives_the_same_bytes() {
    let first: u64 = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random());
    for seed in (0..HISTORIES as u64).map(|n| first.wrapping_add(n)) {
        println!("seed {seed}: set JUDEN_SEED to begin with it");
        let history = History::generate(seed, 12, 400);
        let (once, thrice) = tokio::join!(play(&history, seed ^ 1, 1), play(&history, seed ^ 2, 3));
        let (one, other) = tokio::join!(exports(&once.server), exports(&thrice.server));
        for (name, text) in &one {
            assert_eq!(*text, other[name], "{name} of seed {seed}");
        }
        for month in months() {
            let differences = thrice
                .server
                .server()
                .app
                .billing
                .verify_month(BillingMonth::parse(&month).unwrap())
                .await
                .unwrap();
            assert!(differences.is_empty(), "{month} of seed {seed}: {differences:?}");
        }
    }
}

/// Plays one history and prints the hash of its exports: run again by the next test under other zones.
#[tokio::test]
async fn a_history_has_exports() {
    let history = History::generate(7, 10, 200);
    let played = play(&history, 1, 1).await;
    let all: Vec<String> = exports(&played.server).await.into_values().collect();
    assert!(all.iter().any(|text| text.contains("metered_quick")));
    println!("exports {}", hex::sha256(all.concat().as_bytes()));
}

#[test]
fn the_hosts_time_zone_decides_nothing() {
    let hash = |zone: &str| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "invariants::a_history_has_exports"])
            .env("TZ", zone)
            .output()
            .unwrap();
        assert!(output.status.success(), "{zone}: {}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text
            .lines()
            .find_map(|line| line.split_once("exports "))
            .unwrap_or_else(|| panic!("{text}"));
        line.1.to_owned()
    };
    let hashes: Vec<String> = ZONES.iter().map(|zone| hash(zone)).collect();
    assert!(hashes.iter().all(|one| *one == hashes[0]), "{ZONES:?} {hashes:?}");
}
