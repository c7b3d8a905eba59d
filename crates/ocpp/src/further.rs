//! Commands beyond a station's daily work, free of versions: reservations, firmware, logs, messages
//! on the display. `None` means that a version has no such command.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::v201::id_token::READER_TYPES;

/// A command beyond a station's daily work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Further {
    /// Reserve a connector for a card (1.6 section 5.13, 2.0.1 H01). A repeated number replaces the
    /// earlier reservation.
    Reserve {
        /// The reservation's number.
        reservation_id: i64,
        /// The card's id tag.
        id_tag: String,
        /// The connector, or EVSE. `None`: any.
        connector_id: Option<i64>,
        /// The time at which the reservation expires.
        expires_at: DateTime<Utc>,
    },
    /// Cancel a reservation (H02).
    CancelReservation {
        /// The reservation's number.
        reservation_id: i64,
    },
    /// Fetch and install firmware (1.6 section 5.19 and the security whitepaper L01; 2.0.1 L01).
    UpdateFirmware {
        /// The requestId that the station's status messages repeat.
        request_id: i64,
        /// The address of the firmware.
        location: String,
        /// The earliest time at which the station fetches it.
        retrieve_at: DateTime<Utc>,
        /// The signing certificate (PEM) and the signature (base64), for signed firmware.
        signed: Option<(String, String)>,
    },
    /// Upload a log (1.6 section 5.9 and the security whitepaper N01; 2.0.1 N01).
    UploadLog {
        /// The requestId that the station's status messages repeat.
        request_id: i64,
        /// Whether to send the security log; else the diagnostics log.
        security: bool,
        /// The address to upload to.
        location: String,
        /// The time of the oldest entry.
        from: Option<DateTime<Utc>>,
        /// The time of the latest entry.
        until: Option<DateTime<Utc>>,
    },
    /// Ask the station to request a new certificate for itself (A02).
    RenewCertificate,
    /// Show a message on the station's display (2.0.1 O01).
    ShowMessage {
        /// The message's number. A repeated number replaces the earlier message.
        display_id: i64,
        /// The message's text.
        text: String,
        /// The text's language (RFC 5646).
        language: Option<String>,
        /// The time from which it is shown.
        from: Option<DateTime<Utc>>,
        /// The time until which it is shown.
        until: Option<DateTime<Utc>>,
    },
    /// Remove a message from the display (2.0.1 O05).
    ClearMessage {
        /// The message's number.
        display_id: i64,
    },
    /// Report whether a transaction runs and whether messages are queued (2.0.1 E14).
    TransactionStatus {
        /// The transactionId. `None`: report only whether messages are queued.
        transaction: Option<String>,
    },
}

fn instant(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A JSON object of the fields that have a value.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    Value::Object(
        fields
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect::<Map<_, _>>(),
    )
}

impl Further {
    /// The action and payload of OCPP 1.6; `None`: it has no such command.
    pub fn in_v16(&self) -> Option<(&'static str, Value)> {
        Some(match self {
            Self::Reserve { reservation_id, id_tag, connector_id, expires_at } => {
                // Connector 0 means any connector (section 5.13).
                let connector_id = connector_id.unwrap_or(0);
                let expiry = instant(expires_at);
                (
                    "ReserveNow",
                    json!({"reservationId": reservation_id, "idTag": id_tag, "connectorId": connector_id, "expiryDate": expiry}),
                )
            }
            Self::CancelReservation { reservation_id } => {
                ("CancelReservation", json!({"reservationId": reservation_id}))
            }
            Self::UpdateFirmware { location, retrieve_at, signed: None, .. } => (
                "UpdateFirmware",
                json!({"location": location, "retrieveDate": instant(retrieve_at)}),
            ),
            Self::UpdateFirmware {
                request_id,
                location,
                retrieve_at,
                signed: Some((certificate, signature)),
            } => {
                let firmware = json!({"location": location, "retrieveDateTime": instant(retrieve_at), "signingCertificate": certificate, "signature": signature});
                ("SignedUpdateFirmware", json!({"requestId": request_id, "firmware": firmware}))
            }
            Self::UploadLog { security: false, location, from, until, .. } => {
                let fields = [
                    ("location", Some(json!(location))),
                    ("startTime", from.as_ref().map(|at| json!(instant(at)))),
                    ("stopTime", until.as_ref().map(|at| json!(instant(at)))),
                ];
                ("GetDiagnostics", object(fields))
            }
            Self::UploadLog { request_id, security: true, location, from, until } => {
                get_log(*request_id, "SecurityLog", location, (from.as_ref(), until.as_ref()))
            }
            Self::RenewCertificate => (
                "ExtendedTriggerMessage",
                json!({"requestedMessage": "SignChargePointCertificate"}),
            ),
            Self::ShowMessage { .. }
            | Self::ClearMessage { .. }
            | Self::TransactionStatus { .. } => return None,
        })
    }

    /// The action and payload of OCPP 2.0.1.
    pub fn in_v201(&self) -> (&'static str, Value) {
        match self {
            Self::Reserve { reservation_id, id_tag, connector_id, expires_at } => {
                let token = json!({"idToken": id_tag, "type": READER_TYPES[0]});
                let fields = [
                    ("id", Some(json!(reservation_id))),
                    ("idToken", Some(token)),
                    ("expiryDateTime", Some(json!(instant(expires_at)))),
                    ("evseId", connector_id.map(|evse| json!(evse))),
                ];
                ("ReserveNow", object(fields))
            }
            Self::CancelReservation { reservation_id } => {
                ("CancelReservation", json!({"reservationId": reservation_id}))
            }
            Self::UpdateFirmware { request_id, location, retrieve_at, signed } => {
                let (certificate, signature) =
                    signed.as_ref().map_or((None, None), |(certificate, signature)| {
                        (Some(json!(certificate)), Some(json!(signature)))
                    });
                let firmware = object([
                    ("location", Some(json!(location))),
                    ("retrieveDateTime", Some(json!(instant(retrieve_at)))),
                    ("signingCertificate", certificate),
                    ("signature", signature),
                ]);
                ("UpdateFirmware", json!({"requestId": request_id, "firmware": firmware}))
            }
            Self::UploadLog { request_id, security, location, from, until } => {
                let kind = if *security { "SecurityLog" } else { "DiagnosticsLog" };
                get_log(*request_id, kind, location, (from.as_ref(), until.as_ref()))
            }
            Self::RenewCertificate => {
                ("TriggerMessage", json!({"requestedMessage": "SignChargingStationCertificate"}))
            }
            Self::ShowMessage { display_id, text, language, from, until } => {
                let content = object([
                    ("format", Some(json!("UTF8"))),
                    ("language", language.as_ref().map(|language| json!(language))),
                    ("content", Some(json!(text))),
                ]);
                let message = object([
                    ("id", Some(json!(display_id))),
                    ("priority", Some(json!("NormalCycle"))),
                    ("message", Some(content)),
                    ("startDateTime", from.as_ref().map(|at| json!(instant(at)))),
                    ("endDateTime", until.as_ref().map(|at| json!(instant(at)))),
                ]);
                ("SetDisplayMessage", json!({"message": message}))
            }
            Self::ClearMessage { display_id } => ("ClearDisplayMessage", json!({"id": display_id})),
            Self::TransactionStatus { transaction } => (
                "GetTransactionStatus",
                object([(
                    "transactionId",
                    transaction.as_ref().map(|transaction| json!(transaction)),
                )]),
            ),
        }
    }
}

/// GetLog, which is the same in both versions.
fn get_log(
    request_id: i64,
    kind: &str,
    location: &str,
    (from, until): (Option<&DateTime<Utc>>, Option<&DateTime<Utc>>),
) -> (&'static str, Value) {
    let log = object([
        ("remoteLocation", Some(json!(location))),
        ("oldestTimestamp", from.map(|at| json!(instant(at)))),
        ("latestTimestamp", until.map(|at| json!(instant(at)))),
    ]);
    ("GetLog", json!({"requestId": request_id, "logType": kind, "log": log}))
}

#[cfg(test)]
#[path = "further_tests.rs"]
mod tests;
