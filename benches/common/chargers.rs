//! Chargers that transact without pause, and one that shows cards at a fixed rate.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark fails loudly")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What chargers have done, and when they are to end.
#[derive(Clone, Default)]
pub struct Load {
    answered: Arc<AtomicU64>,
    ends: Arc<AtomicBool>,
}

impl Load {
    pub fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    pub fn end(&self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}

async fn open(port: u16, station: &str) -> Stream {
    let mut request =
        format!("ws://127.0.0.1:{port}/ocpp/{station}").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
    let config = WebSocketConfig::default().read_buffer_size(2 * 1024).write_buffer_size(0);
    connect_async_with_config(request, Some(config), true).await.unwrap().0
}

/// The answer to a call; commands are not served.
async fn call(stream: &mut Stream, action: &str, payload: &Value) -> Value {
    stream.send(Message::text(json!([2, "b", action, payload]).to_string())).await.unwrap();
    loop {
        let Message::Text(text) = stream.next().await.unwrap().unwrap() else { continue };
        let frame: Value = serde_json::from_str(&text).unwrap();
        if frame[0] != 2 {
            assert_eq!(frame[0], 3, "{frame}");
            return frame[2].clone();
        }
        stream
            .send(Message::text(json!([4, frame[1], "NotImplemented", "", {}]).to_string()))
            .await
            .unwrap();
    }
}

fn instant(second: i64) -> String {
    let from: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
    (from + TimeDelta::seconds(second)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A charger's card.
pub fn tag(charger: usize) -> String {
    format!("BENCH{charger}")
}

pub fn start(charger: usize, second: i64) -> Value {
    json!({"connectorId": 1, "idTag": tag(charger), "timestamp": instant(second), "meterStart": second})
}

/// One charger's sessions, each a start, two readings and a stop, until it is to end. They lie in the past, one after
/// the other: `second` is where the next begins.
async fn sessions(stream: &mut Stream, charger: usize, load: &Load, mut second: i64) {
    while !load.ends.load(Ordering::Relaxed) {
        let begun = call(stream, "StartTransaction", &start(charger, second)).await;
        let transaction = &begun["transactionId"];
        for part in 1..=2 {
            let sample = json!({"value": (second + part).to_string(), "measurand": "Energy.Active.Import.Register", "unit": "Wh"});
            let reading = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{"timestamp": instant(second + part), "sampledValue": [sample]}]});
            call(stream, "MeterValues", &reading).await;
        }
        let stop = json!({"transactionId": transaction, "idTag": tag(charger), "timestamp": instant(second + 5), "meterStop": second + 5});
        call(stream, "StopTransaction", &stop).await;
        load.answered.fetch_add(4, Ordering::Relaxed);
        second += 10;
    }
}

/// Connects chargers, dealt out to the ports, and lets them transact.
pub async fn charge(ports: &[u16], count: usize, load: Load) -> Vec<JoinHandle<()>> {
    static SECOND: AtomicU64 = AtomicU64::new(0);
    // No start is the same as one of an earlier figure.
    let second = i64::try_from(SECOND.fetch_add(3_000_000, Ordering::Relaxed)).unwrap();
    let mut tasks = Vec::new();
    for n in 0..count {
        let mut stream = open(ports[n % ports.len()], &format!("B{n}")).await;
        let load = load.clone();
        tasks.push(tokio::spawn(async move { sessions(&mut stream, n, &load, second).await }));
    }
    tasks
}

/// Shows a card at a fixed rate, counted from when it was to be shown: p50 and p99 of the answers.
pub async fn judge(port: u16, rate: u32, time: Duration) -> (Duration, Duration) {
    const CHARGERS: u32 = 50;
    let mut tasks = Vec::new();
    for n in 0..CHARGERS {
        let mut stream = open(port, &format!("B{}", 3_900 + n)).await;
        let shown = json!({"idTag": tag(n as usize)});
        call(&mut stream, "Authorize", &shown).await;
        tasks.push(tokio::spawn(async move {
            let every = Duration::from_secs(1) * CHARGERS / rate;
            let mut due = Instant::now() + every * n / CHARGERS;
            let until = Instant::now() + time;
            let mut times = Vec::new();
            while due < until {
                tokio::time::sleep_until(due.into()).await;
                call(&mut stream, "Authorize", &shown).await;
                times.push(due.elapsed());
                due += every;
            }
            times
        }));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    times.sort();
    (times[times.len() / 2], times[times.len() * 99 / 100])
}
