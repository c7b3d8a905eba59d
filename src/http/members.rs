//! Applications, members and their histories.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, PageQuery, QueryParams, Segment, member_id, next_cursor};
use super::cards::EmptyBody;
use super::problem::{Problem, Problems};
use juden_core::members::admission::Application;
use juden_core::records::KeptEvent;
use juden_domain::member::{Member, MemberKind};
use juden_domain::month::BillingMonth;
use juden_domain::payment::{CardBrand, PaymentKind, PaymentMethod};
use juden_domain::term::window;

/// The legal kind of the member.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// A corporation.
    Corporation,
    /// A sole proprietor.
    SoleProprietor,
}

/// The kind of payment.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PaymentName {
    /// By credit card.
    CreditCard,
    /// By debit of a bank account.
    AccountDebit,
    /// On an invoice.
    Invoice,
}

/// The brand of a credit card.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BrandName {
    /// The Nissan Card.
    NissanCard,
    /// The Biz NISSAN CARD.
    BizNissanCard,
    /// Any other.
    Other,
}

/// An applicant.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberBody {
    /// The name, as invoices print it.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    kind: KindName,
    #[schema(max_length = 254)]
    email: String,
    /// A plan of the tariff in force, such as `simple` or `premium_100`.
    plan: String,
    /// Whether a three-year term contract is applied for.
    #[serde(default)]
    term_contract: bool,
    payment_method: PaymentBody,
    vehicle: Option<VehicleBody>,
    /// Whether the member has a car-rental permit, so that renters may use its cards, too.
    #[serde(default)]
    art80_permit: bool,
    /// Whether the terms were accepted, without which there is no membership.
    #[serde(default = "accepted")]
    terms_accepted: bool,
    /// Whether the application waits for the operator's decision.
    #[serde(default)]
    await_decision: bool,
}

const fn accepted() -> bool {
    true
}

/// The payment method.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentBody {
    kind: PaymentName,
    /// The credit card's brand.
    brand: Option<BrandName>,
}

/// The registered electric car.
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VehicleBody {
    #[schema(min_length = 1, max_length = 32)]
    pub vin: String,
}

/// A member.
#[derive(Serialize, ToSchema)]
pub struct MemberJson {
    member_id: String,
    name: String,
    kind: String,
    email: String,
    /// `applied`, `rejected`, `admitted`, `active`, `lapsed`, `withdrawn`, `disqualified` or
    /// `service_ended`.
    state: String,
    plan: String,
    /// The plan requested from next month on.
    pending_plan: Option<String>,
    pending_from: Option<DateTime<Utc>>,
    applied_at: DateTime<Utc>,
    admitted_at: Option<DateTime<Utc>>,
    service_start_at: Option<DateTime<Utc>>,
    /// The first instant at which the member may withdraw.
    may_withdraw_from: Option<DateTime<Utc>>,
    /// The version of the terms in force at admission, if one is recorded.
    terms_version_at_joining: Option<String>,
    term: Option<TermJson>,
    payment_method: PaymentJson,
    vehicle: Option<VehicleBody>,
    art80_permit: bool,
    /// Whether the operator put the membership on hold.
    operator_hold: bool,
    /// Invoices whose payment failed.
    arrears: Vec<String>,
    end: Option<EndJson>,
    cards: Vec<MemberCardJson>,
}

/// The end of a membership, past or to come.
#[derive(Serialize, ToSchema)]
pub struct EndJson {
    /// `withdrawn`, `disqualified` or `service_ended`.
    cause: String,
    at: DateTime<Utc>,
    /// The last month with a base fee.
    last_fee_month: String,
    /// The instant until which usage and bills can be viewed.
    viewable_until: Option<DateTime<Utc>>,
}

/// A term contract.
#[derive(Serialize, ToSchema)]
pub struct TermJson {
    end_month: String,
    window_from: DateTime<Utc>,
    window_to: DateTime<Utc>,
}

/// The payment method in force.
#[derive(Serialize, ToSchema)]
pub struct PaymentJson {
    kind: String,
    brand: Option<String>,
    /// The instant from which it holds.
    since: DateTime<Utc>,
}

/// A member's card.
#[derive(Serialize, ToSchema)]
pub struct MemberCardJson {
    card_number: String,
    role: String,
    state: String,
}

/// A page of members.
#[derive(Serialize, ToSchema)]
pub struct MemberPage {
    items: Vec<MemberJson>,
    next_cursor: Option<String>,
}

/// A member as the API shows it, at the current instant.
pub fn json(api: &Api, member: &Member) -> MemberJson {
    let (now, programme) = (api.app.now(), api.app.programme());
    let month = BillingMonth::of(now);
    let plans = member.plans(&programme);
    let pending = member.pending_at(now, &programme);
    let (contact, payment) = (member.contact_at(now), member.payment_at(now));
    let card = |card: &juden_domain::card::Card| MemberCardJson {
        card_number: card.number.to_string(),
        role: card.holder().map(|holder| holder.role.name()).unwrap_or_default().to_owned(),
        state: member.card_state_at(card, now, &programme).name().to_owned(),
    };
    MemberJson {
        member_id: member.id.to_string(),
        name: contact.name,
        kind: member.admission.kind.name().to_owned(),
        email: contact.email,
        state: member.state_at(now, &programme).name().to_owned(),
        plan: member.plan_name_in(month, &programme),
        pending_from: pending.as_ref().map(|pending| pending.from.start()),
        pending_plan: pending.map(|pending| pending.plan),
        applied_at: member.applied_at,
        admitted_at: member.admitted_at,
        service_start_at: member.service_start(),
        may_withdraw_from: member.may_withdraw_from(),
        terms_version_at_joining: member
            .admitted_at
            .and_then(|at| programme.terms_at(at))
            .map(|terms| terms.version.clone()),
        term: plans.contract_in(month, &programme).map(|(_, end)| {
            let (window_from, window_to) = window(end);
            TermJson { end_month: end.to_string(), window_from, window_to }
        }),
        payment_method: PaymentJson {
            kind: payment.method.kind.name().to_owned(),
            brand: payment.method.brand.map(|brand| brand.name().to_owned()),
            since: payment.since,
        },
        vehicle: member.vehicle_at(now).map(|vin| VehicleBody { vin: vin.to_owned() }),
        art80_permit: member.admission.art80_permit,
        operator_hold: member.is_held_at(now),
        arrears: member.arrears_at(now).into_iter().map(str::to_owned).collect(),
        end: member.end(&programme).map(|end| EndJson {
            cause: end.cause.name().to_owned(),
            at: end.at,
            last_fee_month: end.last_fee_month.to_string(),
            viewable_until: member.viewable_until(&programme),
        }),
        cards: member.cards.iter().map(card).collect(),
    }
}

impl PaymentBody {
    /// The payment method that the body names.
    pub fn method(&self) -> PaymentMethod {
        PaymentMethod {
            kind: match self.kind {
                PaymentName::CreditCard => PaymentKind::CreditCard,
                PaymentName::AccountDebit => PaymentKind::AccountDebit,
                PaymentName::Invoice => PaymentKind::Invoice,
            },
            brand: self.brand.map(|brand| match brand {
                BrandName::NissanCard => CardBrand::NissanCard,
                BrandName::BizNissanCard => CardBrand::BizNissanCard,
                BrandName::Other => CardBrand::Other,
            }),
        }
    }
}

impl From<MemberBody> for Application {
    fn from(body: MemberBody) -> Self {
        Self {
            name: body.name,
            kind: match body.kind {
                KindName::Corporation => MemberKind::Corporation,
                KindName::SoleProprietor => MemberKind::SoleProprietor,
            },
            email: body.email,
            plan: body.plan,
            term_contract: body.term_contract,
            payment: body.payment_method.method(),
            vehicle_vin: body.vehicle.map(|vehicle| vehicle.vin),
            art80_permit: body.art80_permit,
            await_decision: body.await_decision,
        }
    }
}

/// Accepts an application, and admits the member unless the decision is to wait.
#[utoipa::path(post, operation_id = "members_apply", path = "/members", request_body = MemberBody, responses(
    (status = 201, description = "made", body = MemberJson),
    Problems,
))]
pub async fn apply(
    State(api): State<Arc<Api>>,
    Body(body): Body<MemberBody>,
) -> Result<(StatusCode, Json<MemberJson>), Problem> {
    if !body.terms_accepted {
        return Err(Problem::malformed(
            "terms_accepted",
            "terms_accepted must be true: there is no membership without accepting the terms",
        ));
    }
    let member = api.app.members.apply(body.into()).await?;
    Ok((StatusCode::CREATED, Json(json(&api, &member))))
}

/// Admits an applicant whose application waits.
#[utoipa::path(post, operation_id = "members_admit", path = "/members/{member_id}/admit", request_body = EmptyBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn admit(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<MemberJson>, Problem> {
    Ok(Json(json(&api, &api.app.members.admit(&member_id(&id)?).await?)))
}

/// Rejects an applicant whose application waits. No fee arises.
#[utoipa::path(post, operation_id = "members_reject", path = "/members/{member_id}/reject", request_body = EmptyBody,
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberJson), Problems))]
pub async fn reject(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Body(EmptyBody {}): Body<EmptyBody>,
) -> Result<Json<MemberJson>, Problem> {
    Ok(Json(json(&api, &api.app.members.reject(&member_id(&id)?).await?)))
}

/// An event of a history.
#[derive(Serialize, ToSchema)]
pub struct EventJson {
    /// The event's number, which orders events of one instant.
    seq: i64,
    /// The instant from which the event holds.
    at: DateTime<Utc>,
    /// The card number, if it is a card's event.
    card_number: Option<String>,
    event: String,
    detail: Value,
}

/// A history.
#[derive(Serialize, ToSchema)]
pub struct HistoryJson {
    items: Vec<EventJson>,
    next_cursor: Option<String>,
}

/// Stored events as the API shows them.
pub fn history_json(events: Vec<KeptEvent>) -> HistoryJson {
    let items = events.into_iter().map(|kept| EventJson {
        seq: kept.seq,
        at: kept.at,
        card_number: kept.card,
        event: kept.kind,
        detail: serde_json::from_str(&kept.detail).unwrap_or(Value::Null),
    });
    HistoryJson { items: items.collect(), next_cursor: None }
}

/// Shows the history of a member and its cards, in order.
#[utoipa::path(get, operation_id = "members_history", path = "/members/{member_id}/history",
    params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = HistoryJson), Problems))]
pub async fn history(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<Json<HistoryJson>, Problem> {
    Ok(Json(history_json(api.app.members.history(&member_id(&id)?).await?)))
}

/// Shows a member.
#[utoipa::path(get, operation_id = "members_get", path = "/members/{member_id}", params(("member_id" = String, Path, max_length = 32)), responses(
    (status = 200, description = "done", body = MemberJson),
    Problems,
))]
pub async fn get(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<Json<MemberJson>, Problem> {
    Ok(Json(json(&api, &api.app.members.member(&member_id(&id)?).await?)))
}

/// Lists members in order of their member id.
#[utoipa::path(get, operation_id = "members_list", path = "/members", params(PageQuery), responses(
    (status = 200, description = "done", body = MemberPage),
    Problems,
))]
pub async fn list(
    State(api): State<Arc<Api>>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<MemberPage>, Problem> {
    let page = query.page()?;
    let members = api.app.members.list_members(&page).await?;
    let next_cursor = next_cursor(&members, &page, |member| member.id.to_string());
    Ok(Json(MemberPage {
        items: members.iter().map(|member| json(&api, member)).collect(),
        next_cursor,
    }))
}
