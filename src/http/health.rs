//! Is the process alive, can it work, and its figures.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;

/// The process lives.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The store answers. The schema is up to date, or the process would not have started.
pub async fn readyz(State(api): State<Arc<Api>>) -> Response {
    match api.app.store.ping().await {
        Ok(()) => "ready\n".into_response(),
        Err(cause) => {
            tracing::warn!(%cause, "the store does not answer");
            Problem::later(503, "busy", "the store does not answer", 5).into_response()
        }
    }
}

/// Metrics for Prometheus.
pub async fn metrics(State(api): State<Arc<Api>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render()).into_response()
}
