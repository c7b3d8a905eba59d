//! Stations.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Asked, Body, PageQuery, Segment, next_cursor, station_id};
use super::problem::{Problem, Problems};
use crate::app::capabilities::not_done;
use crate::app::stations::{StationDraft, StationView, version};
use crate::domain::station::{Availability, ChargerClass, ConnectorSite, Quirk, Registration};
use crate::hex;

/// The class of a charger.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassName {
    /// Quick charger.
    Quick,
    /// Normal charger.
    Normal,
}

impl From<ClassName> for ChargerClass {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Quick => Self::Quick,
            ClassName::Normal => Self::Normal,
        }
    }
}

impl From<ChargerClass> for ClassName {
    fn from(class: ChargerClass) -> Self {
        match class {
            ChargerClass::Quick => Self::Quick,
            ChargerClass::Normal => Self::Normal,
        }
    }
}

/// What is otherwise at a station than the standard wants.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuirkName {
    /// Pings disturb it: it is sent none.
    NoPings,
    /// Its readers tell a card's bytes in reverse order.
    ReversedIdTags,
    /// What it calls watt-hours is kilowatt-hours.
    EnergyInKwh,
}

impl From<QuirkName> for Quirk {
    fn from(name: QuirkName) -> Self {
        match name {
            QuirkName::NoPings => Self::NoPings,
            QuirkName::ReversedIdTags => Self::ReversedIdTags,
            QuirkName::EnergyInKwh => Self::EnergyInKwh,
        }
    }
}

/// A station's standing.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationName {
    /// It may work.
    #[default]
    Accepted,
    /// It must wait.
    Pending,
    /// It is refused.
    Rejected,
}

/// Whether a station can be used.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AvailabilityName {
    /// It can.
    #[default]
    Open,
    /// Its site is closed.
    Closed,
    /// It is being worked on.
    Maintenance,
}

/// What is registered of a station, or changed: what is not named stays, and `null` takes a value away that may be missing. What
/// `GET` answers is taken too; what only the station tells is passed over.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StationBody {
    /// The site it stands at. A new station must have one.
    #[schema(min_length = 1, max_length = 200)]
    site: Option<String>,
    /// Its password as text.
    #[schema(min_length = 1, max_length = 64)]
    password: Option<String>,
    /// Its password as the hex digits of its bytes, for one that is no text.
    #[schema(pattern = "^([0-9a-fA-F]{2}){1,64}$")]
    password_hex: Option<String>,
    /// Whether the station may send the hex digits themselves as its password.
    accept_hex_password: Option<bool>,
    /// Whether Juden may switch on what its local authorization list needs, so that a blocked card is blocked there.
    may_configure: Option<bool>,
    /// What is otherwise there than the standard wants: `no_pings` (pings disturb it), `reversed_id_tags` (a card's bytes are
    /// told in reverse), `energy_in_kwh` (what it calls watt-hours is kilowatt-hours).
    #[schema(max_items = 3)]
    quirks: Option<BTreeSet<QuirkName>>,
    /// The one security profile that it may use; of a new one 1 where there is a password and none is named, else 0.
    #[schema(minimum = 0, maximum = 3)]
    security_profile: Option<u8>,
    /// The protocol assumed where it offers none: ocpp1.6 or ocpp2.0.1.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, pattern = r"^ocpp(1\.6|2\.0\.1)$")]
    default_protocol: Option<Option<String>>,
    /// Its zone, for times that name none: an IANA name or an offset.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    time_zone: Option<Option<String>>,
    /// Its name in its certificate, beside its identity, such as its serial number.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, max_length = 64)]
    certificate_name: Option<Option<String>>,
    /// What its boot message is answered.
    registration: Option<RegistrationName>,
    /// Whether it can be used: cards are refused where it cannot.
    availability: Option<AvailabilityName>,
    /// Its connectors. A new station must have a list, which may be empty.
    #[schema(max_items = 64)]
    connectors: Option<Vec<ConnectorBody>>,
    // What only the station tells.
    #[serde(rename = "station_id", default)]
    #[schema(ignore)]
    _station_id: IgnoredAny,
    #[serde(rename = "online", default)]
    #[schema(ignore)]
    _online: IgnoredAny,
    #[serde(rename = "protocol", default)]
    #[schema(ignore)]
    _protocol: IgnoredAny,
    #[serde(rename = "node", default)]
    #[schema(ignore)]
    _node: IgnoredAny,
    #[serde(rename = "connected_since", default)]
    #[schema(ignore)]
    _connected_since: IgnoredAny,
    #[serde(rename = "last_seen_at", default)]
    #[schema(ignore)]
    _last_seen_at: IgnoredAny,
    #[serde(rename = "boot_status", default)]
    #[schema(ignore)]
    _boot_status: IgnoredAny,
    #[serde(rename = "status", default)]
    #[schema(ignore)]
    _status: IgnoredAny,
    #[serde(rename = "error_code", default)]
    #[schema(ignore)]
    _error_code: IgnoredAny,
    #[serde(rename = "vendor_error_code", default)]
    #[schema(ignore)]
    _vendor_error_code: IgnoredAny,
    #[serde(rename = "info", default)]
    #[schema(ignore)]
    _info: IgnoredAny,
    #[serde(rename = "vendor", default)]
    #[schema(ignore)]
    _vendor: IgnoredAny,
    #[serde(rename = "model", default)]
    #[schema(ignore)]
    _model: IgnoredAny,
    #[serde(rename = "serial", default)]
    #[schema(ignore)]
    _serial: IgnoredAny,
    #[serde(rename = "firmware", default)]
    #[schema(ignore)]
    _firmware: IgnoredAny,
    #[serde(rename = "configuration", default)]
    #[schema(ignore)]
    _configuration: IgnoredAny,
    #[serde(rename = "not_supported", default)]
    #[schema(ignore)]
    _not_supported: IgnoredAny,
    #[serde(rename = "oddities", default)]
    #[schema(ignore)]
    _oddities: IgnoredAny,
    #[serde(rename = "retired_at", default)]
    #[schema(ignore)]
    _retired_at: IgnoredAny,
    #[serde(rename = "etag", default)]
    #[schema(ignore)]
    _etag: IgnoredAny,
}

/// A field that is named, if only as `null`.
fn named<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// What is registered of a connector.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorBody {
    /// Its number at the station.
    #[schema(minimum = 1, maximum = 1000)]
    connector_id: i64,
    /// Its class.
    charger_class: ClassName,
    /// Its rated power in kilowatts.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 10000)]
    power_kw: Option<Number>,
    /// The site's limit of one session in minutes.
    #[schema(minimum = 1, maximum = 100_000)]
    session_cap_min: Option<i64>,
    /// The standard of its plug, in OCPI's word such as `CHADEMO`.
    #[schema(max_length = 32)]
    connector_standard: Option<String>,
    /// Told by the station: passed over.
    #[serde(rename = "status", default)]
    #[schema(ignore)]
    _status: IgnoredAny,
    #[serde(rename = "error_code", default)]
    #[schema(ignore)]
    _error_code: IgnoredAny,
    #[serde(rename = "vendor_error_code", default)]
    #[schema(ignore)]
    _vendor_error_code: IgnoredAny,
    #[serde(rename = "info", default)]
    #[schema(ignore)]
    _info: IgnoredAny,
    #[serde(rename = "active_session_id", default)]
    #[schema(ignore)]
    _active_session_id: IgnoredAny,
}

/// A station.
#[derive(Serialize, ToSchema)]
pub struct StationJson {
    station_id: String,
    site: String,
    /// `open`, `closed` or `maintenance`.
    availability: String,
    online: bool,
    /// The protocol that it speaks now.
    protocol: Option<String>,
    /// The node that holds its connection.
    node: Option<String>,
    connected_since: Option<DateTime<Utc>>,
    last_seen_at: Option<DateTime<Utc>>,
    /// What its boot message was answered: `Accepted`, `Pending` or `Rejected`; empty before the first.
    boot_status: Option<String>,
    /// The station's word for its own state, and for its error.
    status: Option<String>,
    error_code: Option<String>,
    /// The maker's own error, in its word.
    vendor_error_code: Option<String>,
    /// Further text that it told of its state.
    info: Option<String>,
    vendor: Option<String>,
    model: Option<String>,
    serial: Option<String>,
    firmware: Option<String>,
    security_profile: u8,
    default_protocol: Option<String>,
    time_zone: Option<String>,
    /// Its name in its certificate, beside its identity.
    certificate_name: Option<String>,
    /// What its boot message is answered: `accepted`, `pending` or `rejected`.
    registration: String,
    accept_hex_password: bool,
    may_configure: bool,
    /// When it was taken down.
    retired_at: Option<DateTime<Utc>>,
    /// Its settings as it last told them.
    configuration: Option<Value>,
    /// What is otherwise there than the standard wants, as registered.
    quirks: Vec<String>,
    /// Calls that it said it does not do; asked again by nobody but an operator until its firmware changes.
    not_supported: Vec<String>,
    /// What it sent beside the standard and was taken all the same, by kind, since the node that answers started.
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
    /// The standard of its plug, in OCPI's word.
    connector_standard: Option<String>,
    /// The station's word for its state.
    status: Option<String>,
    /// The station's word for its error.
    error_code: Option<String>,
    /// The maker's own error, in its word.
    vendor_error_code: Option<String>,
    /// Further text that the station told of its state.
    info: Option<String>,
    active_session_id: Option<String>,
}

/// A page of stations.
#[derive(Serialize, ToSchema)]
pub struct StationPage {
    items: Vec<StationJson>,
    next_cursor: Option<String>,
}

impl StationBody {
    fn draft(self) -> Result<StationDraft, Problem> {
        let password = match (self.password, self.password_hex) {
            (Some(_), Some(_)) => {
                return Err(Problem::malformed("password_hex", "give password or password_hex, not both"));
            }
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(digits)) => Some(
                hex::decode(&digits)
                    .ok_or_else(|| Problem::malformed("password_hex", "password_hex must be an even number of hex digits"))?,
            ),
            (None, None) => None,
        };
        let connectors = self.connectors.map(connectors).transpose()?;
        Ok(StationDraft {
            may_configure: self.may_configure,
            quirks: self.quirks.map(|quirks| quirks.into_iter().map(Quirk::from).collect()),
            site: self.site,
            password,
            accept_hex_password: self.accept_hex_password,
            security_profile: self.security_profile,
            default_protocol: self.default_protocol,
            time_zone: self.time_zone,
            certificate_name: self.certificate_name,
            registration: self.registration.map(|name| match name {
                RegistrationName::Accepted => Registration::Accepted,
                RegistrationName::Pending => Registration::Pending,
                RegistrationName::Rejected => Registration::Rejected,
            }),
            availability: self.availability.map(|name| match name {
                AvailabilityName::Open => Availability::Open,
                AvailabilityName::Closed => Availability::Closed,
                AvailabilityName::Maintenance => Availability::Maintenance,
            }),
            connectors,
            if_match: None,
        })
    }
}

/// Connectors as they are registered.
fn connectors(bodies: Vec<ConnectorBody>) -> Result<Vec<(i64, ConnectorSite, Option<String>)>, Problem> {
    let mut connectors = Vec::with_capacity(bodies.len());
    for (place, connector) in bodies.into_iter().enumerate() {
        let power_w = connector.power_kw.as_ref().map(watts).transpose().map_err(|allowed| {
            let field = format!("connectors[{place}].power_kw");
            Problem::malformed(field.clone(), format!("{field} must be {allowed}"))
        })?;
        let site = ConnectorSite { charger_class: connector.charger_class.into(), power_w, session_cap_min: connector.session_cap_min };
        connectors.push((connector.connector_id, site, connector.connector_standard));
    }
    Ok(connectors)
}

/// The most power of a connector: 10 megawatts.
const POWER_MAX_KW: i64 = 10_000;

fn watts(kilowatts: &Number) -> Result<i64, String> {
    let text = kilowatts.to_string();
    let decimal = Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok();
    decimal
        .filter(|kw| *kw >= Decimal::ZERO && *kw <= Decimal::from(POWER_MAX_KW))
        .and_then(|kw| (kw * Decimal::ONE_THOUSAND).round().to_i64())
        .ok_or_else(|| format!("a number of kilowatts from 0 to {POWER_MAX_KW}"))
}

fn kilowatts(watts: i64) -> Option<Number> {
    Number::from_str(&Decimal::new(watts, 3).normalize().to_string()).ok()
}

fn json(view: StationView) -> StationJson {
    let record = view.record;
    let not_supported = not_done(&record);
    let connection = view.connection.as_ref();
    let active = |connector_id: i64| view.active.iter().find(|(at, _)| *at == connector_id).map(|(_, session)| session.to_string());
    StationJson {
        station_id: record.id.to_string(),
        site: record.site,
        availability: record.availability.name().to_owned(),
        online: connection.is_some(),
        protocol: connection.map(|connection| connection.protocol.to_owned()),
        node: connection.map(|connection| connection.node.clone()),
        connected_since: connection.map(|connection| connection.connected_since),
        last_seen_at: view.last_seen_at,
        boot_status: record.boot.as_ref().map(|_| format!("{:?}", record.registration)),
        status: record.status,
        error_code: record.error_code,
        vendor_error_code: record.vendor_error_code,
        info: record.info,
        registration: record.registration.name().to_owned(),
        accept_hex_password: record.accept_hex_password,
        may_configure: record.may_configure,
        certificate_name: record.certificate_name,
        retired_at: record.retired_at,
        vendor: record.boot.as_ref().map(|boot| boot.vendor.clone()),
        model: record.boot.as_ref().map(|boot| boot.model.clone()),
        serial: record.boot.as_ref().and_then(|boot| boot.serial.clone()),
        firmware: record.boot.as_ref().and_then(|boot| boot.firmware.clone()),
        security_profile: record.security_profile,
        default_protocol: record.default_protocol,
        time_zone: record.time_zone,
        quirks: record.quirks.iter().map(|quirk| quirk.name().to_owned()).collect(),
        not_supported: not_supported.into_iter().collect(),
        oddities: view.oddities.into_iter().map(|(kind, count)| (kind.to_owned(), count)).collect(),
        configuration: record.configuration.and_then(|text| serde_json::from_str(&text).ok()),
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

/// The version of what is registered, as `ETag` and `If-Match` write it.
fn etag(view: &StationView) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{}\"", version(&view.record)))]
}

/// The version that a change rests on.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let malformed = || Problem::malformed("If-Match", "If-Match must be the ETag of an answer, or *");
    let text = value.to_str().map_err(|_| malformed())?.trim();
    if text == "*" {
        return Ok(Some(text.to_owned()));
    }
    let text = text.strip_prefix("W/").unwrap_or(text);
    Ok(Some(text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or_else(malformed)?.to_owned()))
}

/// Registers a station, or changes what it names of one and leaves the rest.
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
    let (view, new) = api.app.put_station(&station_id(&id)?, draft).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, etag(&view), Json(json(view))))
}

/// A station.
#[utoipa::path(get, operation_id = "stations_get", path = "/stations/{station_id}", params(("station_id" = String, Path, min_length = 1, max_length = 48)), responses(
    (status = 200, description = "done", body = StationJson),
    Problems,
))]
pub async fn get(State(api): State<Arc<Api>>, Segment(id): Segment<String>) -> Result<impl axum::response::IntoResponse, Problem> {
    let view = api.app.station(&station_id(&id)?).await?;
    Ok((etag(&view), Json(json(view))))
}

/// Takes a station down: it may not connect any more, its history stays. Not while a session runs there.
#[utoipa::path(delete, operation_id = "stations_retire", path = "/stations/{station_id}",
    params(("station_id" = String, Path, min_length = 1, max_length = 48)),
    responses((status = 204, description = "taken down"), Problems))]
pub async fn retire(State(api): State<Arc<Api>>, Segment(id): Segment<String>) -> Result<StatusCode, Problem> {
    api.app.retire_station(&station_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Stations in order of their identity.
#[utoipa::path(get, operation_id = "stations_list", path = "/stations", params(PageQuery), responses(
    (status = 200, description = "done", body = StationPage),
    Problems,
))]
pub async fn list(State(api): State<Arc<Api>>, Asked(query): Asked<PageQuery>) -> Result<Json<StationPage>, Problem> {
    let page = query.page()?;
    let views = api.app.list_stations(&page).await?;
    let next_cursor = next_cursor(&views, &page, |view| view.record.id.to_string());
    Ok(Json(StationPage { items: views.into_iter().map(json).collect(), next_cursor }))
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

/// The newest refused handshakes of this node, the newest first.
#[utoipa::path(get, operation_id = "stations_refused_handshakes", path = "/refused-handshakes", params(PageQuery), responses(
    (status = 200, description = "done", body = RefusedPage),
    Problems,
))]
pub async fn refused_handshakes(State(api): State<Arc<Api>>, Asked(query): Asked<PageQuery>) -> Result<Json<RefusedPage>, Problem> {
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
