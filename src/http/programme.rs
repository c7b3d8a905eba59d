//! The programme: its terms, suspensions, free openings, end of service, and tariffs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, Segment, member_id};
use super::members::{HistoryJson, history_json};
use super::problem::{Problem, Problems};
use juden_domain::suspension::{FreeOpening, Scope, ServiceSuspension, Sites, Span};
use juden_domain::tariff::Tariff;
use juden_domain::terms::{ChangeReason, TermsVersion};

/// The reason for a change of the terms.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeReasonName {
    /// The law changed.
    Law,
    /// The change benefits the members.
    MemberBenefit,
    /// The change is reasonable.
    Reasonable,
}

/// New terms.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TermsBody {
    #[schema(min_length = 1, max_length = 1000)]
    version: String,
    /// The day on which they were posted, Japan time.
    published_on: NaiveDate,
    /// The day from whose midnight in Japan they hold.
    effective_on: NaiveDate,
    reason: ChangeReasonName,
    /// Whether term contracts renew automatically under these terms; left out: as the tariff says.
    auto_renew: Option<bool>,
}

/// Terms as they are recorded.
#[derive(Serialize, ToSchema)]
pub struct TermsJson {
    version: String,
    published_on: String,
    effective_on: String,
    effective_at: DateTime<Utc>,
    reason: String,
    auto_renew: Option<bool>,
}

fn terms_json(terms: &TermsVersion) -> TermsJson {
    TermsJson {
        version: terms.version.clone(),
        published_on: terms.published_on.to_string(),
        effective_on: terms.effective_on.to_string(),
        effective_at: terms.effective_at(),
        reason: terms.reason.name().to_owned(),
        auto_renew: terms.auto_renew,
    }
}

/// Records published terms. They must be published at least a month before they hold.
#[utoipa::path(post, operation_id = "programme_publish_terms", path = "/terms", request_body = TermsBody,
    responses((status = 201, description = "made", body = TermsJson), Problems))]
pub async fn publish_terms(
    State(api): State<Arc<Api>>,
    Body(body): Body<TermsBody>,
) -> Result<(StatusCode, Json<TermsJson>), Problem> {
    let terms = TermsVersion {
        version: body.version,
        published_on: body.published_on,
        effective_on: body.effective_on,
        reason: match body.reason {
            ChangeReasonName::Law => ChangeReason::Law,
            ChangeReasonName::MemberBenefit => ChangeReason::MemberBenefit,
            ChangeReasonName::Reasonable => ChangeReason::Reasonable,
        },
        auto_renew: body.auto_renew,
    };
    api.app.programme_changes.publish_terms(terms.clone()).await?;
    Ok((StatusCode::CREATED, Json(terms_json(&terms))))
}

/// Terms that held during a membership.
#[derive(Serialize, ToSchema)]
pub struct MemberTermsJson {
    #[serde(flatten)]
    terms: TermsJson,
    /// The first use of the service since they hold, which is consent by article 19.2.
    first_used_at: Option<DateTime<Utc>>,
    session_id: Option<String>,
}

/// All terms that held during a membership.
#[derive(Serialize, ToSchema)]
pub struct MemberTermsList {
    items: Vec<MemberTermsJson>,
    next_cursor: Option<String>,
}

/// Lists the terms that held during a membership, each with the use that is consent.
#[utoipa::path(get, operation_id = "programme_terms_of", path = "/members/{member_id}/terms", params(("member_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done", body = MemberTermsList), Problems))]
pub async fn terms_of(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<Json<MemberTermsList>, Problem> {
    let lived = api.app.programme_changes.terms_of(&member_id(&id)?).await?;
    let items = lived.iter().map(|(terms, used)| MemberTermsJson {
        terms: terms_json(terms),
        first_used_at: used.as_ref().map(|session| session.start.at),
        session_id: used.as_ref().map(|session| session.reference.to_string()),
    });
    Ok(Json(MemberTermsList { items: items.collect(), next_cursor: None }))
}

/// The programme.
#[derive(Serialize, ToSchema)]
pub struct ProgrammeJson {
    /// Terms, in order of the day from which they hold.
    terms: Vec<TermsJson>,
    suspensions: Vec<SuspensionJson>,
    free_openings: Vec<OpeningJson>,
    /// The first instant without service.
    service_ends_at: Option<DateTime<Utc>>,
    tariffs: Vec<TariffJson>,
}

/// A tariff version.
#[derive(Serialize, ToSchema)]
pub struct TariffJson {
    version: String,
    /// The first usage month that it rates.
    from: String,
    tax_rate: String,
    plans: Vec<String>,
    /// Whether it was published less than a month before it holds. This is only a hint.
    short_notice: bool,
}

/// Shows the programme: terms, suspensions, free openings, end of service, tariffs.
#[utoipa::path(get, operation_id = "programme_get", path = "/programme", responses((status = 200, description = "done", body = ProgrammeJson), Problems))]
pub async fn get(State(api): State<Arc<Api>>) -> Json<ProgrammeJson> {
    let programme = api.app.programme();
    let tariff = |tariff: &Arc<Tariff>| TariffJson {
        version: tariff.version.clone(),
        from: tariff.from.to_string(),
        tax_rate: tariff.tax_rate.to_string(),
        plans: tariff.plans.keys().cloned().collect(),
        short_notice: tariff.has_short_notice(),
    };
    Json(ProgrammeJson {
        terms: programme.terms.iter().map(terms_json).collect(),
        suspensions: programme
            .suspensions
            .iter()
            .map(|one| suspension_json(one.number, &one.record))
            .collect(),
        free_openings: programme
            .openings
            .iter()
            .map(|one| opening_json(one.number, &one.record))
            .collect(),
        service_ends_at: programme.service_ends_at,
        tariffs: programme.tariffs.versions().iter().map(tariff).collect(),
    })
}

/// Shows the history of the programme, in order.
#[utoipa::path(get, operation_id = "programme_history", path = "/programme/history", responses((status = 200, description = "done", body = HistoryJson), Problems))]
pub async fn history(State(api): State<Arc<Api>>) -> Result<Json<HistoryJson>, Problem> {
    Ok(Json(history_json(api.app.programme_changes.programme_history().await?)))
}

/// The scope of a suspension.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScopeName {
    /// Charging.
    Service,
    /// The members' site.
    Site,
    /// Charging and the members' site.
    Both,
}

/// A suspension.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenSuspension {
    scope: ScopeName,
    /// The charging sites, by the stations' `site`; left out: all.
    sites: Option<Vec<String>>,
    /// The number of the reason in the member terms.
    #[schema(minimum = 1, maximum = 6)]
    reason: u8,
    from: Option<DateTime<Utc>>,
    /// The end; left out: not known yet.
    to: Option<DateTime<Utc>>,
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: String,
}

/// A suspension as it is recorded.
#[derive(Serialize, ToSchema)]
pub struct SuspensionJson {
    number: i64,
    scope: String,
    sites: Option<Vec<String>>,
    reason: u8,
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
    note: String,
}

fn sites_of(names: Option<Vec<String>>) -> Sites {
    names.map_or(Sites::All, Sites::Some)
}

fn sites_json(sites: &Sites) -> Option<Vec<String>> {
    match sites {
        Sites::All => None,
        Sites::Some(names) => Some(names.clone()),
    }
}

fn suspension_json(number: i64, it: &ServiceSuspension) -> SuspensionJson {
    SuspensionJson {
        number,
        scope: it.scope.name().to_owned(),
        sites: sites_json(&it.sites),
        reason: it.reason,
        from: it.span.from,
        to: it.span.to,
        note: it.note.clone(),
    }
}

/// Suspends the service, the members' site, or both.
#[utoipa::path(post, operation_id = "programme_open_suspension", path = "/suspensions", request_body = OpenSuspension,
    responses((status = 201, description = "made", body = SuspensionJson), Problems))]
pub async fn open_suspension(
    State(api): State<Arc<Api>>,
    Body(body): Body<OpenSuspension>,
) -> Result<(StatusCode, Json<SuspensionJson>), Problem> {
    let suspension = ServiceSuspension {
        scope: match body.scope {
            ScopeName::Service => Scope::Service,
            ScopeName::Site => Scope::Site,
            ScopeName::Both => Scope::Both,
        },
        sites: sites_of(body.sites),
        reason: body.reason,
        span: Span { from: body.from.unwrap_or_else(|| api.app.now()), to: body.to },
        note: body.note,
    };
    let number = api.app.programme_changes.open_suspension(suspension.clone()).await?;
    Ok((StatusCode::CREATED, Json(suspension_json(number, &suspension))))
}

/// The instant at which a suspension or a free opening ends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CloseBody {
    /// The end; left out: now.
    to: Option<DateTime<Utc>>,
}

fn number(text: &str) -> Result<i64, Problem> {
    text.parse().map_err(|_| {
        Problem::malformed("number", "number must be the number of a suspension or opening")
    })
}

/// Ends a suspension.
#[utoipa::path(post, operation_id = "programme_close_suspension", path = "/suspensions/{number}/close", request_body = CloseBody,
    params(("number" = String, Path, pattern = r"^\d{1,18}$")),
    responses((status = 200, description = "done", body = ProgrammeJson), Problems))]
pub async fn close_suspension(
    State(api): State<Arc<Api>>,
    Segment(text): Segment<String>,
    Body(body): Body<CloseBody>,
) -> Result<Json<ProgrammeJson>, Problem> {
    api.app.programme_changes.close_suspension(number(&text)?, body.to).await?;
    Ok(get(State(api)).await)
}

/// A free opening.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OpenOpening {
    /// The charging sites, by the stations' `site`; left out: all.
    sites: Option<Vec<String>>,
    from: Option<DateTime<Utc>>,
    /// The end; left out: not known yet.
    to: Option<DateTime<Utc>>,
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: String,
}

/// A free opening as it is recorded.
#[derive(Serialize, ToSchema)]
pub struct OpeningJson {
    number: i64,
    sites: Option<Vec<String>>,
    from: DateTime<Utc>,
    to: Option<DateTime<Utc>>,
    note: String,
}

fn opening_json(number: i64, it: &FreeOpening) -> OpeningJson {
    OpeningJson {
        number,
        sites: sites_json(&it.sites),
        from: it.span.from,
        to: it.span.to,
        note: it.note.clone(),
    }
}

/// Opens chargers to everyone for free.
#[utoipa::path(post, operation_id = "programme_open_freely", path = "/free-openings", request_body = OpenOpening,
    responses((status = 201, description = "made", body = OpeningJson), Problems))]
pub async fn open_freely(
    State(api): State<Arc<Api>>,
    Body(body): Body<OpenOpening>,
) -> Result<(StatusCode, Json<OpeningJson>), Problem> {
    let span = Span { from: body.from.unwrap_or_else(|| api.app.now()), to: body.to };
    let opening = FreeOpening { sites: sites_of(body.sites), span, note: body.note };
    let number = api.app.programme_changes.open_freely(opening.clone()).await?;
    Ok((StatusCode::CREATED, Json(opening_json(number, &opening))))
}

/// Ends a free opening.
#[utoipa::path(post, operation_id = "programme_close_opening", path = "/free-openings/{number}/close", request_body = CloseBody,
    params(("number" = String, Path, pattern = r"^\d{1,18}$")),
    responses((status = 200, description = "done", body = ProgrammeJson), Problems))]
pub async fn close_opening(
    State(api): State<Arc<Api>>,
    Segment(text): Segment<String>,
    Body(body): Body<CloseBody>,
) -> Result<Json<ProgrammeJson>, Problem> {
    api.app.programme_changes.end_free_opening(number(&text)?, body.to).await?;
    Ok(get(State(api)).await)
}

/// The end of the service.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceEndBody {
    /// The first instant without service.
    at: DateTime<Utc>,
    /// The day on which the members were notified, Japan time.
    notified_on: NaiveDate,
}

/// Sets the end of the service, which must be announced before.
#[utoipa::path(put, operation_id = "programme_set_service_end", path = "/service-end", request_body = ServiceEndBody,
    responses((status = 200, description = "done", body = ProgrammeJson), Problems))]
pub async fn set_service_end(
    State(api): State<Arc<Api>>,
    Body(body): Body<ServiceEndBody>,
) -> Result<Json<ProgrammeJson>, Problem> {
    api.app.programme_changes.set_service_end(body.at, body.notified_on).await?;
    Ok(get(State(api)).await)
}
