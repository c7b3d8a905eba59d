//! Is the process alive, can it work, and its figures.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Api;
use super::problem::Problem;

/// The process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// What readiness is asked of.
#[derive(Deserialize)]
pub struct Of {
    /// `store`: of the store alone. Stations are served without the other nodes.
    of: Option<String>,
}

/// The store answers, and the other nodes can be reached. The schema is up to date, or the process would not
/// have started.
pub async fn readyz(State(api): State<Arc<Api>>, Query(asked): Query<Of>) -> Response {
    if let Err(cause) = api.app.store.ping().await {
        tracing::warn!(%cause, "the store does not answer");
        return Problem::later(503, "busy", "the store does not answer", 5).into_response();
    }
    match api.app.cluster.health() {
        Err(cause) if asked.of.as_deref() != Some("store") => {
            tracing::warn!(%cause, "the other nodes cannot be reached");
            Problem::later(503, "busy", format!("the store answers; the other nodes cannot be reached: {cause}"), 5).into_response()
        }
        _ => "ready\n".into_response(),
    }
}

/// Metrics for Prometheus.
pub async fn metrics(State(api): State<Arc<Api>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render()).into_response()
}
