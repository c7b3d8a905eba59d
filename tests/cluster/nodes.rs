//! Nodes of the real binary over servers of the test's own, each behind proxies of its own.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use juden_fleet::fleet::{FleetSetup, Progress, StationLog, run};
use juden_fleet::plan::{PlanSetup, PlannedStation};
use juden_fleet::version::Version;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::proxy::Proxy;
use crate::servers::{Postgres, Redis};

pub const ADMIN_KEY: &str = "operator-key-of-the-tests";

/// Where the nodes' clocks start: after the month that fleets charge in.
pub const NOW: &str = "2026-12-02T00:00:00Z";

/// The program under test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_juden");

/// Nothing takes longer.
pub const LIMIT: Duration = Duration::from_secs(120);

/// One node.
pub struct Node {
    pub name: String,
    pub binary: String,
    child: Option<Child>,
    folder: TempDir,
    pub ocpp: u16,
    pub http: u16,
    pub postgres: Proxy,
    pub redis: Proxy,
}

/// Nodes, and what they share.
pub struct Nodes {
    pub postgres: Postgres,
    pub redis: Redis,
    pub nodes: Vec<Node>,
    /// Where stations connect: to one node after the other, to those that live.
    pub front: Proxy,
    client: reqwest::Client,
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < LIMIT, "it must come to be that {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Node {
    async fn new(number: usize, binary: &str, postgres: &Postgres, redis: &Redis) -> Self {
        Self {
            name: format!("n{number}"),
            binary: binary.to_owned(),
            child: None,
            folder: tempfile::tempdir().unwrap(),
            ocpp: free_port(),
            http: free_port(),
            postgres: Proxy::to(&[postgres.port]).await,
            redis: Proxy::to(&[redis.port]).await,
        }
    }

    /// The command that starts it.
    pub fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .current_dir(self.folder.path())
            .args([
                "serve",
                "--admin-key",
                ADMIN_KEY,
                "--node-id",
                &self.name,
                "--simulated-clock",
                NOW,
            ])
            .args([
                "--database-url",
                &format!(
                    "postgres://juden@127.0.0.1:{}/postgres?juden_durability=none",
                    self.postgres.port
                ),
            ])
            .args(["--redis-url", &format!("redis://127.0.0.1:{}", self.redis.port)])
            .args([
                "--ocpp-listen",
                &format!("127.0.0.1:{}", self.ocpp),
                "--http-listen",
                &format!("127.0.0.1:{}", self.http),
            ])
            .args([
                "--month-close-day",
                "manual",
                "--issuer-name",
                "none",
                "--onboarding-delay-s",
                "none",
                "--log-level",
                "error",
            ])
            .args(more);
        command
    }

    pub fn start(&mut self) {
        self.child = Some(self.command(&[]).stdout(Stdio::null()).spawn().unwrap());
    }

    /// The same over another Redis.
    pub fn start_over(&mut self, redis: &str, more: &[&str]) {
        let usual = self.command(more);
        let mut arguments: Vec<String> =
            usual.get_args().map(|argument| argument.to_str().unwrap().to_owned()).collect();
        let place = arguments.iter().position(|argument| argument == "--redis-url").unwrap();
        redis.clone_into(&mut arguments[place + 1]);
        let mut command = Command::new(usual.get_program());
        self.child = Some(
            command
                .args(arguments)
                .current_dir(self.folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap(),
        );
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }

    /// SIGTERM; it must end by itself, with success.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let mut child = self.child.take().unwrap();
        let began = Instant::now();
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success(), "{} ends with {status}", self.name);
                return;
            }
            assert!(
                began.elapsed() < Duration::from_secs(12),
                "{} must end within 10 s",
                self.name
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Nodes {
    pub async fn start(count: usize) -> Self {
        Self::over(Postgres::start(), count).await
    }

    /// Nodes over a server of one's own.
    pub async fn over(postgres: Postgres, count: usize) -> Self {
        Self::of(BINARY, postgres, count).await
    }

    /// Nodes of another build.
    pub async fn of(binary: &str, postgres: Postgres, count: usize) -> Self {
        let redis = Redis::start();
        let mut nodes = Vec::new();
        for number in 1..=count {
            nodes.push(Node::new(number, binary, &postgres, &redis).await);
        }
        let front = Proxy::to(&nodes.iter().map(|node| node.ocpp).collect::<Vec<_>>()).await;
        let mut all = Self { postgres, redis, nodes, front, client: reqwest::Client::new() };
        for n in 0..count {
            all.start_node(n).await;
        }
        all
    }

    pub async fn start_node(&mut self, n: usize) {
        self.nodes[n].start();
        while !self.is_ready(n, "/readyz").await {
            let node = &mut self.nodes[n];
            let ended = node.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "{} must become ready, not end with {ended:?}", node.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until a node is ready, or is not.
    pub async fn ready(&self, n: usize, wanted: bool) {
        until(&format!("{} is ready: {wanted}", self.nodes[n].name), async || {
            self.is_ready(n, "/readyz").await == wanted
        })
        .await;
    }

    pub async fn is_ready(&self, n: usize, path: &str) -> bool {
        let asked = self
            .client
            .get(format!("http://127.0.0.1:{}{path}", self.nodes[n].http))
            .timeout(Duration::from_secs(5));
        asked.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// A request to a node's API: status and body.
    pub async fn ask(
        &self,
        n: usize,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("http://127.0.0.1:{}/api/v1{path}", self.nodes[n].http);
        let mut request = self.client.request(method, url).bearer_auth(ADMIN_KEY);
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    pub async fn send(&self, n: usize, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(n, method, path, body).await;
        assert!((200..300).contains(&status), "{method} {path} at node {n}: {status} {answer}");
        answer
    }

    /// A station with one quick connector.
    pub async fn station(&self, id: &str) {
        let body =
            json!({"site": "S", "connectors": [{"connector_id": 1, "charger_class": "quick"}]});
        self.send(0, "PUT", &format!("/stations/{id}"), Some(&body)).await;
    }

    /// A member with an active card: the card's number.
    pub async fn card(&self, tag: &str) -> String {
        let body = json!({"name": tag, "kind": "corporation", "email": "fleet@example.jp", "plan": "simple", "payment_method": {"kind": "invoice"}});
        let member = self.send(0, "POST", "/members", Some(&body)).await["member_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let card = self
            .send(
                0,
                "POST",
                "/cards",
                Some(&json!({"id_tag": tag, "activation_code": "0123456789abcdef"})),
            )
            .await;
        let body = json!({"card_number": card["card_number"], "activation_code": "0123456789abcdef", "role": "primary"});
        self.send(0, "POST", &format!("/members/{member}/cards/activate"), Some(&body)).await;
        card["card_number"].as_str().unwrap().to_owned()
    }

    /// Stations with a card of their own each.
    pub async fn fleet(&self, count: usize) -> Vec<PlannedStation> {
        let mut stations = Vec::new();
        for n in 0..count {
            self.station(&format!("CP{n}")).await;
            self.card(&format!("CARD{n}")).await;
            let version = if n % 2 == 0 { Version::V16 } else { Version::V201 };
            stations.push(PlannedStation {
                station_id: format!("CP{n}"),
                version,
                quick: true,
                id_tags: vec![format!("CARD{n}")],
            });
        }
        stations
    }

    /// Runs a fleet to its end in the background.
    pub fn charge(
        &self,
        seed: u64,
        sessions: usize,
        stations: Vec<PlannedStation>,
    ) -> (Arc<Progress>, tokio::task::JoinHandle<Vec<StationLog>>) {
        let setup = FleetSetup {
            url: format!("ws://127.0.0.1:{}/ocpp", self.front.port),
            password: None,
            time: Arc::new(|| NOW.parse().unwrap()),
            clock_offset: TimeDelta::zero(),
        };
        let plan = PlanSetup {
            seed,
            sessions_per_station: sessions,
            from: "2026-11-02T00:00:00Z".parse().unwrap(),
            until: "2026-11-30T14:59:00Z".parse().unwrap(),
            readings: 2,
            offline_one_in: 4,
        };
        let progress = Arc::new(Progress::default());
        (progress.clone(), tokio::spawn(run(setup, plan, stations, progress)))
    }

    /// Every session with its messages, as a node tells them.
    pub async fn sessions(&self, n: usize) -> BTreeMap<i64, Value> {
        let mut sessions = BTreeMap::new();
        let mut path = "/sessions?limit=500".to_owned();
        loop {
            let page = self.send(n, "GET", &path, None).await;
            for session in page["items"].as_array().unwrap() {
                let id = session["transaction_id"].as_i64().unwrap();
                sessions.insert(id, self.send(n, "GET", &format!("/sessions/{id}"), None).await);
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("/sessions?limit=500&cursor={cursor}"),
                None => return sessions,
            }
        }
    }
}

/// A seed, printed: `JUDEN_SEED` repeats a run.
pub fn seed() -> u64 {
    let seed = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    println!("seed {seed}");
    seed
}
