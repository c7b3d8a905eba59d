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
pub mod schema;
mod start_transaction;
mod status_notification;
mod stop_transaction;
mod tag_info;
mod update_status;

use super::event::{Answer, StationEvent};
use super::frame::{CallError, ErrorCode, Payload};

/// The subprotocol that names this version.
pub const SUBPROTOCOL: &str = "ocpp1.6";

/// A message understood: what it says, and how its answer is written.
#[derive(Debug)]
pub struct Decoded {
    /// What it says.
    pub event: StationEvent,
    /// Writes the answer's payload.
    pub encode: fn(&Answer) -> String,
}

type Decode = fn(Payload<'_>) -> Result<Decoded, CallError>;

/// Every message that a 1.6 station may send and that is served.
const ACTIONS: [(&str, Decode); 10] = [
    ("Authorize", authorize::decode),
    ("BootNotification", boot_notification::decode),
    ("DataTransfer", data_transfer::decode),
    ("DiagnosticsStatusNotification", update_status::decode_diagnostics),
    ("FirmwareStatusNotification", update_status::decode_firmware),
    ("Heartbeat", heartbeat::decode),
    ("MeterValues", meter_values::decode),
    ("StartTransaction", start_transaction::decode),
    ("StatusNotification", status_notification::decode),
    ("StopTransaction", stop_transaction::decode),
];

/// The name of an action that is served.
pub fn served(action: &str) -> Option<&'static str> {
    ACTIONS.iter().map(|(name, _)| *name).find(|name| *name == action)
}

/// Reads a station's call. A transaction message is never refused: what cannot be read of it is
/// noted in the event.
pub fn decode(action: &str, payload: Payload<'_>) -> Result<Decoded, CallError> {
    match ACTIONS.iter().find(|(name, _)| *name == action) {
        Some((_, decode)) => decode(payload),
        None if commands::is_known(action) => {
            let why = format!("{action} is sent by the central system only");
            Err(CallError::new(ErrorCode::NotSupported, why))
        }
        None => Err(CallError::new(ErrorCode::NotImplemented, format!("{:.64} is not an action of OCPP 1.6 that is served", action))),
    }
}

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
