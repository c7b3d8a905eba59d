//! Reads requests: JSON bodies, path segments and queries. A fault names its field.

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::problem::Problem;
use juden_core::records::Page;
use juden_domain::ids::{BadId, CardNumber, MemberId, SessionId, SessionRef, StationId};
use juden_domain::month::BillingMonth;

/// The largest body in bytes.
pub const BODY_MAX: usize = 256 * 1024;

/// A sum of yen: a decimal text such as `"1000"`, or a whole number.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it says what is taken; the text alone is read")]
pub enum YenSchema {
    Text(String),
    Whole(i64),
}

/// Reads a sum of yen as text, sent as text or as a whole number.
pub fn yen_text<'de, D: serde::Deserializer<'de>>(field: D) -> Result<String, D::Error> {
    match Value::deserialize(field)? {
        Value::String(text) => Ok(text),
        Value::Number(number) if number.is_i64() => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom(
            "a sum of yen is a text such as \"1000\", or a whole number",
        )),
    }
}

/// Reads a sum of yen as text, or `None` if it is left out.
pub fn yen_text_if_named<'de, D: serde::Deserializer<'de>>(
    field: D,
) -> Result<Option<String>, D::Error> {
    match Option::<Value>::deserialize(field)? {
        None => Ok(None),
        Some(told) => yen_text(told).map(Some).map_err(serde::de::Error::custom),
    }
}

/// The longest cursor in bytes.
const CURSOR_MAX: usize = 400;

/// The most items of a page, and the number if the caller names none.
pub const PAGE_MAX: i64 = 500;
const PAGE_USUAL: i64 = 100;

/// A JSON body of type `T`.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let bytes = to_bytes(request.into_body(), BODY_MAX).await.map_err(|_| {
            Problem::new(413, "too_large", format!("a body has at most {BODY_MAX} bytes"))
        })?;
        let text = if bytes.is_empty() { &b"{}"[..] } else { &bytes };
        // serde would read a list as the fields in their order.
        if text.trim_ascii_start().first() == Some(&b'[') {
            return Err(Problem::malformed("body", "the body must be a JSON object"));
        }
        let mut reader = serde_json::Deserializer::from_slice(text);
        let value = serde_path_to_error::deserialize(&mut reader).map_err(|fault| {
            let path = fault.path().to_string();
            let message = fault.into_inner().to_string();
            Problem::malformed(field_of(&path, &message), message)
        })?;
        reader.end().map_err(|fault| Problem::malformed("body", fault.to_string()))?;
        Ok(Self(value))
    }
}

/// Reads an externally tagged enum by the variant's name and fields. A fault names a field, or
/// `command` if the name is unknown.
pub fn tagged<T: DeserializeOwned>(
    name: &str,
    fields: serde_json::Map<String, serde_json::Value>,
) -> Result<T, Problem> {
    let outside = serde_json::Map::from_iter([(name.to_owned(), fields.into())]);
    serde_path_to_error::deserialize(serde_json::Value::Object(outside)).map_err(|fault| {
        let path = fault.path().to_string();
        let message = fault.into_inner().to_string();
        let inside = path.strip_prefix(name).map_or(".", |rest| rest.trim_start_matches('.'));
        if message.starts_with("unknown variant") {
            return Problem::malformed("command", message);
        }
        Problem::malformed(field_of(inside, &message), message)
    })
}

/// The field that a fault is about: its path, and the name that the message quotes if a field is
/// missing or unknown.
fn field_of(path: &str, message: &str) -> String {
    let quoted = message.starts_with("missing field") || message.starts_with("unknown field");
    let name = message.split('`').nth(1).filter(|_| quoted);
    match (path, name) {
        ("." | "", None) => "body".to_owned(),
        ("." | "", Some(name)) => name.to_owned(),
        (path, Some(name)) if !path.ends_with(name) => format!("{path}.{name}"),
        (path, _) => path.to_owned(),
    }
}

/// Values of a path. A fault becomes a problem.
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        read.map(|Path(value)| Self(value))
            .map_err(|fault| Problem::malformed("path", fault.body_text()))
    }
}

/// Values of a query. A fault becomes a problem.
pub struct QueryParams<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        read.map(|Query(value)| Self(value)).map_err(|fault| {
            let message = fault.body_text();
            let message = message.rsplit("query string: ").next().unwrap_or_default().to_owned();
            let path = message.split(": ").next().unwrap_or("query").to_owned();
            Problem::malformed(
                if path.contains(' ') { field_of(".", &message) } else { path },
                message,
            )
        })
    }
}

/// The page of a list.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PageQuery {
    /// The most items of the page, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 400)]
    cursor: Option<String>,
}

impl PageQuery {
    /// The requested page.
    pub fn page(self) -> Result<Page, Problem> {
        page(self.limit, self.cursor)
    }
}

/// The page for a query's `limit` and `cursor`.
pub fn page(limit: Option<i64>, cursor: Option<String>) -> Result<Page, Problem> {
    let limit = limit.unwrap_or(PAGE_USUAL);
    if !(1..=PAGE_MAX).contains(&limit) {
        return Err(Problem::malformed("limit", format!("limit must be from 1 to {PAGE_MAX}")));
    }
    if cursor.as_ref().is_some_and(|cursor| cursor.len() > CURSOR_MAX) {
        return Err(Problem::malformed(
            "cursor",
            "cursor must be a next_cursor of an earlier answer",
        ));
    }
    Ok(Page { after: cursor, limit })
}

fn bad(fault: BadId) -> Problem {
    Problem::malformed(fault.what, fault.to_string())
}

/// A station's identity.
pub fn station_id(text: &str) -> Result<StationId, Problem> {
    StationId::parse(text).map_err(bad)
}

/// A member id.
pub fn member_id(text: &str) -> Result<MemberId, Problem> {
    MemberId::parse(text).map_err(bad)
}

/// A card number.
pub fn card_number(text: &str) -> Result<CardNumber, Problem> {
    CardNumber::parse(text).map_err(bad)
}

/// A session's number, as the cursors of lists use it.
pub fn session_number(text: &str) -> Result<SessionId, Problem> {
    SessionId::parse(text).map_err(bad)
}

/// Checks a session's reference, or its number.
pub fn session_name(text: &str) -> Result<&str, Problem> {
    SessionRef::parse(text).map_err(bad)?;
    Ok(text)
}

/// A month.
pub fn month(text: &str) -> Result<BillingMonth, Problem> {
    BillingMonth::parse(text).ok_or_else(|| {
        Problem::malformed(
            "month",
            format!("month must be YYYY-MM such as 2026-11, not {text:.40?}"),
        )
    })
}

/// The cursor of the next page: of the last item, if this page is full.
pub fn next_cursor<T>(items: &[T], page: &Page, cursor: impl Fn(&T) -> String) -> Option<String> {
    let is_full = i64::try_from(items.len()).unwrap_or(i64::MAX) == page.limit;
    items.last().filter(|_| is_full).map(cursor)
}

#[cfg(test)]
#[path = "bodies_tests.rs"]
mod tests;
