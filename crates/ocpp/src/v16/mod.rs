//! OCPP 1.6: one file per action. Incoming messages are read by [`super::fields`], because the
//! library's types refuse what stations of the field send (times without zone, ids beyond 32 bits,
//! whole numbers as `1.0`, unknown enum values, negative connectors); answers and commands are
//! written by the library's types.

mod authorize;
mod boot_notification;
pub mod commands;
mod data_transfer;
mod heartbeat;
mod meter_values;
mod start_transaction;
mod status_notification;
mod stop_transaction;
mod tag_info;

use super::event::Answer;
use super::protocol::{Decode, Decoded};
use super::reports::{self, Needs};

/// Every message that a 1.6 station may send, those of the security extension among them.
pub const ACTIONS: [(&str, Decode); 14] = [
    ("Authorize", authorize::decode),
    ("BootNotification", boot_notification::decode),
    ("DataTransfer", data_transfer::decode),
    ("DiagnosticsStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::upload, empty)
    }),
    ("FirmwareStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::firmware, empty)
    }),
    ("Heartbeat", heartbeat::decode),
    ("LogStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::upload, empty)
    }),
    ("MeterValues", meter_values::decode),
    ("SecurityEventNotification", |payload| {
        reports::read(payload, &[Needs::Text("type")], reports::security, empty)
    }),
    ("SignCertificate", reports::sign),
    ("SignedFirmwareStatusNotification", |payload| {
        reports::read(payload, &[Needs::Text("status")], reports::firmware, empty)
    }),
    ("StartTransaction", start_transaction::decode),
    ("StatusNotification", status_notification::decode),
    ("StopTransaction", stop_transaction::decode),
];

/// The number that an answer of ours to StartTransaction gave.
pub fn session_started(answer: &str) -> Option<i64> {
    start_transaction::session_started(answer)
}

/// The payload `{}`.
fn empty(_: &Answer) -> String {
    "{}".to_owned()
}

/// Writes a library type. Its fields are plain strings, numbers and enums, so it cannot fail.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("OCPP messages have no maps with odd keys")
}
