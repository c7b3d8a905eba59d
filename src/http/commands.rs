//! Commands to stations: those that do not depend on the OCPP version, and any CALL of the
//! station's version.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::header::LOCATION;
use axum::response::AppendHeaders;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, Segment, station_id};
use super::command_body::CommandBody;
use super::problem::{Problem, Problems};
use juden_core::commands::sending::CommandResult;
use juden_domain::ids::StationId;

/// The sender that is stored with the API's commands.
const SENT_BY: &str = "operator";

/// The outcome of a command.
#[derive(Serialize, ToSchema)]
pub struct CommandAnswer {
    /// `accepted`, `rejected` or another status of the station; `unknown`: it did not answer;
    /// `error`: it answered with an error.
    outcome: String,
    /// The payload of the station's answer.
    #[schema(value_type = Object)]
    answer: Value,
}

/// The outcome of a command, and the Location where the command can be looked up.
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
    Body(fields): Body<Map<String, Value>>,
) -> Result<Sent, Problem> {
    let id = station_id(&id)?;
    let command = CommandBody::read(fields)?.command(&api, &id).await?;
    Ok(sent(&id, api.app.commands.send_command(&id, &command, SENT_BY).await?))
}

/// Sends a CALL of the station's own OCPP version.
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
