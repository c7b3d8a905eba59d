//! Closing months and fetching their exports.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{Asked, Body, Segment, month};
use super::cards::EmptyBody;
use super::problem::{Problem, Problems};
use crate::export::Format;

/// A closed month.
#[derive(Serialize, ToSchema)]
pub struct ClosedJson {
    month: String,
    closed_at: DateTime<Utc>,
    /// How many bills it has.
    members: i64,
    /// How many sessions were billed.
    sessions: i64,
    total_yen: String,
    /// The hash of its CSV export.
    sha256: String,
}

/// Which format.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// `csv` or `jsonl`.
    #[param(pattern = "^(csv|jsonl)$")]
    format: String,
}

/// Closes a month that is over. A closed one answers as it was closed.
#[utoipa::path(post, operation_id = "months_close", path = "/months/{month}/close", request_body = EmptyBody,
    params(("month" = String, Path, pattern = r"^\d{4}-\d{2}$")),
    responses(
        (status = 200, description = "done", body = ClosedJson),
    Problems,
    ))]
pub async fn close(
    State(api): State<Arc<Api>>,
    Segment(text): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<ClosedJson>, Problem> {
    let closed = api.app.close_month(month(&text)?).await?;
    Ok(Json(ClosedJson {
        month: closed.month.to_string(),
        closed_at: closed.closed_at,
        members: closed.members,
        sessions: closed.sessions,
        total_yen: closed.total.to_string(),
        sha256: closed.sha256,
    }))
}

/// A closed month's export.
#[utoipa::path(get, operation_id = "months_export", path = "/months/{month}/export", params(("month" = String, Path, pattern = r"^\d{4}-\d{2}$"), ExportQuery),
    responses(
        (status = 200, description = "the file", content((String = "text/csv"), (String = "application/x-ndjson"))),
    Problems,
    ))]
pub async fn export(
    State(api): State<Arc<Api>>,
    Segment(text): Segment<String>,
    Asked(query): Asked<ExportQuery>,
) -> Result<Response, Problem> {
    let month = month(&text)?;
    let format = Format::parse(&query.format).ok_or_else(|| Problem::malformed("format", "format must be csv or jsonl"))?;
    let (_, invoices) = api.app.closed_invoices(month).await?;
    let bytes = format.render(&invoices).map_err(|_| Problem::later(503, "busy", "the export could not be written", 2))?;
    let name = format!("attachment; filename=\"juden-{month}.{}\"", format.name());
    Ok(([(header::CONTENT_TYPE, format.content_type().to_owned()), (header::CONTENT_DISPOSITION, name)], bytes).into_response())
}
