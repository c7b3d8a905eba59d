//! Commands to stations: version-free ones, and any of the station's own version.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, Segment, session_name, station_id};
use super::problem::{Problem, Problems};
use crate::app::commands::CommandResult;
use crate::domain::ids::SessionId;
use crate::ocpp::event::StationCommand;

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
}

/// A command with what it needs.
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

fn needed<T>(value: Option<T>, field: &str) -> Result<T, Problem> {
    value.ok_or_else(|| Problem::malformed(field, format!("{field} is missing: this command needs it")))
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
    async fn command(self, api: &Api) -> Result<StationCommand, Problem> {
        Ok(match self.command {
            CommandName::RemoteStart => {
                StationCommand::RemoteStart { id_tag: needed(self.id_tag, "id_tag")?, connector_id: self.connector_id }
            }
            CommandName::RemoteStop => self.remote_stop(api).await?,
            CommandName::Reset => StationCommand::Reset { hard: either(self.kind, "hard", "soft")? },
            CommandName::UnlockConnector => StationCommand::UnlockConnector { connector_id: needed(self.connector_id, "connector_id")? },
            CommandName::ClearCache => StationCommand::ClearCache,
            CommandName::TriggerMessage => StationCommand::TriggerMessage {
                requested_message: needed(self.requested_message, "requested_message")?,
                connector_id: self.connector_id,
            },
            CommandName::ChangeAvailability => StationCommand::ChangeAvailability {
                connector_id: needed(self.connector_id, "connector_id")?,
                operative: either(self.kind, "operative", "inoperative")?,
            },
            CommandName::GetConfiguration => StationCommand::GetConfiguration { keys: self.keys.unwrap_or_default() },
            CommandName::ChangeConfiguration => {
                StationCommand::ChangeConfiguration { key: needed(self.key, "key")?, value: needed(self.value, "value")? }
            }
            CommandName::DataTransfer => StationCommand::DataTransfer {
                vendor_id: needed(self.vendor_id, "vendor_id")?,
                message_id: self.message_id,
                data: self.data,
            },
        })
    }

    /// The session to be stopped: by its name, by its number, or by the name that the station gave its transaction.
    async fn remote_stop(&self, api: &Api) -> Result<StationCommand, Problem> {
        if let Some(text) = &self.session_id {
            let session = api.app.find_session(session_name(text)?).await?;
            return Ok(StationCommand::RemoteStop { session: session.id, transaction: session.transaction });
        }
        match self.transaction_id.as_ref().map(|id| (id.as_i64(), id.as_str())) {
            Some((Some(id), _)) if (1..=SessionId::MAX).contains(&id) => {
                Ok(StationCommand::RemoteStop { session: SessionId(id), transaction: api.app.transaction_name(SessionId(id)).await })
            }
            Some((None, Some(name))) => Ok(StationCommand::RemoteStop { session: SessionId(0), transaction: Some(name.to_owned()) }),
            Some(_) => {
                Err(Problem::malformed("transaction_id", "transaction_id must be from 1 to 2147483647, or the station's own name of it"))
            }
            None => needed(None, "session_id"),
        }
    }
}

fn json(result: CommandResult) -> Json<CommandAnswer> {
    Json(CommandAnswer { outcome: result.outcome, answer: result.answer })
}

/// Sends a command.
#[utoipa::path(post, operation_id = "commands_send", path = "/stations/{station_id}/commands", request_body = CommandBody,
    params(("station_id" = String, Path, min_length = 1, max_length = 48)),
    responses(
        (status = 200, description = "done", body = CommandAnswer),
    Problems,
    ))]
pub async fn send(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<CommandBody>,
) -> Result<Json<CommandAnswer>, Problem> {
    let id = station_id(&id)?;
    let command = body.command(&api).await?;
    Ok(json(api.app.send_command(&id, &command, SENT_BY).await?))
}

/// Sends a call of the station's own version.
#[utoipa::path(post, operation_id = "commands_send_call", path = "/stations/{station_id}/ocpp/{action}", request_body(content = Object),
    params(("station_id" = String, Path, min_length = 1, max_length = 48), ("action" = String, Path, max_length = 64)),
    responses(
        (status = 200, description = "done", body = CommandAnswer),
    Problems,
    ))]
pub async fn send_call(
    State(api): State<Arc<Api>>,
    Segment((id, action)): Segment<(String, String)>,
    Body(payload): Body<Map<String, Value>>,
) -> Result<Json<CommandAnswer>, Problem> {
    let id = station_id(&id)?;
    Ok(json(api.app.send_call(&id, &action, &payload, SENT_BY).await?))
}
