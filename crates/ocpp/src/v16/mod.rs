//! OCPP 1.6: one file per action. Incoming messages are read by [`super::fields`], because the
//! library's types refuse content that real stations send: times without zone, ids beyond 32 bits,
//! whole numbers as `1.0`, unknown enum values, negative connectors. Answers and commands are
//! written with the library's types.

pub mod authorize;
pub mod boot_notification;
pub mod commands;
mod data_transfer;
pub mod heartbeat;
mod meter_values;
pub mod start_transaction;
mod status_notification;
pub mod stop_transaction;
mod tag_info;

use super::protocol::Decode;
use super::reports::{self, Needs};

/// Every message that a 1.6 station may send, including the security extension.
pub const ACTIONS: [(&str, Decode); 14] = [
    ("Authorize", authorize::decode),
    ("BootNotification", boot_notification::decode),
    ("DataTransfer", data_transfer::decode),
    ("DiagnosticsStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::upload)
    }),
    ("FirmwareStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::firmware)
    }),
    ("Heartbeat", heartbeat::decode),
    ("LogStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::upload)
    }),
    ("MeterValues", meter_values::decode),
    ("SecurityEventNotification", |payload| {
        reports::read(payload, &[Needs::Text("type")], reports::security)
    }),
    ("SignCertificate", reports::sign),
    ("SignedFirmwareStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::firmware)
    }),
    ("StartTransaction", start_transaction::decode),
    ("StatusNotification", status_notification::decode),
    ("StopTransaction", stop_transaction::decode),
];

/// The transactionId in our answer to StartTransaction.
pub fn session_started(answer: &str) -> Option<i64> {
    start_transaction::session_started(answer)
}

/// Writes a library type as JSON. That cannot fail, because its fields are plain strings, numbers
/// and enums.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("OCPP messages have no maps with odd keys")
}
