//! Look-ups: benefits for their providers, data for allowed purposes, the audit trail, and
//! invoices.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::bodies::{QueryParams, Segment, card_number, member_id, month, next_cursor, page};
use super::problem::{Problem, Problems};
use super::usage::{InvoiceJson, LineJson, invoice_json, line_json};
use crate::tariff_files::RENTAL_RATE_MAX;
use juden_core::members::admission::VIN_MAX;
use juden_core::members::benefits::BenefitClaim;
use juden_core::members::provision::Provided;
use juden_domain::benefits::{Ground, Service, TOTAL_CAP, TOWING_CAP};
use juden_domain::member::Member;
use juden_domain::month::BillingMonth;
use juden_domain::provision::{Consent, NAME_MAX};
use juden_domain::session::Session;

/// A provider's question about a benefit.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct BenefitQuery {
    /// The card number; either this or `member_id`.
    card_number: Option<String>,
    /// The member id; either this or `card_number`.
    member_id: Option<String>,
    /// `rental` or `towing`.
    #[param(pattern = "^(rental|towing)$")]
    service: String,
    /// The instant; left out: now.
    at: Option<DateTime<Utc>>,
    /// The car that is to be towed.
    #[param(max_length = 32)]
    vin: Option<String>,
}

/// The answer to a provider.
#[derive(Serialize, ToSchema)]
pub struct BenefitJson {
    eligible: bool,
    /// `eligible`, or the reason why not.
    reason: String,
    /// The article of the member terms that applies.
    article: String,
    /// The instant from which the towing benefit is given.
    eligible_from: Option<DateTime<Utc>>,
    /// The most that is reimbursed for towing, in yen.
    towing_cap: Option<String>,
    /// The most that is reimbursed for all trouble away from home, in yen.
    total_cap: Option<String>,
    /// The discount on the basic rental fee, as a share.
    rate: Option<String>,
    /// The highest discount.
    cap: Option<String>,
    /// Whether the car is the registered car.
    vehicle_match: Option<bool>,
    /// Conditions that the provider must check itself.
    conditions: Vec<String>,
}

/// Answers whether a member has a benefit.
#[utoipa::path(get, operation_id = "lookups_benefits", path = "/benefits", params(BenefitQuery),
    responses((status = 200, description = "done", body = BenefitJson), Problems))]
pub async fn benefits(
    State(api): State<Arc<Api>>,
    QueryParams(query): QueryParams<BenefitQuery>,
) -> Result<Json<BenefitJson>, Problem> {
    let shown = match (&query.card_number, &query.member_id) {
        (Some(card), None) => BenefitClaim::Card(card_number(card)?),
        (None, Some(member)) => BenefitClaim::Member(member_id(member)?),
        (None, None) | (Some(_), Some(_)) => {
            return Err(Problem::malformed(
                "card_number",
                "either card_number or member_id must be given",
            ));
        }
    };
    if query.vin.as_ref().is_some_and(|vin| vin.chars().count() > VIN_MAX) {
        return Err(Problem::malformed("vin", format!("vin must be at most {VIN_MAX} characters")));
    }
    let service = Service::parse(&query.service)
        .ok_or_else(|| Problem::malformed("service", "service must be rental or towing"))?;
    let answer = api.app.members.benefit(&shown, service, query.at, query.vin.as_deref()).await?;
    let rate =
        if service == Service::Rental { api.app.members.rental_rate(query.at) } else { None };
    let cap = |cap: juden_domain::units::Yen| (service == Service::Towing).then(|| cap.to_string());
    Ok(Json(BenefitJson {
        eligible: answer.ground == Ground::Eligible,
        reason: answer.ground.name().to_owned(),
        article: answer.ground.article().to_owned(),
        eligible_from: answer.eligible_from,
        towing_cap: cap(TOWING_CAP),
        total_cap: cap(TOTAL_CAP),
        rate: rate.map(|rate| rate.to_string()),
        cap: rate.map(|_| RENTAL_RATE_MAX.to_owned()),
        vehicle_match: answer.vehicle_match,
        conditions: answer.conditions.iter().map(|condition| (*condition).to_owned()).collect(),
    }))
}

/// The recipient and purpose of data, and its month.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProvisionQuery {
    /// The recipient, such as `ncs`, `e_mobility_power`, `dealer`, `affiliate`, `collection_agent`,
    /// `approved_third_party`.
    #[param(max_length = 64)]
    recipient: String,
    /// The purpose, such as `service`, `quality`, `ev_information`, `marketing`, `collection`,
    /// `statistics`.
    #[param(max_length = 64)]
    purpose: String,
    #[param(pattern = r"^\d{4}-\d{2}$")]
    month: String,
    /// The most items of the page, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 400)]
    cursor: Option<String>,
}

/// Data for a recipient.
#[derive(Serialize, ToSchema)]
pub struct ProvisionJson {
    /// `sessions`, `members`, `collection` or `statistics`.
    dataset: String,
    items: Vec<Value>,
    /// The path to fetch the data from, if it is a file.
    href: Option<String>,
    next_cursor: Option<String>,
}

/// Gives a recipient the data that it may have for a purpose. Other requests are refused.
#[utoipa::path(get, operation_id = "lookups_provide", path = "/data-provision", params(ProvisionQuery),
    responses((status = 200, description = "done", body = ProvisionJson), Problems))]
pub async fn provide(
    State(api): State<Arc<Api>>,
    QueryParams(query): QueryParams<ProvisionQuery>,
) -> Result<Json<ProvisionJson>, Problem> {
    let wanted = Consent { recipient: query.recipient, purpose: query.purpose };
    for (field, text) in [("recipient", &wanted.recipient), ("purpose", &wanted.purpose)] {
        if text.chars().count() > NAME_MAX {
            return Err(Problem::malformed(
                field,
                format!("{field} must be at most {NAME_MAX} characters"),
            ));
        }
    }
    let month = month(&query.month)?;
    let page = page(query.limit, query.cursor)?;
    let full = |count: usize| i64::try_from(count).unwrap_or(i64::MAX) == page.limit;
    let answer = |dataset: &str, items: Vec<Value>, next_cursor: Option<String>| ProvisionJson {
        dataset: dataset.to_owned(),
        items,
        href: None,
        next_cursor,
    };
    Ok(Json(match api.app.members.provide(&wanted, month, &page).await? {
        Provided::Sessions(sessions) => {
            let next = sessions
                .last()
                .filter(|_| full(sessions.len()))
                .map(|session| session.id.to_string());
            answer("sessions", sessions.iter().map(provided_session).collect(), next)
        }
        Provided::Members { members, read_to } => answer(
            "members",
            members.iter().map(|member| provided_member(&api, member)).collect(),
            read_to.map(|id| id.to_string()),
        ),
        Provided::Collection => ProvisionJson {
            href: Some(format!("/api/v1/months/{month}/export?format=collection")),
            ..answer("collection", Vec::new(), None)
        },
        Provided::Statistics(cells) => {
            let cell = |((site, class, hour), cell): (
                &(String, juden_domain::station::ChargerClass, u32),
                &juden_domain::provision::Cell,
            )| {
                json!({"site": site, "charger_class": class.name(), "hour": hour, "sessions": cell.sessions,
                    "duration_s": cell.duration_s, "energy_wh": cell.energy_wh})
            };
            answer("statistics", cells.iter().map(cell).collect(), None)
        }
    }))
}

/// A session for the roaming networks, with the card number but no name.
fn provided_session(session: &Session) -> Value {
    json!({
        "session_id": session.reference.as_str(),
        "station_id": session.station_id.as_str(),
        "site": session.site_name,
        "connector_id": session.connector_id,
        "charger_class": session.site.map(|site| site.charger_class.name()),
        "card_number": session.card.as_ref().map(juden_domain::ids::CardNumber::as_str),
        "started_at": session.start.at,
        "stopped_at": session.stop.as_ref().map(|stop| stop.edge.at),
        "energy_wh": session.stop.as_ref().and_then(|stop| stop.energy).map(|energy| energy.0),
    })
}

fn provided_member(api: &Api, member: &Member) -> Value {
    let now = api.app.now();
    let contact = member.contact_at(now);
    let plan = member.plan_name_in(BillingMonth::of(now), &api.app.programme());
    json!({"member_id": member.id.as_str(), "name": contact.name, "email": contact.email, "plan": plan, "vin": member.vehicle_at(now)})
}

/// The most characters of a subject.
const SUBJECT_MAX: usize = 100;

/// A filter of the audit trail.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuery {
    /// The subject, such as `members/M-000001` or `cards/C-00000001`; left out: all.
    #[param(max_length = 100)]
    subject: Option<String>,
    /// The most items of the page, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 400)]
    cursor: Option<String>,
}

/// An entry of the audit trail.
#[derive(Serialize, ToSchema)]
pub struct AuditJson {
    at: DateTime<Utc>,
    /// The person, as named by the caller.
    actor: String,
    /// The caller's address.
    peer: String,
    action: String,
    subject: String,
    /// The reason, in the caller's words.
    reason: String,
    /// The request's body or query, without secrets.
    detail: Value,
    /// The answer's status, with the reason of a refusal; `null`: the process ended first.
    outcome: Option<String>,
}

/// The audit trail, the newest first.
#[derive(Serialize, ToSchema)]
pub struct AuditPage {
    items: Vec<AuditJson>,
    next_cursor: Option<String>,
}

/// Lists changes and look-ups, with person, time, address and reason.
#[utoipa::path(get, operation_id = "lookups_audit", path = "/audit", params(AuditQuery),
    responses((status = 200, description = "done", body = AuditPage), Problems))]
pub async fn audit(
    State(api): State<Arc<Api>>,
    QueryParams(query): QueryParams<AuditQuery>,
) -> Result<Json<AuditPage>, Problem> {
    if query.subject.as_ref().is_some_and(|subject| subject.chars().count() > SUBJECT_MAX) {
        return Err(Problem::malformed(
            "subject",
            format!("subject must be at most {SUBJECT_MAX} characters"),
        ));
    }
    let page = page(query.limit, query.cursor)?;
    let entries = api.app.requests.audit(query.subject.as_deref(), &page).await?;
    let next_cursor = next_cursor(&entries, &page, |(number, _)| number.to_string());
    let items = entries.into_iter().map(|(_, entry)| AuditJson {
        at: entry.at,
        actor: entry.actor,
        peer: entry.peer,
        action: entry.action,
        subject: entry.subject,
        reason: entry.reason,
        detail: serde_json::from_str(&entry.detail).unwrap_or(Value::String(entry.detail)),
        outcome: entry.outcome,
    });
    Ok(Json(AuditPage { items: items.collect(), next_cursor }))
}

/// An invoice with its lines.
#[derive(Serialize, ToSchema)]
pub struct WholeInvoice {
    #[serde(flatten)]
    invoice: InvoiceJson,
    lines: Vec<LineJson>,
}

/// Shows an invoice.
#[utoipa::path(get, operation_id = "lookups_invoice", path = "/invoices/{invoice_id}", params(("invoice_id" = String, Path, max_length = 80)),
    responses((status = 200, description = "done", body = WholeInvoice), Problems))]
pub async fn invoice(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<Json<WholeInvoice>, Problem> {
    let invoice = api.app.billing.invoice(&id).await?;
    let lines =
        (1..).zip(&invoice.lines).map(|(place, line)| line_json(place, &invoice, line)).collect();
    Ok(Json(WholeInvoice { invoice: invoice_json(&invoice), lines }))
}
