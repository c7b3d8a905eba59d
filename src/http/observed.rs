//! Measures every request, whatever its outcome, and records those of the API as spans.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use crate::telemetry::spans::TARGET;

/// Measures a request. Its route is the matched pattern, because a path itself may name a member or
/// a card.
pub async fn observe(request: Request, next: Next) -> Response {
    let method = method(&request);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let began = Instant::now();
    // Health checks and metrics come every few seconds and would hide the other spans.
    let span = if route.starts_with("/api/v1/") {
        info_span!(target: TARGET, "http.request", method, route, status = Empty)
    } else {
        Span::none()
    };
    let response = next.run(request).instrument(span.clone()).await;
    span.record("status", response.status().as_u16());
    let status = response.status().as_str().to_owned();
    metrics::histogram!("juden_http_request_seconds", "method" => method, "route" => route, "status" => status)
        .record(began.elapsed().as_secs_f64());
    response
}

/// The method if it is a standard one, else `other`, because a client may send any word.
fn method(request: &Request) -> &'static str {
    match request.method().as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}
