//! The real binary, killed with SIGKILL at random instants under the fleet's load: everything that was
//! confirmed is in the ledger once, and units and bills equal those of an undisturbed run. So it is where power is lost
//! with it: then the disk keeps only what was synced (`tests/common/shim.c`).
//!
//! `JUDEN_KILLS` sets how often it is killed (50 when unset); `JUDEN_SEED` repeats a run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use juden_fleet::fleet::{FleetSetup, Progress, run};
use juden_fleet::plan::{PlanSetup, PlannedStation};
use juden_fleet::version::Version;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use crate::engine::{Database, is_postgres};
use crate::harness::ADMIN_KEY;
use crate::ledger::check_confirmed;
use crate::ports::free_port;
use crate::power::lose_power;
use crate::shim;

const STATIONS: usize = 12;
const MEMBERS: usize = 6;
const LIMIT: Duration = Duration::from_secs(600);

struct Process {
    child: Option<Child>,
    database: Database,
    ocpp: u16,
    http: u16,
    client: reqwest::Client,
    /// Where what a power cut takes back is written.
    undo: Option<PathBuf>,
}

/// What strikes the process.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strike {
    Kill,
    PowerCut,
}

impl Process {
    async fn new() -> Self {
        Self {
            child: None,
            database: Database::new().await,
            ocpp: free_port(),
            http: free_port(),
            client: reqwest::Client::new(),
            undo: None,
        }
    }

    async fn start(&mut self, clock: &str) {
        self.database.forget_nodes().await;
        let database = self.database.url();
        let mut command = Command::new(env!("CARGO_BIN_EXE_juden"));
        if let Some(undo) = &self.undo {
            command.env("LD_PRELOAD", shim::library()).env("JUDEN_SHIM_UNDO", undo);
        }
        let child = command
            .current_dir(self.database.folder())
            .args([
                "serve",
                "--database-url",
                &database,
                "--admin-key",
                ADMIN_KEY,
                "--simulated-clock",
                clock,
                "--issuer-name",
                "none",
                "--party-id",
                "JDN",
            ])
            .args([
                "--ocpp-listen",
                &format!("127.0.0.1:{}", self.ocpp),
                "--http-listen",
                &format!("127.0.0.1:{}", self.http),
            ])
            .args([
                "--month-close-day",
                "manual",
                "--onboarding-delay-s",
                "none",
                "--log-level",
                "error",
            ])
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while self
            .client
            .get(format!("http://127.0.0.1:{}/readyz", self.http))
            .send()
            .await
            .is_err()
        {
            assert!(began.elapsed() < Duration::from_secs(30), "the server must start");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("http://127.0.0.1:{}/api/v1{path}", self.http))
            .bearer_auth(ADMIN_KEY);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// Members with two cards each, and stations.
    async fn seed(&self) -> (Vec<String>, Vec<PlannedStation>) {
        let mut members = Vec::new();
        let mut cards = Vec::new();
        for n in 0..MEMBERS {
            let plan = ["simple", "premium_100", "premium_200"][n % 3];
            let body = json!({"name": format!("Member {n}"), "kind": "corporation", "email": "fleet@example.jp", "plan": plan, "payment_method": {"kind": "invoice"}});
            let member = self.send("POST", "/members", Some(&body)).await["member_id"]
                .as_str()
                .unwrap()
                .to_owned();
            for role in ["primary", "additional"] {
                let tag = format!("{role}{n}").to_uppercase();
                let card = self
                    .send(
                        "POST",
                        "/cards",
                        Some(&json!({"id_tag": tag, "activation_code": "0123456789abcdef"})),
                    )
                    .await;
                let body = json!({"card_number": card["card_number"], "activation_code": "0123456789abcdef", "role": role});
                self.send("POST", &format!("/members/{member}/cards/activate"), Some(&body)).await;
                cards.push(tag);
            }
            members.push(member);
        }
        let mut stations = Vec::new();
        for (n, card) in cards.into_iter().enumerate().take(STATIONS) {
            let class = if n % 3 == 2 { "normal" } else { "quick" };
            let body =
                json!({"site": "S", "connectors": [{"connector_id": 1, "charger_class": class}]});
            self.send("PUT", &format!("/stations/CP{n}"), Some(&body)).await;
            // No card is used at two stations: which of two sessions is refused would depend on arrival.
            let version = if n % 2 == 0 { Version::V16 } else { Version::V201 };
            stations.push(PlannedStation {
                station_id: format!("CP{n}"),
                version,
                quick: class == "quick",
                id_tags: vec![card],
            });
        }
        (members, stations)
    }

    /// Usage and bill of every member, session numbers left out: they depend on who came first.
    async fn outcome(&self, members: &[String]) -> BTreeMap<String, Value> {
        let mut outcome = BTreeMap::new();
        for member in members {
            let mut usage =
                self.send("GET", &format!("/members/{member}/usage/2026-11"), None).await;
            for session in usage["sessions"].as_array_mut().unwrap() {
                session.as_object_mut().unwrap().remove("session_id");
            }
            let mut bill =
                self.send("GET", &format!("/members/{member}/bills/2026-11"), None).await;
            for line in bill["lines"].as_array_mut().unwrap() {
                line["session_ids"] = json!(line["session_ids"].as_array().unwrap().len());
            }
            outcome.insert(member.clone(), json!({"usage": usage, "bill": bill}));
        }
        outcome
    }

    /// Every session with its messages.
    async fn sessions(&self) -> BTreeMap<i64, Value> {
        let mut sessions = BTreeMap::new();
        let mut path = "/sessions?limit=500".to_owned();
        loop {
            let page = self.send("GET", &path, None).await;
            for session in page["items"].as_array().unwrap() {
                let id = session["transaction_id"].as_i64().unwrap();
                sessions.insert(id, self.send("GET", &format!("/sessions/{id}"), None).await);
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/sessions?limit=500&cursor={cursor}"),
                None => return sessions,
            }
        }
    }

    fn fleet(&self) -> FleetSetup {
        FleetSetup {
            url: format!("ws://127.0.0.1:{}/ocpp", self.ocpp),
            password: None,
            time: Arc::new(|| "2026-12-02T00:00:00Z".parse().unwrap()),
            clock_offset: TimeDelta::zero(),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn plan(seed: u64, sessions_per_station: usize) -> PlanSetup {
    PlanSetup {
        seed,
        sessions_per_station,
        from: "2026-11-02T00:00:00Z".parse().unwrap(),
        until: "2026-11-30T14:59:00Z".parse().unwrap(),
        readings: 2,
        offline_one_in: 4,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_confirmed_survives_every_kill_and_is_counted_once() {
    struck_by(Strike::Kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_what_was_confirmed_survives_every_power_cut_and_is_counted_once() {
    // A server's disk is its own: `tests/cluster` stops PostgreSQL at once and starts it again.
    if !is_postgres() {
        struck_by(Strike::PowerCut).await;
    }
}

async fn struck_by(strike: Strike) {
    let kills: u64 =
        std::env::var("JUDEN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(50);
    let seed: u64 = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    println!("seed {seed}, {kills} kills");
    let sessions_per_station = usize::try_from(kills / 2).unwrap().max(4);
    let plan = plan(seed, sessions_per_station);
    let planned = u64::try_from(STATIONS * sessions_per_station * 4).unwrap();

    let mut calm = Process::new().await;
    calm.start("2026-10-31T15:00:00Z").await;
    let (members, stations) = calm.seed().await;
    calm.kill();
    calm.start("2026-12-02T00:00:00Z").await;
    let logs = tokio::time::timeout(
        LIMIT,
        run(calm.fleet(), plan.clone(), stations.clone(), Arc::default()),
    )
    .await
    .unwrap();
    check_confirmed(&logs, &calm.sessions().await);
    let undisturbed = calm.outcome(&members).await;
    calm.kill();

    let mut struck = Process::new().await;
    struck.undo = (strike == Strike::PowerCut).then(|| struck.database.folder().join("undo"));
    struck.start("2026-10-31T15:00:00Z").await;
    let (same_members, _) = struck.seed().await;
    assert_eq!(same_members, members);
    struck.kill();
    struck.start("2026-12-02T00:00:00Z").await;
    let progress = Arc::new(Progress::default());
    let running = tokio::spawn(run(struck.fleet(), plan, stations, progress.clone()));
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let mut lost_writes = 0;
    let began = Instant::now();
    for n in 1..=kills {
        // The kills are spread over the run; the instant within it is random.
        while progress.confirmed.load(Ordering::Relaxed) < n * planned / (kills + 2) {
            assert!(began.elapsed() < LIMIT, "the fleet must go on after kill {n}; seed {seed}");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(random.random_range(0..20_000))).await;
        struck.kill();
        if let Some(undo) = &struck.undo {
            lost_writes += lose_power(undo, &mut random);
        }
        struck.start("2026-12-02T00:00:00Z").await;
    }
    if strike == Strike::PowerCut {
        println!("{lost_writes} writes were lost");
        assert!(lost_writes > 0, "a power cut takes something; seed {seed}");
    }
    assert!(!running.is_finished(), "the last kill must come while the fleet works; seed {seed}");
    let logs = tokio::time::timeout(LIMIT, running).await.unwrap().unwrap();
    println!(
        "{kills} kills, {} messages confirmed, {} connects",
        progress.confirmed.load(Ordering::Relaxed),
        progress.connects.load(Ordering::Relaxed)
    );
    assert_eq!(progress.confirmed.load(Ordering::Relaxed), planned, "seed {seed}");
    check_confirmed(&logs, &struck.sessions().await);
    assert_eq!(struck.outcome(&members).await, undisturbed, "seed {seed}");
}
