//! Closing months and fetching their exports.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::Sender;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{Body, QueryParams, Segment, month};
use super::cards::EmptyBody;
use super::problem::{Problem, Problems};
use juden_core::error::AppError;
use juden_core::export::Format;
use juden_domain::month::BillingMonth;

/// Pieces of an export that are made ahead of their reader.
const PIECES_AHEAD: usize = 2;

/// A closed month.
#[derive(Serialize, ToSchema)]
pub struct ClosedJson {
    month: String,
    closed_at: DateTime<Utc>,
    /// The number of members with invoices.
    members: i64,
    /// The number of billed sessions.
    sessions: i64,
    total_yen: String,
    /// The SHA-256 of the month's CSV export.
    sha256: String,
}

/// The format of an export.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// The format: `csv`, `jsonl`, `ocpi-cdr`, `collection` or `refunds`.
    #[param(pattern = "^(csv|jsonl|ocpi-cdr|collection|refunds)$")]
    format: String,
    /// `1`: the file begins with a byte order mark, so that spreadsheets read it as UTF-8. Only for
    /// `csv`, `collection` and `refunds`.
    #[param(pattern = "^[01]$")]
    excel: Option<String>,
}

impl ExportQuery {
    fn format(&self) -> Result<Format, Problem> {
        Format::parse(&self.format).ok_or_else(|| {
            Problem::malformed(
                "format",
                "format must be csv, jsonl, ocpi-cdr, collection or refunds",
            )
        })
    }

    fn is_for_excel(&self, format: Format) -> Result<bool, Problem> {
        match self.excel.as_deref() {
            None | Some("0") => Ok(false),
            Some("1") if format.is_table() => Ok(true),
            Some("1") => Err(Problem::malformed(
                "excel",
                "excel=1 goes with csv, collection and refunds: other formats are no tables",
            )),
            Some(_) => Err(Problem::malformed("excel", "excel must be 0 or 1")),
        }
    }
}

/// The byte order mark, by which spreadsheets know that a file is UTF-8.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Closes a past month. For a closed month, the answer of its close is repeated.
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
    let closed = api.app.closing.close_month(month(&text)?).await?;
    Ok(Json(ClosedJson {
        month: closed.month.to_string(),
        closed_at: closed.closed_at,
        members: closed.members,
        sessions: closed.sessions,
        total_yen: closed.total.to_string(),
        sha256: closed.sha256,
    }))
}

/// Exports a closed month as a file.
#[utoipa::path(get, operation_id = "months_export", path = "/months/{month}/export", params(("month" = String, Path, pattern = r"^\d{4}-\d{2}$"), ExportQuery),
    responses(
        (status = 200, description = "the file", content((String = "text/csv"), (String = "application/x-ndjson"))),
    Problems,
    ))]
pub async fn export(
    State(api): State<Arc<Api>>,
    Segment(text): Segment<String>,
    QueryParams(query): QueryParams<ExportQuery>,
) -> Result<Response, Problem> {
    let month = month(&text)?;
    let format = query.format()?;
    let mark = query.is_for_excel(format)?.then(|| BYTE_ORDER_MARK.to_vec());
    // A refusal must be known before the first byte is sent.
    api.app.billing.export(month, format).await?;
    let name = format!("attachment; filename=\"juden-{month}.{}\"", format.ending());
    let (pieces, body) = tokio::sync::mpsc::channel::<Result<Vec<u8>, AppError>>(PIECES_AHEAD);
    tokio::spawn(async move {
        if let Some(mark) = mark
            && pieces.send(Ok(mark)).await.is_err()
        {
            return;
        }
        if let Err(cause) = send(&api, month, format, &pieces).await {
            tracing::warn!(%month, %cause, "an export ended before its end");
            let _ = pieces.send(Err(cause)).await;
        }
    });
    let stream = futures_util::stream::unfold(body, |mut body| async move {
        body.recv().await.map(|piece| (piece, body))
    });
    let headers = [
        (header::CONTENT_TYPE, format.content_type().to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, axum::body::Body::from_stream(stream)).into_response())
}

/// Shows the manifest of an export: totals, length, hash, program version and tariffs.
#[utoipa::path(get, operation_id = "months_export_manifest", path = "/months/{month}/export/manifest",
    params(("month" = String, Path, pattern = r"^\d{4}-\d{2}$"), ExportQuery),
    responses((status = 200, description = "the manifest of the file without a byte order mark", body = Value), Problems))]
pub async fn manifest(
    State(api): State<Arc<Api>>,
    Segment(text): Segment<String>,
    QueryParams(query): QueryParams<ExportQuery>,
) -> Result<Json<Value>, Problem> {
    let format = query.format()?;
    query.is_for_excel(format)?;
    Ok(Json(api.app.billing.manifest(month(&text)?, format).await?))
}

/// Sends an export's pieces until its end, or until the reader is gone.
async fn send(
    api: &Api,
    month: BillingMonth,
    format: Format,
    pieces: &Sender<Result<Vec<u8>, AppError>>,
) -> Result<(), AppError> {
    let mut export = api.app.billing.export(month, format).await?;
    while let Some(piece) = export.next().await? {
        if pieces.send(Ok(piece)).await.is_err() {
            break;
        }
    }
    Ok(())
}
