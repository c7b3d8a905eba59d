//! Errors as RFC 9457 `application/problem+json`: the fault, its field, the article, and when to
//! try again.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use tracing::error;
use utoipa::{IntoResponses, ToSchema};

use juden_core::error::AppError;
use juden_domain::refusal::Reason;

/// The Retry-After of a busy server, in seconds.
const BUSY_RETRY_S: u64 = 2;

/// A problem.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`; `reason` names the kind of problem.
    #[serde(rename = "type")]
    kind: &'static str,
    /// The status in words.
    title: String,
    /// The HTTP status.
    status: u16,
    /// A code for programs.
    reason: String,
    /// A sentence for people.
    detail: String,
    /// The article of the member terms that a refusal rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    article: Option<&'static str>,
    /// The field that is malformed.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The first instant at which the request is no longer refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    not_before: Option<DateTime<Utc>>,
    #[serde(skip)]
    retry_after_s: Option<u64>,
}

/// The problems that any call may answer.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only its description is used")]
pub enum Problems {
    /// The request was refused; the problem gives the reason.
    #[response(status = "4XX", content_type = "application/problem+json")]
    Refused(Problem),
    /// The server is busy; try again later.
    #[response(status = 503, content_type = "application/problem+json")]
    Busy(Problem),
}

impl Problem {
    /// A problem with an HTTP status.
    pub fn new(status: u16, reason: &str, detail: impl Into<String>) -> Self {
        let title = StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Error");
        Self {
            kind: "about:blank",
            title: title.to_owned(),
            status,
            reason: reason.to_owned(),
            detail: detail.into(),
            article: None,
            field: None,
            not_before: None,
            retry_after_s: None,
        }
    }

    /// The problem of a field with a value that is not allowed.
    pub fn malformed(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(422, "malformed", detail) }
    }

    /// The problem of a refusal by a rule.
    pub fn refused(reason: Reason) -> Self {
        Self { article: Some(reason.article()), ..Self::new(409, reason.code(), reason.sentence()) }
    }

    /// A problem that passes, with its Retry-After.
    pub fn later(status: u16, reason: &str, detail: impl Into<String>, retry_after_s: u64) -> Self {
        Self { retry_after_s: Some(retry_after_s), ..Self::new(status, reason, detail) }
    }
}

impl From<AppError> for Problem {
    fn from(cause: AppError) -> Self {
        let detail = cause.to_string();
        match cause {
            AppError::NotFound { .. } => Self::new(404, "not_found", detail),
            AppError::Refused(reason) => Self::refused(reason),
            AppError::RefusedUntil { reason, not_before } => {
                Self { not_before: Some(not_before), ..Self::refused(reason) }
            }
            AppError::Conflict { reason, .. } => Self::new(409, reason, detail),
            AppError::Changed => Self::new(412, "changed", detail),
            AppError::Invalid { field, .. } => Self::malformed(field, detail),
            AppError::TooMany { retry_after_s, .. } => {
                Self::later(429, "too_many_tries", detail, retry_after_s)
            }
            AppError::Busy(_) => Self::later(503, "busy", detail, BUSY_RETRY_S),
            AppError::Unreadable(cause) => {
                error!(%cause, "a request was not answered");
                Self::new(
                    500,
                    "unreadable",
                    format!(
                        "{cause}: a newer version wrote it, or another program; nothing is made of it here"
                    ),
                )
            }
            AppError::NoRoom(cause) => Self::later(503, "busy", cause.to_string(), BUSY_RETRY_S),
            AppError::Store(cause) => {
                error!(%cause, "the store failed a request");
                Self::later(503, "busy", "the store cannot answer now: try again", BUSY_RETRY_S)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
