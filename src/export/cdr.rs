//! Charge detail records of OCPI 2.2.1 (module CDRs), a record a line. Sessions that cost nothing have
//! one too; a session whose split changed later has its record credited and gets a new one.
//!
//! Each record carries the tariff that prices it: the free time first, then the price per begun unit.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use rust_decimal::{Decimal, RoundingStrategy};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::domain::billed::{BilledGroup, BilledSession};
use crate::domain::ids::{MemberId, SessionRef};
use crate::domain::instant::CLOCK_TOLERANCE_S;
use crate::domain::session::Session;
use crate::domain::station::ChargerClass;
use crate::domain::units::{TaxRate, Yen};

/// The country and party under which records are issued.
const COUNTRY: &str = "JP";
const PARTY: &str = "JDN";

/// Decimals of OCPI's numbers: readers round to them, so an hour is told to 0.36 s.
const OCPI_DECIMALS: u32 = 4;

/// The sessions behind a page of records.
#[derive(Clone)]
pub struct CdrFacts(Arc<HashMap<SessionRef, Session>>);

impl CdrFacts {
    /// Facts of these sessions.
    pub fn of(sessions: Vec<Session>) -> Self {
        Self(Arc::new(sessions.into_iter().map(|session| (session.reference.clone(), session)).collect()))
    }
}

/// A member's records of a month.
#[derive(Clone)]
pub struct BilledMember {
    /// The member.
    pub member: MemberId,
    /// What was recorded.
    pub groups: Vec<BilledGroup>,
    /// The sessions behind it.
    pub facts: CdrFacts,
}

#[derive(Serialize)]
struct Cdr<'a> {
    country_code: &'a str,
    party_id: &'a str,
    id: String,
    start_date_time: String,
    end_date_time: String,
    session_id: &'a str,
    cdr_token: Token<'a>,
    auth_method: &'a str,
    cdr_location: Location<'a>,
    currency: &'a str,
    tariffs: Vec<Tariff<'a>>,
    charging_periods: Vec<Period>,
    total_cost: Price,
    total_energy: Box<RawValue>,
    total_time: Box<RawValue>,
    total_time_cost: Price,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credit_reference_id: Option<String>,
    last_updated: String,
}

#[derive(Serialize)]
struct Token<'a> {
    country_code: &'a str,
    party_id: &'a str,
    uid: &'a str,
    r#type: &'a str,
    contract_id: &'a str,
}

#[derive(Serialize)]
struct Location<'a> {
    id: &'a str,
    name: &'a str,
    address: &'a str,
    city: &'a str,
    country: &'a str,
    coordinates: Coordinates<'a>,
    evse_uid: String,
    evse_id: String,
    connector_id: String,
    connector_standard: &'a str,
    connector_format: &'a str,
    connector_power_type: &'a str,
}

#[derive(Serialize)]
struct Coordinates<'a> {
    latitude: &'a str,
    longitude: &'a str,
}

#[derive(Serialize)]
struct Tariff<'a> {
    country_code: &'a str,
    party_id: &'a str,
    id: String,
    currency: &'a str,
    elements: Vec<Element>,
    last_updated: String,
}

#[derive(Serialize)]
struct Element {
    price_components: Vec<Component>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restrictions: Option<Restrictions>,
}

#[derive(Serialize)]
struct Component {
    r#type: &'static str,
    price: Box<RawValue>,
    vat: Box<RawValue>,
    step_size: i64,
}

#[derive(Serialize)]
struct Restrictions {
    min_duration: i64,
}

#[derive(Serialize)]
struct Period {
    start_date_time: String,
    dimensions: Vec<Dimension>,
    tariff_id: String,
}

#[derive(Serialize)]
struct Dimension {
    r#type: &'static str,
    volume: Box<RawValue>,
}

#[derive(Serialize)]
struct Price {
    excl_vat: Box<RawValue>,
    incl_vat: Box<RawValue>,
}

/// A member's records, a line each; and their number. `closed_at` is the instant from which they hold.
pub fn lines(billed: &BilledMember, closed_at: DateTime<Utc>) -> io::Result<(Vec<u8>, usize)> {
    let mut text = Vec::new();
    let mut count = 0;
    for group in &billed.groups {
        for record in &group.sessions {
            let Some(session) = billed.facts.0.get(&record.session) else { continue };
            serde_json::to_writer(&mut text, &cdr(billed, group, record, session, closed_at))?;
            text.push(b'\n');
            count += 1;
        }
    }
    Ok((text, count))
}

/// What a member's records come to, tax included; credits take away.
pub fn total(groups: &[BilledGroup]) -> Yen {
    let cost = |group: &BilledGroup, record: &BilledSession| {
        let cost = group.unit_price.times(record.charged);
        if record.is_credit { -cost } else { cost }
    };
    groups.iter().flat_map(|group| group.sessions.iter().map(move |record| cost(group, record))).sum()
}

/// A record's id: the session's name, with a number from the second record of a session on.
fn record_id(record: &BilledSession) -> String {
    if record.version == 1 { record.session.to_string() } else { format!("{}-{}", record.session, record.version) }
}

fn cdr<'a>(
    billed: &'a BilledMember,
    group: &'a BilledGroup,
    record: &'a BilledSession,
    session: &'a Session,
    closed_at: DateTime<Utc>,
) -> Cdr<'a> {
    let id = record_id(record);
    let start = session.start.at;
    let end = session.stop.as_ref().map_or(start, |stop| stop.edge.at);
    let tariff_id = format!("{}-{}-{}", group.tariff_version.replace('/', "-"), group.charger_class.name(), record.free);
    let cost = group.unit_price.times(record.charged);
    let cost = if record.is_credit { -cost } else { cost };
    let energy = session.stop.as_ref().and_then(|stop| stop.energy).map_or(0, |energy| energy.0);
    let queued = session.start.received_at - start > TimeDelta::seconds(CLOCK_TOLERANCE_S);
    Cdr {
        country_code: COUNTRY,
        party_id: PARTY,
        start_date_time: instant(start),
        end_date_time: instant(end),
        session_id: record.session.as_str(),
        cdr_token: Token {
            country_code: COUNTRY,
            party_id: PARTY,
            uid: session.id_tag.as_sent(),
            r#type: "RFID",
            contract_id: session.card.as_ref().map_or(billed.member.as_str(), |card| card.as_str()),
        },
        auth_method: if queued { "WHITELIST" } else { "AUTH_REQUEST" },
        cdr_location: location(group.charger_class, session),
        currency: "JPY",
        tariffs: vec![tariff(group, record, tariff_id.clone(), closed_at)],
        charging_periods: periods(group, record, start, end, &tariff_id),
        total_cost: price(cost, group.tax_rate),
        total_energy: number(Decimal::new(energy, 3)),
        total_time: number(told_hours(end - start, record.free + record.charged, group.unit_s)),
        total_time_cost: price(cost, group.tax_rate),
        credit: record.is_credit.then_some(true),
        credit_reference_id: record.is_credit.then(|| id.clone()),
        id: if record.is_credit { format!("{id}-C") } else { id },
        last_updated: instant(closed_at),
    }
}

/// Where it was. A station's record names its site alone, so no better address or position is known.
fn location(class: ChargerClass, session: &Session) -> Location<'_> {
    let (standard, power) = match class {
        ChargerClass::Quick => ("CHADEMO", "DC"),
        ChargerClass::Normal => ("IEC_62196_T1", "AC_1_PHASE"),
    };
    let evse = format!("{}-{}", session.station_id, session.connector_id);
    Location {
        id: session.station_id.as_str(),
        name: &session.site_name,
        address: &session.site_name,
        city: &session.site_name,
        country: "JPN",
        coordinates: Coordinates { latitude: "0.000000", longitude: "0.000000" },
        evse_id: format!("{COUNTRY}*{PARTY}*E{evse}"),
        evse_uid: evse,
        connector_id: session.connector_id.to_string(),
        connector_standard: standard,
        connector_format: "CABLE",
        connector_power_type: power,
    }
}

/// The tariff of one record: free time first where it has any, then the price.
fn tariff<'a>(group: &BilledGroup, record: &BilledSession, id: String, closed_at: DateTime<Utc>) -> Tariff<'a> {
    let per_hour = |unit_price: Yen| group.tax_rate.without_tax(unit_price) * Decimal::from(3600) / Decimal::from(group.unit_s);
    let component = |unit_price: Yen| Component {
        r#type: "TIME",
        price: number(per_hour(unit_price)),
        vat: number(group.tax_rate.per_cent()),
        step_size: group.unit_s,
    };
    let free = || Element { price_components: vec![component(Yen::ZERO)], restrictions: None };
    let charged = |restrictions| Element { price_components: vec![component(group.unit_price)], restrictions };
    let elements = match (record.free, record.charged) {
        (_, 0) => vec![free()],
        (0, _) => vec![charged(None)],
        (units, _) => vec![charged(Some(Restrictions { min_duration: units * group.unit_s })), free()],
    };
    Tariff { country_code: COUNTRY, party_id: PARTY, id, currency: "JPY", elements, last_updated: instant(closed_at) }
}

/// The charging time, cut where the free time ends. Hours are told so that, rounded as they are, they begin
/// as many units as were counted, and the free time lasts no shorter than the tariff says.
fn periods(group: &BilledGroup, record: &BilledSession, start: DateTime<Utc>, end: DateTime<Utc>, tariff_id: &str) -> Vec<Period> {
    let period = |from: DateTime<Utc>, hours: Decimal| Period {
        start_date_time: instant(from),
        dimensions: vec![Dimension { r#type: "TIME", volume: number(hours) }],
        tariff_id: tariff_id.to_owned(),
    };
    let total = told_hours(end - start, record.free + record.charged, group.unit_s);
    let free_time = TimeDelta::seconds(record.free * group.unit_s);
    let edge = start + free_time;
    if record.free == 0 || record.charged == 0 || edge >= end {
        return vec![period(start, total)];
    }
    let free = exact_hours(free_time).round_dp_with_strategy(OCPI_DECIMALS, RoundingStrategy::AwayFromZero);
    vec![period(start, free), period(edge, total - free)]
}

/// Hours in OCPI's decimals that begin this many units, where the duration does.
fn told_hours(duration: TimeDelta, units: i64, unit_s: i64) -> Decimal {
    let exact = exact_hours(duration);
    let low = exact.round_dp_with_strategy(OCPI_DECIMALS, RoundingStrategy::ToZero);
    let begun = (low * Decimal::from(3_600) / Decimal::from(unit_s)).ceil();
    let high = exact.round_dp_with_strategy(OCPI_DECIMALS, RoundingStrategy::AwayFromZero);
    if begun < Decimal::from(units) { high } else { low }
}

fn price(cost: Yen, tax_rate: TaxRate) -> Price {
    Price { excl_vat: number(tax_rate.without_tax(cost)), incl_vat: number(Decimal::new(cost.hundredths(), 2)) }
}

fn exact_hours(duration: TimeDelta) -> Decimal {
    Decimal::from(duration.num_milliseconds()) / Decimal::from(3_600_000)
}

fn number(decimal: Decimal) -> Box<RawValue> {
    RawValue::from_string(decimal.normalize().to_string()).expect("a decimal prints as a JSON number")
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}
