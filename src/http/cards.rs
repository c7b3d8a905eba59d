//! Cards: stock, activation, suspension, replacement and their end.

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
use juden_core::cards::life::CardChange;
use juden_core::records::Delivery;
use juden_domain::authorization::CardFile;
use juden_domain::card::{CardState, Role, Suspension};

/// A card for the stock.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardBody {
    /// The id tag that readers read from the card.
    #[schema(min_length = 1, max_length = 64)]
    id_tag: String,
    /// The card number; left out: the server assigns one.
    #[schema(pattern = "^[A-Za-z0-9_-]{1,32}$")]
    card_number: Option<String>,
    /// The authentication code; left out: the server makes one.
    #[schema(min_length = 1, max_length = 64)]
    activation_code: Option<String>,
}

/// A card in stock with its authentication code, which is shown only this once.
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
    /// The primary card of the membership.
    Primary,
    /// The additional card of the membership.
    Additional,
}

/// The card number and code that a member enters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActivationBody {
    card_number: String,
    activation_code: String,
    role: RoleName,
}

/// The reason of a card's suspension.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuspensionName {
    /// The card was reported lost.
    Lost,
    /// The operator suspended the card.
    Operator,
}

/// The reason of a suspension to set or lift.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SuspensionBody {
    reason: SuspensionName,
    /// The instant at which the call centre received the report while the members' site was
    /// suspended.
    received_at: Option<DateTime<Utc>>,
}

/// A new card in the place of an old one.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplacementBody {
    new_card_number: String,
    activation_code: String,
}

/// A further id tag of a card.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadingBody {
    /// The id tag that other readers read from the card.
    #[schema(min_length = 1, max_length = 64)]
    id_tag: String,
}

/// The member to whom a card is mailed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailBody {
    member_id: String,
}

/// The whereabouts of a dead card.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SurrenderBody {
    /// `true`: the card was destroyed; `false`: it was given back.
    #[serde(default)]
    destroyed: bool,
}

/// An empty body.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmptyBody {}

/// A card and the deliveries of its block.
#[derive(Serialize, ToSchema)]
pub struct CardJson {
    card_number: String,
    role: Option<String>,
    /// `stock`, `mailed`, `active`, `suspended` or `dead`.
    state: String,
    /// The reasons of the suspension: `lost`, `operator`.
    suspended_for: Vec<String>,
    /// The cause of the card's death: `replaced`, `deactivated`, `membership_ended` or
    /// `service_ended`.
    dead_cause: Option<String>,
    member_id: Option<String>,
    activated_at: Option<DateTime<Utc>>,
    /// The card that it replaced.
    replaces: Option<String>,
    /// The number of the card's id tags.
    readings: usize,
    /// Stations that may remember the card, and how far each is in learning that it is blocked, or
    /// no longer.
    block_delivery: Vec<BlockDeliveryJson>,
}

/// The delivery of a card's block to one station.
#[derive(Serialize, ToSchema)]
pub struct BlockDeliveryJson {
    station_id: String,
    /// `pending`, `delivered`, or `unsupported` if the station has no means to learn it.
    state: String,
    /// The instant of the last change of state.
    at: Option<DateTime<Utc>>,
    /// The fact that the station is to learn: `block` or `allow`.
    reach: String,
    /// The means of the delivery: `local_list` or `clear_cache`.
    means: Option<String>,
    /// The instant from which the station is to learn it.
    since: DateTime<Utc>,
}

/// The effect of a suspension, or of its end.
#[derive(Serialize, ToSchema)]
pub struct EffectJson {
    state: String,
    effective_at: DateTime<Utc>,
    nodes_confirmed: Vec<String>,
    nodes_missing: Vec<String>,
    stations_pending: i64,
}

async fn card_json(api: &Api, file: &CardFile) -> Result<Json<CardJson>, Problem> {
    let deliveries = api.app.deliveries.deliveries_of(&file.card.number).await?;
    let holder = file.card.holder();
    let state = file.state_now(api.app.now(), &api.app.programme());
    Ok(Json(CardJson {
        card_number: file.card.number.to_string(),
        role: holder.as_ref().map(|holder| holder.role.name().to_owned()),
        state: state.name().to_owned(),
        suspended_for: match &state {
            CardState::Suspended(reasons) => {
                reasons.iter().map(|reason| reason.name().to_owned()).collect()
            }
            _ => Vec::new(),
        },
        dead_cause: match state {
            CardState::Dead(cause) => Some(cause.name().to_owned()),
            _ => None,
        },
        member_id: holder.as_ref().map(|holder| holder.member.to_string()),
        activated_at: holder.as_ref().map(|holder| holder.activated_at),
        replaces: holder.and_then(|holder| holder.replaces).map(|card| card.to_string()),
        readings: file.card.tags().count(),
        block_delivery: deliveries.into_iter().map(block_delivery).collect(),
    }))
}

fn block_delivery(delivery: Delivery) -> BlockDeliveryJson {
    BlockDeliveryJson {
        station_id: delivery.station_id.to_string(),
        state: delivery.state.code().to_owned(),
        at: Some(delivery.at),
        reach: delivery.reach.code().to_owned(),
        means: delivery.means,
        since: delivery.since,
    }
}

fn effect_json(effect: CardChange) -> Json<EffectJson> {
    Json(EffectJson {
        state: effect.state.name().to_owned(),
        effective_at: effect.effective_at,
        stations_pending: i64::try_from(effect.reached.stations_pending.len()).unwrap_or(i64::MAX),
        nodes_confirmed: effect.reached.nodes.confirmed,
        nodes_missing: effect.reached.nodes.missing,
    })
}

const fn suspension(body: &SuspensionBody) -> Suspension {
    match body.reason {
        SuspensionName::Lost => Suspension::Lost,
        SuspensionName::Operator => Suspension::Operator,
    }
}

/// Adds a card to the stock.
#[utoipa::path(post, operation_id = "cards_add", path = "/cards", request_body = CardBody, responses(
    (status = 201, description = "made", body = StockCardJson),
    Problems,
))]
pub async fn add(
    State(api): State<Arc<Api>>,
    Body(body): Body<CardBody>,
) -> Result<(StatusCode, Json<StockCardJson>), Problem> {
    let number = body.card_number.as_deref().map(card_number).transpose()?;
    let (number, code) = api.app.cards.add_card(&body.id_tag, number, body.activation_code).await?;
    Ok((
        StatusCode::CREATED,
        Json(StockCardJson {
            card_number: number.to_string(),
            activation_code: code,
            state: "stock".into(),
        }),
    ))
}

/// Adds a further id tag to a card. From then on it is recognized at every station.
#[utoipa::path(post, operation_id = "cards_add_reading", path = "/cards/{card_number}/readings", request_body = ReadingBody,
    params(("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "known already", body = CardJson), (status = 201, description = "added", body = CardJson),
    Problems,
    ))]
pub async fn add_reading(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
    Body(body): Body<ReadingBody>,
) -> Result<(StatusCode, Json<CardJson>), Problem> {
    let (file, is_new) = api.app.cards.add_reading(&card_number(&number)?, &body.id_tag).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, card_json(&api, &file).await?))
}

/// Shows a card.
#[utoipa::path(get, operation_id = "cards_get", path = "/cards/{card_number}", params(("card_number" = String, Path, max_length = 32)), responses(
    (status = 200, description = "done", body = CardJson),
    Problems,
))]
pub async fn get(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
) -> Result<Json<CardJson>, Problem> {
    card_json(&api, &api.app.cards.card(&card_number(&number)?).await?).await
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
    let file = api
        .app
        .cards
        .activate_card(
            &member_id(&member)?,
            &card_number(&body.card_number)?,
            &body.activation_code,
            role,
        )
        .await?;
    card_json(&api, &file).await
}

/// Suspends a card. From the answer on, every authorization is refused.
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
    Ok(effect_json(
        api.app
            .cards
            .suspend_card(&card_number(&number)?, suspension(&body), body.received_at)
            .await?,
    ))
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
    if body.received_at.is_some() {
        return Err(Problem::malformed(
            "received_at",
            "received_at is for suspensions: a card comes back when it is resumed",
        ));
    }
    Ok(effect_json(api.app.cards.resume_card(&card_number(&number)?, suspension(&body)).await?))
}

/// Deactivates an additional card for good.
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
    card_json(&api, &api.app.cards.deactivate_card(&card_number(&number)?).await?).await
}

/// Registers a new card in place of a member's old one, which is dead from then on.
#[utoipa::path(post, operation_id = "cards_replace", path = "/members/{member_id}/cards/{card_number}/replace", request_body = ReplacementBody,
    params(("member_id" = String, Path, max_length = 32), ("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "the new card", body = CardJson),
    Problems,
    ))]
pub async fn replace(
    State(api): State<Arc<Api>>,
    Segment((member, number)): Segment<(String, String)>,
    Body(body): Body<ReplacementBody>,
) -> Result<Json<CardJson>, Problem> {
    let (old, new) = (card_number(&number)?, card_number(&body.new_card_number)?);
    card_json(
        &api,
        &api.app
            .cards
            .replace_card(&member_id(&member)?, &old, &new, &body.activation_code)
            .await?,
    )
    .await
}

/// Records a request for a new card in place of a live one.
/// Nothing else changes until the new card is registered.
#[utoipa::path(post, operation_id = "cards_request_reissue", path = "/cards/{card_number}/reissue-request", request_body = EmptyBody,
    params(("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = CardJson),
    Problems,
    ))]
pub async fn request_reissue(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<CardJson>, Problem> {
    card_json(&api, &api.app.cards.request_reissue(&card_number(&number)?).await?).await
}

/// Records that a card in stock was mailed to a member. Nobody else can activate it.
#[utoipa::path(post, operation_id = "cards_mail", path = "/cards/{card_number}/mail", request_body = MailBody,
    params(("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = CardJson),
    Problems,
    ))]
pub async fn mail(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
    Body(body): Body<MailBody>,
) -> Result<Json<CardJson>, Problem> {
    let member = member_id(&body.member_id)?;
    api.app.members.member(&member).await?;
    card_json(&api, &api.app.cards.mail_card(&card_number(&number)?, &member).await?).await
}

/// Records that a dead card was given back or destroyed.
#[utoipa::path(post, operation_id = "cards_surrender", path = "/cards/{card_number}/surrender", request_body = SurrenderBody,
    params(("card_number" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = CardJson),
    Problems,
    ))]
pub async fn surrender(
    State(api): State<Arc<Api>>,
    Segment(number): Segment<String>,
    Body(body): Body<SurrenderBody>,
) -> Result<Json<CardJson>, Problem> {
    card_json(&api, &api.app.cards.surrender_card(&card_number(&number)?, body.destroyed).await?)
        .await
}
