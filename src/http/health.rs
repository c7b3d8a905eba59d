//! Liveness, readiness and metrics.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::Api;
use super::problem::Problem;

/// Liveness: the process answers.
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The part whose readiness is checked.
#[derive(Deserialize)]
pub struct Of {
    /// `store`: without the other nodes, because stations are served without them. `months`: only
    /// the last automatic close of a month.
    of: Option<String>,
}

/// Readiness: the store accepts writes, the clock is not in doubt, and the other nodes can be
/// reached. The schema is up to date, or the process would not have started.
pub async fn readyz(State(api): State<Arc<Api>>, Query(asked): Query<Of>) -> Response {
    let red = |why: String| Problem::later(503, "busy", why, 5).into_response();
    if asked.of.as_deref() == Some("months") {
        return match api.app.health.months() {
            Ok(()) => "ready\n".into_response(),
            Err(cause) => red(format!(
                "the last automatic close of a month failed, and is tried again: {cause}"
            )),
        };
    }
    if let Err(cause) = api.app.health.store_stands().await {
        return red(format!("the store does not take writes: {cause}"));
    }
    if let Some(newest) = api.app.health.clock_in_doubt(api.app.now()) {
        return red(format!(
            "the store lies ahead of this machine's clock, it holds what happened at {newest}: no station is served until the clock is put \
             right, or POST /api/v1/clock/trust says that it is"
        ));
    }
    match api.app.cluster.health() {
        Err(cause) if asked.of.as_deref() != Some("store") => {
            tracing::warn!(%cause, "the other nodes cannot be reached");
            Problem::later(
                503,
                "busy",
                format!("the store answers; the other nodes cannot be reached: {cause}"),
                5,
            )
            .into_response()
        }
        _ => "ready\n".into_response(),
    }
}

/// Metrics for Prometheus.
pub async fn metrics(State(api): State<Arc<Api>>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], api.metrics.render()).into_response()
}
