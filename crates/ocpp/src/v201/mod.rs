//! OCPP 2.0.1: one file per action that means something to Juden, and the messages that are kept as they come.
//! Incoming messages are read leniently by [`super::fields`]; what we write is held against the standard's schema by
//! tests.

mod authorize;
mod boot_notification;
pub mod commands;
pub mod display;
pub mod ev_charging;
pub mod id_token;
mod meter_values;
mod status_notification;
mod transaction_event;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;

use super::event::{Answer, StationEvent};
use super::fields::Fields;
use super::frame::{CallError, ErrorCode, Payload};
use super::protocol::{Decode, Decoded};
use super::reports::{self, Needs};
use juden_domain::certificate::VehicleAsk;

const REQUEST: &[Needs] = &[Needs::Number("requestId")];
const PART: &[Needs] = &[Needs::Number("requestId"), Needs::Number("seqNo")];
const EVSE: Needs = Needs::Number("evseId");
const STATUS: &[Needs] = &[Needs::Text("status")];

/// Every message that a 2.0.1 station may send.
pub const ACTIONS: [(&str, Decode); 25] = [
    ("Authorize", authorize::decode),
    ("BootNotification", boot_notification::decode),
    ("ClearedChargingLimit", |payload| {
        reports::kept(payload, &[Needs::Text("chargingLimitSource")], empty)
    }),
    ("DataTransfer", data_transfer),
    ("FirmwareStatusNotification", |payload| {
        reports::read(payload, STATUS, reports::firmware, empty)
    }),
    ("Get15118EVCertificate", |payload| {
        let needs = &[
            Needs::Text("iso15118SchemaVersion"),
            Needs::Text("action"),
            Needs::Text("exiRequest"),
        ];
        reports::asked(payload, needs, VehicleAsk::Certificate, ev_certificate)
    }),
    ("GetCertificateStatus", |payload| {
        reports::asked(
            payload,
            &[Needs::Object("ocspRequestData")],
            VehicleAsk::Status,
            certificate_status,
        )
    }),
    ("Heartbeat", heartbeat),
    ("LogStatusNotification", |payload| reports::read(payload, STATUS, reports::upload, empty)),
    ("MeterValues", meter_values::decode),
    ("NotifyChargingLimit", |payload| {
        reports::kept(payload, &[Needs::Object("chargingLimit")], empty)
    }),
    ("NotifyCustomerInformation", |payload| reports::kept(payload, PART, empty)),
    ("NotifyDisplayMessages", |payload| reports::kept(payload, REQUEST, empty)),
    ("NotifyEVChargingNeeds", ev_charging::needs),
    ("NotifyEVChargingSchedule", ev_charging::schedule),
    ("NotifyEvent", |payload| {
        reports::read(payload, &[Needs::Number("seqNo")], reports::states, empty)
    }),
    ("NotifyMonitoringReport", |payload| reports::kept(payload, PART, empty)),
    ("NotifyReport", |payload| reports::read(payload, PART, reports::variables, empty)),
    ("PublishFirmwareStatusNotification", |payload| reports::kept(payload, STATUS, empty)),
    ("ReportChargingProfiles", |payload| {
        reports::kept(payload, &[Needs::Number("requestId"), EVSE], empty)
    }),
    ("ReservationStatusUpdate", |payload| {
        reports::kept(
            payload,
            &[Needs::Number("reservationId"), Needs::Text("reservationUpdateStatus")],
            empty,
        )
    }),
    ("SecurityEventNotification", |payload| {
        reports::read(payload, &[Needs::Text("type")], reports::security, empty)
    }),
    ("SignCertificate", reports::sign),
    ("StatusNotification", status_notification::decode),
    ("TransactionEvent", transaction_event::decode),
];

/// What a station is told that speaks 1.6 over a connection which it opened for 2.0.1.
fn of_older_version(action: &str) -> CallError {
    CallError::new(
        ErrorCode::NotSupported,
        format!(
            "this is the {action} of OCPP 1.6 on a connection for 2.0.1: set the station to OCPP 1.6"
        ),
    )
}

/// An instant as it is sent: UTC, to the millisecond (OCPP 2.0.1 part 2 section 2.1.4).
fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The payload `{}`.
fn empty(_: &Answer) -> String {
    "{}".to_owned()
}

/// A vehicle's certificate (M01, M02), or that there is none.
fn ev_certificate(answer: &Answer) -> String {
    match answer {
        Answer::Vehicle(Some(response)) => {
            json!({"status": "Accepted", "exiResponse": response}).to_string()
        }
        _ => r#"{"status":"Failed","exiResponse":""}"#.to_owned(),
    }
}

/// What is known of a certificate (M06), or that nobody could be asked (M06.FR.09).
fn certificate_status(answer: &Answer) -> String {
    match answer {
        Answer::Vehicle(Some(result)) => {
            json!({"status": "Accepted", "ocspResult": result}).to_string()
        }
        _ => r#"{"status":"Failed"}"#.to_owned(),
    }
}

fn heartbeat(_: Payload<'_>) -> Result<Decoded, CallError> {
    Ok(Decoded { event: StationEvent::Heartbeat, encode: encode_heartbeat })
}

fn encode_heartbeat(answer: &Answer) -> String {
    match answer {
        Answer::Heartbeat { now } => json!({"currentTime": instant(*now)}).to_string(),
        other => unreachable!("Heartbeat is not answered by {other:?}"),
    }
}

/// No vendor's messages are known, which the standard has an answer for (P02).
fn data_transfer(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let vendor_id = fields.required_text("vendorId").unwrap_or_default();
    fields.check()?;
    Ok(Decoded {
        event: StationEvent::DataTransfer { vendor_id },
        encode: |_| r#"{"status":"UnknownVendorId"}"#.to_owned(),
    })
}

#[cfg(test)]
mod tests;
