//! A station: its clock, its connectors' meters, and the queue of transaction messages that it sends,
//! in order, until each is confirmed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::memory::SharedMemory;
use crate::version::{Kind, Said, Version};
use crate::wire::{CallFailure, Commanded, Connection};

/// Where a station's time comes from.
pub type Time = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// How a station is made.
#[derive(Clone)]
pub struct StationSetup {
    /// The central system, `ws://HOST:PORT/ocpp`.
    pub url: String,
    /// Its identity.
    pub station_id: String,
    /// What it speaks.
    pub version: Version,
    /// Its password.
    pub password: Option<String>,
    /// Its time.
    pub time: Time,
    /// How far its clock is off.
    pub clock_offset: TimeDelta,
}

/// A transaction message that waits to be confirmed.
#[derive(Debug, Clone)]
struct Queued {
    said: Said,
    message_id: String,
    sent: bool,
}

/// A message that was confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirmed {
    /// What it told.
    pub said: Said,
    /// The transaction's number, or the name that the station gave it.
    pub transaction: Value,
    /// The payload that was sent.
    pub payload: Value,
    /// The answer that came.
    pub answer: Value,
}

/// A virtual station.
pub struct Station {
    setup: StationSetup,
    connection: Option<Connection>,
    queue: VecDeque<Queued>,
    /// The sessions' transactions: their numbers, or the names that the station gave them.
    transactions: HashMap<usize, Value>,
    /// How many messages each session has.
    places: HashMap<usize, u32>,
    sessions: usize,
    /// Commands of connections that have ended.
    commanded: Vec<Commanded>,
    memory: Option<SharedMemory>,
    /// Every message that was confirmed, in order.
    pub confirmed: Vec<Confirmed>,
}

impl Station {
    /// A station that is not connected.
    pub fn new(setup: StationSetup) -> Self {
        Self {
            setup,
            connection: None,
            queue: VecDeque::new(),
            transactions: HashMap::new(),
            places: HashMap::new(),
            sessions: 0,
            commanded: Vec::new(),
            memory: None,
            confirmed: Vec::new(),
        }
    }

    /// The same with a memory of cards.
    #[must_use]
    pub fn remembering(mut self, memory: SharedMemory) -> Self {
        self.memory = Some(memory);
        self
    }

    /// Would it, offline, let this card charge now? A station without a memory lets nobody.
    pub fn lets_charge_offline(&self, id_tag: &str) -> bool {
        self.memory
            .as_ref()
            .is_some_and(|memory| memory.lock().lets_charge_offline(id_tag, self.now()))
    }

    /// Its clock, as it reads.
    pub fn now(&self) -> DateTime<Utc> {
        (self.setup.time)() + self.setup.clock_offset
    }

    /// Connects and boots; the boot message's answer.
    pub async fn connect(&mut self) -> Result<Value, CallFailure> {
        let StationSetup { url, station_id, version, password, .. } = &self.setup;
        let mut connection =
            Connection::open(url, station_id, *version, password.as_deref()).await?;
        connection.memory.clone_from(&self.memory);
        if let Some(memory) = &self.memory {
            memory.lock().speaks = *version;
        }
        let answer = connection.call("BootNotification", &version.boot(station_id)).await?;
        self.connection = Some(connection);
        Ok(answer)
    }

    /// Its identity.
    pub fn id(&self) -> &str {
        &self.setup.station_id
    }

    /// Whether it is connected, as far as it knows.
    pub const fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Leaves; its messages wait in the queue.
    pub async fn go_offline(&mut self) {
        if let Some(mut connection) = self.connection.take() {
            self.commanded.append(&mut connection.commanded);
            connection.close().await;
        }
    }

    /// Messages that are not confirmed yet.
    pub fn unconfirmed(&self) -> usize {
        self.queue.len()
    }

    /// The commands that came.
    pub fn commanded(&self) -> Vec<Commanded> {
        let open = self.connection.iter().flat_map(|connection| &connection.commanded);
        self.commanded.iter().chain(open).cloned().collect()
    }

    /// A session's transaction, once it is known: its number, or the name that the station gave it.
    pub fn transaction(&self, session: usize) -> Option<&Value> {
        self.transactions.get(&session)
    }

    /// A call that is not queued: lost when it fails.
    pub async fn call(&mut self, action: &str, payload: &Value) -> Result<Value, CallFailure> {
        let Some(connection) = &mut self.connection else {
            return Err(CallFailure::Disconnected("offline".into()));
        };
        let answered = connection.call(action, payload).await;
        if matches!(answered, Err(CallFailure::Disconnected(_) | CallFailure::TimedOut(_))) {
            self.go_offline().await;
        }
        answered
    }

    /// Shows a card; the status that the station is told.
    pub async fn authorize(&mut self, id_tag: &str) -> Result<String, CallFailure> {
        let version = self.setup.version;
        let answer = self.call("Authorize", &version.authorize(id_tag)).await?;
        Ok(version.card_info(&answer)["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Tells a connector's state.
    pub async fn status(&mut self, connector_id: i64, status: &str) -> Result<(), CallFailure> {
        let payload = self.setup.version.status(connector_id, status, self.now());
        self.call("StatusNotification", &payload).await.map(|_| ())
    }

    /// Lives.
    pub async fn heartbeat(&mut self) -> Result<(), CallFailure> {
        self.call("Heartbeat", &json!({})).await.map(|_| ())
    }

    /// Starts a session; the station's own count of it. Queued, to be sent by [`Self::flush`].
    pub fn start(
        &mut self,
        connector_id: i64,
        id_tag: &str,
        at: DateTime<Utc>,
        meter_wh: i64,
    ) -> usize {
        self.sessions += 1;
        if self.setup.version == Version::V201 {
            self.transactions.insert(self.sessions, json!(Uuid::new_v4().to_string()));
        }
        self.enqueue(Kind::Start, self.sessions, connector_id, Some(id_tag), at, meter_wh);
        self.sessions
    }

    /// Reads a session's meter.
    pub fn meter(&mut self, session: usize, connector_id: i64, at: DateTime<Utc>, meter_wh: i64) {
        self.enqueue(Kind::Reading, session, connector_id, None, at, meter_wh);
    }

    /// Stops a session.
    pub fn stop(&mut self, session: usize, id_tag: &str, at: DateTime<Utc>, meter_wh: i64) {
        self.enqueue(Kind::Stop, session, 0, Some(id_tag), at, meter_wh);
    }

    fn enqueue(
        &mut self,
        kind: Kind,
        session: usize,
        connector_id: i64,
        id_tag: Option<&str>,
        at: DateTime<Utc>,
        meter_wh: i64,
    ) {
        let next = self.places.entry(session).or_default();
        let place = *next;
        *next += 1;
        let offline = self.connection.is_none();
        let said = Said {
            kind,
            connector_id,
            id_tag: id_tag.map(str::to_owned),
            at,
            meter_wh,
            session,
            place,
            offline,
        };
        self.queue.push_back(Queued { said, message_id: Uuid::new_v4().to_string(), sent: false });
    }

    /// Sends what waits, in order, until it is all confirmed or a call fails. A message that was sent
    /// before goes out again with the same content, under a new id or, if `same_id`, its old one.
    pub async fn flush(&mut self, same_id: bool) -> Result<(), CallFailure> {
        while let Some(queued) = self.queue.front_mut() {
            let Some(connection) = &mut self.connection else {
                return Err(CallFailure::Disconnected("offline".into()));
            };
            if queued.sent && !same_id {
                queued.message_id = Uuid::new_v4().to_string();
            }
            queued.sent = true;
            let transaction =
                self.transactions.get(&queued.said.session).cloned().unwrap_or_else(|| json!(-1));
            let (action, payload) = self.setup.version.transaction(&queued.said, &transaction);
            let answer = match connection.call_as(&queued.message_id, action, &payload).await {
                Ok(answer) => answer,
                Err(failure) => {
                    if !matches!(failure, CallFailure::Refused { .. }) {
                        self.go_offline().await;
                    }
                    return Err(failure);
                }
            };
            let Some(Queued { said, .. }) = self.queue.pop_front() else {
                break;
            };
            if action == "StartTransaction" {
                self.transactions.insert(said.session, answer["transactionId"].clone());
            }
            let transaction =
                self.transactions.get(&said.session).cloned().unwrap_or_else(|| json!(-1));
            self.confirmed.push(Confirmed { said, transaction, payload, answer });
        }
        Ok(())
    }

    /// Serves commands for a while.
    pub async fn idle(&mut self, time: std::time::Duration) -> Result<(), CallFailure> {
        match &mut self.connection {
            Some(connection) => connection.serve_for(time).await,
            None => Ok(()),
        }
    }
}
