//! The binary as a process of its own, and stations that speak to it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::ports::free_port;

pub const KEY: &str = "operator-key-of-the-tests";

/// What does not come within this time fails the test.
pub const PATIENCE: Duration = Duration::from_secs(30);

static ALONE: Mutex<()> = Mutex::const_new(());

/// A server with a folder of its own, alone on the machine as far as these tests go.
pub struct Node {
    child: Option<Child>,
    folder: PathBuf,
    pub ocpp: u16,
    pub http: u16,
    flags: Vec<String>,
    variables: Vec<(String, String)>,
    pub client: reqwest::Client,
    _own: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Node {
    pub async fn new(flags: &[&str]) -> Self {
        let own = tempfile::tempdir().unwrap();
        Self {
            child: None,
            folder: own.path().to_owned(),
            ocpp: free_port(),
            http: free_port(),
            flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
            variables: Vec::new(),
            client: reqwest::Client::builder().timeout(PATIENCE).build().unwrap(),
            _own: own,
            _alone: ALONE.lock().await,
        }
    }

    /// One that runs.
    pub async fn started(flags: &[&str]) -> Self {
        let mut node = Self::new(flags).await;
        node.start().await;
        node
    }

    /// Lets the next start find its store in another folder.
    pub fn lies_in(&mut self, folder: &Path) {
        folder.clone_into(&mut self.folder);
    }

    /// Lets the next start see variables of the environment.
    pub fn sees(&mut self, variables: &[(&str, &str)]) {
        self.variables =
            variables.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    }

    pub fn database(&self) -> PathBuf {
        self.folder.join("juden.db")
    }

    pub fn command(&self, ocpp: u16, http: u16) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_juden"));
        command
            .current_dir(&self.folder)
            .args([
                "serve",
                "--database-url",
                &format!("sqlite://{}", self.database().display()),
                "--admin-key",
                KEY,
            ])
            .args([
                "--ocpp-listen",
                &format!("127.0.0.1:{ocpp}"),
                "--http-listen",
                &format!("127.0.0.1:{http}"),
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
            .args(&self.flags)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdout(Stdio::null());
        command
    }

    pub async fn start(&mut self) {
        self.child = Some(self.command(self.ocpp, self.http).spawn().unwrap());
        let began = Instant::now();
        while self.status("/healthz").await != Some(200) {
            assert!(began.elapsed() < PATIENCE, "the server must start");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn id(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// What a page outside the API answers; `None`: nothing.
    pub async fn status(&self, path: &str) -> Option<u16> {
        let answer = self.client.get(format!("http://127.0.0.1:{}{path}", self.http)).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// Waits until a page answers with a status.
    pub async fn becomes(&self, path: &str, status: u16) {
        let began = Instant::now();
        while self.status(path).await != Some(status) {
            assert!(began.elapsed() < PATIENCE, "{path} must become {status}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// One call of the API: its status and what it answers.
    pub async fn ask(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Result<(u16, Value), reqwest::Error> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = self
            .client
            .request(method, format!("http://127.0.0.1:{}/api/v1{path}", self.http))
            .bearer_auth(KEY);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        Ok((status, serde_json::from_str(&answer.text().await?).unwrap_or_default()))
    }

    /// The same where it must be done.
    pub async fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.ask(method, path, body, None).await.unwrap();
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    pub async fn station(&self, id: &str) {
        self.station_as(id, &json!({})).await;
    }

    pub async fn station_as(&self, id: &str, more: &Value) {
        let mut body = json!({"site": "Yokohama", "connectors": [{"connector_id": 1, "charger_class": "quick"}]});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.done("PUT", &format!("/stations/{id}"), Some(&body)).await;
    }

    /// A member with an active card: both their numbers.
    pub async fn member(&self, tag: &str) -> (String, String) {
        let body = json!({"name": "Aoki", "kind": "corporation", "email": "fleet@example.jp", "plan": "premium_100", "payment_method": {"kind": "invoice"}});
        let member = self.done("POST", "/members", Some(&body)).await["member_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let card = self.done("POST", "/cards", Some(&json!({"id_tag": tag}))).await;
        let body = json!({"card_number": card["card_number"], "activation_code": card["activation_code"], "role": "primary"});
        self.done("POST", &format!("/members/{member}/cards/activate"), Some(&body)).await;
        (member, card["card_number"].as_str().unwrap().to_owned())
    }

    pub async fn line(&self, station: &str) -> Line {
        self.line_as(station, "ocpp1.6").await
    }

    pub async fn line_as(&self, station: &str, protocol: &str) -> Line {
        let mut request =
            format!("ws://127.0.0.1:{}/ocpp/{station}", self.ocpp).into_client_request().unwrap();
        request.headers_mut().insert("Sec-WebSocket-Protocol", protocol.parse().unwrap());
        let connected = tokio::time::timeout(PATIENCE, connect_async(request))
            .await
            .expect("a handshake is answered in time");
        Line { stream: connected.unwrap_or_else(|why| panic!("{station}: {why}")).0, number: 0 }
    }

    /// Kilobytes of memory that the process holds.
    pub fn memory_kib(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = text.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What the real clock shows, which the server goes by here.
#[expect(
    clippy::disallowed_methods,
    reason = "the server is a process of its own and has no simulated clock"
)]
pub fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}

/// A station's connection.
pub struct Line {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    number: u64,
}

impl Line {
    pub async fn send(&mut self, text: String) -> bool {
        self.stream.send(Message::text(text)).await.is_ok()
    }

    /// The next answer; `None`: the connection is closed. What the server asks is refused.
    pub async fn answer(&mut self) -> Option<Value> {
        loop {
            match tokio::time::timeout(PATIENCE, self.stream.next())
                .await
                .expect("an answer comes in time")
            {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    if frame[0] != 2 {
                        return Some(frame);
                    }
                    self.send(json!([4, frame[1], "NotImplemented", "", {}]).to_string()).await;
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// What a call is answered with: the payload.
    pub async fn call(&mut self, action: &str, payload: &Value) -> Value {
        let answer = self.try_call(action, payload).await;
        assert_eq!(answer[0], 3, "{action}: {answer}");
        answer[2].clone()
    }

    /// The same with whatever comes.
    pub async fn try_call(&mut self, action: &str, payload: &Value) -> Value {
        self.number += 1;
        let id = format!("n{}", self.number);
        assert!(self.send(json!([2, id, action, payload]).to_string()).await, "{action} is sent");
        loop {
            let answer =
                self.answer().await.unwrap_or_else(|| panic!("{action}: the connection is closed"));
            if answer[1] == json!(id) {
                return answer;
            }
        }
    }
}
