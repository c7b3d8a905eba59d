//! The WebSocket handshake. A station is accepted or refused before the upgrade. A refusal is an
//! HTTP status, and is counted and shown to the operator.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper::{Request, Response, StatusCode};
use moka::sync::Cache;
use percent_encoding::percent_decode_str;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{Link, deflate, terminator};
use juden_core::cluster::Cluster;
use juden_core::error::AppError;
use juden_core::stations::access::{Admitted, Credentials, Denied, Transport};
use juden_core::stations::refusals::HandshakeRefusal;

/// Wrong passwords of one identity and address within a minute, after which further tries are
/// delayed.
const FAILURES_BEFORE_SLOW: u32 = 5;

/// The delay of such a try.
const SLOW_TRY: Duration = Duration::from_millis(250);

/// The most pairs of identity and address whose failures are counted.
const FAILURES_COUNTED: u64 = 100_000;

/// The least time of a refusal if passwords are required.
const DENIED_AFTER: Duration = Duration::from_millis(300);

/// A handshake that is accepted, and the stream of the connection.
pub struct Entering {
    /// The station, and the protocol of the connection.
    pub admitted: Admitted,
    /// Whether permessage-deflate was agreed on.
    pub deflated: bool,
    /// The stream after the upgrade.
    pub upgrade: OnUpgrade,
}

impl Entering {
    /// The upgraded stream.
    pub async fn stream(self) -> Result<(Admitted, bool, Upgraded), hyper::Error> {
        Ok((self.admitted, self.deflated, self.upgrade.await?))
    }
}

/// Delays tries after wrong passwords. A station is never locked out, and password hashing cannot
/// use up the machine.
pub struct PasswordThrottle {
    failures: Cache<String, u32>,
}

impl PasswordThrottle {
    /// A throttle without failures.
    pub fn new() -> Self {
        Self {
            failures: Cache::builder()
                .max_capacity(FAILURES_COUNTED)
                .time_to_live(FAILURES_WINDOW)
                .build(),
        }
    }

    async fn wait(&self, key: &str) {
        if self.failures.get(key).unwrap_or(0) >= FAILURES_BEFORE_SLOW {
            tokio::time::sleep(SLOW_TRY).await;
        }
    }

    /// Counts a failure on this node, and on all nodes if they can be reached.
    async fn failed(&self, key: String, cluster: &dyn Cluster) {
        let here = self.failures.get(&key).unwrap_or(0).saturating_add(1);
        let everywhere = cluster.count_failure(&key, FAILURES_WINDOW).await.unwrap_or(0);
        self.failures.insert(key, here.max(everywhere));
    }
}

/// The time for which failures are counted.
const FAILURES_WINDOW: Duration = Duration::from_secs(60);

/// Answers a handshake, and hands an accepted station over to `upgraded`.
pub async fn answer(
    link: &Arc<Link>,
    mut request: Request<Incoming>,
    peer: SocketAddr,
    transport: &Transport,
    upgraded: &mpsc::Sender<Entering>,
) -> Response<Full<Bytes>> {
    let Some(key) =
        websocket_key(request.headers()).filter(|_| request.method() == hyper::Method::GET)
    else {
        let mut response = refusal(
            StatusCode::UPGRADE_REQUIRED,
            "this is an OCPP endpoint: connect by WebSocket, version 13",
        );
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        response.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return response;
    };
    let began = Instant::now();
    let believed = terminator::transport_behind_terminator(
        &link.settings.terminators,
        request.headers(),
        peer,
    );
    let (transport, peer) =
        believed.as_ref().map_or((transport, peer), |(transport, from)| (transport, *from));
    let identity = identity(request.uri().path(), request.uri().query());
    let credentials = credentials(request.headers());
    let throttle_key =
        format!("{}|{}", peer.ip(), identity.as_deref().unwrap_or_default().to_lowercase());
    link.throttle.wait(&throttle_key).await;
    let Ok(place) = link.handshakes.acquire().await else {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    };
    let admitted = match &identity {
        None => Ok(Err(Denied::BadIdentity)),
        Some(identity) => link.app.stations.admit_station(identity, &credentials, transport).await,
    };
    drop(place);
    match admitted {
        Err(AppError::Busy(_)) => busy(),
        Err(cause) => {
            tracing::error!(%cause, "a handshake could not be decided");
            busy()
        }
        Ok(Err(denied)) => {
            if denied == Denied::Password {
                link.throttle.failed(throttle_key, link.app.cluster.as_ref()).await;
            }
            let hides = link.app.stations.hides_unknown_stations() && denied.is_of_who_comes();
            if hides {
                // An equal duration hides the cause, as the text does.
                tokio::time::sleep_until(began + DENIED_AFTER).await;
            }
            deny(link, identity.unwrap_or_default(), peer, denied, hides)
        }
        Ok(Ok(admitted)) => {
            let deflated = deflate::is_agreed(request.headers());
            let response = switch(&key, &admitted, deflated);
            let entering =
                Entering { admitted, deflated, upgrade: hyper::upgrade::on(&mut request) };
            match upgraded.try_send(entering) {
                Ok(()) => response,
                Err(_) => refusal(StatusCode::BAD_REQUEST, "one handshake a connection"),
            }
        }
    }
}

/// The answer to a handshake that cannot be decided now.
fn busy() -> Response<Full<Bytes>> {
    let mut response =
        refusal(StatusCode::SERVICE_UNAVAILABLE, "the central system is busy: try again");
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// Refuses a handshake. With `hides`, the answer does not reveal which stations exist.
fn deny(
    link: &Link,
    identity: String,
    peer: SocketAddr,
    denied: Denied,
    hides: bool,
) -> Response<Full<Bytes>> {
    let (status, reason) = denied.told();
    let status = if hides { 401 } else { status };
    link.app.refusals.note(HandshakeRefusal {
        at: link.app.now(),
        peer: peer.to_string(),
        station_id: identity.chars().take(64).filter(|c| !c.is_control()).collect(),
        status,
        reason,
    });
    let words = if hides { "unauthorized" } else { reason };
    let mut response =
        refusal(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), words);
    if status == 401 {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"ocpp\""));
    }
    response
}

fn refusal(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(format!("{why}\n")));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn switch(key: &str, admitted: &Admitted, deflated: bool) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if deflated {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(deflate::AGREED));
    }
    if admitted.named {
        headers.insert(
            header::SEC_WEBSOCKET_PROTOCOL,
            HeaderValue::from_static(admitted.protocol.subprotocol()),
        );
    }
    response
}

/// All tokens of a header, over commas and repeated headers.
fn tokens(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty())
        .collect()
}

/// The handshake's key, if the request is a WebSocket handshake. A missing `Connection: Upgrade` or
/// version is tolerated, because some firmware omits them.
fn websocket_key(headers: &HeaderMap) -> Option<String> {
    let upgrades = tokens(headers, &header::UPGRADE)
        .iter()
        .any(|token| token.eq_ignore_ascii_case("websocket"));
    let version = headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version.as_bytes() == b"13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?.to_str().ok()?;
    (upgrades && version).then(|| key.to_owned())
}

/// Names of query parameters that hold an identity.
const QUERY_NAMES: [&str; 4] = ["id", "identity", "chargePointId", "chargingStationId"];

/// The identity: the last non-empty segment of the path, percent-decoded, or a query parameter if
/// the path is only the endpoint.
fn identity(path: &str, query: Option<&str>) -> Option<String> {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let (first, last) = (segments.next(), segments.next_back());
    let told = || {
        let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
        let mut told =
            pairs.filter(|(name, value)| QUERY_NAMES.contains(name) && !value.is_empty());
        told.next().map(|(_, value)| value)
    };
    let segment = match (first, last) {
        (_, Some(last)) => last,
        // Without a query parameter, the endpoint's name is read as a station's identity.
        (Some(ENDPOINT), None) => told().unwrap_or(ENDPOINT),
        (Some(only), None) => only,
        (None, None) => told()?,
    };
    percent_decode_str(segment).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The path of the endpoint.
const ENDPOINT: &str = "ocpp";

fn credentials(headers: &HeaderMap) -> Credentials {
    let basic = headers.get(header::AUTHORIZATION).and_then(|value| {
        let (scheme, encoded) = value.to_str().ok()?.split_once(' ')?;
        let bytes = STANDARD
            .decode(encoded.trim())
            .ok()
            .filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
        let colon = bytes.iter().position(|byte| *byte == b':')?;
        Some((bytes[..colon].to_vec(), bytes[colon + 1..].to_vec()))
    });
    Credentials { basic, offered: tokens(headers, &header::SEC_WEBSOCKET_PROTOCOL) }
}

#[cfg(test)]
#[path = "handshake_tests.rs"]
mod tests;
