//! OCPP 2.0.1: one file per action that Juden interprets, and the messages that are stored as they
//! came. Incoming messages are read leniently by [`super::fields`]. Tests check the messages that
//! we write against the standard's schema.

pub mod authorize;
pub mod boot_notification;
pub mod commands;
pub mod display;
pub mod ev_charging;
pub mod id_token;
mod meter_values;
mod status_notification;
pub mod transaction_event;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::event::StationEvent;
use super::fields::Fields;
use super::frame::{CallError, ErrorCode, Payload};
use super::protocol::Decode;
use super::reports::{self, Needs};

const REQUEST: &[Needs] = &[Needs::Number("requestId")];
const PART: &[Needs] = &[Needs::Number("requestId"), Needs::Number("seqNo")];
const EVSE: Needs = Needs::Number("evseId");
const STATUS: &[Needs] = &[Needs::Text("status")];

/// Every message that a 2.0.1 station may send.
pub const ACTIONS: [(&str, Decode); 25] = [
    ("Authorize", authorize::decode),
    ("BootNotification", boot_notification::decode),
    ("ClearedChargingLimit", |payload| {
        reports::kept(payload, &[Needs::Text("chargingLimitSource")])
    }),
    ("DataTransfer", data_transfer),
    ("FirmwareStatusNotification", |payload| reports::read(payload, STATUS, reports::firmware)),
    ("Get15118EVCertificate", |payload| {
        let needs = &[
            Needs::Text("iso15118SchemaVersion"),
            Needs::Text("action"),
            Needs::Text("exiRequest"),
        ];
        reports::asked(payload, needs, StationEvent::EvCertificate)
    }),
    ("GetCertificateStatus", |payload| {
        reports::asked(
            payload,
            &[Needs::Object("ocspRequestData")],
            StationEvent::CertificateStatus,
        )
    }),
    ("Heartbeat", |_| Ok(StationEvent::Heartbeat)),
    ("LogStatusNotification", |payload| reports::read(payload, STATUS, reports::upload)),
    ("MeterValues", meter_values::decode),
    ("NotifyChargingLimit", |payload| reports::kept(payload, &[Needs::Object("chargingLimit")])),
    ("NotifyCustomerInformation", |payload| reports::kept(payload, PART)),
    ("NotifyDisplayMessages", |payload| reports::kept(payload, REQUEST)),
    ("NotifyEVChargingNeeds", ev_charging::needs),
    ("NotifyEVChargingSchedule", ev_charging::schedule),
    ("NotifyEvent", |payload| reports::read(payload, &[Needs::Number("seqNo")], reports::states)),
    ("NotifyMonitoringReport", |payload| reports::kept(payload, PART)),
    ("NotifyReport", |payload| reports::read(payload, PART, reports::variables)),
    ("PublishFirmwareStatusNotification", |payload| reports::kept(payload, STATUS)),
    ("ReportChargingProfiles", |payload| {
        reports::kept(payload, &[Needs::Number("requestId"), EVSE])
    }),
    ("ReservationStatusUpdate", |payload| {
        reports::kept(
            payload,
            &[Needs::Number("reservationId"), Needs::Text("reservationUpdateStatus")],
        )
    }),
    ("SecurityEventNotification", |payload| {
        reports::read(payload, &[Needs::Text("type")], reports::security)
    }),
    ("SignCertificate", reports::sign),
    ("StatusNotification", status_notification::decode),
    ("TransactionEvent", transaction_event::decode),
];

/// The CALLERROR for a 1.6 message on a connection that the station opened for 2.0.1.
fn of_older_version(action: &str) -> CallError {
    CallError::new(
        ErrorCode::NotSupported,
        format!(
            "this is the {action} of OCPP 1.6 on a connection for 2.0.1: set the station to OCPP 1.6"
        ),
    )
}

/// An instant in its wire format: UTC, to the millisecond (OCPP 2.0.1 part 2 section 2.1.4).
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The answer to Get15118EVCertificate (M01, M02). `None`: Failed.
pub fn ev_certificate_reply(response: Option<&str>) -> String {
    match response {
        Some(response) => json!({"status": "Accepted", "exiResponse": response}).to_string(),
        None => r#"{"status":"Failed","exiResponse":""}"#.to_owned(),
    }
}

/// The answer to GetCertificateStatus (M06). `None`: Failed, because nobody could be asked
/// (M06.FR.09).
pub fn certificate_status_reply(result: Option<&str>) -> String {
    match result {
        Some(result) => json!({"status": "Accepted", "ocspResult": result}).to_string(),
        None => r#"{"status":"Failed"}"#.to_owned(),
    }
}

/// The answer to Heartbeat: the server's time (G02).
pub fn heartbeat_reply(now: DateTime<Utc>) -> String {
    json!({"currentTime": instant(now)}).to_string()
}

/// Reads DataTransfer. No vendor's messages are supported (P02).
fn data_transfer(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let vendor_id = fields.required_text("vendorId").unwrap_or_default();
    fields.check()?;
    Ok(StationEvent::DataTransfer { vendor_id })
}

#[cfg(test)]
mod tests;
