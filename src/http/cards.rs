//! Cards.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, Segment, card_number, member_id};
use super::problem::{Problem, Problems};
use crate::app::cards::Effect;
use crate::domain::authorization::CardFile;
use crate::domain::card::{Role, Suspension};

/// A card for the stock.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardBody {
    /// What card readers read from it.
    #[schema(min_length = 1, max_length = 64)]
    id_tag: String,
    /// Its number; allotted when left out.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,32}$")]
    card_number: Option<String>,
    /// Its authentication code; made when left out.
    #[schema(min_length = 1, max_length = 64)]
    activation_code: Option<String>,
}

/// A card in stock, with its code, shown this once.
#[derive(Serialize, ToSchema)]
pub struct StockCardJson {
    card_number: String,
    activation_code: String,
    state: String,
}

/// A card's role.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// The membership's one card.
    Primary,
    /// The one further card.
    Additional,
}

/// Number and code, as the member enters them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationBody {
    card_number: String,
    activation_code: String,
    role: RoleName,
}

/// Why a card is suspended or comes back.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspensionName {
    /// Reported lost.
    Lost,
    /// Held by the operator.
    Operator,
}

/// A reason.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspensionBody {
    reason: SuspensionName,
}

/// Nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// A card.
#[derive(Serialize, ToSchema)]
pub struct CardJson {
    card_number: String,
    role: Option<String>,
    /// `stock`, `active`, `suspended` or `dead`.
    state: String,
    member_id: Option<String>,
    activated_at: Option<DateTime<Utc>>,
    /// Stations that are still to learn of the card's block.
    block_delivery: Vec<BlockDeliveryJson>,
}

/// How a card's block reaches a station.
#[derive(Serialize, ToSchema)]
pub struct BlockDeliveryJson {
    station_id: String,
    state: String,
    at: Option<DateTime<Utc>>,
}

/// A suspension or return, as it took effect.
#[derive(Serialize, ToSchema)]
pub struct EffectJson {
    state: String,
    effective_at: DateTime<Utc>,
    nodes_confirmed: Vec<String>,
    nodes_missing: Vec<String>,
    stations_pending: i64,
}

fn json(api: &Api, file: &CardFile) -> Json<CardJson> {
    let holder = file.card.holder();
    Json(CardJson {
        card_number: file.card.number.to_string(),
        role: holder.as_ref().map(|holder| holder.role.name().to_owned()),
        state: file.card.state_at(api.app.now()).name().to_owned(),
        member_id: holder.as_ref().map(|holder| holder.member.to_string()),
        activated_at: holder.map(|holder| holder.activated_at),
        block_delivery: Vec::new(),
    })
}

fn effect_json(effect: Effect) -> Json<EffectJson> {
    Json(EffectJson {
        state: effect.state.name().to_owned(),
        effective_at: effect.effective_at,
        nodes_confirmed: effect.nodes_confirmed,
        nodes_missing: Vec::new(),
        stations_pending: 0,
    })
}

const fn suspension(body: &SuspensionBody) -> Suspension {
    match body.reason {
        SuspensionName::Lost => Suspension::Lost,
        SuspensionName::Operator => Suspension::Operator,
    }
}

/// Puts a card in stock.
#[utoipa::path(post, operation_id = "cards_add", path = "/cards", request_body = CardBody, responses(
    (status = 201, description = "made", body = StockCardJson),
    Problems,
))]
pub async fn add(State(api): State<Arc<Api>>, Body(body): Body<CardBody>) -> Result<(StatusCode, Json<StockCardJson>), Problem> {
    let number = body.card_number.as_deref().map(card_number).transpose()?;
    let (number, code) = api.app.add_card(&body.id_tag, number, body.activation_code).await?;
    Ok((StatusCode::CREATED, Json(StockCardJson { card_number: number.to_string(), activation_code: code, state: "stock".into() })))
}

/// A card.
#[utoipa::path(get, operation_id = "cards_get", path = "/cards/{card_number}", params(("card_number" = String, Path, max_length = 32)), responses(
    (status = 200, description = "done", body = CardJson),
    Problems,
))]
pub async fn get(State(api): State<Arc<Api>>, Segment(number): Segment<String>) -> Result<Json<CardJson>, Problem> {
    Ok(json(&api, &api.app.card(&card_number(&number)?).await?))
}

/// Activates a card by its number and code.
#[utoipa::path(post, operation_id = "cards_activate", path = "/members/{member_id}/cards/activate", request_body = ActivationBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = CardJson),
    Problems,
    ))]
pub async fn activate(
    State(api): State<Arc<Api>>,
    Segment(member): Segment<String>,
    Body(body): Body<ActivationBody>,
) -> Result<Json<CardJson>, Problem> {
    let role = match body.role {
        RoleName::Primary => Role::Primary,
        RoleName::Additional => Role::Additional,
    };
    let file = api.app.activate_card(&member_id(&member)?, &card_number(&body.card_number)?, &body.activation_code, role).await?;
    Ok(json(&api, &file))
}

/// Suspends a card: from the answer on, every authorization is refused.
#[utoipa::path(post, operation_id = "cards_suspend", path = "/cards/{card_number}/suspend", request_body = SuspensionBody,
    params(("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = EffectJson),
    Problems,
    ))]
pub async fn suspend(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
    Body(body): Body<SuspensionBody>,
) -> Result<Json<EffectJson>, Problem> {
    Ok(effect_json(api.app.suspend_card(&card_number(&number)?, suspension(&body)).await?))
}

/// Lifts one reason of a suspension.
#[utoipa::path(post, operation_id = "cards_resume", path = "/cards/{card_number}/resume", request_body = SuspensionBody,
    params(("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = EffectJson),
    Problems,
    ))]
pub async fn resume(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
    Body(body): Body<SuspensionBody>,
) -> Result<Json<EffectJson>, Problem> {
    Ok(effect_json(api.app.resume_card(&card_number(&number)?, suspension(&body)).await?))
}

/// Gives up an additional card for good.
#[utoipa::path(post, operation_id = "cards_deactivate", path = "/cards/{card_number}/deactivate", request_body = EmptyBody,
    params(("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = CardJson),
    Problems,
    ))]
pub async fn deactivate(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<CardJson>, Problem> {
    Ok(json(&api, &api.app.deactivate_card(&card_number(&number)?).await?))
}
