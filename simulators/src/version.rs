//! What a station says, in the words of the version that it speaks.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// A version of OCPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// OCPP 1.6.
    #[default]
    V16,
    /// OCPP 2.0.1.
    V201,
}

/// The type under which the stations' readers tell a card.
pub const READER: &str = "ISO14443";

/// A message of a transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Said {
    /// What it tells.
    pub kind: Kind,
    /// The connector, or EVSE.
    pub connector_id: i64,
    /// The card that starts or stops it.
    pub id_tag: Option<String>,
    /// When.
    pub at: DateTime<Utc>,
    /// The meter's register.
    pub meter_wh: i64,
    /// The station's own count of the session.
    pub session: usize,
    /// Its place among the session's messages.
    pub place: u32,
    /// Whether the station was offline then.
    pub offline: bool,
}

/// What a message of a transaction tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Its start.
    Start,
    /// A reading.
    Reading,
    /// Its end.
    Stop,
}

/// An instant as stations write it.
pub fn text(instant: DateTime<Utc>) -> String {
    instant.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn token(id_tag: &str) -> Value {
    json!({"idToken": id_tag, "type": READER})
}

impl Version {
    /// Reads `1.6` or `2.0.1`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "1.6" => Some(Self::V16),
            "2.0.1" => Some(Self::V201),
            _ => None,
        }
    }

    /// The WebSocket subprotocol.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
        }
    }

    /// A BootNotification.
    pub fn boot(self, serial: &str) -> Value {
        match self {
            Self::V16 => {
                json!({"chargePointVendor": "Juden", "chargePointModel": "Virtual", "firmwareVersion": "1.0", "chargePointSerialNumber": serial})
            }
            Self::V201 => {
                // The schema's serial number is shorter than an identity.
                let serial: String = serial.chars().take(25).collect();
                json!({"reason": "PowerUp", "chargingStation": {"vendorName": "Juden", "model": "Virtual", "firmwareVersion": "1.0", "serialNumber": serial}})
            }
        }
    }

    /// An Authorize.
    pub fn authorize(self, id_tag: &str) -> Value {
        match self {
            Self::V16 => json!({"idTag": id_tag}),
            Self::V201 => json!({"idToken": token(id_tag)}),
        }
    }

    /// What an answer says of a card.
    pub fn card_info(self, answer: &Value) -> &Value {
        match self {
            Self::V16 => &answer["idTagInfo"],
            Self::V201 => &answer["idTokenInfo"],
        }
    }

    /// The card that a call names.
    pub fn card(self, payload: &Value) -> Option<&str> {
        match self {
            Self::V16 => payload["idTag"].as_str(),
            Self::V201 => payload["idToken"]["idToken"].as_str(),
        }
    }

    /// A StatusNotification, in 1.6's word for the state.
    pub fn status(self, connector_id: i64, status: &str, at: DateTime<Utc>) -> Value {
        match self {
            Self::V16 => {
                json!({"connectorId": connector_id, "errorCode": "NoError", "status": status, "timestamp": text(at)})
            }
            Self::V201 => {
                let status = match status {
                    "Available" | "Reserved" | "Unavailable" | "Faulted" => status,
                    _ => "Occupied",
                };
                json!({"timestamp": text(at), "connectorStatus": status, "evseId": connector_id, "connectorId": 1})
            }
        }
    }

    /// A message of a transaction: its action and payload. `transaction`: the number that the central system gave it
    /// (1.6), or the name that the station gave it.
    pub fn transaction(self, said: &Said, transaction: &Value) -> (&'static str, Value) {
        match self {
            Self::V16 => older(said, transaction),
            Self::V201 => ("TransactionEvent", event(said, transaction)),
        }
    }
}

fn older(said: &Said, transaction: &Value) -> (&'static str, Value) {
    let at = text(said.at);
    match said.kind {
        Kind::Start => (
            "StartTransaction",
            json!({"connectorId": said.connector_id, "idTag": said.id_tag, "timestamp": at, "meterStart": said.meter_wh}),
        ),
        Kind::Reading => {
            let sample = json!({"value": said.meter_wh.to_string(), "measurand": "Energy.Active.Import.Register", "unit": "Wh"});
            let values = json!([{"timestamp": at, "sampledValue": [sample]}]);
            (
                "MeterValues",
                json!({"connectorId": said.connector_id, "meterValue": values, "transactionId": transaction}),
            )
        }
        Kind::Stop => (
            "StopTransaction",
            json!({"idTag": said.id_tag, "timestamp": at, "meterStop": said.meter_wh, "reason": "Local", "transactionId": transaction}),
        ),
    }
}

fn event(said: &Said, transaction: &Value) -> Value {
    let at = text(said.at);
    let (kind, trigger, context) = match said.kind {
        Kind::Start => ("Started", "Authorized", "Transaction.Begin"),
        Kind::Reading => ("Updated", "MeterValuePeriodic", "Sample.Periodic"),
        Kind::Stop => ("Ended", "StopAuthorized", "Transaction.End"),
    };
    let sample = json!({"value": said.meter_wh, "context": context, "measurand": "Energy.Active.Import.Register", "unitOfMeasure": {"unit": "Wh"}});
    let mut info = json!({"transactionId": transaction});
    match said.kind {
        Kind::Start => info["chargingState"] = json!("Charging"),
        Kind::Reading => {}
        Kind::Stop => info["stoppedReason"] = json!("Local"),
    }
    let mut event = json!({"eventType": kind, "timestamp": at, "triggerReason": trigger, "seqNo": said.place, "transactionInfo": info,
        "meterValue": [{"timestamp": at, "sampledValue": [sample]}]});
    if said.offline {
        event["offline"] = json!(true);
    }
    if said.kind == Kind::Start {
        event["evse"] = json!({"id": said.connector_id, "connectorId": 1});
    }
    if let Some(id_tag) = &said.id_tag {
        event["idToken"] = token(id_tag);
    }
    event
}
