//! Closing months and fetching their exports.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::Sender;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{Asked, Body, Segment, month};
use super::cards::EmptyBody;
use super::problem::{Problem, Problems};
use crate::app::AppError;
use crate::domain::month::BillingMonth;
use crate::export::Format;

/// Pieces of an export that are written ahead of their reader.
const PIECES_AHEAD: usize = 2;

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
    /// `csv`, `jsonl`, `ocpi-cdr` or `collection`.
    #[param(pattern = "^(csv|jsonl|ocpi-cdr|collection)$")]
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
    let format =
        Format::parse(&query.format).ok_or_else(|| Problem::malformed("format", "format must be csv, jsonl, ocpi-cdr or collection"))?;
    api.app.closed(month).await?;
    let name = format!("attachment; filename=\"juden-{month}.{}\"", format.ending());
    let (pieces, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, AppError>>(PIECES_AHEAD);
    tokio::spawn(async move {
        if let Err(cause) = send(&api, month, format, &pieces).await {
            tracing::warn!(%month, %cause, "an export ended before its end");
            let _ = pieces.send(Err(cause)).await;
        }
    });
    let stream = futures_util::stream::unfold(body, |mut body| async move { body.recv().await.map(|piece| (piece, body)) });
    let headers = [(header::CONTENT_TYPE, format.content_type().to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, axum::body::Body::from_stream(stream)).into_response())
}

/// Sends an export's pieces until its end, or until nobody reads on.
async fn send(api: &Api, month: BillingMonth, format: Format, pieces: &Sender<Result<Vec<u8>, AppError>>) -> Result<(), AppError> {
    let mut export = api.app.export(month, format).await?;
    while let Some(piece) = export.next().await? {
        if pieces.send(Ok(piece)).await.is_err() {
            break;
        }
    }
    Ok(())
}
