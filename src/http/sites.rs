//! Charging sites: their records, and their local authorization lists.

use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;

use super::Api;
use super::bodies::{Body, PageQuery, QueryParams, Segment, card_number, next_cursor};
use super::problem::{Problem, Problems};
use juden_core::records::{ListChange, ListChanged, ListedStation};
use juden_core::stations::registry::SITE_MAX;
use juden_domain::billed::SiteRecord;
use juden_domain::ids::CardNumber;

/// The cards that the local lists of a site's stations are to hold.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteListBody {
    /// The card numbers.
    #[schema(max_items = 3000)]
    card_numbers: Vec<String>,
}

/// The result of a change of a site's list.
#[derive(Serialize, ToSchema)]
pub struct SiteListChange {
    /// The number of cards that were added.
    added: i64,
    /// The number of cards that were removed.
    removed: i64,
}

/// A card of a list.
#[derive(Serialize, ToSchema)]
pub struct ListedCardJson {
    card_number: String,
}

/// Cards of a list, in order of their numbers.
#[derive(Serialize, ToSchema)]
pub struct SiteListPage {
    items: Vec<ListedCardJson>,
    next_cursor: Option<String>,
}

/// The state of a station's local list, compared with its site's list.
#[derive(Serialize, ToSchema)]
pub struct ListedStationJson {
    station_id: String,
    /// The list version that the station was last sent; 0: none.
    list_version: i64,
    /// The number of cards that the station's list holds as accepted.
    held: i64,
    /// The number of pending deliveries, including blocks and removals.
    pending: i64,
    /// The number of cards for which the station has no list, or no room in it.
    unsupported: i64,
}

/// Stations of a site, in order of their identity.
#[derive(Serialize, ToSchema)]
pub struct ListedStationPage {
    items: Vec<ListedStationJson>,
    next_cursor: Option<String>,
}

fn changed(change: ListChanged) -> Json<SiteListChange> {
    Json(SiteListChange { added: change.added, removed: change.removed })
}

fn site_name(text: String) -> Result<String, Problem> {
    match text.chars().count() {
        1..=SITE_MAX => Ok(text),
        _ => Err(Problem::malformed("site", format!("site must be 1 to {SITE_MAX} characters"))),
    }
}

/// The record of a charging site.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteBody {
    /// The name that drivers see.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Street and number.
    #[schema(min_length = 1, max_length = 200)]
    address: String,
    #[schema(min_length = 1, max_length = 200)]
    city: String,
    #[schema(max_length = 10)]
    postal_code: Option<String>,
    /// Three letters such as JPN; `JP` is read as JPN.
    #[schema(max_length = 3)]
    country: String,
    /// Degrees north.
    #[schema(value_type = f64, minimum = -90, maximum = 90)]
    latitude: Number,
    /// Degrees east.
    #[schema(value_type = f64, minimum = -180, maximum = 180)]
    longitude: Number,
    /// The opening hours in words.
    #[schema(max_length = 200)]
    opening_hours: Option<String>,
    time_zone: Option<String>,
}

/// A site.
#[derive(Serialize, ToSchema)]
pub struct SiteJson {
    /// The name by which stations refer to it.
    site: String,
    name: String,
    address: String,
    city: String,
    postal_code: Option<String>,
    country: String,
    #[schema(value_type = f64)]
    latitude: Number,
    #[schema(value_type = f64)]
    longitude: Number,
    opening_hours: Option<String>,
    time_zone: Option<String>,
}

/// Sites in order of their names.
#[derive(Serialize, ToSchema)]
pub struct SitePage {
    items: Vec<SiteJson>,
    next_cursor: Option<String>,
}

/// Decimals of degrees that are stored: about a decimetre.
const DEGREE_DECIMALS: u32 = 6;

fn degrees(field: &'static str, number: &Number, most: i64) -> Result<String, Problem> {
    let text = number.to_string();
    let decimal = Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok();
    let mut decimal =
        decimal.filter(|degrees| degrees.abs() <= Decimal::from(most)).ok_or_else(|| {
            Problem::malformed(field, format!("{field} must be degrees from -{most} to {most}"))
        })?;
    decimal.rescale(DEGREE_DECIMALS);
    Ok(decimal.to_string())
}

fn site_json(site: SiteRecord) -> SiteJson {
    let number = |text: &str| Number::from_str(text).unwrap_or_else(|_| Number::from(0));
    SiteJson {
        latitude: number(&site.latitude),
        longitude: number(&site.longitude),
        site: site.site,
        name: site.name,
        address: site.address,
        city: site.city,
        postal_code: site.postal_code,
        country: site.country,
        opening_hours: site.opening_hours,
        time_zone: site.time_zone,
    }
}

/// Stores a site's record, which charge records contain.
/// A station may name a site that has no record yet.
#[utoipa::path(put, operation_id = "sites_put", path = "/sites/{site}", request_body = SiteBody, params(("site" = String, Path, max_length = 200)),
    responses((status = 200, description = "changed", body = SiteJson), (status = 201, description = "new", body = SiteJson), Problems))]
pub async fn put_record(
    State(api): State<Arc<Api>>,
    Segment(site): Segment<String>,
    Body(body): Body<SiteBody>,
) -> Result<(StatusCode, Json<SiteJson>), Problem> {
    let record = SiteRecord {
        site: site_name(site)?,
        name: body.name,
        latitude: degrees("latitude", &body.latitude, 90)?,
        longitude: degrees("longitude", &body.longitude, 180)?,
        address: body.address,
        city: body.city,
        postal_code: body.postal_code,
        country: if body.country == "JP" { "JPN".to_owned() } else { body.country },
        opening_hours: body.opening_hours,
        time_zone: body.time_zone,
    };
    let new = api.app.deliveries.put_site(&record).await?;
    Ok((if new { StatusCode::CREATED } else { StatusCode::OK }, Json(site_json(record))))
}

/// Lists sites in order of their names.
#[utoipa::path(get, operation_id = "sites_list", path = "/sites", params(PageQuery),
    responses((status = 200, description = "done", body = SitePage), Problems))]
pub async fn list_records(
    State(api): State<Arc<Api>>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<SitePage>, Problem> {
    let page = query.page()?;
    let sites = api.app.deliveries.list_sites(&page).await?;
    let next_cursor = next_cursor(&sites, &page, |site| site.site.clone());
    Ok(Json(SitePage { items: sites.into_iter().map(site_json).collect(), next_cursor }))
}

/// Lists the cards of a site's list.
#[utoipa::path(get, operation_id = "sites_local_list", path = "/sites/{site}/local-list",
    params(("site" = String, Path, min_length = 1, max_length = 200), PageQuery),
    responses((status = 200, description = "done", body = SiteListPage), Problems))]
pub async fn get(
    State(api): State<Arc<Api>>,
    Segment(site): Segment<String>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<SiteListPage>, Problem> {
    let page = query.page()?;
    let cards = api.app.deliveries.site_list(&site_name(site)?, &page).await?;
    let next_cursor = next_cursor(&cards, &page, CardNumber::to_string);
    let items = cards.iter().map(|card| ListedCardJson { card_number: card.to_string() }).collect();
    Ok(Json(SiteListPage { items, next_cursor }))
}

/// Replaces a site's list. The local lists of its stations then accept exactly these cards.
#[utoipa::path(put, operation_id = "sites_replace_local_list", path = "/sites/{site}/local-list", request_body = SiteListBody,
    params(("site" = String, Path, min_length = 1, max_length = 200)),
    responses((status = 200, description = "done", body = SiteListChange), Problems))]
pub async fn replace(
    State(api): State<Arc<Api>>,
    Segment(site): Segment<String>,
    Body(body): Body<SiteListBody>,
) -> Result<Json<SiteListChange>, Problem> {
    let cards = body.card_numbers.iter().enumerate().map(|(place, text)| {
        CardNumber::parse(text).map_err(|fault| {
            Problem::malformed(format!("card_numbers[{place}]"), fault.to_string())
        })
    });
    let change = ListChange::Replace(cards.collect::<Result<_, _>>()?);
    Ok(changed(api.app.deliveries.change_site_list(&site_name(site)?, &change).await?))
}

/// Adds a card to a site's list.
#[utoipa::path(put, operation_id = "sites_list_card", path = "/sites/{site}/local-list/{card_number}",
    params(("site" = String, Path, min_length = 1, max_length = 200), ("card_number" = String, Path)),
    responses((status = 200, description = "done", body = SiteListChange), Problems))]
pub async fn add(
    State(api): State<Arc<Api>>,
    Segment((site, card)): Segment<(String, String)>,
) -> Result<Json<SiteListChange>, Problem> {
    let change = ListChange::Add(card_number(&card)?);
    Ok(changed(api.app.deliveries.change_site_list(&site_name(site)?, &change).await?))
}

/// Removes a card from a site's list.
#[utoipa::path(delete, operation_id = "sites_unlist_card", path = "/sites/{site}/local-list/{card_number}",
    params(("site" = String, Path, min_length = 1, max_length = 200), ("card_number" = String, Path)),
    responses((status = 200, description = "done", body = SiteListChange), Problems))]
pub async fn remove(
    State(api): State<Arc<Api>>,
    Segment((site, card)): Segment<(String, String)>,
) -> Result<Json<SiteListChange>, Problem> {
    let change = ListChange::Remove(card_number(&card)?);
    Ok(changed(api.app.deliveries.change_site_list(&site_name(site)?, &change).await?))
}

/// Shows how far the local lists of a site's stations match its list.
#[utoipa::path(get, operation_id = "sites_listed_stations", path = "/sites/{site}/local-list/stations",
    params(("site" = String, Path, min_length = 1, max_length = 200), PageQuery),
    responses((status = 200, description = "done", body = ListedStationPage), Problems))]
pub async fn stations(
    State(api): State<Arc<Api>>,
    Segment(site): Segment<String>,
    QueryParams(query): QueryParams<PageQuery>,
) -> Result<Json<ListedStationPage>, Problem> {
    let page = query.page()?;
    let found = api.app.deliveries.listed_stations(&site_name(site)?, &page).await?;
    let next_cursor = next_cursor(&found, &page, |one| one.station_id.to_string());
    let json = |one: &ListedStation| ListedStationJson {
        station_id: one.station_id.to_string(),
        list_version: one.version,
        held: one.held,
        pending: one.pending,
        unsupported: one.unsupported,
    };
    Ok(Json(ListedStationPage { items: found.iter().map(json).collect(), next_cursor }))
}
