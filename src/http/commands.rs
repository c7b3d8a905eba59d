//! Commands to stations: version-free ones, and any of the station's own version.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::LOCATION;
use axum::response::AppendHeaders;
use chrono::{DateTime, Utc};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, Segment, session_name, station_id};
use super::problem::{Problem, Problems};
use juden_core::commands::sending::CommandResult;
use juden_domain::ids::{SessionId, StationId};
use juden_ocpp::event::{Further, StationCommand};

/// Who the API's commands are kept as sent by.
const SENT_BY: &str = "operator";

/// A command's name.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandName {
    /// Start a transaction: `id_tag`, `connector_id?`.
    RemoteStart,
    /// Stop a transaction: `session_id` or `transaction_id`.
    RemoteStop,
    /// Restart: `type` hard or soft.
    Reset,
    /// Release a plug: `connector_id`.
    UnlockConnector,
    /// Forget accepted cards.
    ClearCache,
    /// Send a message: `requested_message`, `connector_id?`.
    TriggerMessage,
    /// Serve or close: `connector_id`, `type` operative or inoperative.
    ChangeAvailability,
    /// Tell settings: `keys?`.
    GetConfiguration,
    /// Change a setting: `key`, `value`.
    ChangeConfiguration,
    /// A vendor's message: `vendor_id`, `message_id?`, `data?`.
    DataTransfer,
    /// Keep a connector for a card: `id_tag`, `expires_at`, `connector_id?`, `reservation_id?`.
    ReserveNow,
    /// Give it free: `reservation_id`.
    CancelReservation,
    /// Fetch and install firmware: `location`, `retrieve_at?`, `signing_certificate?` with `signature`.
    UpdateFirmware,
    /// Send a log: `location`, `log_type?` diagnostics or security, `from?`, `until?`.
    GetLog,
    /// Ask to have a new key signed.
    RenewCertificate,
    /// Show a message (2.0.1): `text`, `language?`, `display_id?`, `from?`, `until?`.
    ShowMessage,
    /// Show it no longer (2.0.1): `display_id`.
    ClearMessage,
    /// Tell whether a transaction runs, and messages wait (2.0.1): `session_id?` or `transaction_id?`.
    TransactionStatus,
}

/// A command's name with its parameters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommandBody {
    command: CommandName,
    /// The card to start with.
    #[schema(max_length = 20)]
    id_tag: Option<String>,
    /// The connector; 0 is the whole station where that makes sense.
    #[schema(minimum = 0, maximum = 2147483647)]
    connector_id: Option<i64>,
    /// The session to stop.
    session_id: Option<String>,
    /// The transaction to stop: its number, or the name that the station gave it.
    #[schema(value_type = Option<Object>)]
    transaction_id: Option<Value>,
    /// `hard`, `soft`, `operative` or `inoperative`.
    #[serde(rename = "type")]
    kind: Option<String>,
    /// The message to send, as the station's version names it.
    requested_message: Option<String>,
    /// The settings to tell.
    keys: Option<Vec<String>>,
    /// The setting to change.
    key: Option<String>,
    /// Its new value.
    value: Option<String>,
    /// Whose message.
    vendor_id: Option<String>,
    /// Which message.
    message_id: Option<String>,
    /// What it carries.
    data: Option<String>,
    /// The reservation; a new number where none is named.
    #[schema(minimum = 1, maximum = 2147483647)]
    reservation_id: Option<i64>,
    /// Until when a connector is kept.
    expires_at: Option<DateTime<Utc>>,
    /// Where firmware is fetched, or a log sent.
    #[schema(max_length = 512)]
    location: Option<String>,
    /// Not before then; now where it is left out.
    retrieve_at: Option<DateTime<Utc>>,
    /// By which the station checks the firmware (PEM).
    signing_certificate: Option<String>,
    /// The firmware's signature (base64).
    signature: Option<String>,
    /// `diagnostics` or `security`.
    log_type: Option<String>,
    /// From when.
    from: Option<DateTime<Utc>>,
    /// Until when.
    until: Option<DateTime<Utc>>,
    /// What is shown.
    #[schema(max_length = 512)]
    text: Option<String>,
    /// Its language.
    #[schema(max_length = 8)]
    language: Option<String>,
    /// The message's number; a new one where none is named.
    #[schema(minimum = 1, maximum = 2147483647)]
    display_id: Option<i64>,
}

/// What came of a command.
#[derive(Serialize, ToSchema)]
pub struct CommandAnswer {
    /// `accepted`, `rejected` or another word of the station; `unknown`: it did not answer; `error`.
    outcome: String,
    /// The station's answer.
    #[schema(value_type = Object)]
    answer: Value,
}

/// A number of ours that a station tells back: any that is not soon used again.
fn new_number() -> i64 {
    i64::from(rand::random_range(1..=i32::MAX))
}

fn needed<T>(value: Option<T>, field: &str) -> Result<T, Problem> {
    value.ok_or_else(|| {
        Problem::malformed(field, format!("{field} is missing: this command needs it"))
    })
}

/// Reads one of two words, whatever its case.
fn either(kind: Option<String>, yes: &str, no: &str) -> Result<bool, Problem> {
    let kind = needed(kind, "type")?;
    match kind.to_ascii_lowercase() {
        word if word == yes => Ok(true),
        word if word == no => Ok(false),
        _ => Err(Problem::malformed("type", format!("type must be {yes} or {no}"))),
    }
}

impl CommandBody {
    async fn command(self, api: &Api, station: &StationId) -> Result<StationCommand, Problem> {
        Ok(match self.command {
            CommandName::RemoteStart => StationCommand::RemoteStart {
                id_tag: needed(self.id_tag, "id_tag")?,
                connector_id: self.connector_id,
            },
            CommandName::RemoteStop => self.remote_stop(api, station).await?,
            CommandName::Reset => {
                StationCommand::Reset { hard: either(self.kind, "hard", "soft")? }
            }
            CommandName::UnlockConnector => StationCommand::UnlockConnector {
                connector_id: needed(self.connector_id, "connector_id")?,
            },
            CommandName::ClearCache => StationCommand::ClearCache,
            CommandName::TriggerMessage => StationCommand::TriggerMessage {
                requested_message: needed(self.requested_message, "requested_message")?,
                connector_id: self.connector_id,
            },
            CommandName::ChangeAvailability => StationCommand::ChangeAvailability {
                connector_id: needed(self.connector_id, "connector_id")?,
                operative: either(self.kind, "operative", "inoperative")?,
            },
            CommandName::GetConfiguration => {
                StationCommand::GetConfiguration { keys: self.keys.unwrap_or_default() }
            }
            CommandName::ChangeConfiguration => StationCommand::ChangeConfiguration {
                key: needed(self.key, "key")?,
                value: needed(self.value, "value")?,
            },
            CommandName::DataTransfer => StationCommand::DataTransfer {
                vendor_id: needed(self.vendor_id, "vendor_id")?,
                message_id: self.message_id,
                data: self.data,
            },
            CommandName::ReserveNow
            | CommandName::CancelReservation
            | CommandName::UpdateFirmware
            | CommandName::GetLog
            | CommandName::RenewCertificate
            | CommandName::ShowMessage
            | CommandName::ClearMessage
            | CommandName::TransactionStatus => {
                StationCommand::Further(self.further(api, station).await?)
            }
        })
    }

    async fn further(self, api: &Api, station: &StationId) -> Result<Further, Problem> {
        Ok(match self.command {
            CommandName::ReserveNow => {
                let expires_at = needed(self.expires_at, "expires_at")?;
                if expires_at <= api.app.now() {
                    return Err(Problem::malformed("expires_at", "expires_at must lie ahead"));
                }
                let reservation_id = self.reservation_id.unwrap_or_else(new_number);
                Further::Reserve {
                    reservation_id,
                    id_tag: needed(self.id_tag, "id_tag")?,
                    connector_id: self.connector_id,
                    expires_at,
                }
            }
            CommandName::CancelReservation => Further::CancelReservation {
                reservation_id: needed(self.reservation_id, "reservation_id")?,
            },
            CommandName::UpdateFirmware => Further::UpdateFirmware {
                request_id: new_number(),
                location: needed(self.location, "location")?,
                retrieve_at: self.retrieve_at.unwrap_or_else(|| api.app.now()),
                signed: match (self.signing_certificate, self.signature) {
                    (None, None) => None,
                    (certificate, signature) => Some((
                        needed(certificate, "signing_certificate")?,
                        needed(signature, "signature")?,
                    )),
                },
            },
            CommandName::GetLog => Further::UploadLog {
                request_id: new_number(),
                security: match self.log_type.as_deref() {
                    None | Some("diagnostics") => false,
                    Some("security") => true,
                    Some(_) => {
                        return Err(Problem::malformed(
                            "log_type",
                            "log_type must be diagnostics or security",
                        ));
                    }
                },
                location: needed(self.location, "location")?,
                from: self.from,
                until: self.until,
            },
            CommandName::ShowMessage => Further::ShowMessage {
                display_id: self.display_id.unwrap_or_else(new_number),
                text: needed(self.text, "text")?,
                language: self.language,
                from: self.from,
                until: self.until,
            },
            CommandName::ClearMessage => {
                Further::ClearMessage { display_id: needed(self.display_id, "display_id")? }
            }
            CommandName::TransactionStatus
                if self.session_id.is_none() && self.transaction_id.is_none() =>
            {
                Further::TransactionStatus { transaction: None }
            }
            CommandName::TransactionStatus => match self.remote_stop(api, station).await? {
                StationCommand::RemoteStop { session, transaction } => Further::TransactionStatus {
                    transaction: Some(transaction.unwrap_or_else(|| session.0.to_string())),
                },
                other => unreachable!("{other:?} is asked for nowhere"),
            },
            CommandName::RenewCertificate => Further::RenewCertificate,
            CommandName::RemoteStart
            | CommandName::RemoteStop
            | CommandName::Reset
            | CommandName::UnlockConnector
            | CommandName::ClearCache
            | CommandName::TriggerMessage
            | CommandName::ChangeAvailability
            | CommandName::GetConfiguration
            | CommandName::ChangeConfiguration
            | CommandName::DataTransfer => {
                return Err(Problem::malformed(
                    "command",
                    "this command has a form of its own: see its fields at /api/docs",
                ));
            }
        })
    }

    /// The session to be stopped: by its name, by its number, or by the name that the station gave its transaction.
    async fn remote_stop(&self, api: &Api, station: &StationId) -> Result<StationCommand, Problem> {
        if let Some(text) = &self.session_id {
            let session = api.app.sessions.find_session(session_name(text)?).await?;
            if session.station_id != *station {
                return Err(Problem::malformed(
                    "session_id",
                    "session_id must be of a session at this station",
                ));
            }
            return Ok(StationCommand::RemoteStop {
                session: session.id,
                transaction: session.transaction,
            });
        }
        match self.transaction_id.as_ref().map(|id| (id.as_i64(), id.as_str())) {
            Some((Some(id), _)) if (1..=SessionId::MAX).contains(&id) => {
                Ok(StationCommand::RemoteStop {
                    session: SessionId(id),
                    transaction: api.app.sessions.transaction_name(SessionId(id)).await,
                })
            }
            Some((None, Some(name))) => Ok(StationCommand::RemoteStop {
                session: SessionId(0),
                transaction: Some(name.to_owned()),
            }),
            Some(_) => Err(Problem::malformed(
                "transaction_id",
                "transaction_id must be from 1 to 2147483647, or the station's own name of it",
            )),
            None => needed(None, "session_id"),
        }
    }
}

/// What came of a command, and where it is shown with what it led to.
type Sent = (AppendHeaders<Option<(HeaderName, String)>>, Json<CommandAnswer>);

fn sent(station: &StationId, result: CommandResult) -> Sent {
    let place = |number: i64| {
        (
            LOCATION,
            format!(
                "/api/v1/stations/{}/commands/{number}",
                utf8_percent_encode(station.as_str(), NON_ALPHANUMERIC)
            ),
        )
    };
    (
        AppendHeaders(result.number.map(place)),
        Json(CommandAnswer { outcome: result.outcome, answer: result.answer }),
    )
}

/// Sends a command.
#[utoipa::path(post, operation_id = "commands_send", path = "/stations/{station_id}/commands", request_body = CommandBody,
    params(("station_id" = String, Path, min_length = 1, max_length = 48)),
    responses(
        (status = 200, description = "done", body = CommandAnswer,
            headers(("Location" = String, description = "where the command is kept, with what it led to"))),
    Problems,
    ))]
pub async fn send(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<CommandBody>,
) -> Result<Sent, Problem> {
    let id = station_id(&id)?;
    let command = body.command(&api, &id).await?;
    Ok(sent(&id, api.app.commands.send_command(&id, &command, SENT_BY).await?))
}

/// Sends a call of the station's own version.
#[utoipa::path(post, operation_id = "commands_send_call", path = "/stations/{station_id}/ocpp/{action}", request_body(content = Object),
    params(("station_id" = String, Path, min_length = 1, max_length = 48), ("action" = String, Path, max_length = 64)),
    responses(
        (status = 200, description = "done", body = CommandAnswer,
            headers(("Location" = String, description = "where the command is kept, with what it led to"))),
    Problems,
    ))]
pub async fn send_call(
    State(api): State<Arc<Api>>,
    Segment((id, action)): Segment<(String, String)>,
    Body(payload): Body<Map<String, Value>>,
) -> Result<Sent, Problem> {
    let id = station_id(&id)?;
    Ok(sent(&id, api.app.commands.send_call(&id, &action, &payload, SENT_BY).await?))
}
