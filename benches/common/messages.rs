//! The ten commonest messages of each version, as chargers of the field write them.

#![allow(missing_docs, reason = "a benchmark")]

use std::fmt;

use juden_ocpp::protocol::Protocol;

/// Members who charge, one after the other, each at a station of theirs: with some sessions in the month, as members have.
pub const MEMBERS: usize = 20;

/// A member's card, which is active.
pub fn tag(member: usize) -> String {
    format!("04A1B2C3D4E5{:04X}", member % MEMBERS)
}

/// A message; `{n}` stands for a number that makes each one new, `{t}` for its transaction.
#[derive(Debug)]
pub struct Message {
    pub protocol: Protocol,
    /// What tells it from others of its action.
    kind: &'static str,
    action: &'static str,
    payload: &'static str,
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.protocol.subprotocol().trim_start_matches("ocpp");
        write!(f, "{version} {}{}", self.action, self.kind)
    }
}

fn filled(payload: &str, number: usize, transaction: &str) -> String {
    let minutes = number / 60;
    let time = format!("{:02}:{:02}:{:02}", minutes / 60 % 24, minutes % 60, number % 60);
    payload
        .replace("{n}", &number.to_string())
        .replace("{t}", transaction)
        .replace("{time}", &time)
        .replace("{tag}", &tag(number))
}

impl Message {
    /// The frame.
    pub fn text(&self, number: usize, transaction: &str) -> String {
        format!(
            r#"[2,"a3f5c6d2-0b1e-4c8f-9a77-{number:012}","{}",{}]"#,
            self.action,
            filled(self.payload, number, transaction)
        )
    }

    /// The start that an end needs: action and payload.
    pub fn begun_by(&self, number: usize) -> Option<(&'static str, String)> {
        // Of a name and a register of its own, so that it is no repeat of a measured one.
        let begun = match (self.protocol, self.action, self.kind) {
            (Protocol::V16, "StopTransaction", _) => {
                ("StartTransaction", START.replace("{n}", "7{n}"))
            }
            (Protocol::V201, "TransactionEvent", " Updated") => {
                ("TransactionEvent", STARTED.replace("T-{n}", "T-8{n}"))
            }
            (Protocol::V201, "TransactionEvent", " Ended") => {
                ("TransactionEvent", STARTED.replace("T-{n}", "T-6{n}"))
            }
            _ => return None,
        };
        Some((begun.0, filled(&begun.1, number, "")))
    }
}

const fn older(action: &'static str, payload: &'static str) -> Message {
    Message { protocol: Protocol::V16, kind: "", action, payload }
}

const fn newer(action: &'static str, kind: &'static str, payload: &'static str) -> Message {
    Message { protocol: Protocol::V201, kind, action, payload }
}

const START: &str =
    r#"{"connectorId":1,"idTag":"{tag}","meterStart":{n},"timestamp":"2024-06-09T{time}Z"}"#;
const STARTED: &str = r#"{"eventType":"Started","timestamp":"2024-06-09T{time}.000Z","triggerReason":"Authorized","seqNo":0,"transactionInfo":{"transactionId":"T-{n}","chargingState":"Charging"},"evse":{"id":1,"connectorId":1},"idToken":{"idToken":"{tag}","type":"ISO14443"},"meterValue":[{"timestamp":"2024-06-09T{time}.000Z","sampledValue":[{"value":{n},"context":"Transaction.Begin","measurand":"Energy.Active.Import.Register","unitOfMeasure":{"unit":"Wh"}}]}]}"#;

pub static MESSAGES: &[Message] = &[
    older("Heartbeat", "{}"),
    older(
        "StatusNotification",
        r#"{"connectorId":1,"errorCode":"NoError","status":"Charging","timestamp":"2024-06-09T{time}Z"}"#,
    ),
    older(
        "MeterValues",
        r#"{"connectorId":1,"meterValue":[{"timestamp":"2024-06-09T{time}Z","sampledValue":[{"value":"{n}","context":"Sample.Periodic","measurand":"Energy.Active.Import.Register","unit":"Wh"},{"value":"7360.0","measurand":"Power.Active.Import","unit":"W"},{"value":"32.0","measurand":"Current.Import","phase":"L1","unit":"A"},{"value":"230.1","measurand":"Voltage","phase":"L1-N","unit":"V"},{"value":"54","measurand":"SoC","unit":"Percent"}]}]}"#,
    ),
    older("Authorize", r#"{"idTag":"{tag}"}"#),
    older("StartTransaction", START),
    older(
        "StopTransaction",
        r#"{"transactionId":{t},"idTag":"{tag}","meterStop":9{n},"timestamp":"2024-06-09T{time}Z","reason":"Local","transactionData":[{"timestamp":"2024-06-09T{time}Z","sampledValue":[{"value":"9{n}","context":"Transaction.End"}]}]}"#,
    ),
    older(
        "BootNotification",
        r#"{"chargePointVendor":"Vendor","chargePointModel":"Model","chargePointSerialNumber":"SN0001","firmwareVersion":"1.2.3","meterType":"M"}"#,
    ),
    older(
        "DataTransfer",
        r#"{"vendorId":"jp.example","messageId":"status","data":"a=1;b=2;n={n}"}"#,
    ),
    older("FirmwareStatusNotification", r#"{"status":"Downloading"}"#),
    older(
        "SecurityEventNotification",
        r#"{"type":"MemoryExhaustion","timestamp":"2024-06-09T{time}Z","techInfo":"n={n}"}"#,
    ),
    newer("Heartbeat", "", "{}"),
    newer(
        "StatusNotification",
        "",
        r#"{"timestamp":"2024-06-09T{time}.000Z","connectorStatus":"Occupied","evseId":1,"connectorId":1}"#,
    ),
    newer("TransactionEvent", " Started", STARTED),
    newer(
        "TransactionEvent",
        " Updated",
        r#"{"eventType":"Updated","timestamp":"2024-06-09T{time}.000Z","triggerReason":"MeterValuePeriodic","seqNo":1,"transactionInfo":{"transactionId":"T-8{n}","chargingState":"Charging"},"meterValue":[{"timestamp":"2024-06-09T{time}.000Z","sampledValue":[{"value":{n}.5,"context":"Sample.Periodic"},{"value":7360.0,"measurand":"Power.Active.Import","unitOfMeasure":{"unit":"W"}},{"value":32.0,"measurand":"Current.Import","phase":"L1","unitOfMeasure":{"unit":"A"}},{"value":54,"measurand":"SoC","unitOfMeasure":{"unit":"Percent"}}]}]}"#,
    ),
    newer(
        "TransactionEvent",
        " Ended",
        r#"{"eventType":"Ended","timestamp":"2024-06-09T{time}.000Z","triggerReason":"StopAuthorized","seqNo":2,"transactionInfo":{"transactionId":"T-6{n}","stoppedReason":"Local"},"idToken":{"idToken":"{tag}","type":"ISO14443"},"meterValue":[{"timestamp":"2024-06-09T{time}.000Z","sampledValue":[{"value":9{n},"context":"Transaction.End"}]}]}"#,
    ),
    newer("Authorize", "", r#"{"idToken":{"idToken":"{tag}","type":"ISO14443"}}"#),
    newer(
        "MeterValues",
        "",
        r#"{"evseId":1,"meterValue":[{"timestamp":"2024-06-09T{time}.000Z","sampledValue":[{"value":{n},"context":"Sample.Clock"},{"value":230.1,"measurand":"Voltage","phase":"L1-N"}]}]}"#,
    ),
    newer(
        "BootNotification",
        "",
        r#"{"reason":"PowerUp","chargingStation":{"model":"Model","vendorName":"Vendor","serialNumber":"SN0001","firmwareVersion":"1.2.3"}}"#,
    ),
    newer(
        "NotifyEvent",
        "",
        r#"{"generatedAt":"2024-06-09T{time}.000Z","seqNo":0,"eventData":[{"eventId":{n},"timestamp":"2024-06-09T{time}.000Z","trigger":"Delta","actualValue":"Occupied","component":{"name":"Connector","evse":{"id":1,"connectorId":1}},"variable":{"name":"AvailabilityState"},"eventNotificationType":"HardWiredNotification"}]}"#,
    ),
    newer(
        "NotifyReport",
        "",
        r#"{"requestId":1,"generatedAt":"2024-06-09T{time}.000Z","seqNo":{n},"tbc":true,"reportData":[{"component":{"name":"OCPPCommCtrlr"},"variable":{"name":"HeartbeatInterval"},"variableAttribute":[{"type":"Actual","value":"300","mutability":"ReadWrite"}],"variableCharacteristics":{"dataType":"integer","supportsMonitoring":false}}]}"#,
    ),
    newer(
        "SecurityEventNotification",
        "",
        r#"{"type":"MemoryExhaustion","timestamp":"2024-06-09T{time}.000Z","techInfo":"n={n}"}"#,
    ),
    newer("LogStatusNotification", "", r#"{"status":"Uploading","requestId":1}"#),
];
