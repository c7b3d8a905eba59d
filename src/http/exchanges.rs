//! Messages between Juden and a station beside its transactions: stored messages of the station,
//! commands to it, and its device model.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{PageQuery, QueryParams, Segment, next_cursor, page, station_id};
use super::problem::{Problem, Problems};
use juden_core::commands::effects::CommandEffect;
use juden_core::records::Page;
use juden_core::records::{KeptReport, KeptVariable, ReportFilter, SentCommand};

/// The most characters of an action.
const ACTION_MAX: usize = 64;

/// A filter of a station's messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// Only messages with this action, such as `NotifyReport`.
    #[param(max_length = 64)]
    action: Option<String>,
    /// Only messages with this requestId.
    request_id: Option<i64>,
    /// The most items of the page, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 400)]
    cursor: Option<String>,
}

/// A stored message of a station.
#[derive(Serialize, ToSchema)]
pub struct ReportJson {
    report_id: i64,
    at: DateTime<Utc>,
    action: String,
    /// The requestId of the command that requested it.
    request_id: Option<i64>,
    /// The message's seqNo among the parts of one request.
    seq_no: Option<i64>,
    /// Whether further parts follow.
    more: bool,
    payload: Value,
}

/// Messages of a station, the newest first.
#[derive(Serialize, ToSchema)]
pub struct ReportPage {
    items: Vec<ReportJson>,
    next_cursor: Option<String>,
}

/// A command to a station.
#[derive(Serialize, ToSchema)]
pub struct SentCommandJson {
    command_id: i64,
    sent_at: DateTime<Utc>,
    /// The sender: `operator`, or `juden` itself.
    sent_by: String,
    action: String,
    payload: Value,
    /// The outcome; `null`: not known yet.
    outcome: Option<String>,
    /// The payload of the station's answer.
    answer: Option<Value>,
    answered_at: Option<DateTime<Utc>>,
    /// The effect of the command, if later events show it; `null`: it was not accepted, or only the
    /// reports show it.
    effect: Option<CommandEffectJson>,
}

/// The effect of a command.
#[derive(Serialize, ToSchema)]
pub struct CommandEffectJson {
    /// `awaited`; `started` or `not_started`; `stopped` or `not_stopped`; `booted` or `not_booted`.
    state: String,
    /// The session that the command is about.
    session_id: Option<String>,
    /// The instant of the effect.
    at: Option<DateTime<Utc>>,
}

/// Commands, the newest first.
#[derive(Serialize, ToSchema)]
pub struct SentCommandPage {
    items: Vec<SentCommandJson>,
    next_cursor: Option<String>,
}

/// A command with its effect and reports.
#[derive(Serialize, ToSchema)]
pub struct CommandDetail {
    command: SentCommandJson,
    /// The station's messages that belong to its request, in the order of their parts.
    reports: Vec<ReportJson>,
    /// Whether the last part of the reports came.
    complete: bool,
}

/// A variable of a device model.
#[derive(Serialize, ToSchema)]
pub struct VariableJson {
    /// The component, such as `EVSE(instance)@1.2`: instance, EVSE and connector only where the
    /// station names them.
    component: String,
    variable: String,
    told_at: DateTime<Utc>,
    /// The station's report: component, variable, attributes, characteristics.
    report: Value,
}

/// Variables, in the order of their names.
#[derive(Serialize, ToSchema)]
pub struct VariablePage {
    items: Vec<VariableJson>,
    next_cursor: Option<String>,
}

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

fn report(kept: &KeptReport) -> ReportJson {
    let row = &kept.row;
    ReportJson {
        report_id: kept.number,
        at: kept.at,
        action: row.action.clone(),
        request_id: row.request_id,
        seq_no: row.seq_no,
        more: row.more,
        payload: value(&row.payload),
    }
}

fn sent((kept, effect): &(SentCommand, Option<CommandEffect>)) -> SentCommandJson {
    SentCommandJson {
        command_id: kept.number,
        sent_at: kept.command.sent_at,
        sent_by: kept.command.sent_by.clone(),
        action: kept.command.action.clone(),
        payload: value(&kept.command.payload),
        outcome: kept.outcome.clone(),
        answer: kept.answer.as_deref().map(value),
        answered_at: kept.answered_at,
        effect: effect.as_ref().map(|effect| CommandEffectJson {
            state: effect.state.to_owned(),
            session_id: effect.session.as_ref().map(ToString::to_string),
            at: effect.at,
        }),
    }
}

/// Checks that the cursor of a page is a number.
fn numbered(query: Page) -> Result<Page, Problem> {
    match &query.after {
        Some(after) if after.parse::<i64>().is_err() => {
            Err(Problem::malformed("cursor", "cursor must be a next_cursor of an earlier answer"))
        }
        _ => Ok(query),
    }
}

/// Lists a station's stored messages: reports, events, update states and security events.
#[utoipa::path(get, operation_id = "stations_reports", path = "/stations/{station_id}/reports", params(("station_id" = String, Path, min_length = 1, max_length = 48), ReportQuery),
    responses((status = 200, description = "done", body = ReportPage), Problems))]
pub async fn reports(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    QueryParams(query): QueryParams<ReportQuery>,
) -> Result<Json<ReportPage>, Problem> {
    let page = numbered(page(query.limit, query.cursor)?)?;
    if query.action.as_ref().is_some_and(|action| action.chars().count() > ACTION_MAX) {
        return Err(Problem::malformed(
            "action",
            format!("action must be at most {ACTION_MAX} characters"),
        ));
    }
    let filter = ReportFilter { action: query.action, request_id: query.request_id };
    let found = api.app.commands.reports(&station_id(&id)?, &filter, &page).await?;
    let next_cursor = next_cursor(&found, &page, |kept| kept.number.to_string());
    Ok(Json(ReportPage { items: found.iter().map(report).collect(), next_cursor }))
}

/// Lists the commands to a station, with sender, time and outcome.
#[utoipa::path(get, operation_id = "commands_list", path = "/stations/{station_id}/commands", params(("station_id" = String, Path, min_length = 1, max_length = 48), PageQuery),
    responses((status = 200, description = "done", body = SentCommandPage), Problems))]
pub async fn commands(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<SentCommandPage>, Problem> {
    let page = numbered(query.page()?)?;
    let found = api.app.commands.commands(&station_id(&id)?, &page).await?;
    let next_cursor = next_cursor(&found, &page, |(kept, _)| kept.number.to_string());
    Ok(Json(SentCommandPage { items: found.iter().map(sent).collect(), next_cursor }))
}

/// Shows a command, with the station's messages that belong to its request.
#[utoipa::path(get, operation_id = "commands_get", path = "/stations/{station_id}/commands/{command_id}",
    params(("station_id" = String, Path, min_length = 1, max_length = 48), ("command_id" = i64, Path)),
    responses((status = 200, description = "done", body = CommandDetail), Problems))]
pub async fn command(
    State(api): State<Arc<Api>>,
    Segment((id, number)): Segment<(String, i64)>,
) -> Result<Json<CommandDetail>, Problem> {
    let (command, effect, reports) = api.app.commands.command(&station_id(&id)?, number).await?;
    let complete = reports.last().is_some_and(|report| !report.row.more);
    Ok(Json(CommandDetail {
        command: sent(&(command, effect)),
        reports: reports.iter().map(report).collect(),
        complete,
    }))
}

/// Lists the variables of a station's device model, as the station reported them.
#[utoipa::path(get, operation_id = "stations_device_model", path = "/stations/{station_id}/device-model", params(("station_id" = String, Path, min_length = 1, max_length = 48), PageQuery),
    responses((status = 200, description = "done", body = VariablePage), Problems))]
pub async fn device_model(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<VariablePage>, Problem> {
    let page = query.page()?;
    let found = api.app.commands.variables(&station_id(&id)?, &page).await?;
    let next_cursor = next_cursor(&found, &page, KeptVariable::cursor);
    let json = |kept: &KeptVariable| VariableJson {
        component: kept.report.component.clone(),
        variable: kept.report.variable.clone(),
        told_at: kept.at,
        report: value(&kept.report.document),
    };
    Ok(Json(VariablePage { items: found.iter().map(json).collect(), next_cursor }))
}
