//! A charger that does what a test says, and one that asks for a card without pause.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::nodes::LIMIT;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A charger that does what a test says.
pub struct Charger {
    stream: Stream,
    /// Commands that came.
    pub commanded: Vec<String>,
}

async fn open(port: u16, station: &str) -> Stream {
    let mut request =
        format!("ws://127.0.0.1:{port}/ocpp/{station}").into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("ocpp1.6"));
    connect_async(request).await.unwrap().0
}

/// What a charger with a cache answers to a command.
fn answer(frame: &Value) -> String {
    match frame[2].as_str().unwrap() {
        "GetConfiguration" => {
            let keys =
                json!([{"key": "AuthorizationCacheEnabled", "readonly": false, "value": "true"}]);
            json!([3, frame[1], {"configurationKey": keys, "unknownKey": []}]).to_string()
        }
        "ClearCache" | "Reset" | "RemoteStopTransaction" => {
            json!([3, frame[1], {"status": "Accepted"}]).to_string()
        }
        _ => json!([4, frame[1], "NotImplemented", "", {}]).to_string(),
    }
}

impl Charger {
    pub async fn connect(port: u16, station: &str) -> Self {
        Self { stream: open(port, station).await, commanded: Vec::new() }
    }

    /// The next frame that is no command; `None`: the connection ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(LIMIT, self.stream.next())
                .await
                .expect("nothing came in time");
            let Some(Ok(message)) = message else { return None };
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame[0] != 2 {
                return Some(frame);
            }
            self.commanded.push(frame[2].as_str().unwrap().to_owned());
            if self.stream.send(Message::text(answer(&frame))).await.is_err() {
                return None;
            }
        }
    }

    /// A call; `None`: the connection ended.
    pub async fn call(&mut self, action: &str, payload: Value) -> Option<Value> {
        self.stream.send(Message::text(json!([2, "c", action, payload]).to_string())).await.ok()?;
        self.next().await
    }

    /// The status that a card gets; `None`: an error was answered.
    pub async fn authorize(&mut self, tag: &str) -> Option<String> {
        let answer =
            self.call("Authorize", json!({"idTag": tag})).await.expect("the connection lives");
        answer[2]["idTagInfo"]["status"].as_str().map(str::to_owned)
    }

    /// A start's answer.
    pub async fn start(&mut self, tag: &str) -> Value {
        let payload = json!({"connectorId": 1, "idTag": tag, "timestamp": "2026-12-02T00:00:10Z", "meterStart": 5});
        self.call("StartTransaction", payload).await.expect("the connection lives")[2].clone()
    }

    /// Serves commands until one came.
    pub async fn serve_until(&mut self, action: &str) {
        while !self.commanded.iter().any(|known| known == action) {
            let message = tokio::time::timeout(LIMIT, self.stream.next())
                .await
                .expect("nothing came in time")
                .unwrap()
                .unwrap();
            if let Message::Text(text) = message {
                let frame: Value = serde_json::from_str(&text).unwrap();
                self.commanded.push(frame[2].as_str().unwrap().to_owned());
                self.stream.send(Message::text(answer(&frame))).await.unwrap();
            }
        }
    }

    /// Waits until the other side ends the connection.
    pub async fn ended(&mut self) {
        while self.next().await.is_some() {}
    }
}

/// What chargers that ask without pause see, and what the test did meanwhile.
#[derive(Default)]
pub struct Board {
    /// 0 while the card may be accepted; the suspension's number from its answer until the return is asked for.
    pub suspension: AtomicU64,
    pub asked: AtomicU64,
    pub accepted: AtomicU64,
    pub refused: AtomicU64,
    /// Accepted although asked after a suspension was confirmed.
    pub wrong: AtomicU64,
    /// Accepted before, told after: asked before the suspension was confirmed.
    pub late: AtomicU64,
    pub stop: AtomicBool,
}

/// What one of them saw last.
pub struct Hammer {
    pub accepted: Arc<AtomicU64>,
    pub refused: Arc<AtomicU64>,
    pub cleared: Arc<AtomicU64>,
}

/// Asks under way at once: a node that is stopped finds them when it goes on.
const UNDER_WAY: usize = 16;

/// Between asks.
const PAUSE: Duration = Duration::from_micros(500);

/// Hammers a node with one card until the board says stop.
pub async fn hammer(port: u16, station: String, tag: String, board: Arc<Board>) -> Hammer {
    let (mut out, mut inward) = open(port, &station).await.split();
    let seen =
        Hammer { accepted: Arc::default(), refused: Arc::default(), cleared: Arc::default() };
    let (accepted, refused, cleared) =
        (seen.accepted.clone(), seen.refused.clone(), seen.cleared.clone());
    tokio::spawn(async move {
        let mut waiting: HashMap<String, u64> = HashMap::new();
        let mut number = 0_u64;
        let mut last = Instant::now();
        while !board.stop.load(Ordering::SeqCst) {
            if waiting.len() < UNDER_WAY && last.elapsed() >= PAUSE {
                number += 1;
                last = Instant::now();
                let id = number.to_string();
                waiting.insert(id.clone(), board.suspension.load(Ordering::SeqCst));
                out.send(Message::text(json!([2, id, "Authorize", {"idTag": tag}]).to_string()))
                    .await
                    .unwrap();
                board.asked.fetch_add(1, Ordering::Relaxed);
            }
            let Ok(message) = tokio::time::timeout(PAUSE, inward.next()).await else { continue };
            let Message::Text(text) =
                message.expect("the connection lives").expect("the connection lives")
            else {
                continue;
            };
            let now = board.suspension.load(Ordering::SeqCst);
            let frame: Value = serde_json::from_str(&text).unwrap();
            if frame[0] == 2 {
                cleared.fetch_add(u64::from(frame[2] == "ClearCache"), Ordering::SeqCst);
                out.send(Message::text(answer(&frame))).await.unwrap();
                continue;
            }
            let asked_in = waiting.remove(frame[1].as_str().unwrap()).unwrap();
            if frame[2]["idTagInfo"]["status"] == "Accepted" {
                accepted.fetch_add(1, Ordering::SeqCst);
                board.accepted.fetch_add(1, Ordering::Relaxed);
                if now != 0 && asked_in == now {
                    board.wrong.fetch_add(1, Ordering::SeqCst);
                } else if now != 0 {
                    board.late.fetch_add(1, Ordering::SeqCst);
                }
            } else {
                refused.fetch_add(1, Ordering::SeqCst);
                board.refused.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    seen
}
