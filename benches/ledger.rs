//! Durable transaction messages a second on PostgreSQL with its default durability, beside single-row commits and
//! batched inserts of the same rows on the same server in the same run; and how fast cards are judged meanwhile.
//!
//! `. tests/servers && cargo bench --bench ledger -- [SECONDS]`: seconds for each figure, 8 when left out. Prints
//! ratios, because machines differ; and microseconds of CPU a message, of nodes and PostgreSQL together.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "a benchmark prints ratios and fails loudly"
)]

#[path = "common/chargers.rs"]
mod chargers;
#[path = "../tests/common/ports.rs"]
mod ports;
#[path = "../tests/cluster/servers.rs"]
#[allow(dead_code, reason = "tests need more of it")]
mod servers;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chargers::{Load, charge, judge};
use ports::free_port;
use serde_json::{Value, json};
use servers::{Postgres, Redis};
use sqlx::{Connection, PgConnection};

const KEY: &str = "operator-key-of-the-bench";

/// A node of the release binary.
struct Node {
    child: Child,
    ocpp: u16,
    http: u16,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn node(name: &str, postgres: &Postgres, redis: &Redis) -> Node {
    let (ocpp, http) = (free_port(), free_port());
    let child = Command::new(
        std::env::var("JUDEN_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_juden").to_owned()),
    )
    .current_dir("/tmp")
    .args([
        "serve",
        "--admin-key",
        KEY,
        "--node-id",
        name,
        "--issuer-name",
        "none",
        "--log-level",
        "error",
    ])
    .args([
        "--database-url",
        &url(postgres),
        "--redis-url",
        &format!("redis://127.0.0.1:{}", redis.port),
    ])
    .args([
        "--ocpp-listen",
        &format!("127.0.0.1:{ocpp}"),
        "--http-listen",
        &format!("127.0.0.1:{http}"),
    ])
    .args(["--month-close-day", "manual", "--onboarding-delay-s", "none"])
    .stdout(Stdio::null())
    .spawn()
    .unwrap();
    Node { child, ocpp, http }
}

fn url(postgres: &Postgres) -> String {
    format!("postgres://juden@127.0.0.1:{}/postgres?juden_durability=none", postgres.port)
}

/// Seconds of CPU that a process, and where wanted its children, have used.
fn cpu_s(id: u32, with_children: bool) -> f64 {
    let stat = |id: u32| std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let ticks = |text: &str, gone: bool| -> f64 {
        let fields: Vec<f64> = text
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(11)
            .map_while(|f| f.parse().ok())
            .collect();
        fields.iter().take(if gone { 4 } else { 2 }).sum()
    };
    let mut all = ticks(&stat(id), with_children);
    if with_children {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let text = stat(child);
            let parent = text
                .rsplit(')')
                .next()
                .unwrap_or("")
                .split_whitespace()
                .nth(1)
                .and_then(|field| field.parse::<u32>().ok());
            if parent == Some(id) {
                all += ticks(&text, false);
            }
        }
    }
    all / 100.0
}

async fn send(http: u16, method: &str, path: &str, body: Value) -> Value {
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let request = reqwest::Client::new()
        .request(method, format!("http://127.0.0.1:{http}/api/v1{path}"))
        .bearer_auth(KEY);
    let text = request.body(body.to_string()).send().await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap()
}

/// A station and a member with a card for each charger: the first by the API, the others copied from it.
async fn seed(http: u16, postgres: &Postgres, count: usize) {
    let member = json!({"name": "Bench", "kind": "corporation", "email": "bench@example.jp", "plan": "simple", "payment_method": {"kind": "invoice"}});
    let member =
        send(http, "POST", "/members", member).await["member_id"].as_str().unwrap().to_owned();
    let card = send(
        http,
        "POST",
        "/cards",
        json!({"id_tag": chargers::tag(0), "activation_code": "0123456789abcdef"}),
    )
    .await;
    let body = json!({"card_number": card["card_number"], "activation_code": "0123456789abcdef", "role": "primary"});
    send(http, "POST", &format!("/members/{member}/cards/activate"), body).await;
    let body = json!({"site": "S", "connectors": [{"connector_id": 1, "charger_class": "quick"}]});
    send(http, "PUT", "/stations/B0", body).await;
    let copies = "
        INSERT INTO stations SELECT (jsonb_populate_record(s, jsonb_build_object('station_id', 'B' || n))).*
            FROM stations s, generate_series(1, LAST) n WHERE s.station_id = 'B0';
        INSERT INTO connectors SELECT (jsonb_populate_record(c, jsonb_build_object('station_id', 'B' || n))).*
            FROM connectors c, generate_series(1, LAST) n WHERE c.station_id = 'B0';
        INSERT INTO members SELECT 1 + n, 'M-' || lpad((1 + n)::text, 6, '0') FROM generate_series(1, LAST) n;
        INSERT INTO cards SELECT (jsonb_populate_record(c, jsonb_build_object('card_no', 1 + n, 'card_number', 'C-' || lpad((1 + n)::text, 8, '0'),
            'id_tag', 'BENCH' || n, 'id_tag_matched', 'BENCH' || n, 'member_id', 'M-' || lpad((1 + n)::text, 6, '0')))).*
            FROM cards c, generate_series(1, LAST) n WHERE c.card_no = 1;
        INSERT INTO events (member_id, card_number, at, kind, detail) SELECT 'M-' || lpad((1 + n)::text, 6, '0'),
            CASE WHEN e.card_number IS NULL THEN NULL ELSE 'C-' || lpad((1 + n)::text, 8, '0') END, e.at, e.kind,
            replace(e.detail, 'M-000001', 'M-' || lpad((1 + n)::text, 6, '0'))
            FROM events e, generate_series(1, LAST) n;
        ANALYZE;";
    postgres.sql(&copies.replace("LAST", &(count - 1).to_string())).await;
}

/// Rows like the journal's, one a commit, by so many clients; rows a second.
async fn single(postgres: &Postgres, clients: usize, time: Duration) -> f64 {
    let rows = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + time;
    let mut tasks = Vec::new();
    for _ in 0..clients {
        let (url, rows) = (url(postgres), rows.clone());
        tasks.push(tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            while Instant::now() < until {
                sqlx::query("INSERT INTO plain (station_id, payload, answer) SELECT 'B1', payload, answer FROM sample LIMIT 1")
                    .execute(&mut connection)
                    .await
                    .unwrap();
                rows.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    rows.load(Ordering::Relaxed) as f64 / time.as_secs_f64()
}

/// The same rows, so many a commit, by four clients; rows a second.
async fn batched(postgres: &Postgres, at_once: usize, payload: &str, time: Duration) -> f64 {
    let rows = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + time;
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let (url, rows, payloads) =
            (url(postgres), rows.clone(), vec![payload.to_owned(); at_once]);
        tasks.push(tokio::spawn(async move {
            let mut connection = PgConnection::connect(&url).await.unwrap();
            while Instant::now() < until {
                sqlx::query("INSERT INTO plain (station_id, payload, answer) SELECT 'B1', p, '{}' FROM unnest($1::text[]) p")
                    .bind(&payloads)
                    .execute(&mut connection)
                    .await
                    .unwrap();
                rows.fetch_add(at_once as u64, Ordering::Relaxed);
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    rows.load(Ordering::Relaxed) as f64 / time.as_secs_f64()
}

/// Messages a second, and microseconds of CPU each, of so many chargers at the nodes.
async fn durable(postgres: &Postgres, nodes: &[Node], count: usize, time: Duration) -> (f64, f64) {
    let load = Load::default();
    let ports: Vec<u16> = nodes.iter().map(|node| node.ocpp).collect();
    let running = charge(&ports, count, load.clone()).await;
    let used = || {
        cpu_s(postgres.process(), true)
            + nodes.iter().map(|node| cpu_s(node.child.id(), false)).sum::<f64>()
    };
    tokio::time::sleep(time / 4).await;
    let (messages, cpu, began) = (load.answered(), used(), Instant::now());
    tokio::time::sleep(time).await;
    let done = (load.answered() - messages) as f64;
    let figures = (done / began.elapsed().as_secs_f64(), (used() - cpu) * 1e6 / done);
    load.end();
    for task in running {
        let _ = task.await;
    }
    figures
}

#[tokio::main]
async fn main() {
    // Run as a test, it is only built: it needs minutes, and servers of its own.
    if !std::env::args().any(|text| text == "--bench") {
        return;
    }
    let time =
        Duration::from_secs(std::env::args().find_map(|text| text.parse().ok()).unwrap_or(8));
    let (postgres, redis) = (Postgres::with(""), Redis::start());
    let mut nodes = vec![node("one", &postgres, &redis), node("two", &postgres, &redis)];
    for node in &nodes {
        while reqwest::get(format!("http://127.0.0.1:{}/readyz", node.http)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    seed(nodes[0].http, &postgres, 4_000).await;
    let payload = chargers::start(0, 0).to_string();
    postgres
        .sql("CREATE TABLE plain (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, station_id text, payload text, answer text)")
        .await;
    postgres
        .sql(&format!(
            "CREATE TABLE sample AS SELECT '{payload}'::text AS payload, '{{}}'::text AS answer"
        ))
        .await;
    let alone = single(&postgres, 1, time).await;
    let sixteen = single(&postgres, 16, time).await;
    let mut best: f64 = 0.0;
    for at_once in [100, 1_000] {
        best = best.max(batched(&postgres, at_once, &payload, time).await);
    }
    println!(
        "single-row commits: {alone:.0}/s by 1 client, {sixteen:.0}/s by 16; best batched insert {best:.0} rows/s"
    );
    for count in [2, 1] {
        nodes.truncate(count);
        for chargers in [16, 256, 4_000] {
            let (rate, cpu_us) = durable(&postgres, &nodes, chargers, time).await;
            println!(
                "{count} nodes, {chargers} chargers: {rate:.0} durable messages/s = {:.1} x single-row commits of 16, {:.2} x the best batch; {cpu_us:.0} us of CPU each",
                rate / sixteen,
                rate / best
            );
        }
    }
    for loaded in [0, 16] {
        let load = Load::default();
        let running = charge(&[nodes[0].ocpp], loaded, load.clone()).await;
        let (p50, p99) = judge(nodes[0].ocpp, 1_000, time).await;
        println!(
            "authorize at 1,000/s beside {loaded} chargers that transact without pause: p50 {p50:?}, p99 {p99:?}"
        );
        load.end();
        for task in running {
            let _ = task.await;
        }
    }
}
