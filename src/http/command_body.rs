//! Reads a command's name and fields, and builds the command to the station.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{session_name, tagged};
use super::problem::Problem;
use juden_domain::ids::{SessionId, StationId};
use juden_ocpp::event::{Further, StationCommand};

/// A command with its fields. In the JSON, the name is the field `command` among them.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CommandBody {
    /// Starts a transaction.
    RemoteStart {
        /// The card to start with.
        #[schema(max_length = 20)]
        id_tag: String,
        /// The connector to start at.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: Option<i64>,
    },
    /// Stops a transaction: `session_id` or `transaction_id` names it.
    RemoteStop {
        /// The session to stop.
        session_id: Option<String>,
        /// The transaction to stop: its number, or the name that the station gave it.
        #[schema(value_type = Option<Object>)]
        transaction_id: Option<Value>,
    },
    /// Restarts the station.
    Reset {
        /// `hard` or `soft`.
        r#type: String,
    },
    /// Unlocks a connector's plug.
    UnlockConnector {
        /// The connector to unlock.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: i64,
    },
    /// Clears the station's authorization cache.
    ClearCache {},
    /// Makes the station send a message.
    TriggerMessage {
        /// The message, as the station's OCPP version names it.
        requested_message: String,
        /// The connector that the message is about.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: Option<i64>,
    },
    /// Puts a connector or the station in or out of operation.
    ChangeAvailability {
        /// The connector; 0 is the whole station.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: i64,
        /// `operative` or `inoperative`.
        r#type: String,
    },
    /// Makes the station report its settings.
    GetConfiguration {
        /// The settings' names; left out: all of them.
        keys: Option<Vec<String>>,
    },
    /// Changes a setting.
    ChangeConfiguration {
        /// The setting's name.
        key: String,
        /// Its new value.
        value: String,
    },
    /// Sends a vendor's own message.
    DataTransfer {
        /// The vendor's id.
        vendor_id: String,
        /// The vendor's message id.
        message_id: Option<String>,
        /// The message's data.
        data: Option<String>,
    },
    /// Reserves a connector for a card.
    ReserveNow {
        /// The card's id tag.
        #[schema(max_length = 20)]
        id_tag: String,
        /// The instant at which the reservation expires.
        expires_at: DateTime<Utc>,
        /// The connector; left out: any.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: Option<i64>,
        /// The reservation's number; left out: a new one.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        reservation_id: Option<i64>,
    },
    /// Cancels a reservation.
    CancelReservation {
        /// The reservation's number.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        reservation_id: i64,
    },
    /// Makes the station fetch and install firmware.
    UpdateFirmware {
        /// The address of the firmware.
        #[schema(max_length = 512)]
        location: String,
        /// The earliest instant to fetch it; left out: now.
        retrieve_at: Option<DateTime<Utc>>,
        /// The certificate by which the station checks the firmware (PEM); it needs `signature`.
        signing_certificate: Option<String>,
        /// The firmware's signature (base64); it needs `signing_certificate`.
        signature: Option<String>,
    },
    /// Makes the station upload a log.
    GetLog {
        /// The address to upload to.
        #[schema(max_length = 512)]
        location: String,
        /// `diagnostics` or `security`.
        log_type: Option<String>,
        /// The time of the log's oldest entry.
        from: Option<DateTime<Utc>>,
        /// The time of the log's latest entry.
        until: Option<DateTime<Utc>>,
    },
    /// Makes the station request a new certificate for itself.
    RenewCertificate {},
    /// Shows a message on the station's display (2.0.1).
    ShowMessage {
        /// The text to show.
        #[schema(max_length = 512)]
        text: String,
        /// The text's language (RFC 5646).
        #[schema(max_length = 8)]
        language: Option<String>,
        /// The message's number; left out: a new one.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        display_id: Option<i64>,
        /// The instant from which it is shown.
        from: Option<DateTime<Utc>>,
        /// The instant until which it is shown.
        until: Option<DateTime<Utc>>,
    },
    /// Removes a message from the display (2.0.1).
    ClearMessage {
        /// The message's number.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        display_id: i64,
    },
    /// Makes the station report whether a transaction runs, and whether messages are queued
    /// (2.0.1).
    TransactionStatus {
        /// The session of the transaction.
        session_id: Option<String>,
        /// The transaction: its number, or the name that the station gave it.
        #[schema(value_type = Option<Object>)]
        transaction_id: Option<Value>,
    },
}

/// A random number that the station's messages repeat, so that none is soon used again.
fn new_number() -> i64 {
    i64::from(rand::random_range(1..=i32::MAX))
}

/// Reads one of two words, without regard to case.
fn either(field: &str, word: &str, yes: &str, no: &str) -> Result<bool, Problem> {
    match word.to_ascii_lowercase() {
        word if word == yes => Ok(true),
        word if word == no => Ok(false),
        _ => Err(Problem::malformed(field, format!("{field} must be {yes} or {no}"))),
    }
}

impl CommandBody {
    /// Reads a command. The name is moved outside the other fields first, so that a fault names the
    /// right field.
    pub fn read(mut fields: Map<String, Value>) -> Result<Self, Problem> {
        let Some(Value::String(name)) = fields.remove("command") else {
            let why = "command must be the name of a command: see /api/docs";
            return Err(Problem::malformed("command", why));
        };
        tagged(&name, fields)
    }

    /// The command to the station.
    pub async fn command(self, api: &Api, station: &StationId) -> Result<StationCommand, Problem> {
        Ok(match self {
            Self::RemoteStart { id_tag, connector_id } => {
                StationCommand::RemoteStart { id_tag, connector_id }
            }
            Self::RemoteStop { session_id, transaction_id } => {
                let asked = (session_id, transaction_id);
                let (session, transaction) = session_meant(api, station, asked).await?;
                StationCommand::RemoteStop { session, transaction }
            }
            Self::Reset { r#type } => {
                StationCommand::Reset { hard: either("type", &r#type, "hard", "soft")? }
            }
            Self::UnlockConnector { connector_id } => {
                StationCommand::UnlockConnector { connector_id }
            }
            Self::ClearCache {} => StationCommand::ClearCache,
            Self::TriggerMessage { requested_message, connector_id } => {
                StationCommand::TriggerMessage { requested_message, connector_id }
            }
            Self::ChangeAvailability { connector_id, r#type } => {
                let operative = either("type", &r#type, "operative", "inoperative")?;
                StationCommand::ChangeAvailability { connector_id, operative }
            }
            Self::GetConfiguration { keys } => {
                StationCommand::GetConfiguration { keys: keys.unwrap_or_default() }
            }
            Self::ChangeConfiguration { key, value } => {
                StationCommand::ChangeConfiguration { key, value }
            }
            Self::DataTransfer { vendor_id, message_id, data } => {
                StationCommand::DataTransfer { vendor_id, message_id, data }
            }
            Self::ReserveNow { id_tag, expires_at, connector_id, reservation_id } => {
                if expires_at <= api.app.now() {
                    return Err(Problem::malformed("expires_at", "expires_at must lie ahead"));
                }
                let reservation_id = reservation_id.unwrap_or_else(new_number);
                StationCommand::Further(Further::Reserve {
                    reservation_id,
                    id_tag,
                    connector_id,
                    expires_at,
                })
            }
            Self::CancelReservation { reservation_id } => {
                StationCommand::Further(Further::CancelReservation { reservation_id })
            }
            Self::UpdateFirmware { location, retrieve_at, signing_certificate, signature } => {
                StationCommand::Further(Further::UpdateFirmware {
                    request_id: new_number(),
                    location,
                    retrieve_at: retrieve_at.unwrap_or_else(|| api.app.now()),
                    signed: both(signing_certificate, signature)?,
                })
            }
            Self::GetLog { location, log_type, from, until } => {
                let kind = log_type.as_deref().unwrap_or("diagnostics");
                let security = either("log_type", kind, "security", "diagnostics")?;
                let request_id = new_number();
                StationCommand::Further(Further::UploadLog {
                    request_id,
                    security,
                    location,
                    from,
                    until,
                })
            }
            Self::RenewCertificate {} => StationCommand::Further(Further::RenewCertificate),
            Self::ShowMessage { text, language, display_id, from, until } => {
                let display_id = display_id.unwrap_or_else(new_number);
                StationCommand::Further(Further::ShowMessage {
                    display_id,
                    text,
                    language,
                    from,
                    until,
                })
            }
            Self::ClearMessage { display_id } => {
                StationCommand::Further(Further::ClearMessage { display_id })
            }
            Self::TransactionStatus { session_id: None, transaction_id: None } => {
                StationCommand::Further(Further::TransactionStatus { transaction: None })
            }
            Self::TransactionStatus { session_id, transaction_id } => {
                let asked = (session_id, transaction_id);
                let (session, transaction) = session_meant(api, station, asked).await?;
                let transaction = Some(transaction.unwrap_or_else(|| session.0.to_string()));
                StationCommand::Further(Further::TransactionStatus { transaction })
            }
        })
    }
}

/// The certificate and the signature of signed firmware: both, or neither.
fn both(
    certificate: Option<String>,
    signature: Option<String>,
) -> Result<Option<(String, String)>, Problem> {
    let missing = |field: &str| {
        let why = format!("{field} is missing: signed firmware needs it");
        Err(Problem::malformed(field, why))
    };
    match (certificate, signature) {
        (None, None) => Ok(None),
        (Some(certificate), Some(signature)) => Ok(Some((certificate, signature))),
        (None, Some(_)) => missing("signing_certificate"),
        (Some(_), None) => missing("signature"),
    }
}

/// The session that a command is about, and the transaction's name if its station gave one. The
/// caller gives the session's id, the transaction's number, or the transaction's name.
async fn session_meant(
    api: &Api,
    station: &StationId,
    (session_id, transaction_id): (Option<String>, Option<Value>),
) -> Result<(SessionId, Option<String>), Problem> {
    if let Some(text) = &session_id {
        let session = api.app.sessions.find_session(session_name(text)?).await?;
        if session.station_id != *station {
            return Err(Problem::malformed(
                "session_id",
                "session_id must be of a session at this station",
            ));
        }
        return Ok((session.id, session.transaction));
    }
    match transaction_id.as_ref().map(|id| (id.as_i64(), id.as_str())) {
        Some((Some(id), _)) if (1..=SessionId::MAX).contains(&id) => {
            let session = SessionId(id);
            Ok((session, api.app.sessions.transaction_name(session).await))
        }
        Some((None, Some(name))) => Ok((SessionId(0), Some(name.to_owned()))),
        Some(_) => Err(Problem::malformed(
            "transaction_id",
            "transaction_id must be from 1 to 2147483647, or the station's own name of it",
        )),
        None => Err(Problem::malformed(
            "session_id",
            "session_id is missing: this command needs it, or transaction_id",
        )),
    }
}
