//! Sessions, with the messages that they came from, and decisions on them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::audit::Actor;
use super::bodies::{
    Body, QueryParams as Query, Segment, card_number, member_id, month, page, session_name,
    session_number, station_id,
};
use super::corrections::{CorrectionJson, correction_json};
use super::problem::{Problem, Problems};
use super::station_body::ClassName;
use juden_core::records::{JournalEntry, SessionFilter};
use juden_core::sessions::corrections::{Author, CorrectionRequest};
use juden_core::sessions::views::{SessionRating, SessionView};
use juden_domain::bill::LineCode;
use juden_domain::session::BillingState;
use juden_domain::station::ChargerClass;

/// A filter of sessions.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionQuery {
    /// Only sessions of this usage month.
    #[param(pattern = r"^\d{4}-\d{2}$")]
    month: Option<String>,
    /// Only sessions of this member.
    member_id: Option<String>,
    /// Only sessions at this station.
    station_id: Option<String>,
    /// Only sessions with this card.
    card_number: Option<String>,
    /// Only sessions in this state: `open`, `ended`, `review`, `exception`, `quarantined` or
    /// `waived`.
    state: Option<String>,
    /// The most items of the page, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `next_cursor` of the previous page.
    #[param(max_length = 320)]
    cursor: Option<String>,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub struct SessionJson {
    session_id: String,
    /// The session's number, which OCPP 1.6 uses as transactionId.
    transaction_id: i64,
    /// The transactionId that the station assigned (OCPP 2.0.1).
    station_transaction_id: Option<String>,
    station_id: String,
    /// The charging site where the station stood.
    site: String,
    connector_id: i64,
    charger_class: Option<ClassName>,
    card_number: Option<String>,
    member_id: Option<String>,
    /// The usage month: the month of the start, Japan time.
    usage_month: String,
    started_at: DateTime<Utc>,
    /// The start's timestamp as the station sent it.
    start_reported: String,
    start_received_at: DateTime<Utc>,
    meter_start_wh: Option<i64>,
    stopped_at: Option<DateTime<Utc>>,
    stop_reported: Option<String>,
    stop_received_at: Option<DateTime<Utc>>,
    meter_stop_wh: Option<i64>,
    stop_reason: Option<String>,
    energy_wh: Option<i64>,
    /// The session's units under the plan and tariff of its month.
    units: Option<i64>,
    tariff_version: Option<String>,
    /// `open`, `ended`, `review`, `exception`, `quarantined` or `waived`.
    state: String,
    /// The reason why the card was not authorized at the start.
    refusal: Option<String>,
    /// Whether the charger was then open to everyone for free.
    free_opening: bool,
    /// The session's flags: named doubts.
    flags: Vec<String>,
    decision: Option<String>,
    /// The basis of the end: `told` (reported by the station), `guessed`, or `estimated`.
    stop_basis: Option<String>,
    /// The time of the newest evidence of charging.
    charging_seen_at: Option<DateTime<Utc>>,
    /// The measured difference in milliseconds between the station's clock and the server's, at the
    /// start.
    clock_offset_ms: Option<i64>,
    /// The corrections, in order.
    corrections: Vec<CorrectionJson>,
}

/// A session with its messages.
#[derive(Serialize, ToSchema)]
pub struct SessionDetail {
    #[serde(flatten)]
    session: SessionJson,
    /// The price of the session, as its month is rated now.
    rating: Option<RatingJson>,
    messages: Vec<MessageJson>,
}

/// The price of a session, and the rule behind it.
#[derive(Serialize, ToSchema)]
pub struct RatingJson {
    /// The article of the member terms that applies.
    article: String,
    /// The rule in words.
    rule: String,
    tariff_version: Option<String>,
    plan: String,
    /// Seconds of one unit. A begun unit counts whole.
    unit_s: i64,
    free_units: i64,
    charged_units: i64,
    unit_price_yen: String,
    /// The price of the charged units. The month's sum of a charger class is cut to whole yen once.
    cost_yen: String,
    /// The invoices with lines that name the session.
    invoice_ids: Vec<String>,
}

fn rating_json(view: &SessionView, rating: SessionRating) -> RatingJson {
    let code = match view.session.site.map(|site| site.charger_class) {
        Some(ChargerClass::Normal) => LineCode::MeteredNormal,
        Some(ChargerClass::Quick) | None => LineCode::MeteredQuick,
    };
    RatingJson {
        article: code.article().to_owned(),
        rule: code.sentence().to_owned(),
        tariff_version: view.tariff_version.clone(),
        plan: rating.plan,
        unit_s: rating.price.unit_s,
        free_units: rating.free_units,
        charged_units: rating.charged_units,
        unit_price_yen: rating.price.per_unit.to_string(),
        cost_yen: rating.price.per_unit.times(rating.charged_units).to_string(),
        invoice_ids: rating.invoice_ids,
    }
}

/// A message in the journal.
#[derive(Serialize, ToSchema)]
pub struct MessageJson {
    received_at: DateTime<Utc>,
    action: String,
    message_id: String,
    /// The message's effect, in one word.
    effect: String,
    /// The payload as it came; a string if it was not JSON.
    payload: Value,
    answer: Value,
}

/// A page of sessions.
#[derive(Serialize, ToSchema)]
pub struct SessionPage {
    items: Vec<SessionJson>,
    next_cursor: Option<String>,
}

pub(super) fn session_json(view: &SessionView) -> SessionJson {
    let session = &view.session;
    let stop = session.stop.as_ref();
    let flags = session.flags_by(view.standing);
    SessionJson {
        session_id: session.reference.to_string(),
        transaction_id: session.id.0,
        station_transaction_id: session.transaction.clone(),
        station_id: session.station_id.to_string(),
        site: session.site_name.clone(),
        connector_id: session.connector_id,
        charger_class: session.site.map(|site| site.charger_class.into()),
        card_number: session.card.as_ref().map(ToString::to_string),
        member_id: session.member.as_ref().map(ToString::to_string),
        usage_month: session.month().to_string(),
        started_at: session.start.at,
        start_reported: session.start.reported.clone(),
        start_received_at: session.start.received_at,
        meter_start_wh: session.start.meter.map(|register| register.0),
        stopped_at: stop.map(|stop| stop.edge.at),
        stop_reported: stop.map(|stop| stop.edge.reported.clone()),
        stop_received_at: stop.map(|stop| stop.edge.received_at),
        meter_stop_wh: stop.and_then(|stop| stop.edge.meter).map(|register| register.0),
        stop_reason: stop.map(|stop| stop.reason.clone()),
        energy_wh: stop.and_then(|stop| stop.energy).map(|energy| energy.0),
        units: view.units,
        tariff_version: view.tariff_version.clone(),
        state: view.state.name().to_owned(),
        refusal: view.standing.refusal.map(|reason| reason.code().to_owned()),
        free_opening: view.standing.free,
        flags: flags.iter().map(|flag| flag.code().to_owned()).collect(),
        decision: session.decision.map(|decision| decision.name().to_owned()),
        stop_basis: stop.map(|stop| stop.basis.name().to_owned()),
        charging_seen_at: session.trail.charging_seen,
        clock_offset_ms: session.trail.clock_offset_ms,
        corrections: session
            .corrections
            .iter()
            .map(|one| correction_json(&session.reference, one))
            .collect(),
    }
}

/// A message's text as JSON, or as a string if it is not JSON.
pub(super) fn value(text: String) -> Value {
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

fn message_json(entry: JournalEntry) -> MessageJson {
    MessageJson {
        received_at: entry.received_at,
        action: entry.action,
        message_id: entry.message_id,
        effect: entry.effect,
        payload: value(entry.payload),
        answer: value(entry.answer),
    }
}

/// Lists sessions in order of their number.
#[utoipa::path(get, operation_id = "sessions_list", path = "/sessions", params(SessionQuery), responses(
    (status = 200, description = "done", body = SessionPage),
    Problems,
))]
pub async fn list(
    State(api): State<Arc<Api>>,
    Query(query): Query<SessionQuery>,
) -> Result<Json<SessionPage>, Problem> {
    let filter = SessionFilter {
        running: false,
        month: query.month.as_deref().map(month).transpose()?,
        member: query.member_id.as_deref().map(member_id).transpose()?,
        station: query.station_id.as_deref().map(station_id).transpose()?,
        card: query.card_number.as_deref().map(card_number).transpose()?,
    };
    let states = || {
        Problem::malformed(
            "state",
            "state must be open, ended, review, exception, quarantined or waived",
        )
    };
    let state = query
        .state
        .as_deref()
        .map(|name| BillingState::parse(name).ok_or_else(states))
        .transpose()?;
    if let Some(cursor) = &query.cursor {
        session_number(cursor).map_err(|_| {
            Problem::malformed("cursor", "cursor must be a next_cursor of an earlier answer")
        })?;
    }
    let (views, next) =
        api.app.sessions.list_sessions(&filter, state, &page(query.limit, query.cursor)?).await?;
    Ok(Json(SessionPage {
        items: views.iter().map(session_json).collect(),
        next_cursor: next.map(|id| id.to_string()),
    }))
}

/// Shows a session, with its price and the messages that it came from.
#[utoipa::path(get, operation_id = "sessions_get", path = "/sessions/{session_id}", params(("session_id" = String, Path, max_length = 32)), responses(
    (status = 200, description = "done", body = SessionDetail),
    Problems,
))]
pub async fn get(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<Json<SessionDetail>, Problem> {
    let file = api.app.sessions.session(session_name(&id)?).await?;
    Ok(Json(SessionDetail {
        session: session_json(&file.view),
        rating: file.rating.map(|rating| rating_json(&file.view, rating)),
        messages: file.messages.into_iter().map(message_json).collect(),
    }))
}

/// A person's decision on a held session.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecisionName {
    /// Bill the session as measured.
    Bill,
    /// Do not bill the session.
    Waive,
}

/// A decision with its note.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionBody {
    decision: DecisionName,
    /// The reason.
    #[serde(default)]
    #[schema(max_length = 1000)]
    note: String,
}

/// The reason that is stored if the note is empty.
const NO_REASON: &str = "decided without a note";

/// Decides a held session, like the corrections `bill` and `waive`.
#[utoipa::path(post, operation_id = "sessions_decide", path = "/sessions/{session_id}/decision", request_body = DecisionBody,
    params(("session_id" = String, Path, max_length = 32)),
    responses(
        (status = 200, description = "done", body = SessionJson),
    Problems,
    ))]
pub async fn decide(
    State(api): State<Arc<Api>>,
    Actor(by): Actor,
    Segment(id): Segment<String>,
    Body(body): Body<DecisionBody>,
) -> Result<Json<SessionJson>, Problem> {
    let asked = match body.decision {
        DecisionName::Bill => CorrectionRequest::Bill,
        DecisionName::Waive => CorrectionRequest::Waive,
    };
    let reason = if body.note.trim().is_empty() { NO_REASON } else { body.note.as_str() };
    let (_, view) =
        api.app.sessions.correct(session_name(&id)?, &asked, Author { by: &by, reason }).await?;
    Ok(Json(session_json(&view)))
}
