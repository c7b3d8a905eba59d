//! Stations: registration, observed state, and refused handshakes.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::{Number, Value};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, PageQuery, QueryParams, Segment, next_cursor, station_id};
use super::problem::{Problem, Problems};
use super::station_body::{ClassName, StationBody};
use juden_core::commands::capabilities::not_done;
use juden_core::stations::registry::{StationDraft, StationView, version};

/// A station.
#[derive(Serialize, ToSchema)]
pub struct StationJson {
    station_id: String,
    site: String,
    /// `open`, `closed` or `maintenance`.
    availability: String,
    online: bool,
    /// The protocol of its connection.
    protocol: Option<String>,
    /// The node with its connection.
    node: Option<String>,
    connected_since: Option<DateTime<Utc>>,
    last_seen_at: Option<DateTime<Utc>>,
    /// The registration status as OCPP spells it: `Accepted`, `Pending` or `Rejected`; empty before
    /// the first BootNotification.
    boot_status: Option<String>,
    /// The station's own status and errorCode, in its words.
    status: Option<String>,
    error_code: Option<String>,
    /// The vendorErrorCode of the station's last status.
    vendor_error_code: Option<String>,
    /// The info of the station's last status.
    info: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    firmware: Option<String>,
    security_profile: u8,
    default_protocol: Option<String>,
    time_zone: Option<String>,
    /// A further name that its certificate may have instead of its identity.
    certificate_name: Option<String>,
    /// The registration status in the answer to a BootNotification: `accepted`, `pending` or
    /// `rejected`.
    registration: String,
    accept_hex_password: bool,
    may_configure: bool,
    /// The instant at which it was retired.
    retired_at: Option<DateTime<Utc>>,
    /// The settings as the station last reported them.
    configuration: Option<Value>,
    /// The registered deviations from the standard.
    quirks: Vec<String>,
    /// Commands that the station does not support. Only an operator sends them again until its
    /// firmware changes.
    not_supported: Vec<String>,
    /// Messages beside the standard that were tolerated: the number of each kind, since the
    /// answering node started.
    oddities: BTreeMap<String, u64>,
    connectors: Vec<ConnectorJson>,
}

/// A connector.
#[derive(Serialize, ToSchema)]
pub struct ConnectorJson {
    connector_id: i64,
    charger_class: ClassName,
    #[schema(value_type = Option<f64>)]
    power_kw: Option<Number>,
    session_cap_min: Option<i64>,
    /// The plug's standard, as OCPI names it.
    connector_standard: Option<String>,
    /// The connector's status, in the station's word.
    status: Option<String>,
    /// The connector's errorCode, in the station's word.
    error_code: Option<String>,
    /// The vendorErrorCode of the last status.
    vendor_error_code: Option<String>,
    /// The info of the last status.
    info: Option<String>,
    active_session_id: Option<String>,
}

/// A page of stations.
#[derive(Serialize, ToSchema)]
pub struct StationPage {
    items: Vec<StationJson>,
    next_cursor: Option<String>,
}

fn kilowatts(watts: i64) -> Option<Number> {
    Number::from_str(&Decimal::new(watts, 3).normalize().to_string()).ok()
}

fn station_json(view: StationView) -> StationJson {
    let record = view.record;
    let not_supported = not_done(&record);
    let connection = view.connection.as_ref();
    let active = |connector_id: i64| {
        view.active
            .iter()
            .find(|(at, _)| *at == connector_id)
            .map(|(_, session)| session.to_string())
    };
    StationJson {
        station_id: record.id.to_string(),
        site: record.site,
        availability: record.availability.name().to_owned(),
        online: connection.is_some(),
        protocol: connection.map(|connection| connection.protocol.clone()),
        node: connection.map(|connection| connection.node.clone()),
        connected_since: connection.map(|connection| connection.connected_since),
        last_seen_at: view.last_seen_at,
        boot_status: record.observed.boot.as_ref().map(|_| format!("{:?}", record.registration)),
        status: record.observed.status,
        error_code: record.observed.error_code,
        vendor_error_code: record.observed.vendor_error_code,
        info: record.observed.info,
        registration: record.registration.name().to_owned(),
        accept_hex_password: record.accept_hex_password,
        may_configure: record.may_configure,
        certificate_name: record.certificate_name,
        retired_at: record.retired_at,
        vendor: record.observed.boot.as_ref().map(|boot| boot.vendor.clone()),
        model: record.observed.boot.as_ref().map(|boot| boot.model.clone()),
        serial: record.observed.boot.as_ref().and_then(|boot| boot.serial.clone()),
        firmware: record.observed.boot.as_ref().and_then(|boot| boot.firmware.clone()),
        security_profile: record.security_profile,
        default_protocol: record.default_protocol,
        time_zone: record.time_zone,
        quirks: record.quirks.iter().map(|quirk| quirk.name().to_owned()).collect(),
        not_supported: not_supported.into_iter().collect(),
        oddities: view.oddities.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        configuration: record
            .observed
            .configuration
            .and_then(|text| serde_json::from_str(&text).ok()),
        connectors: record
            .connectors
            .into_iter()
            .map(|connector| ConnectorJson {
                connector_id: connector.connector_id,
                charger_class: connector.site.charger_class.into(),
                power_kw: connector.site.power_w.and_then(kilowatts),
                session_cap_min: connector.site.session_cap_min,
                active_session_id: active(connector.connector_id),
                connector_standard: connector.standard,
                status: connector.status,
                error_code: connector.error_code,
                vendor_error_code: connector.vendor_error_code,
                info: connector.info,
            })
            .collect(),
    }
}

/// The version of the registration, as `ETag` and `If-Match` write it.
fn etag(view: &StationView) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{}\"", version(&view.record)))]
}

/// The version of the registration on which a change rests.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let malformed =
        || Problem::malformed("If-Match", "If-Match must be the ETag of an answer, or *");
    let text = value.to_str().map_err(|_| malformed())?.trim();
    if text == "*" {
        return Ok(Some(text.to_owned()));
    }
    let text = text.strip_prefix("W/").unwrap_or(text);
    Ok(Some(
        text.strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .ok_or_else(malformed)?
            .to_owned(),
    ))
}

/// Registers a station, or changes the fields that the body has.
#[utoipa::path(put, operation_id = "stations_put", path = "/stations/{station_id}", request_body = StationBody,
    params(("station_id" = String, Path, min_length = 1, max_length = 48)),
    responses(
        (status = 200, description = "changed", body = StationJson), (status = 201, description = "new", body = StationJson),
        (status = 412, description = "changed since", body = Problem),
    Problems,
    ))]
pub async fn put(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    headers: HeaderMap,
    Body(body): Body<StationBody>,
) -> Result<impl axum::response::IntoResponse, Problem> {
    let draft = StationDraft { if_match: if_match(&headers)?, ..body.draft()? };
    let (view, new) = api.app.stations.put_station(&station_id(&id)?, draft).await?;
    Ok((
        if new { StatusCode::CREATED } else { StatusCode::OK },
        etag(&view),
        Json(station_json(view)),
    ))
}

/// Shows a station.
#[utoipa::path(get, operation_id = "stations_get", path = "/stations/{station_id}", params(("station_id" = String, Path, min_length = 1, max_length = 48)), responses(
    (status = 200, description = "done", body = StationJson),
    Problems,
))]
pub async fn get(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
) -> Result<impl axum::response::IntoResponse, Problem> {
    let view = api.app.stations.station(&station_id(&id)?).await?;
    Ok((etag(&view), Json(station_json(view))))
}

/// Retires a station: it may not connect any more, and its history stays.
/// Not possible while a session runs there.
#[utoipa::path(delete, operation_id = "stations_retire", path = "/stations/{station_id}",
    params(("station_id" = String, Path, min_length = 1, max_length = 48)),
    responses((status = 204, description = "taken down"), Problems))]
pub async fn retire(
    State(api): State<Arc<Api>>,
    Segment(id): Segment<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let if_match = if_match(&headers)?;
    api.app.stations.retire_station(&station_id(&id)?, if_match.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lists stations in order of their identity.
#[utoipa::path(get, operation_id = "stations_list", path = "/stations", params(PageQuery), responses(
    (status = 200, description = "done", body = StationPage),
    Problems,
))]
pub async fn list(
    State(api): State<Arc<Api>>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<StationPage>, Problem> {
    let page = query.page()?;
    let views = api.app.stations.list_stations(&page).await?;
    let next_cursor = next_cursor(&views, &page, |view| view.record.id.to_string());
    Ok(Json(StationPage { items: views.into_iter().map(station_json).collect(), next_cursor }))
}

/// A refused handshake.
#[derive(Serialize, ToSchema)]
pub struct RefusedHandshake {
    at: DateTime<Utc>,
    peer: String,
    station_id: String,
    status: u16,
    reason: String,
}

/// The newest refused handshakes.
#[derive(Serialize, ToSchema)]
pub struct RefusedPage {
    items: Vec<RefusedHandshake>,
    next_cursor: Option<String>,
}

/// Lists the newest refused handshakes of this node, the newest first.
#[utoipa::path(get, operation_id = "stations_refused_handshakes", path = "/refused-handshakes", params(PageQuery), responses(
    (status = 200, description = "done", body = RefusedPage),
    Problems,
))]
pub async fn refused_handshakes(
    State(api): State<Arc<Api>>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<RefusedPage>, Problem> {
    let page = query.page()?;
    let newest = api.app.refusals.newest(usize::try_from(page.limit).unwrap_or(0));
    let items = newest
        .into_iter()
        .map(|one| RefusedHandshake {
            at: one.at,
            peer: one.peer,
            station_id: one.station_id,
            status: one.status,
            reason: one.reason.to_owned(),
        })
        .collect();
    Ok(Json(RefusedPage { items, next_cursor: None }))
}
