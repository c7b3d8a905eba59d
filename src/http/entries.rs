//! Entries: sums entered by hand (goodwill, damages and others); and refunds of carried credit.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::audit::Actor;
use super::bodies::{Body, Segment, YenSchema, member_id, yen_text};
use super::members::{MemberJson, json};
use super::problem::{Problem, Problems};
use juden_core::members::entries::entry_id;
use juden_core::sessions::corrections::Author;
use juden_domain::correction::Approval;
use juden_domain::entry::{Entry, EntryKind};
use juden_domain::ids::MemberId;
use juden_domain::units::{TaxRate, Yen};

/// The kind of an entry.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EntryName {
    /// Goodwill: a sum that the member is given.
    Goodwill,
    /// Damages that the member owes.
    Damages,
    /// Anything else.
    Other,
}

/// A sum to be entered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EntryBody {
    kind: EntryName,
    /// Whole yen, tax included. Goodwill is always given and damages are always owed; any other sum
    /// keeps its sign.
    #[serde(deserialize_with = "yen_text")]
    #[schema(value_type = YenSchema)]
    amount_yen: String,
    /// The reason, which the line shows.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// The tax rate contained in the sum; left out: the rate of the month's tariff.
    tax_rate: Option<String>,
}

/// An entry and its state.
#[derive(Serialize, ToSchema)]
pub struct EntryJson {
    entry_id: String,
    member_id: String,
    kind: String,
    /// The sum as the bill shows it.
    amount_yen: String,
    reason: String,
    by: String,
    at: DateTime<Utc>,
    /// `done`, `waiting` for a second person, or `refused`.
    state: String,
    settled_by: Option<String>,
    settled_at: Option<DateTime<Utc>>,
}

/// An entry as the API shows it.
pub(super) fn entry_json(member: &MemberId, entry: &Entry) -> EntryJson {
    EntryJson {
        entry_id: entry_id(member, entry.number),
        member_id: member.to_string(),
        kind: entry.entered.kind.name().to_owned(),
        amount_yen: entry.entered.amount.to_string(),
        reason: entry.entered.reason.clone(),
        by: entry.entered.by.clone(),
        at: entry.at,
        state: entry.approval.name().to_owned(),
        settled_by: entry.settled.as_ref().map(|(by, _)| by.clone()),
        settled_at: entry.settled.as_ref().map(|(_, at)| *at),
    }
}

fn signed(text: &str) -> Option<Yen> {
    match text.strip_prefix('-') {
        Some(size) => Yen::parse(size).map(|yen| -yen),
        None => Yen::parse(text),
    }
}

/// Enters a sum as a line of this month's bill. Above a limit, a second person must confirm it.
#[utoipa::path(post, operation_id = "entries_add", path = "/members/{member_id}/entries", request_body = EntryBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 201, description = "entered", body = EntryJson), Problems))]
pub async fn add(
    State(api): State<Arc<Api>>,
    Actor(by): Actor,
    Segment(id): Segment<String>,
    Body(body): Body<EntryBody>,
) -> Result<(StatusCode, Json<EntryJson>), Problem> {
    let kind = match body.kind {
        EntryName::Goodwill => EntryKind::Goodwill,
        EntryName::Damages => EntryKind::Damages,
        EntryName::Other => EntryKind::Other,
    };
    let malformed = |field: &'static str, allowed: &str| {
        Problem::malformed(field, format!("{field} must be {allowed}"))
    };
    let amount = signed(&body.amount_yen)
        .ok_or_else(|| malformed("amount_yen", "whole yen such as \"1000\""))?;
    let rate = |text: &str| {
        TaxRate::parse(text).ok_or_else(|| malformed("tax_rate", "a rate such as \"0.10\""))
    };
    let tax_rate = body.tax_rate.as_deref().map(rate).transpose()?;
    let (member, entry) = api
        .app
        .members
        .enter(&member_id(&id)?, kind, amount, tax_rate, Author { by: &by, reason: &body.reason })
        .await?;
    Ok((StatusCode::CREATED, Json(entry_json(&member.id, &entry))))
}

/// Confirms a waiting entry. It must be another person than the one who made it.
#[utoipa::path(post, operation_id = "entries_confirm", path = "/entries/{entry_id}/confirm", params(("entry_id" = String, Path, max_length = 48)),
    responses((status = 200, description = "done", body = EntryJson), Problems))]
pub async fn confirm(
    State(api): State<Arc<Api>>,
    Actor(by): Actor,
    Segment(id): Segment<String>,
) -> Result<Json<EntryJson>, Problem> {
    let (member, entry) = api.app.members.settle_entry(&id, &by, Approval::Done).await?;
    Ok(Json(entry_json(&member.id, &entry)))
}

/// Refuses a waiting entry.
#[utoipa::path(delete, operation_id = "entries_refuse", path = "/entries/{entry_id}", params(("entry_id" = String, Path, max_length = 48)),
    responses((status = 200, description = "refused", body = EntryJson), Problems))]
pub async fn refuse(
    State(api): State<Arc<Api>>,
    Actor(by): Actor,
    Segment(id): Segment<String>,
) -> Result<Json<EntryJson>, Problem> {
    let (member, entry) = api.app.members.settle_entry(&id, &by, Approval::Refused).await?;
    Ok(Json(entry_json(&member.id, &entry)))
}

/// Requests that carried credit is paid out with the next close, as a refund with its own number.
#[utoipa::path(post, operation_id = "entries_refund", path = "/members/{member_id}/refund", params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn refund(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<Json<MemberJson>, Problem> {
    Ok(Json(json(&api, &api.app.members.ask_refund(&member_id(&id)?).await?)))
}
