//! Changes of a membership: contact, payment, vehicle, plan, hold, consent and end.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{Body, QueryParams, Segment, member_id};
use super::cards::EmptyBody;
use super::members::{MemberJson, PaymentBody, VehicleBody, json};
use super::problem::{Problem, Problems};
use juden_domain::card::Dated;
use juden_domain::member::MemberEvent;
use juden_domain::month::BillingMonth;
use juden_domain::provision::Consent;

type Answered = Result<Json<MemberJson>, Problem>;

/// A requested plan from next month on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanBody {
    /// A plan of next month's tariff.
    plan: String,
    /// Whether a term contract begins (`true`) or ends (`false`); left out: it continues if it can.
    term_contract: Option<bool>,
    /// The instant at which the request was received by other means while the members' site was
    /// suspended.
    received_at: Option<DateTime<Utc>>,
}

/// The plan from next month on.
#[derive(Serialize, ToSchema)]
pub struct PlanJson {
    plan: String,
    effective_from: DateTime<Utc>,
    /// The month from which it holds.
    month: String,
}

/// Requests a plan from the first of next month on. The current plan cancels an earlier request.
#[utoipa::path(put, operation_id = "memberships_put_plan", path = "/members/{member_id}/plan-change", request_body = PlanBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = PlanJson), Problems))]
pub async fn put_plan(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<PlanBody>,
) -> Result<Json<PlanJson>, Problem> {
    let member = api
        .app
        .members
        .request_plan(&member_id(&id)?, &body.plan, body.term_contract, body.received_at)
        .await?;
    let asked = |dated: &&Dated<MemberEvent>| {
        matches!(
            dated.event,
            MemberEvent::PlanChangeRequested { .. } | MemberEvent::PlanChangeCancelled
        )
    };
    let asked_at =
        member.events.iter().filter(asked).max_by_key(|dated| dated.seq).map(|dated| dated.at);
    let from = BillingMonth::of(asked_at.unwrap_or_else(|| api.app.now())).next();
    let plan = member.plan_name_in(from, &api.app.programme());
    Ok(Json(PlanJson { plan, effective_from: from.start(), month: from.to_string() }))
}

/// The instant at which a cancellation was received.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReceivedQuery {
    /// The instant at which the cancellation was received by other means while the members' site
    /// was suspended.
    received_at: Option<DateTime<Utc>>,
}

/// Cancels the plan change requested this month.
#[utoipa::path(delete, operation_id = "memberships_cancel_plan", path = "/members/{member_id}/plan-change",
    params(("member_id" = String, Path, max_length = 32), ReceivedQuery),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn cancel_plan(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    QueryParams(query): QueryParams<ReceivedQuery>,
) -> Answered {
    Ok(Json(json(&api, &api.app.members.cancel_plan(&member_id(&id)?, query.received_at).await?)))
}

/// A new name or email address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactBody {
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 254)]
    email: Option<String>,
}

/// Changes name and email address. A field that is left out stays.
#[utoipa::path(put, operation_id = "memberships_put_contact", path = "/members/{member_id}/contact", request_body = ContactBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn put_contact(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<ContactBody>,
) -> Answered {
    Ok(Json(json(
        &api,
        &api.app
            .members
            .change_contact(&member_id(&id)?, body.name.as_deref(), body.email.as_deref())
            .await?,
    )))
}

/// Changes the payment method.
#[utoipa::path(put, operation_id = "memberships_put_payment", path = "/members/{member_id}/payment-method", request_body = PaymentBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn put_payment(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<PaymentBody>,
) -> Answered {
    Ok(Json(json(&api, &api.app.members.change_payment(&member_id(&id)?, body.method()).await?)))
}

/// A new registered car, or none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VehicleChange {
    /// The car; `null`: it was sold or scrapped.
    vehicle: Option<VehicleBody>,
}

/// Changes the registered car. The sale or scrapping of a car does not end the membership.
#[utoipa::path(put, operation_id = "memberships_put_vehicle", path = "/members/{member_id}/vehicle", request_body = VehicleChange,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn put_vehicle(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<VehicleChange>,
) -> Answered {
    let vin = body.vehicle.as_ref().map(|vehicle| vehicle.vin.as_str());
    Ok(Json(json(&api, &api.app.members.change_vehicle(&member_id(&id)?, vin).await?)))
}

/// Requests an additional card by post.
#[utoipa::path(post, operation_id = "memberships_request_card", path = "/members/{member_id}/cards/request", request_body = EmptyBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn request_card(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Answered {
    Ok(Json(json(&api, &api.app.members.request_additional(&member_id(&id)?).await?)))
}

/// Puts a membership on hold: all of its cards are refused.
#[utoipa::path(post, operation_id = "memberships_hold", path = "/members/{member_id}/hold", request_body = EmptyBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn hold(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Answered {
    Ok(Json(json(&api, &api.app.members.set_hold(&member_id(&id)?, true).await?)))
}

/// Lifts the hold of a membership.
#[utoipa::path(post, operation_id = "memberships_release", path = "/members/{member_id}/release", request_body = EmptyBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn release(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Answered {
    Ok(Json(json(&api, &api.app.members.set_hold(&member_id(&id)?, false).await?)))
}

/// Ends a membership by the member's withdrawal, at once.
#[utoipa::path(post, operation_id = "memberships_withdraw", path = "/members/{member_id}/withdraw", request_body = EmptyBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn withdraw(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Answered {
    Ok(Json(json(&api, &api.app.members.withdraw(&member_id(&id)?).await?)))
}

/// A ground for disqualification.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroundBody {
    /// The number of the ground in the member terms.
    #[schema(minimum = 1, maximum = 7)]
    ground: u8,
    /// The instant at which the operator learnt of it; left out: now.
    known_at: Option<DateTime<Utc>>,
    /// The instant at which the membership ends; left out: at once.
    effective_at: Option<DateTime<Utc>>,
}

/// Disqualifies a member.
/// Its cards are refused at once, and dead from the end of the membership on.
#[utoipa::path(post, operation_id = "memberships_disqualify", path = "/members/{member_id}/disqualify", request_body = GroundBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn disqualify(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<GroundBody>,
) -> Answered {
    Ok(Json(json(
        &api,
        &api.app
            .members
            .disqualify(&member_id(&id)?, body.ground, body.known_at, body.effective_at)
            .await?,
    )))
}

/// A member's consent that a recipient gets its data for a purpose.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConsentBody {
    #[schema(min_length = 1, max_length = 64)]
    recipient: String,
    #[schema(min_length = 1, max_length = 64)]
    purpose: String,
    /// `true`: given; `false`: withdrawn.
    given: bool,
}

/// Records or withdraws a member's consent that a recipient gets its data for a purpose.
#[utoipa::path(put, operation_id = "memberships_put_consent", path = "/members/{member_id}/consents", request_body = ConsentBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn put_consent(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(body): Body<ConsentBody>,
) -> Answered {
    let consent = Consent { recipient: body.recipient, purpose: body.purpose };
    Ok(Json(json(
        &api,
        &api.app.members.set_consent(&member_id(&id)?, &consent, body.given).await?,
    )))
}
