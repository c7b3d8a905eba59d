//! A command's name with the fields that it takes, and the command to a station that they come to.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{session_name, tagged};
use super::problem::Problem;
use juden_domain::ids::{SessionId, StationId};
use juden_ocpp::event::{Further, StationCommand};

/// A command's name with the fields that it takes. On the wire the name stands among them, as `command`.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CommandBody {
    /// Starts a transaction.
    RemoteStart {
        /// The card to start with.
        #[schema(max_length = 20)]
        id_tag: String,
        /// At which connector.
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
    /// Releases a plug.
    UnlockConnector {
        /// At which connector.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: i64,
    },
    /// Has the station forget which cards were accepted.
    ClearCache {},
    /// Has the station send a message.
    TriggerMessage {
        /// Which, as the station's version names it.
        requested_message: String,
        /// For which connector.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: Option<i64>,
    },
    /// Opens or closes a connector.
    ChangeAvailability {
        /// Which; 0 is the whole station.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: i64,
        /// `operative` or `inoperative`.
        r#type: String,
    },
    /// Has the station tell its settings.
    GetConfiguration {
        /// These; all where none is named.
        keys: Option<Vec<String>>,
    },
    /// Changes a setting.
    ChangeConfiguration {
        /// Which.
        key: String,
        /// Its new value.
        value: String,
    },
    /// Sends a vendor's own message.
    DataTransfer {
        /// Whose.
        vendor_id: String,
        /// Which.
        message_id: Option<String>,
        /// What it carries.
        data: Option<String>,
    },
    /// Keeps a connector for a card.
    ReserveNow {
        /// For which card.
        #[schema(max_length = 20)]
        id_tag: String,
        /// Until when.
        expires_at: DateTime<Utc>,
        /// Which connector; any where none is named.
        #[schema(minimum = 0, maximum = 2_147_483_647)]
        connector_id: Option<i64>,
        /// The reservation's number; a new one where none is named.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        reservation_id: Option<i64>,
    },
    /// Gives a reserved connector free.
    CancelReservation {
        /// Which reservation.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        reservation_id: i64,
    },
    /// Has the station fetch and install firmware.
    UpdateFirmware {
        /// Where it is fetched.
        #[schema(max_length = 512)]
        location: String,
        /// Not before then; now where it is left out.
        retrieve_at: Option<DateTime<Utc>>,
        /// The certificate by which the station checks the firmware (PEM); it needs `signature`.
        signing_certificate: Option<String>,
        /// The firmware's signature (base64); it needs `signing_certificate`.
        signature: Option<String>,
    },
    /// Has the station send a log.
    GetLog {
        /// Where it is sent.
        #[schema(max_length = 512)]
        location: String,
        /// `diagnostics` or `security`.
        log_type: Option<String>,
        /// From when.
        from: Option<DateTime<Utc>>,
        /// Until when.
        until: Option<DateTime<Utc>>,
    },
    /// Has the station ask for a new certificate of its own.
    RenewCertificate {},
    /// Shows a message on the station's display (2.0.1).
    ShowMessage {
        /// What is shown.
        #[schema(max_length = 512)]
        text: String,
        /// Its language.
        #[schema(max_length = 8)]
        language: Option<String>,
        /// The message's number; a new one where none is named.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        display_id: Option<i64>,
        /// From when.
        from: Option<DateTime<Utc>>,
        /// Until when.
        until: Option<DateTime<Utc>>,
    },
    /// Shows a message no longer (2.0.1).
    ClearMessage {
        /// Which.
        #[schema(minimum = 1, maximum = 2_147_483_647)]
        display_id: i64,
    },
    /// Has the station tell whether a transaction runs, and whether messages wait (2.0.1).
    TransactionStatus {
        /// Of which session.
        session_id: Option<String>,
        /// Of which transaction: its number, or the name that the station gave it.
        #[schema(value_type = Option<Object>)]
        transaction_id: Option<Value>,
    },
}

/// A number of ours that a station tells back: any that is not soon used again.
fn new_number() -> i64 {
    i64::from(rand::random_range(1..=i32::MAX))
}

/// Reads one of two words, whatever its case.
fn either(field: &str, word: &str, yes: &str, no: &str) -> Result<bool, Problem> {
    match word.to_ascii_lowercase() {
        word if word == yes => Ok(true),
        word if word == no => Ok(false),
        _ => Err(Problem::malformed(field, format!("{field} must be {yes} or {no}"))),
    }
}

impl CommandBody {
    /// Reads a command. The name is put outside its fields first, so that a fault names the field that it is about.
    pub fn read(mut fields: Map<String, Value>) -> Result<Self, Problem> {
        let Some(Value::String(name)) = fields.remove("command") else {
            let why = "command must be the name of a command: see /api/docs";
            return Err(Problem::malformed("command", why));
        };
        tagged(&name, fields)
    }

    /// The command that it comes to.
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

/// The certificate and the signature of a firmware: both, or neither.
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

/// The session that a command is about, and the name that its station gave the transaction, where it did. The session's name
/// tells it, the transaction's number, or the transaction's name.
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
