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

/// Wrong keys from one address within a minute, after which the address is refused for a while.
pub const WRONG_KEYS_MAX: u32 = 30;

/// Wrong keys from one address within a minute, after which each answer is delayed; the delay; and
/// the most delayed answers at once.
const WRONG_KEYS_AT_ONCE: u32 = 5;
const SLOWED_BY: Duration = Duration::from_millis(500);
pub const SLOWED_MAX: usize = 50;

/// The Retry-After of that refusal, in seconds.
const WAIT_S: u64 = 60;

/// Passes requests with the operator's key on, and answers others with 401 or 429.
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
    // Only wrong keys are delayed. A request with the right key never is, even from the same
    // address. The number of delayed answers is limited.
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
