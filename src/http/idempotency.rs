//! The header `Idempotency-Key`: a POST that is repeated with the same key gets the first answer.
//! The same key with another body is refused.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Api;
use super::bodies::BODY_MAX;
use super::problem::Problem;
use juden_core::records::{KeptAnswer, Once};
use juden_core::requests::once::{self, Earlier, OnceRequest};
use juden_domain::hex;

/// The end of the path whose answers hold a card's authentication code, which is never stored in
/// clear.
const CARDS: &str = "/cards";

/// The name of the header.
const HEADER: &str = "idempotency-key";

/// The most characters of a key.
pub const KEY_MAX: usize = 200;

fn key(headers: &HeaderMap) -> Option<Result<String, Problem>> {
    let value = headers.get(HEADER)?;
    let valid = value.to_str().ok().filter(|key| !key.is_empty() && key.len() <= KEY_MAX);
    Some(valid.map(str::to_owned).ok_or_else(|| {
        Problem::malformed(
            "Idempotency-Key",
            format!("Idempotency-Key must be 1 to {KEY_MAX} visible characters"),
        )
    }))
}

/// The longest request that is stored as text, in bytes. A longer one is stored by its hash.
const REQUEST_MAX: usize = 500;

/// The request as it is stored.
fn what_is_asked(uri: &Uri) -> String {
    let asked = format!("POST {uri}");
    if asked.len() <= REQUEST_MAX {
        asked
    } else {
        format!(
            "POST {} {}",
            uri.path().chars().take(100).collect::<String>(),
            hex::sha256(asked.as_bytes())
        )
    }
}

/// Answers a repeat with the stored answer, and stores a first answer.
pub async fn replay(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let key = match key(request.headers()).filter(|_| request.method() == Method::POST) {
        None => return next.run(request).await,
        Some(Err(problem)) => return problem.into_response(),
        Some(Ok(key)) => key,
    };
    match remembered(&api, key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn remembered(
    api: &Api,
    key: String,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let what = what_is_asked(request.uri());
    let (parts, body) = request.into_parts();
    let makes_code = parts.uri.path().ends_with(CARDS);
    let body = to_bytes(body, BODY_MAX).await.map_err(|_| {
        Problem::new(413, "too_large", format!("a body has at most {BODY_MAX} bytes"))
    })?;
    let body_sha256 = hex::sha256(&body);
    // A repeat is answered only after the first request with the key has ended.
    let place = format!("{key} {what}");
    if !api.running.insert(place.clone()) {
        return Err(Problem::later(
            409,
            "in_progress",
            "the first request under this key is still running: repeat it later",
            1,
        ));
    }
    let _running = Running { api, place: &place };
    let Some(_turn) = api.app.requests.try_turn(&place).await? else {
        return Err(Problem::later(
            409,
            "in_progress",
            "the first request under this key is still running: repeat it later",
            1,
        ));
    };
    if let Some(kept) = api.secret_answers.get(&place) {
        return repeated(kept, &body_sha256);
    }
    let done = match api.app.requests.earlier(&key, &what).await? {
        Earlier::Answered(kept) => return repeated(kept, &body_sha256),
        Earlier::Done(of_body, _) if of_body != body_sha256 => return Err(other_body()),
        // The request was done, but its answer was lost. The answer is built again from what it
        // made.
        Earlier::Done(_, subject) => Some(subject),
        Earlier::Nothing => None,
    };
    let once = Once {
        key: key.clone(),
        request: what.clone(),
        body_sha256: body_sha256.clone(),
        at: api.app.now(),
    };
    let response = once::under(
        OnceRequest { once, done },
        next.run(Request::from_parts(parts, Body::from(body))),
    )
    .await;
    let status = response.status();
    let content_type = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_owned();
    // Answers that may differ next time are not stored.
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Ok(response);
    }
    let (head, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX)
        .await
        .map_err(|_| Problem::new(500, "internal", "the answer could not be kept"))?;
    let kept = KeptAnswer {
        body_sha256,
        status: status.as_u16(),
        content_type,
        answer: String::from_utf8_lossy(&bytes).into_owned(),
    };
    if makes_code {
        api.secret_answers.insert(place.clone(), kept);
        return Ok(Response::from_parts(head, Body::from(bytes)));
    }
    if let Err(cause) = api.app.requests.keep_answer(&key, &what, &kept).await {
        tracing::warn!(%cause, "an answer could not be kept for repeats of its request");
    }
    Ok(Response::from_parts(head, Body::from(bytes)))
}

/// Marks a key whose request is running. The mark is removed when the request ends, however it
/// ends.
struct Running<'a> {
    api: &'a Api,
    place: &'a str,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.api.running.remove(self.place);
    }
}

fn other_body() -> Problem {
    Problem::malformed("Idempotency-Key", "this key was used for another body: take a new one")
}

/// The first answer, if the body is the same.
fn repeated(kept: KeptAnswer, body_sha256: &str) -> Result<Response, Problem> {
    if kept.body_sha256 != body_sha256 {
        return Err(other_body());
    }
    Ok(answer(kept.status, &kept.content_type, kept.answer.into_bytes().into()))
}

fn answer(status: u16, content_type: &str, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, value);
    }
    response
}
