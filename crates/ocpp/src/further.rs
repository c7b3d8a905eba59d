//! Version-free commands beyond a charger's daily work: reservations, firmware, logs, messages on its display. A version
//! that has no such command says so by `None`.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::v201::id_token::READER_TYPES;

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Further {
    /// Keep a connector for a card until then (1.6 section 5.13, 2.0.1 H01). The same number replaces an earlier one.
    Reserve {
        /// Its number.
        reservation_id: i64,
        /// For whom.
        id_tag: String,
        /// Which; any where none is named.
        connector_id: Option<i64>,
        /// Until when.
        expires_at: DateTime<Utc>,
    },
    /// Give a reserved connector free (H02).
    CancelReservation {
        /// Which reservation.
        reservation_id: i64,
    },
    /// Fetch and install firmware (1.6 section 5.19 and the security whitepaper L01; 2.0.1 L01).
    UpdateFirmware {
        /// The number under which the station tells how it goes.
        request_id: i64,
        /// Where it is fetched.
        location: String,
        /// Not before then.
        retrieve_at: DateTime<Utc>,
        /// The certificate (PEM) and signature (base64) by which the station checks it.
        signed: Option<(String, String)>,
    },
    /// Send a log to an address (1.6 section 5.9 and the security whitepaper N01; 2.0.1 N01).
    UploadLog {
        /// The number under which the station tells how it goes.
        request_id: i64,
        /// The log of security events; else diagnostics.
        security: bool,
        /// Where it is sent.
        location: String,
        /// From when.
        from: Option<DateTime<Utc>>,
        /// Until when.
        until: Option<DateTime<Utc>>,
    },
    /// Ask for a new certificate of the station's own (A02).
    RenewCertificate,
    /// Show a message (2.0.1 O01).
    ShowMessage {
        /// Its number; the same replaces an earlier one.
        display_id: i64,
        /// What is shown.
        text: String,
        /// Its language (RFC 5646).
        language: Option<String>,
        /// From when.
        from: Option<DateTime<Utc>>,
        /// Until when.
        until: Option<DateTime<Utc>>,
    },
    /// Show a message no longer (2.0.1 O05).
    ClearMessage {
        /// Which.
        display_id: i64,
    },
    /// Tell whether a transaction runs and messages wait (2.0.1 E14).
    TransactionStatus {
        /// Which; else only whether messages wait.
        transaction: Option<String>,
    },
}

fn instant(at: &DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// An object of what is there.
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
                // Connector 0 is any (section 5.13).
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

/// GetLog, which both versions word alike: the log of a kind, from and until when, sent to a location.
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
