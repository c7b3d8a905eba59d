//! A station: its clock, its connectors' meters, and the queue of transaction messages that it sends,
//! in order, until each is confirmed.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::memory::SharedMemory;
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
    action: &'static str,
    /// Without the transaction id, which may not be known yet.
    payload: Value,
    session: usize,
    message_id: String,
    sent: bool,
}

/// A message that was confirmed.
#[derive(Debug, Clone, PartialEq)]
pub struct Confirmed {
    /// Its action.
    pub action: &'static str,
    /// The station's own count of the session.
    pub session: usize,
    /// The transaction's number.
    pub transaction_id: i64,
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
    transaction_ids: HashMap<usize, i64>,
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
            transaction_ids: HashMap::new(),
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
        self.memory.as_ref().is_some_and(|memory| memory.lock().lets_charge_offline(id_tag, self.now()))
    }

    /// Its clock, as it reads.
    pub fn now(&self) -> DateTime<Utc> {
        (self.setup.time)() + self.setup.clock_offset
    }

    fn text(instant: DateTime<Utc>) -> String {
        instant.to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Connects and boots; the boot message's answer.
    pub async fn connect(&mut self) -> Result<Value, CallFailure> {
        let mut connection = Connection::open(&self.setup.url, &self.setup.station_id, self.setup.password.as_deref()).await?;
        connection.memory.clone_from(&self.memory);
        let boot = json!({"chargePointVendor": "Juden", "chargePointModel": "Virtual", "firmwareVersion": "1.0", "chargePointSerialNumber": self.setup.station_id});
        let answer = connection.call("BootNotification", &boot).await?;
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

    /// The number of a session's transaction, once it is known.
    pub fn transaction_id(&self, session: usize) -> Option<i64> {
        self.transaction_ids.get(&session).copied()
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
        let answer = self.call("Authorize", &json!({"idTag": id_tag})).await?;
        Ok(answer["idTagInfo"]["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Tells a connector's state.
    pub async fn status(&mut self, connector_id: i64, status: &str) -> Result<(), CallFailure> {
        let payload = json!({"connectorId": connector_id, "errorCode": "NoError", "status": status, "timestamp": Self::text(self.now())});
        self.call("StatusNotification", &payload).await.map(|_| ())
    }

    /// Lives.
    pub async fn heartbeat(&mut self) -> Result<(), CallFailure> {
        self.call("Heartbeat", &json!({})).await.map(|_| ())
    }

    /// Starts a session; the station's own count of it. Queued, to be sent by [`Self::flush`].
    pub fn start(&mut self, connector_id: i64, id_tag: &str, at: DateTime<Utc>, meter_wh: i64) -> usize {
        self.sessions += 1;
        let payload = json!({"connectorId": connector_id, "idTag": id_tag, "timestamp": Self::text(at), "meterStart": meter_wh});
        self.enqueue("StartTransaction", payload, self.sessions);
        self.sessions
    }

    /// Reads a session's meter.
    pub fn meter(&mut self, session: usize, connector_id: i64, at: DateTime<Utc>, meter_wh: i64) {
        let sample = json!({"value": meter_wh.to_string(), "measurand": "Energy.Active.Import.Register", "unit": "Wh"});
        let payload = json!({"connectorId": connector_id, "meterValue": [{"timestamp": Self::text(at), "sampledValue": [sample]}]});
        self.enqueue("MeterValues", payload, session);
    }

    /// Stops a session.
    pub fn stop(&mut self, session: usize, id_tag: &str, at: DateTime<Utc>, meter_wh: i64) {
        let payload = json!({"idTag": id_tag, "timestamp": Self::text(at), "meterStop": meter_wh, "reason": "Local"});
        self.enqueue("StopTransaction", payload, session);
    }

    fn enqueue(&mut self, action: &'static str, payload: Value, session: usize) {
        let message_id = Uuid::new_v4().to_string();
        self.queue.push_back(Queued { action, payload, session, message_id, sent: false });
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
            let mut payload = queued.payload.clone();
            if queued.action != "StartTransaction" {
                payload["transactionId"] = json!(self.transaction_ids.get(&queued.session).copied().unwrap_or(-1));
            }
            let answer = match connection.call_as(&queued.message_id, queued.action, &payload).await {
                Ok(answer) => answer,
                Err(failure) => {
                    if !matches!(failure, CallFailure::Refused { .. }) {
                        self.go_offline().await;
                    }
                    return Err(failure);
                }
            };
            let Some(queued) = self.queue.pop_front() else {
                break;
            };
            if queued.action == "StartTransaction" {
                self.transaction_ids.insert(queued.session, answer["transactionId"].as_i64().unwrap_or(-1));
            }
            let transaction_id = self.transaction_ids.get(&queued.session).copied().unwrap_or(-1);
            self.confirmed.push(Confirmed { action: queued.action, session: queued.session, transaction_id, payload, answer });
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
