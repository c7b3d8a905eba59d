//! The audit trail. Every change, and every look-up for others, is recorded before it is done, with
//! the person, the address and the reason. The header `Juden-Actor` names the person,
//! `Juden-Reason` the reason.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::Api;
use super::bodies::BODY_MAX;
use super::problem::Problem;
use juden_core::records::AuditEntry;
use juden_domain::refusal::Reason;
use juden_ocpp::secrets;

/// The header with the caller's role, such as `operator`, `member`, `call_centre`, `dealer`, and
/// perhaps a name.
const ACTOR: &str = "juden-actor";
/// The header with the reason.
const REASON: &str = "juden-reason";

/// The actor if the header is missing.
const USUAL_ACTOR: &str = "operator";

/// The role that may not change anything while the members' site is suspended.
const MEMBER: &str = "member";

/// The most characters of a header's value.
pub const TEXT_MAX: usize = 200;

/// The largest text of a body that is recorded, in bytes.
const DETAIL_MAX: usize = 4_096;

/// Fields that are never recorded, however they are spelt, and further ones in commands to
/// stations.
const SECRETS: [&str; 7] =
    ["activationcode", "password", "passwordhex", "idtag", "parentidtag", "idtoken", "grouptoken"];
const SECRETS_OF_COMMANDS: [&str; 5] =
    ["value", "data", "attributevalue", "localauthorizationlist", "certificate"];

/// The longest subject and action that are recorded, in characters. No valid name is longer.
const SUBJECT_MAX: usize = 200;
const ACTION_MAX: usize = 500;

/// Whether a request is recorded: every change, and look-ups of benefits, data for others, and
/// exports.
fn is_kept(method: &Method, path: &str) -> bool {
    !method.is_safe()
        || path.ends_with("/benefits")
        || path.ends_with("/data-provision")
        || path.ends_with("/export")
}

fn header(headers: &HeaderMap, name: &'static str) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes())
        .ok()
        .filter(|text| text.chars().count() <= TEXT_MAX && !text.chars().any(char::is_control));
    let wrong = || {
        Problem::malformed(name, format!("{name} must be at most {TEXT_MAX} printable characters"))
    };
    text.map(|text| Some(text.to_owned())).ok_or_else(wrong)
}

/// The subject of a request: the first two segments of the path, or the card or member that the
/// query names.
fn subject(path: &str, query: &str) -> String {
    let path = path.strip_prefix("/api/v1/").unwrap_or(path);
    let of_query = query.split('&').find_map(|pair| match pair.split_once('=') {
        Some(("card_number", number)) => Some(format!("cards/{number}")),
        Some(("member_id", id)) => Some(format!("members/{id}")),
        _ => None,
    });
    of_query
        .unwrap_or_else(|| path.split('/').take(2).collect::<Vec<_>>().join("/"))
        .chars()
        .take(SUBJECT_MAX)
        .collect()
}

/// The card that a member's call names in its path or body.
fn other_subject(path: &str, body: &[u8]) -> Option<String> {
    let segments: Vec<&str> = path.strip_prefix("/api/v1/")?.split('/').collect();
    let of_path = || match segments.as_slice() {
        ["members", _, "cards", number, _, ..] => Some((*number).to_owned()),
        _ => None,
    };
    let body: Option<Value> = serde_json::from_slice(body).ok();
    let of_body = body.as_ref().and_then(|body| {
        ["new_card_number", "card_number"].iter().find_map(|name| body.get(*name)?.as_str())
    });
    let number = of_body.map(str::to_owned).or_else(of_path)?;
    (segments.first() == Some(&"members"))
        .then(|| format!("cards/{number}").chars().take(SUBJECT_MAX).collect())
}

fn hide(value: &mut Value, is_command: bool) {
    let is_secret = |name: &str| {
        let plain: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        SECRETS.contains(&plain.as_str())
            || (is_command && SECRETS_OF_COMMANDS.contains(&plain.as_str()))
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                if is_secret(name) { *field = "(hidden)".into() } else { hide(field, is_command) }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| hide(item, is_command)),
        _ => {}
    }
}

/// The body as it is recorded, without secrets. A body that is not JSON is not recorded, because
/// secrets in it could not be found.
fn detail(path: &str, body: &[u8], query: &str) -> String {
    if body.is_empty() {
        return Value::String(query.chars().take(DETAIL_MAX).collect()).to_string();
    }
    let Ok(mut value) = serde_json::from_slice::<Value>(body) else {
        return "\"(no JSON)\"".to_owned();
    };
    secrets::scrub(&mut value);
    hide(&mut value, path.ends_with("/commands") || path.contains("/ocpp/"));
    let text = value.to_string();
    if text.len() > DETAIL_MAX { format!("\"({} bytes)\"", text.len()) } else { text }
}

/// The actor of the request, for use cases that store it with a change.
#[derive(Debug, Clone)]
pub struct Actor(pub String);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Actor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        _: &S,
    ) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_else(|| Self(USUAL_ACTOR.to_owned())))
    }
}

/// Records a request before it is done, and its outcome afterwards.
pub async fn keep(
    State(api): State<Arc<Api>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if !is_kept(request.method(), request.uri().path()) {
        return next.run(request).await;
    }
    match kept(&api, peer, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn kept(
    api: &Api,
    peer: SocketAddr,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX).await.map_err(|_| {
        Problem::new(413, "too_large", format!("a body has at most {BODY_MAX} bytes"))
    })?;
    let actor = header(&parts.headers, ACTOR)?.unwrap_or_else(|| USUAL_ACTOR.to_owned());
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    let entry = AuditEntry {
        at: api.app.now(),
        peer: peer.ip().to_string(),
        action: format!("{} {path}", parts.method).chars().take(ACTION_MAX).collect(),
        subject: subject(path, query),
        reason: header(&parts.headers, REASON)?.unwrap_or_default(),
        also: other_subject(path, &body),
        detail: detail(path, &body, query),
        outcome: None,
        actor,
    };
    let number = api.app.requests.begin_audit(&entry).await?;
    parts.extensions.insert(Actor(entry.actor.clone()));
    let writes = !parts.method.is_safe();
    let response =
        if writes && is_member(&entry.actor) && api.app.programme().is_site_down(entry.at) {
            Problem::refused(Reason::ServiceSuspended).into_response()
        } else {
            next.run(Request::from_parts(parts, Body::from(body))).await
        };
    let (outcome, response) = outcome(response).await;
    if let Err(cause) = api.app.requests.end_audit(number, &outcome).await {
        tracing::warn!(%cause, "the outcome of a request could not be kept in the audit trail");
    }
    Ok(response)
}

/// Whether the actor is a member: `member`, perhaps with a name after a blank, colon or slash.
fn is_member(actor: &str) -> bool {
    actor
        .trim_start()
        .split([' ', ':', '/'])
        .next()
        .is_some_and(|first| first.eq_ignore_ascii_case(MEMBER))
}

/// The answer's status, with the reason of a refusal, and the answer itself.
async fn outcome(response: Response) -> (String, Response) {
    let status = response.status();
    if !status.is_client_error() {
        return (status.as_u16().to_string(), response);
    }
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, BODY_MAX).await.unwrap_or_default();
    let reason = serde_json::from_slice::<Value>(&bytes)
        .ok()
        .and_then(|problem| Some(problem.get("reason")?.as_str()?.to_owned()));
    let text = format!("{} {}", status.as_u16(), reason.unwrap_or_default());
    (text.trim_end().to_owned(), Response::from_parts(head, Body::from(bytes)))
}

#[cfg(test)]
#[path = "audit_tests.rs"]
mod tests;
