//! The operator's key: `Authorization: Bearer KEY`. Wrong keys are counted per address.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;

/// Wrong keys of one address within a minute after which it is told to wait.
pub const WRONG_KEYS_MAX: u32 = 30;

/// Wrong keys of one address within a minute after which each is answered slowly; by how much, and how many at once.
const WRONG_KEYS_AT_ONCE: u32 = 5;
const SLOWED_BY: Duration = Duration::from_millis(500);
pub const SLOWED_MAX: usize = 50;

/// Seconds to wait then.
const WAIT_S: u64 = 60;

/// Lets the operator pass.
pub async fn check(
    State(api): State<Arc<Api>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let key = shown
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    if key.is_some_and(|(_, key)| api.admin_key.is(key.trim())) {
        return next.run(request).await;
    }
    let failures = api.failures.get(&peer.ip()).unwrap_or(0) + 1;
    if key.is_some() {
        api.failures.insert(peer.ip(), failures);
    }
    if failures > WRONG_KEYS_MAX {
        return Problem::later(429, "too_many_tries", "too many wrong keys: wait a minute", WAIT_S)
            .into_response();
    }
    // Who guesses waits; whoever has the key never does, also from the same address. Only so many wait at once.
    if failures > WRONG_KEYS_AT_ONCE {
        match api.slowed.try_acquire() {
            Ok(_place) => tokio::time::sleep(SLOWED_BY).await,
            Err(_) => {
                return Problem::later(
                    429,
                    "too_many_tries",
                    "too many wrong keys: wait a minute",
                    WAIT_S,
                )
                .into_response();
            }
        }
    }
    let problem =
        Problem::new(401, "unauthorized", "send the operator's key as Authorization: Bearer KEY");
    let mut response = problem.into_response();
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}
