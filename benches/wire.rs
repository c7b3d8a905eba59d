//! What a message costs: the ten commonest of each version, in messages a second and allocations.
//!
//! `cargo bench --bench wire`. Three figures a message: `parsed` is the floor, `serde_json` reading the same bytes and doing
//! nothing; `worded` is a frame taken apart, understood, answered with a ready word and written; `handled` is the same with
//! the whole server behind it (SQLite in a temporary folder), one message at a time, so a transaction's message waits
//! alone for its commit.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark fails loudly")]

#[path = "common/messages.rs"]
mod messages;
#[path = "../tests/common/wire.rs"]
#[allow(dead_code, reason = "tests need more of it")]
mod wire;

use std::sync::{Arc, LazyLock};

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use juden::config::Texts;
use juden::server::{Server, tariffs};
use juden_core::clock::Clock;
use juden_core::cluster::Fence;
use juden_core::station_call::StationCall;
use juden_domain::ids::StationId;
use juden_domain::instant::Heard;
use juden_ocpp::event::TagAnswer;
use juden_ocpp::frame::{self, Frame};
use juden_store::StationRecord;
use juden_store::sqlite::SqliteStore;
use messages::{MESSAGES, Message};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATIONS: AllocProfiler = AllocProfiler::system();

const KEY: &str = "operator-key-of-the-bench";

fn main() {
    divan::main();
}

#[divan::bench(args = MESSAGES)]
fn parsed(bencher: Bencher<'_, '_>, message: &Message) {
    let text = message.text(1, "1");
    bencher
        .counter(ItemsCount::new(1usize))
        .bench(|| serde_json::from_str::<Value>(black_box(&text)).unwrap());
}

#[divan::bench(args = MESSAGES)]
fn worded(bencher: Bencher<'_, '_>, message: &Message) {
    let text = message.text(1, "1");
    bencher.counter(ItemsCount::new(1usize)).bench(|| {
        let Frame::Call(call) = frame::parse(black_box(&text)) else { panic!("{text}") };
        let event = message.protocol.decode(&call.action, call.payload).unwrap();
        let payload = wire::answer_to(message.protocol, &event, &TagAnswer::nobodys());
        frame::result_text(&call.id, &payload)
    });
}

#[divan::bench(args = MESSAGES, sample_count = 20, sample_size = 5)]
fn handled(bencher: Bencher<'_, '_>, message: &Message) {
    let whole = &*WHOLE;
    let mut number = 0;
    let prepared = || {
        number += 1;
        // An end needs a transaction of its own, which is not measured.
        let begun = message
            .begun_by(number)
            .map(|(action, payload)| whole.handle(number, message, action, &payload));
        let transaction = begun.and_then(|answer| {
            serde_json::from_str::<Value>(&answer).unwrap()["transactionId"].as_i64()
        });
        (number, message.text(number, &transaction.unwrap_or(1).to_string()))
    };
    bencher.counter(ItemsCount::new(1usize)).with_inputs(prepared).bench_local_values(
        |(number, text)| {
            let Frame::Call(call) = frame::parse(&text) else { panic!("{text}") };
            let payload = whole.handle(number, message, &call.action, call.payload.text());
            frame::result_text(&call.id, &payload)
        },
    );
}

/// A server with members, each with a station.
struct Whole {
    runtime: Runtime,
    server: Server,
    stations: Vec<Arc<StationRecord>>,
    _folder: tempfile::TempDir,
}

static WHOLE: LazyLock<Whole> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("juden.db").display());
    let flags = [
        ("ocpp-listen", "127.0.0.1:0"),
        ("http-listen", "127.0.0.1:0"),
        ("admin-key", KEY),
        ("month-close-day", "manual"),
    ];
    let value = |name: &str| {
        flags.iter().find(|(flag, _)| *flag == name).map(|(_, value)| (*value).to_owned())
    };
    let config = Texts::gather(value, |_| None, None).into_config().unwrap();
    let clock = Arc::new(Clock::simulated("2024-06-10T00:00:00Z".parse().unwrap()));
    let (server, stations) = runtime.block_on(async {
        let store = Arc::new(SqliteStore::open(&url).await.unwrap());
        store.migrate(&url).await.unwrap();
        let server =
            Server::start(&config, store, None, tariffs(&config).unwrap(), clock).await.unwrap();
        fill(&server).await;
        let mut stations = Vec::new();
        for member in 0..messages::MEMBERS {
            let id = StationId::parse(&station_id(member)).unwrap();
            stations.push(server.app.stations.find(&id).await.unwrap().unwrap());
        }
        (server, stations)
    });
    Whole { runtime, server, stations, _folder: folder }
});

fn station_id(member: usize) -> String {
    format!("B{member}")
}

async fn fill(server: &Server) {
    let client = reqwest::Client::new();
    let send = async |method: reqwest::Method, path: &str, body: Value| -> Value {
        let request = client
            .request(method, format!("http://{}/api/v1{path}", server.http))
            .bearer_auth(KEY)
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {}", response.status());
        serde_json::from_str(&response.text().await.unwrap()).unwrap()
    };
    let station =
        json!({"site": "S", "connectors": [{"connector_id": 1, "charger_class": "quick"}]});
    for member in 0..messages::MEMBERS {
        send(reqwest::Method::PUT, &format!("/stations/{}", station_id(member)), station.clone())
            .await;
        join(&send, &messages::tag(member)).await;
    }
}

/// A member with a card.
async fn join(send: &impl AsyncFn(reqwest::Method, &str, Value) -> Value, id_tag: &str) {
    let post = reqwest::Method::POST;
    let body = json!({"name": "Bench", "kind": "corporation", "email": "bench@example.jp", "plan": "simple", "payment_method": {"kind": "invoice"}});
    let member =
        send(post.clone(), "/members", body).await["member_id"].as_str().unwrap().to_owned();
    let card = send(
        post.clone(),
        "/cards",
        json!({"id_tag": id_tag, "activation_code": "0123456789abcdef"}),
    )
    .await;
    let body = json!({"card_number": card["card_number"], "activation_code": "0123456789abcdef", "role": "primary"});
    send(post, &format!("/members/{member}/cards/activate"), body).await;
}

impl Whole {
    fn handle(&self, number: usize, message: &Message, action: &str, payload: &str) -> String {
        let now = self.server.app.now();
        let event = message.protocol.decode(action, frame::Payload::Json(payload)).unwrap();
        let call = StationCall {
            station: self.stations[number % messages::MEMBERS].clone(),
            fence: Fence::default(),
            heard: Heard { received_at: now, connected_since: now, clock: None },
            message_id: "m".to_owned(),
            protocol: message.protocol,
            action: action.to_owned(),
            payload: payload.to_owned(),
        };
        let (_answered, written) = tokio::sync::oneshot::channel();
        self.runtime.block_on(self.server.app.calls.handle(call, event, written)).unwrap()
    }
}
