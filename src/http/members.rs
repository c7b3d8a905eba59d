//! Members, their usage and their bills.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Asked, Body, PageQuery, Segment, member_id, month};
use super::problem::{Problem, Problems};
use super::stations::ClassName;
use crate::app::bills::BillView;
use crate::app::members::Application;
use crate::domain::member::{CardBrand, Member, MemberKind, PaymentKind};
use crate::domain::month::BillingMonth;
use crate::domain::rating::RatedMonth;
use crate::domain::session::Session;
use crate::domain::term::Term;

/// Who the member is in law.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// A corporation.
    Corporation,
    /// A sole proprietor.
    SoleProprietor,
}

/// How a member pays.
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

/// Which credit card pays.
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
    /// Name, as bills print it.
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
}

/// How the fees are paid.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PaymentBody {
    kind: PaymentName,
    /// For credit cards.
    brand: Option<BrandName>,
}

/// The registered electric car.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VehicleBody {
    #[schema(min_length = 1, max_length = 32)]
    vin: String,
}

/// A member.
#[derive(Serialize, ToSchema)]
pub struct MemberJson {
    member_id: String,
    name: String,
    kind: String,
    email: String,
    /// `admitted`, `active` or `lapsed`.
    state: String,
    plan: String,
    admitted_at: DateTime<Utc>,
    service_start_at: Option<DateTime<Utc>>,
    term: Option<TermJson>,
    payment_method: PaymentJson,
    cards: Vec<MemberCardJson>,
}

/// A term contract.
#[derive(Serialize, ToSchema)]
pub struct TermJson {
    end_month: String,
    window_from: DateTime<Utc>,
    window_to: DateTime<Utc>,
}

/// How the fees are paid.
#[derive(Serialize, ToSchema)]
pub struct PaymentJson {
    kind: String,
    brand: Option<String>,
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

fn json(api: &Api, member: &Member) -> MemberJson {
    let now = api.app.now();
    let month = BillingMonth::of(now);
    let plan =
        api.app.tariffs.plan(member.plan_at(now), month).map_or_else(|_| member.plan_at(now).to_owned(), |(_, name, _)| name.to_owned());
    let card = |card: &crate::domain::card::Card| MemberCardJson {
        card_number: card.number.to_string(),
        role: card.holder().map(|holder| holder.role.name()).unwrap_or_default().to_owned(),
        state: card.state_at(now).name().to_owned(),
    };
    MemberJson {
        member_id: member.id.to_string(),
        name: member.admission.name.clone(),
        kind: member.admission.kind.name().to_owned(),
        email: member.admission.email.clone(),
        state: member.state_at(now).name().to_owned(),
        plan,
        admitted_at: member.admitted_at,
        service_start_at: member.service_start(),
        term: member.term().map(|term| {
            let end = term.end_month(month);
            let (window_from, window_to) = Term::window(end);
            TermJson { end_month: end.to_string(), window_from, window_to }
        }),
        payment_method: PaymentJson {
            kind: member.admission.payment.name().to_owned(),
            brand: member.admission.brand.map(|brand| brand.name().to_owned()),
        },
        cards: member.cards.iter().map(card).collect(),
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
            payment: match body.payment_method.kind {
                PaymentName::CreditCard => PaymentKind::CreditCard,
                PaymentName::AccountDebit => PaymentKind::AccountDebit,
                PaymentName::Invoice => PaymentKind::Invoice,
            },
            brand: body.payment_method.brand.map(|brand| match brand {
                BrandName::NissanCard => CardBrand::NissanCard,
                BrandName::BizNissanCard => CardBrand::BizNissanCard,
                BrandName::Other => CardBrand::Other,
            }),
            vehicle_vin: body.vehicle.map(|vehicle| vehicle.vin),
        }
    }
}

/// Admits a member.
#[utoipa::path(post, operation_id = "members_admit", path = "/members", request_body = MemberBody, responses(
    (status = 201, description = "made", body = MemberJson),
    Problems,
))]
pub async fn admit(State(api): State<Arc<Api>>, Body(body): Body<MemberBody>) -> Result<(StatusCode, Json<MemberJson>), Problem> {
    let member = api.app.admit(body.into()).await?;
    Ok((StatusCode::CREATED, Json(json(&api, &member))))
}

/// A member.
#[utoipa::path(get, operation_id = "members_get", path = "/members/{member_id}", params(("member_id" = String, Path, max_length = 32)), responses(
    (status = 200, description = "done", body = MemberJson),
    Problems,
))]
pub async fn get(State(api): State<Arc<Api>>, Segment(id): Segment<String>) -> Result<Json<MemberJson>, Problem> {
    Ok(Json(json(&api, &api.app.member(&member_id(&id)?).await?)))
}

/// Members in order of their number.
#[utoipa::path(get, operation_id = "members_list", path = "/members", params(PageQuery), responses(
    (status = 200, description = "done", body = MemberPage),
    Problems,
))]
pub async fn list(State(api): State<Arc<Api>>, Asked(query): Asked<PageQuery>) -> Result<Json<MemberPage>, Problem> {
    let page = query.page()?;
    let members = api.app.list_members(&page).await?;
    let is_full = i64::try_from(members.len()).unwrap_or(i64::MAX) == page.limit;
    let next_cursor = members.last().filter(|_| is_full).map(|member| member.id.to_string());
    Ok(Json(MemberPage { items: members.iter().map(|member| json(&api, member)).collect(), next_cursor }))
}

/// A member's usage of a month.
#[derive(Serialize, ToSchema)]
pub struct UsageJson {
    member_id: String,
    month: String,
    pools: Vec<PoolJson>,
    sessions: Vec<UsedSessionJson>,
}

/// The free units of one class of chargers. A number that is absent has no limit.
#[derive(Serialize, ToSchema)]
pub struct PoolJson {
    charger_class: ClassName,
    free_units: Option<i64>,
    used_units: i64,
    free_units_left: Option<i64>,
}

/// A session of the month.
#[derive(Serialize, ToSchema)]
pub struct UsedSessionJson {
    session_id: String,
    station_id: String,
    card_number: Option<String>,
    charger_class: Option<ClassName>,
    started_at: DateTime<Utc>,
    stopped_at: Option<DateTime<Utc>>,
    units: i64,
    free_units: i64,
    charged_units: i64,
    energy_wh: Option<i64>,
    /// `open`, `ended`, `review`, `exception`, `quarantined` or `waived`.
    state: String,
}

fn usage_json(member: String, month: BillingMonth, rated: &RatedMonth, sessions: &[Session]) -> UsageJson {
    let used = rated.sessions.iter().filter_map(|rated| {
        let session = sessions.iter().find(|session| session.id == rated.id)?;
        Some(UsedSessionJson {
            session_id: session.id.to_string(),
            station_id: session.station_id.to_string(),
            card_number: session.card.as_ref().map(ToString::to_string),
            charger_class: session.site.map(|site| site.charger_class.into()),
            started_at: session.start.at,
            stopped_at: session.stop.as_ref().map(|stop| stop.edge.at),
            units: rated.units,
            free_units: rated.split.free,
            charged_units: rated.split.charged,
            energy_wh: session.stop.as_ref().and_then(|stop| stop.energy).map(|energy| energy.0),
            state: rated.state.name().to_owned(),
        })
    });
    let pools = rated.pools.iter().map(|pool| PoolJson {
        charger_class: pool.charger_class.into(),
        free_units: pool.free_units,
        used_units: pool.used_units,
        free_units_left: pool.free_units_left,
    });
    UsageJson { member_id: member, month: month.to_string(), pools: pools.collect(), sessions: used.collect() }
}

/// A member's usage of a month: the sessions that started in it, Japan time.
#[utoipa::path(get, operation_id = "members_usage", path = "/members/{member_id}/usage/{month}",
    params(("member_id" = String, Path, max_length = 32), ("month" = String, Path, pattern = r"^\d{4}-\d{2}$")),
    responses(
        (status = 200, description = "done", body = UsageJson),
    Problems,
    ))]
pub async fn usage(State(api): State<Arc<Api>>, Segment((id, text)): Segment<(String, String)>) -> Result<Json<UsageJson>, Problem> {
    let month = month(&text)?;
    let (rated, sessions) = api.app.usage(&member_id(&id)?, month).await?;
    Ok(Json(usage_json(id, month, &rated, &sessions)))
}

/// A bill.
#[derive(Serialize, ToSchema)]
pub struct BillJson {
    member_id: String,
    month: String,
    invoice_id: String,
    /// `provisional` or `closed`.
    state: String,
    lines: Vec<LineJson>,
    total_yen: String,
    tax_yen: String,
}

/// A bill's line.
#[derive(Serialize, ToSchema)]
pub struct LineJson {
    code: String,
    usage_month: String,
    quantity: i64,
    unit: String,
    unit_price_yen: String,
    amount_yen: String,
    tax_rate: String,
    tariff_version: String,
    /// The article of the member terms that it rests on.
    article: String,
    /// The sessions whose units it counts.
    session_ids: Vec<String>,
}

fn bill_json(view: &BillView) -> BillJson {
    let bill = &view.bill;
    let line = |line: &crate::domain::bill::Line| LineJson {
        code: line.code.name().to_owned(),
        usage_month: line.usage_month.to_string(),
        quantity: line.quantity,
        unit: line.unit.clone(),
        unit_price_yen: line.unit_price.to_string(),
        amount_yen: line.amount.to_string(),
        tax_rate: line.tax_rate.to_string(),
        tariff_version: line.tariff_version.clone(),
        article: line.code.article().to_owned(),
        session_ids: line.sessions.iter().map(ToString::to_string).collect(),
    };
    BillJson {
        member_id: bill.member.to_string(),
        month: bill.month.to_string(),
        invoice_id: bill.invoice_id(),
        state: if view.closed { "closed" } else { "provisional" }.to_owned(),
        lines: bill.lines.iter().map(line).collect(),
        total_yen: bill.total().to_string(),
        tax_yen: bill.tax().to_string(),
    }
}

/// A member's bill: the frozen one of a closed month, else what it would be now.
#[utoipa::path(get, operation_id = "members_bill", path = "/members/{member_id}/bills/{month}",
    params(("member_id" = String, Path, max_length = 32), ("month" = String, Path, pattern = r"^\d{4}-\d{2}$")),
    responses(
        (status = 200, description = "done", body = BillJson),
    Problems,
    ))]
pub async fn bill(State(api): State<Arc<Api>>, Segment((id, text)): Segment<(String, String)>) -> Result<Json<BillJson>, Problem> {
    let view = api.app.bill(&member_id(&id)?, month(&text)?).await?;
    Ok(Json(bill_json(&view)))
}
