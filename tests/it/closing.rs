//! Closing twice, closing while sessions arrive, and killing the process while it closes or exports: no
//! invoice missing, double or half.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::engine::Database;
use crate::examples::story::{Class, Story};
use crate::fill::{MONTH, fill_members, fill_sessions};
use crate::harness::ADMIN_KEY;
use crate::ports::free_port;

/// How often the process is killed while it closes, and while it exports.
const KILLS: usize = 12;

const FORMATS: [&str; 4] = ["csv", "jsonl", "ocpi-cdr", "collection"];

/// Everything that a test waits for takes no longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A database with a month that is over and not closed.
async fn filled(members: i64, sessions: i64) -> Database {
    let database = Database::new().await;
    let opened = database.opened().await;
    fill_members(&database.url(), members).await;
    fill_sessions(opened.store().as_ref(), members, sessions).await;
    opened.close().await;
    database
}

/// A server on a database, closing what is due from its start on. Killed when dropped.
struct Serving {
    child: std::process::Child,
    http: u16,
}

impl Serving {
    fn start(database: &Database) -> Self {
        let http = free_port();
        let child = Command::new(env!("CARGO_BIN_EXE_juden"))
            .args([
                "serve",
                "--database-url",
                &database.url(),
                "--admin-key",
                ADMIN_KEY,
                "--ocpp-listen",
                "none",
                "--issuer-name",
                "none",
            ])
            .args([
                "--http-listen",
                &format!("127.0.0.1:{http}"),
                "--simulated-clock",
                "2026-11-05T00:00:00Z",
                "--log-level",
                "error",
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, http }
    }

    /// Waits until the month is closed.
    async fn closed(&self) {
        let client = reqwest::Client::new();
        let path = format!(
            "http://127.0.0.1:{}/api/v1/months/{MONTH}/export?format=collection",
            self.http
        );
        let begun = Instant::now();
        loop {
            let answered = client.get(&path).bearer_auth(ADMIN_KEY).send().await;
            if answered.is_ok_and(|answered| answered.status().is_success()) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the month must be closed in time");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn export(database: &Database, format: &str, out: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_juden"));
    command.args(["export", "--month", MONTH, "--format", format, "--out"]).arg(out);
    command.args(["--database-url", &database.url(), "--party-id", "JDN"]).stdout(Stdio::null());
    command
}

/// Every file of every export, by name.
fn exported(database: &Database) -> BTreeMap<String, Vec<u8>> {
    let out = tempfile::tempdir().unwrap();
    for format in FORMATS {
        assert!(export(database, format, out.path()).status().unwrap().success(), "{format}");
    }
    files(out.path())
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let read = |path: &PathBuf| {
        (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(path).unwrap())
    };
    entries.iter().map(read).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_while_it_closes_or_exports_leaves_nothing_missing_double_or_half() {
    let seed: u64 = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| rand::rng().random());
    println!("seed {seed}: set JUDEN_SEED to repeat it");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let open = filled(1_500, 30_000).await;

    let undisturbed = open.copied().await;
    let begun = Instant::now();
    let serving = Serving::start(&undisturbed);
    serving.closed().await;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap();
    drop(serving);
    let reference = exported(&undisturbed);

    let killed = open.copied().await;
    for _ in 0..KILLS {
        killed.forget_nodes().await;
        let serving = Serving::start(&killed);
        tokio::time::sleep(Duration::from_millis(random.random_range(0..took_ms))).await;
        drop(serving);
    }
    killed.forget_nodes().await;
    let serving = Serving::start(&killed);
    serving.closed().await;
    drop(serving);
    assert!(exported(&killed) == reference, "a close that was killed came out otherwise");

    let out = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    assert!(export(&killed, "ocpi-cdr", out.path()).status().unwrap().success());
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap();
    let whole = files(out.path());
    for format in FORMATS.iter().cycle().take(KILLS) {
        let out = tempfile::tempdir().unwrap();
        let mut child = export(&killed, format, out.path()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(random.random_range(0..took_ms))).await;
        let _ = child.kill();
        let _ = child.wait();
        for (name, bytes) in files(out.path()) {
            assert!(
                name.ends_with(".partial") || reference.get(&name) == Some(&bytes),
                "{name} is half"
            );
        }
        assert!(export(&killed, format, out.path()).status().unwrap().success());
        let names: Vec<String> = files(out.path()).into_keys().collect();
        assert_eq!(
            names.len(),
            2,
            "what a killed export left is removed by the next one: {names:?}"
        );
    }
    assert!(whole.iter().all(|(name, bytes)| reference.get(name) == Some(bytes)));
}

#[tokio::test]
async fn a_month_closed_by_many_at_once_is_closed_once() {
    let story = Story::at("2024-03-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-04-02 09:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-05 10:00", "2024-03-05 12:00").await;
    let (empty, server) = (json!({}), &story.server);
    let close = || server.post("/months/2024-03/close", &empty);
    let (one, two, three, four) = tokio::join!(close(), close(), close(), close());
    for other in [&two, &three, &four] {
        assert_eq!((one.status, &one.text), (200, &other.text));
    }
    assert_eq!(close().await.text, one.text);
    let csv = server.request("GET", "/months/2024-03/export?format=csv", None, &[]).await;
    assert_eq!(
        csv.text.lines().count(),
        4,
        "header, contract fee, base fee, metered: {}",
        csv.text
    );
    assert_eq!(story.bill(&member, "2024-03").await.total, "6930");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sessions_that_arrive_while_a_month_is_closed_are_billed_once() {
    let story = Arc::new(Story::at("2024-03-01 09:00").await);
    let mut members = Vec::new();
    for n in 0..40 {
        members.push(story.active("simple", &format!("CARD{n}")).await.0);
    }
    story.clock("2024-04-02 09:00").await;
    let arriving = {
        let story = story.clone();
        tokio::spawn(async move {
            for n in 0..120 {
                let (from, to) = (
                    format!("2024-03-{:02} 10:00", n % 28 + 1),
                    format!("2024-03-{:02} 10:10", n % 28 + 1),
                );
                story.session(Class::Quick, &format!("CARD{}", n % 40), &from, &to).await;
            }
        })
    };
    let closed = story.server.post("/months/2024-03/close", &json!({})).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    arriving.await.unwrap();
    story.clock("2024-05-06 00:00").await;
    let mut billed = 0;
    for member in &members {
        for month in ["2024-03", "2024-04"] {
            let bill = story.bill(member, month).await;
            assert_eq!(bill.state, "closed");
            billed += bill
                .lines
                .iter()
                .filter(|(code, _, _)| code == "metered_quick" || code == "adjustment")
                .map(|(_, _, yen)| yen.parse::<i64>().unwrap())
                .sum::<i64>();
        }
    }
    assert_eq!(
        billed,
        120 * 10 * 99,
        "every session once, in March's invoice or in its adjustment"
    );
    for month in ["2024-03", "2024-04"] {
        let month = juden_domain::month::BillingMonth::parse(month).unwrap();
        assert_eq!(story.server.server().app.billing.verify_month(month).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_late_session_that_overlaps_one_of_a_closed_month_takes_that_one_back_too() {
    let story = Story::at("2024-03-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-04-02 09:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-31 23:50", "2024-04-01 00:20").await;
    story.clock("2024-04-06 09:00").await;
    assert_eq!(story.bill(&member, "2024-03").await.yen("metered_quick"), ["2970"]);
    let second = story.session_at("Q2", "CARD1", "2024-04-01 00:10", "2024-04-01 00:40").await;
    assert_eq!(story.server.session(second).await["state"], "review");
    story.clock("2024-05-06 09:00").await;
    assert_eq!(story.bill(&member, "2024-04").await.yen("credit"), ["-2970"], "both are held");
    let month = juden_domain::month::BillingMonth::parse("2024-03").unwrap();
    assert_eq!(story.server.server().app.billing.verify_month(month).await.unwrap(), []);
}

#[tokio::test]
async fn closing_a_month_before_the_first_one_takes_nothing_that_waits_along() {
    let story = Story::at("2024-03-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-04-06 09:00").await;
    story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 10:10").await;
    assert_eq!(story.server.post("/months/2024-01/close", &json!({})).await.json()["members"], 0);
    story.clock("2024-05-06 09:00").await;
    assert_eq!(story.bill(&member, "2024-04").await.yen("adjustment"), ["990"]);
}
