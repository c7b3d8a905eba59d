//! A server of a test's own: its own database, free ports, a clock that stands until the test moves it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use juden::config::Texts;
use juden::server::Server;
use juden_core::clock::Clock;
use juden_store::Store;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::engine::Database;
use crate::newer::Newer;

pub const ADMIN_KEY: &str = "operator-key-of-the-tests";

/// Everything waits at most this long: a test that hangs fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub struct TestServer {
    server: Option<Server>,
    clock: Arc<Clock>,
    /// Its own.
    pub database: Database,
    flags: Vec<(&'static str, String)>,
    client: reqwest::Client,
}

/// An answer of the API.
#[derive(Debug, Clone)]
pub struct Answered {
    pub status: u16,
    pub content_type: String,
    pub retry_after: Option<String>,
    pub location: Option<String>,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl TestServer {
    /// A server whose simulated clock starts at an instant.
    pub async fn at(start: &str) -> Self {
        Self::with(start, &[]).await
    }

    /// The same on a database that was filled before.
    pub async fn on(start: &str, database: Database) -> Self {
        let mut test = Self::stopped(start, &[], database);
        test.start().await;
        test
    }

    /// The same with settings of its own.
    pub async fn with(start: &str, settings: &[(&'static str, &str)]) -> Self {
        let mut test = Self::stopped(start, settings, Database::new().await);
        test.start().await;
        test
    }

    fn stopped(start: &str, settings: &[(&'static str, &str)], database: Database) -> Self {
        // What the server says of itself stands beside a failed test.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_test_writer()
            .with_ansi(false)
            .try_init();
        let mut flags: Vec<(&'static str, String)> = [
            ("ocpp-listen", "127.0.0.1:0"),
            ("http-listen", "127.0.0.1:0"),
            ("admin-key", ADMIN_KEY),
            ("onboarding-delay-s", "none"),
            ("month-close-day", "manual"),
            ("node-id", "test"),
            ("issuer-name", "none"),
            ("party-id", "JDN"),
        ]
        .map(|(key, value)| (key, value.to_owned()))
        .into();
        for (key, value) in settings {
            flags.retain(|(known, _)| known != key);
            flags.push((key, (*value).to_owned()));
        }
        let clock = Arc::new(Clock::standing(start.parse().unwrap()));
        Self { server: None, clock, database, flags, client: reqwest::Client::new() }
    }

    async fn start(&mut self) {
        let texts = Texts::gather(
            |name| {
                self.flags.iter().find(|(flag, _)| *flag == name).map(|(_, value)| value.clone())
            },
            |_| None,
            None,
        );
        let config = texts.into_config().unwrap();
        let opened = self.database.opened().await;
        let tariffs = juden::server::tariffs(&config).unwrap();
        self.server = Some(
            Server::start(&config, opened.store(), opened.nodes(), tariffs, self.clock.clone())
                .await
                .unwrap(),
        );
    }

    /// The store, opened once more.
    pub async fn store(&self) -> Arc<dyn Store> {
        self.database.store().await
    }

    /// Stops the server and starts it again on the same database, on new ports.
    pub async fn restart(&mut self) {
        self.server.take().unwrap().stop().await;
        self.start().await;
    }

    /// Stops the server, changes its database, and starts it again.
    pub async fn while_stopped(&mut self, statements: &[&'static str]) {
        self.server.take().unwrap().stop().await;
        for one in statements {
            self.database.run(one).await;
        }
        self.start().await;
    }

    pub fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Moves the clock.
    pub async fn clock(&self, instant: &str) {
        let moved = self.put("/clock", &json!({"now": instant})).await;
        assert_eq!(moved.status, 200, "{moved:?}");
    }

    pub fn ocpp_url(&self) -> String {
        format!("ws://{}/ocpp", self.server().ocpp.unwrap())
    }

    pub fn api_url(&self, path: &str) -> String {
        format!("http://{}/api/v1{path}", self.server().http)
    }

    pub async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<String>,
        headers: &[(&str, &str)],
    ) -> Answered {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self.client.request(method, self.api_url(path)).bearer_auth(ADMIN_KEY);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (content_type, retry_after, location) =
            (header("content-type").unwrap_or_default(), header("retry-after"), header("location"));
        Answered {
            status: response.status().as_u16(),
            content_type,
            retry_after,
            location,
            text: response.text().await.unwrap(),
        }
    }

    pub async fn get(&self, path: &str) -> Value {
        let answered = self.request("GET", path, None, &[]).await;
        assert_eq!(answered.status, 200, "GET {path}: {answered:?}");
        answered.json()
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answered {
        self.request("POST", path, Some(body.to_string()), &[]).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answered {
        self.request("PUT", path, Some(body.to_string()), &[]).await
    }

    /// Registers a station with quick connectors 1 and 2.
    pub async fn station(&self, id: &str) {
        self.station_as(id, &json!({})).await;
    }

    /// The same with further fields.
    pub async fn station_as(&self, id: &str, more: &Value) {
        let mut body = json!({"site": "Yokohama", "connectors": [
            {"connector_id": 1, "charger_class": "quick", "power_kw": 50},
            {"connector_id": 2, "charger_class": "quick", "power_kw": 50},
        ]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let put = self.put(&format!("/stations/{id}"), &body).await;
        assert!(matches!(put.status, 200 | 201), "{put:?}");
    }

    /// Admits a member.
    pub async fn member(&self, plan: &str) -> String {
        let body = json!({"name": "Aoki Transport", "kind": "corporation", "email": "fleet@example.jp", "plan": plan, "payment_method": {"kind": "invoice"}});
        let admitted = self.post("/members", &body).await;
        assert_eq!(admitted.status, 201, "{admitted:?}");
        admitted.json()["member_id"].as_str().unwrap().to_owned()
    }

    /// Puts a card in stock: its number and code.
    pub async fn stock(&self, id_tag: &str) -> (String, String) {
        let added = self.post("/cards", &json!({"id_tag": id_tag})).await;
        assert_eq!(added.status, 201, "{added:?}");
        let text = |key: &str| added.json()[key].as_str().unwrap().to_owned();
        (text("card_number"), text("activation_code"))
    }

    pub async fn activate(
        &self,
        member: &str,
        (number, code): &(String, String),
        role: &str,
    ) -> Answered {
        let body = json!({"card_number": number, "activation_code": code, "role": role});
        self.post(&format!("/members/{member}/cards/activate"), &body).await
    }

    /// A member with one active primary card.
    pub async fn member_with_card(&self, plan: &str, id_tag: &str) -> (String, String) {
        let member = self.member(plan).await;
        let card = self.stock(id_tag).await;
        let activated = self.activate(&member, &card, "primary").await;
        assert_eq!(activated.status, 200, "{activated:?}");
        (member, card.0)
    }

    /// A bare connection.
    pub async fn socket(&self, id: &str) -> Socket {
        let newer = Newer::wanted()
            .then(|| Newer::new(self.client.clone(), self.api_url(""), ADMIN_KEY, id));
        let protocol = if newer.is_some() { "ocpp2.0.1" } else { "ocpp1.6" };
        let socket =
            Socket::open(&format!("{}/{id}", self.ocpp_url()), Some(protocol), None).await.unwrap();
        Socket { newer, ..socket }
    }

    /// A session by the station's transaction id.
    pub async fn session(&self, transaction_id: i64) -> Value {
        self.get(&format!("/sessions/{transaction_id}")).await
    }

    /// All sessions at a station.
    pub async fn sessions_at(&self, station: &str) -> Vec<Value> {
        self.get(&format!("/sessions?station_id={station}")).await["items"]
            .as_array()
            .unwrap()
            .clone()
    }
}

/// A WebSocket on which a test sends what it likes.
pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Where the test's calls, written in the words of 1.6, go out in those of 2.0.1.
    newer: Option<Newer>,
}

impl Socket {
    pub async fn open(
        url: &str,
        protocols: Option<&str>,
        basic: Option<&[u8]>,
    ) -> Result<Self, u16> {
        use base64::Engine;
        let mut request = url.into_client_request().unwrap();
        if let Some(protocols) = protocols {
            request
                .headers_mut()
                .insert("Sec-WebSocket-Protocol", HeaderValue::from_str(protocols).unwrap());
        }
        if let Some(basic) = basic {
            let value =
                format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(basic));
            request.headers_mut().insert("Authorization", HeaderValue::from_str(&value).unwrap());
        }
        match connect_async(request).await {
            Ok((stream, _)) => Ok(Self { stream, newer: None }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
                Err(response.status().as_u16())
            }
            Err(other) => panic!("{other}"),
        }
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next text frame; `None`: the connection ended, with the close code where there was one.
    pub async fn next(&mut self) -> Result<Value, Option<u16>> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.stream.next())
                .await
                .expect("nothing came in time");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map(|frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// Sends a call and waits for its answer: `[3, id, payload]` or `[4, …]`.
    pub async fn call(&mut self, action: &str, payload: Value) -> Value {
        self.call_as("id-1", action, payload).await
    }

    pub async fn call_as(&mut self, id: &str, action: &str, payload: Value) -> Value {
        let Some(mut newer) = self.newer.take() else {
            return self.call_plainly(id, action, payload).await;
        };
        let (newer_action, newer_payload) = newer.call(action, &payload).await;
        let answer = self.call_plainly(id, newer_action, newer_payload.clone()).await;
        let answer = newer.answer(action, &newer_payload, answer).await;
        self.newer = Some(newer);
        answer
    }

    async fn call_plainly(&mut self, id: &str, action: &str, payload: Value) -> Value {
        self.send(&json!([2, id, action, payload]).to_string()).await;
        loop {
            let frame = self.next().await.unwrap();
            if frame[0] != 2 {
                return frame;
            }
            // A station that knows no command says so.
            self.send(&json!([4, frame[1], "NotImplemented", "", {}]).to_string()).await;
        }
    }

    /// That the connection lives: a heartbeat is answered.
    pub async fn lives(&mut self) {
        let answer = self.call_as("alive", "Heartbeat", json!({})).await;
        assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("alive")), "{answer}");
    }
}

pub fn start(id_tag: &str, timestamp: &str, meter: i64) -> Value {
    json!({"connectorId": 1, "idTag": id_tag, "timestamp": timestamp, "meterStart": meter})
}

pub fn stop(transaction: i64, timestamp: &str, meter: i64) -> Value {
    json!({"transactionId": transaction, "timestamp": timestamp, "meterStop": meter})
}

/// The transaction id of an answer to a start.
pub fn transaction(answer: &Value) -> i64 {
    answer[2]["transactionId"].as_i64().unwrap_or_else(|| panic!("no transaction id in {answer}"))
}

pub fn status(answer: &Value) -> &str {
    answer[2]["idTagInfo"]["status"].as_str().unwrap_or_else(|| panic!("no status in {answer}"))
}

pub fn has_flag(session: &Value, flag: &str) -> bool {
    session["flags"].as_array().unwrap().iter().any(|known| known == flag)
}
