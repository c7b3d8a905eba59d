//! Corrections of sessions: making, confirming, refusing and undoing them; and a station's
//! messages, among which a stop that belongs to a session can be found.

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
    Body, QueryParams as Query, Segment, YenSchema, card_number, page, session_name, station_id,
    yen_text_if_named,
};
use super::problem::{Problem, Problems};
use super::sessions::{SessionJson, session_json, value};
use super::station_body::ClassName;
use juden_core::records::JournalFilter;
use juden_core::sessions::corrections::{Author, CorrectionRequest, correction_id};
use juden_domain::correction::{Approval, Correction, CorrectionKind};
use juden_domain::ids::SessionRef;
use juden_domain::units::{WattHours, Yen};

/// The kind of a correction.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KindName {
    /// Ends the session.
    End,
    /// Bills a held session as it stands.
    Bill,
    /// Waives the session: it is not billed.
    Waive,
    /// Reduces the bill of the session.
    Reduce,
    /// Assigns the session to a member's card.
    Assign,
    /// Sets the charger class.
    Class,
    /// Ends the session by a stop message that belonged to no session.
    JoinStop,
    /// Undoes the newest correction that holds.
    Undo,
}

/// A requested correction.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CorrectionBody {
    kind: KindName,
    /// The reason.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
    /// For `end`: the instant; left out: by the last evidence.
    stopped_at: Option<DateTime<Utc>>,
    /// For `end`: the energy in watt-hours.
    #[schema(minimum = 0)]
    energy_wh: Option<i64>,
    /// For `reduce`: the number of charged units that remain.
    #[schema(minimum = 0)]
    charged_units: Option<i64>,
    /// For `reduce`: the sum that is taken off.
    #[serde(default, deserialize_with = "yen_text_if_named")]
    #[schema(value_type = Option<YenSchema>)]
    amount_yen: Option<String>,
    /// For `assign`: the card.
    card_number: Option<String>,
    /// For `class`: quick or normal.
    charger_class: Option<ClassName>,
    /// For `join_stop`: a message of the session's station.
    message_id: Option<String>,
}

/// A correction and its state.
#[derive(Serialize, ToSchema)]
pub struct CorrectionJson {
    correction_id: String,
    kind: String,
    /// `done`, `waiting` for a second person, or `refused`.
    state: String,
    by: String,
    reason: String,
    at: DateTime<Utc>,
    /// The person who confirmed or refused it.
    settled_by: Option<String>,
    settled_at: Option<DateTime<Utc>>,
    stopped_at: Option<DateTime<Utc>>,
    energy_wh: Option<i64>,
    charged_units: Option<i64>,
    amount_yen: Option<String>,
    card_number: Option<String>,
    charger_class: Option<ClassName>,
    message_id: Option<String>,
}

/// A correction, with the session after it.
#[derive(Serialize, ToSchema)]
pub struct Corrected {
    #[serde(flatten)]
    correction: CorrectionJson,
    session: SessionJson,
}

/// A correction of a session as the API shows it.
pub(super) fn correction_json(session: &SessionRef, one: &Correction) -> CorrectionJson {
    let mut told = CorrectionJson {
        correction_id: correction_id(session, one.number),
        kind: one.kind.name().to_owned(),
        state: one.approval.name().to_owned(),
        by: one.by.clone(),
        reason: one.reason.clone(),
        at: one.at,
        settled_by: one.settled.as_ref().map(|(by, _)| by.clone()),
        settled_at: one.settled.as_ref().map(|(_, at)| *at),
        stopped_at: None,
        energy_wh: None,
        charged_units: None,
        amount_yen: None,
        card_number: None,
        charger_class: None,
        message_id: None,
    };
    match &one.kind {
        CorrectionKind::End { at, energy } => {
            (told.stopped_at, told.energy_wh) = (Some(*at), energy.map(|energy| energy.0));
        }
        CorrectionKind::ReduceUnits(units) => told.charged_units = Some(*units),
        CorrectionKind::ReduceYen(yen) => told.amount_yen = Some(yen.to_string()),
        CorrectionKind::Assign { card, .. } => told.card_number = Some(card.to_string()),
        CorrectionKind::Class(class) => told.charger_class = Some((*class).into()),
        CorrectionKind::JoinStop { message, stop } => {
            (told.message_id, told.stopped_at) = (Some(message.to_string()), Some(stop.edge.at));
        }
        CorrectionKind::Bill | CorrectionKind::Waive | CorrectionKind::Undo => {}
    }
    told
}

fn asked(body: &CorrectionBody) -> Result<CorrectionRequest, Problem> {
    let needed = |field: &'static str, what: &str| {
        Problem::malformed(field, format!("{field} must be {what}"))
    };
    let not_negative = |field: &'static str, value: Option<i64>| match value {
        Some(number) if !(0..=COUNT_MAX).contains(&number) => Err(needed(field, "0 to 100000000")),
        value => Ok(value),
    };
    let energy = not_negative("energy_wh", body.energy_wh)?.map(WattHours);
    let units = not_negative("charged_units", body.charged_units)?;
    let yen = body.amount_yen.as_deref().map(|text| {
        Yen::parse(text).filter(|yen| *yen > Yen::ZERO && yen.floor_to_whole() == *yen)
    });
    match body.kind {
        KindName::End => Ok(CorrectionRequest::End { stopped_at: body.stopped_at, energy }),
        KindName::Bill => Ok(CorrectionRequest::Bill),
        KindName::Waive => Ok(CorrectionRequest::Waive),
        KindName::Undo => Ok(CorrectionRequest::Undo),
        KindName::Reduce => match (units, yen) {
            (Some(units), None) => Ok(CorrectionRequest::ReduceUnits(units)),
            (None, Some(Some(yen))) => Ok(CorrectionRequest::ReduceYen(yen)),
            (None, Some(None)) => Err(needed("amount_yen", "whole yen above 0 such as \"1320\"")),
            _ => Err(needed("charged_units", "there, or amount_yen: one of the two")),
        },
        KindName::Assign => match &body.card_number {
            Some(number) => Ok(CorrectionRequest::Assign(card_number(number)?)),
            None => Err(needed("card_number", "the number of a member's card")),
        },
        KindName::Class => body
            .charger_class
            .map(|class| CorrectionRequest::Class(class.into()))
            .ok_or_else(|| needed("charger_class", "quick or normal")),
        KindName::JoinStop => match body.message_id.as_deref().map(str::parse) {
            Some(Ok(seq)) => Ok(CorrectionRequest::JoinStop(seq)),
            _ => Err(needed("message_id", "a message_id of the station's messages")),
        },
    }
}

/// Corrects a session.
/// A change in a closed month becomes a line of the next invoice. Above a limit, a second person
/// must confirm it.
#[utoipa::path(post, operation_id = "sessions_correct", path = "/sessions/{session_id}/corrections", request_body = CorrectionBody,
    params(("session_id" = String, Path, max_length = 32)),
    responses((status = 200, description = "done, or waiting", body = Corrected), Problems))]
pub async fn correct(
    State(api): State<Arc<Api>>,
    Actor(by): Actor,
    Segment(id): Segment<String>,
    Body(body): Body<CorrectionBody>,
) -> Result<Json<Corrected>, Problem> {
    let (made, view) = api
        .app
        .sessions
        .correct(session_name(&id)?, &asked(&body)?, Author { by: &by, reason: &body.reason })
        .await?;
    Ok(Json(Corrected {
        correction: correction_json(&view.session.reference, &made),
        session: session_json(&view),
    }))
}

/// Confirms a waiting correction. It must be another person than the one who made it.
#[utoipa::path(post, operation_id = "corrections_confirm", path = "/corrections/{correction_id}/confirm",
    params(("correction_id" = String, Path, max_length = 48)),
    responses((status = 200, description = "done", body = Corrected), Problems))]
pub async fn confirm(
    State(api): State<Arc<Api>>,
    Actor(by): Actor,
    Segment(id): Segment<String>,
) -> Result<Json<Corrected>, Problem> {
    let (made, view) = api.app.sessions.settle_correction(&id, &by, Approval::Done).await?;
    Ok(Json(Corrected {
        correction: correction_json(&view.session.reference, &made),
        session: session_json(&view),
    }))
}

/// Refuses a waiting correction.
#[utoipa::path(delete, operation_id = "corrections_refuse", path = "/corrections/{correction_id}",
    params(("correction_id" = String, Path, max_length = 48)),
    responses((status = 200, description = "refused", body = Corrected), Problems))]
pub async fn refuse(
    State(api): State<Arc<Api>>,
    Actor(by): Actor,
    Segment(id): Segment<String>,
) -> Result<Json<Corrected>, Problem> {
    let (made, view) = api.app.sessions.settle_correction(&id, &by, Approval::Refused).await?;
    Ok(Json(Corrected {
        correction: correction_json(&view.session.reference, &made),
        session: session_json(&view),
    }))
}

/// A filter of a station's messages.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessageQuery {
    /// Only messages received at or after this instant.
    from: Option<DateTime<Utc>>,
    /// Only messages received before this instant.
    to: Option<DateTime<Utc>>,
    /// Only messages with this action.
    #[param(max_length = 64)]
    action: Option<String>,
    /// `true`: only messages that belong to no session.
    unmatched: Option<bool>,
    /// The most items of the page, 1 to 500.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<i64>,
    /// The `next_cursor` of the previous page.
    #[param(pattern = "^[0-9]{1,18}$")]
    cursor: Option<String>,
}

/// The most watt-hours, or units, in a correction.
const COUNT_MAX: i64 = 100_000_000;

/// The most digits of a cursor, and the most characters of an action.
const CURSOR_DIGITS: usize = 18;
const ACTION_MAX: usize = 64;

/// A transaction message of a station.
#[derive(Serialize, ToSchema)]
pub struct StationMessage {
    /// The id to name in `join_stop`.
    message_id: String,
    received_at: DateTime<Utc>,
    action: String,
    /// The payload as it came; a string if it was not JSON.
    payload: Value,
    answer: Value,
    /// The session's number, which OCPP 1.6 uses as transactionId.
    transaction_id: Option<i64>,
    /// The session that the message belongs to.
    session_id: Option<String>,
    /// The message's effect, in one word.
    effect: String,
}

/// A page of a station's messages.
#[derive(Serialize, ToSchema)]
pub struct MessagePage {
    items: Vec<StationMessage>,
    next_cursor: Option<String>,
}

/// Lists a station's transaction messages as they came, in order.
#[utoipa::path(get, operation_id = "stations_messages", path = "/stations/{station_id}/messages", params(MessageQuery,
    ("station_id" = String, Path, max_length = 48)),
    responses((status = 200, description = "done", body = MessagePage), Problems))]
pub async fn messages(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    Query(query): Query<MessageQuery>,
) -> Result<Json<MessagePage>, Problem> {
    let after = query.cursor.as_deref().map_or(Ok(0), |cursor| {
        let number = cursor.parse::<i64>().ok().filter(|_| {
            cursor.len() <= CURSOR_DIGITS && cursor.bytes().all(|b| b.is_ascii_digit())
        });
        number.ok_or_else(|| {
            Problem::malformed("cursor", "cursor must be a next_cursor of an earlier answer")
        })
    })?;
    if query.action.as_ref().is_some_and(|action| action.chars().count() > ACTION_MAX) {
        return Err(Problem::malformed(
            "action",
            format!("action must be at most {ACTION_MAX} characters"),
        ));
    }
    let page = page(query.limit, None)?;
    let filter = JournalFilter {
        from: query.from,
        to: query.to,
        action: query.action,
        unmatched: query.unmatched.unwrap_or(false),
    };
    let messages =
        api.app.sessions.station_messages(&station_id(&id)?, &filter, after, page.limit).await?;
    let is_full = i64::try_from(messages.len()).unwrap_or(i64::MAX) == page.limit;
    let next_cursor = messages.last().filter(|_| is_full).map(|(entry, _)| entry.seq.to_string());
    let items = messages.into_iter().map(|(entry, session)| StationMessage {
        message_id: entry.seq.to_string(),
        received_at: entry.received_at,
        action: entry.action,
        transaction_id: entry.session_id.map(|id| id.0),
        session_id: session.map(|name| name.to_string()),
        payload: value(entry.payload),
        answer: value(entry.answer),
        effect: entry.effect,
    });
    Ok(Json(MessagePage { items: items.collect(), next_cursor }))
}
