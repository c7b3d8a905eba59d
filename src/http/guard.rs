//! Security headers of every answer, and the check of the Host header for the metrics.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::problem::Problem;

/// Headers of every answer: browsers must not guess its type, show it in a frame, or send its
/// address to other sites. The pages of the API's description use their own scripts and inline
/// styles.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; font-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
];

/// Adds the headers. Answers of the API must not be cached.
pub async fn headers(request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/v1/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if is_api {
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
    response
}

/// Passes a request for the metrics on if its Host is one of the server's own names. This stops a
/// foreign web page whose host name was pointed at this server (DNS rebinding).
pub async fn own_host(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if is_own(host(request.headers()).unwrap_or_default(), &api.app.host_names) {
        return next.run(request).await;
    }
    Problem::new(
        421,
        "other_host",
        "the figures are shown under this server's own names: see the setting http-host-names",
    )
    .into_response()
}

/// The host that a request names, without its port.
fn host(headers: &HeaderMap) -> Option<&str> {
    let named = headers.get(header::HOST)?.to_str().ok()?;
    match named.strip_prefix('[') {
        Some(six) => six.split(']').next(),
        None => named.split(':').next(),
    }
}

/// Whether a host is the server's own: an address, a name without dots (local or in its own
/// network), or a configured name.
fn is_own(host: &str, names: &[String]) -> bool {
    let is_plain = !host.is_empty() && !host.contains('.');
    is_plain
        || host.parse::<IpAddr>().is_ok()
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_somebody_else_can_have_is_not_the_servers_own() {
        let names = ["juden.example.jp".to_owned()];
        let is_own = |named: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(named).unwrap());
            is_own(host(&headers).unwrap_or_default(), &names)
        };
        for own in ["127.0.0.1:8080", "[::1]:8080", "localhost", "juden-1:8080", "Juden.Example.jp"]
        {
            assert!(is_own(own), "{own}");
        }
        for other in ["rebound.example.com:8080", "127.0.0.1.example.com", ""] {
            assert!(!is_own(other), "{other}");
        }
    }
}
