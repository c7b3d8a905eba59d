//! Spans of the real binary in a collector's hands: who and what, never a card; and a collector that is away
//! or asleep costs nothing but spans.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::harness::{ADMIN_KEY, PATIENCE, Socket, start, status, stop, transaction};

const CARD: &str = "CARD77NEVERTOLD";
const STOPS_WITHIN: Duration = Duration::from_secs(10);

/// What came, request by request, as it came.
type Taken = Arc<Mutex<Vec<u8>>>;

/// A collector that takes everything.
async fn collector() -> (SocketAddr, Taken) {
    let taken = Taken::default();
    let keep = taken.clone();
    let take = post(move |body: Bytes| async move {
        keep.lock().unwrap().extend_from_slice(&body);
        Bytes::new()
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, Router::new().route("/v1/traces", take)).into_future());
    (address, taken)
}

struct Program {
    child: Child,
    folder: TempDir,
    ocpp: u16,
    http: u16,
    client: reqwest::Client,
}

impl Program {
    async fn start(collector: SocketAddr) -> Self {
        let (folder, ocpp, http) =
            (tempfile::tempdir().unwrap(), crate::ports::free_port(), crate::ports::free_port());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_juden"))
            .current_dir(folder.path())
            .args([
                "serve",
                "--admin-key",
                ADMIN_KEY,
                "--node-id",
                "node-of-the-test",
                "--onboarding-delay-s",
                "none",
            ])
            .args([
                "--ocpp-listen",
                &format!("127.0.0.1:{ocpp}"),
                "--http-listen",
                &format!("127.0.0.1:{http}"),
            ])
            .args([
                "--otlp-endpoint",
                &format!("http://{collector}"),
                "--log-format",
                "json",
                "--log-level",
                "info,juden=debug",
            ])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let program = Self { child, folder, ocpp, http, client: reqwest::Client::new() };
        let began = Instant::now();
        while program.client.get(program.url("/readyz")).send().await.is_err() {
            assert!(began.elapsed() < PATIENCE, "the server must start");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        program
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http)
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .client
            .request(method, self.url(&format!("/api/v1{path}")))
            .bearer_auth(ADMIN_KEY)
            .body(body.to_string());
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{path}: {response:?}");
        response.json().await.unwrap()
    }

    async fn metrics(&self) -> String {
        self.client.get(self.url("/metrics")).send().await.unwrap().text().await.unwrap()
    }

    /// A station's session with the card, and a command.
    async fn session(&self) {
        let connectors = json!([{"connector_id": 1, "charger_class": "quick", "power_kw": 50}]);
        self.send(
            "PUT",
            "/stations/CP-SPAN",
            &json!({"site": "Yokohama", "connectors": connectors}),
        )
        .await;
        self.send("POST", "/cards", &json!({"id_tag": CARD})).await;
        let mut socket = Socket::open(
            &format!("ws://127.0.0.1:{}/ocpp/CP-SPAN", self.ocpp),
            Some("ocpp1.6"),
            None,
        )
        .await
        .unwrap();
        assert_eq!(status(&socket.call("Authorize", json!({"idTag": CARD})).await), "Invalid");
        let started = socket.call("StartTransaction", start(CARD, "2026-01-01T00:00:00Z", 0)).await;
        socket
            .call("StopTransaction", stop(transaction(&started), "2026-01-01T00:10:00Z", 10))
            .await;
        // What a station invents as an action is told to nobody.
        assert_eq!(socket.call(CARD, json!({"idTag": CARD})).await[0], 4);
        let body = json!({"command": "remote_start", "id_tag": CARD, "connector_id": 1});
        let (_, frame) = tokio::join!(
            async { self.send("POST", "/stations/CP-SPAN/commands", &body).await },
            async {
                let frame = socket.next().await.unwrap();
                socket.send(&json!([3, frame[1], {"status": "Accepted"}]).to_string()).await;
                frame
            }
        );
        assert_eq!(frame[2], "RemoteStartTransaction");
    }

    /// Ends it as an operator does; its log.
    async fn stop(mut self) -> String {
        let told =
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let began = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < STOPS_WITHIN, "a stop takes {STOPS_WITHIN:?} at most");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

impl Drop for Program {
    /// A test that fails leaves nothing running.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn spans_name_station_and_session_and_never_a_card() {
    let (address, taken) = collector().await;
    let program = Program::start(address).await;
    program.session().await;
    let log = program.stop().await;
    // What waited was handed over at the stop.
    let taken = taken.lock().unwrap();
    let told = [
        "juden",
        "node-of-the-test",
        "ocpp.call",
        "station_id",
        "CP-SPAN",
        "session_id",
        "S-000000001",
        "StartTransaction",
        "StopTransaction",
        "NotImplemented",
        "ocpp.command",
        "RemoteStartTransaction",
        "http.request",
        "/api/v1/stations/{station_id}/commands",
    ];
    let missing: Vec<&str> = told.into_iter().filter(|text| !holds(&taken, text)).collect();
    assert!(missing.is_empty(), "no span tells {missing:?}");
    assert!(!holds(&taken, CARD) && !holds(&taken, ADMIN_KEY), "a span tells a card or a secret");
    assert!(
        !holds(log.as_bytes(), ADMIN_KEY) && !holds(log.as_bytes(), CARD),
        "the log tells a card or a secret: {log}"
    );
    let refused: Vec<Value> =
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let refused =
        refused.iter().find(|line| line["fields"]["message"] == "a call was refused").unwrap();
    assert_eq!(
        (&refused["span"]["name"], &refused["span"]["station_id"]),
        (&json!("ocpp.call"), &json!("CP-SPAN"))
    );
}

#[tokio::test]
async fn a_collector_that_is_away_costs_spans_only_and_is_told_once() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let program = Program::start(nobody).await;
    program.session().await;
    let began = Instant::now();
    while !program.metrics().await.contains("juden_spans_lost_total{why=\"not_taken\"}") {
        assert!(began.elapsed() < PATIENCE, "lost spans must be counted");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let log = program.stop().await;
    assert_eq!(log.matches("the collector does not take spans").count(), 1, "{log}");
}

#[tokio::test]
async fn a_collector_that_sleeps_does_not_hold_up_a_stop() {
    // It accepts, because the kernel does, and never answers.
    let sleeping = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let program = Program::start(sleeping.local_addr().unwrap()).await;
    program.session().await;
    program.stop().await;
}
