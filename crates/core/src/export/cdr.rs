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

use super::Party;
use juden_domain::billed::{BilledGroup, BilledSession, ChargePlace};
use juden_domain::ids::{MemberId, SessionRef};
use juden_domain::instant::CLOCK_TOLERANCE_S;
use juden_domain::metering;
use juden_domain::session::Session;
use juden_domain::station::ChargerClass;
use juden_domain::units::{TaxRate, Yen};

/// Characters of an object's id, of a site's address and city, and behind an EVSE id's E (OCPI 2.2.1, eMI3).
const ID_MAX: usize = 36;
const ADDRESS_MAX: usize = 45;
const OUTLET_MAX: usize = 30;

/// Hex digits that stand for a name that is too long, or holds what an id may not.
const HASH_DIGITS: usize = 16;

/// What a record says where no meter told its energy.
const ENERGY_UNKNOWN: &str = "total_energy is not known: no register was told";

/// Decimals of OCPI's numbers: readers round to them, so an hour is told to 0.36 s.
const OCPI_DECIMALS: u32 = 4;

/// The sessions behind a page of records.
#[derive(Clone)]
pub struct CdrFacts(Arc<HashMap<SessionRef, Session>>);

impl CdrFacts {
    /// Facts of these sessions.
    pub fn of(sessions: Vec<Session>) -> Self {
        Self(Arc::new(
            sessions.into_iter().map(|session| (session.reference.clone(), session)).collect(),
        ))
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
    remark: Option<&'a str>,
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
    uid: String,
    r#type: &'a str,
    contract_id: String,
}

#[derive(Serialize)]
struct Location<'a> {
    id: String,
    name: String,
    address: String,
    city: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    postal_code: Option<&'a str>,
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
pub fn lines(
    billed: &BilledMember,
    party: &Party,
    closed_at: DateTime<Utc>,
) -> io::Result<(Vec<u8>, usize)> {
    let mut text = Vec::new();
    let mut count = 0;
    for group in &billed.groups {
        for record in &group.sessions {
            let Some(session) = billed.facts.0.get(&record.session) else { continue };
            serde_json::to_writer(
                &mut text,
                &cdr(billed, (group, record), session, party, closed_at),
            )?;
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
    groups
        .iter()
        .flat_map(|group| group.sessions.iter().map(move |record| cost(group, record)))
        .sum()
}

/// A record's id: the session's name, with a number from the second record of a session on.
fn record_id(record: &BilledSession) -> String {
    if record.version == 1 {
        record.session.to_string()
    } else {
        format!("{}-{}", record.session, record.version)
    }
}

fn cdr<'a>(
    billed: &'a BilledMember,
    (group, record): (&'a BilledGroup, &'a BilledSession),
    session: &'a Session,
    party: &'a Party,
    closed_at: DateTime<Utc>,
) -> Cdr<'a> {
    let id = record_id(record);
    let told = record.told.as_ref();
    let start = session.start.at;
    let end = told
        .map(|told| told.ended_at)
        .or(session.stop.as_ref().map(|stop| stop.edge.at))
        .unwrap_or(start);
    let free = free_units(group, record, end - start);
    let tariff_id = short(&format!(
        "{}-{}-{free}",
        group.tariff_version.replace('/', "-"),
        group.charger_class.name()
    ));
    let cost = group.unit_price.times(record.charged);
    let energy =
        told.map_or_else(|| session.stop.as_ref().and_then(|stop| stop.energy), |told| told.energy);
    let card = told.map_or(session.card.as_ref(), |told| told.card.as_ref());
    let queued = session.start.received_at - start > TimeDelta::seconds(CLOCK_TOLERANCE_S);
    Cdr {
        country_code: &party.country,
        party_id: &party.party,
        start_date_time: instant(start),
        end_date_time: instant(end),
        session_id: record.session.as_str(),
        cdr_token: Token {
            country_code: &party.country,
            party_id: &party.party,
            uid: short(session.id_tag.as_sent()),
            r#type: "RFID",
            contract_id: short(card.map_or(billed.member.as_str(), |card| card.as_str())),
        },
        auth_method: if queued { "WHITELIST" } else { "AUTH_REQUEST" },
        cdr_location: location(
            group.charger_class,
            session,
            told.and_then(|told| told.place.as_ref()),
            party,
        ),
        currency: "JPY",
        tariffs: vec![tariff(group, (free, record.charged), party, tariff_id.clone(), closed_at)],
        charging_periods: periods(group, (free, record.charged), (start, end), &tariff_id),
        // A credit takes the total alone back; all else stays as it was told.
        total_cost: price(if record.is_credit { -cost } else { cost }, group.tax_rate),
        total_energy: number(Decimal::new(energy.map_or(0, |energy| energy.0), 3)),
        total_time: number(told_hours(end - start, free + record.charged, group.unit_s)),
        total_time_cost: price(cost, group.tax_rate),
        remark: energy.is_none().then_some(ENERGY_UNKNOWN),
        credit: record.is_credit.then_some(true),
        credit_reference_id: record.is_credit.then(|| id.clone()),
        id: if record.is_credit { format!("{id}-C") } else { id },
        last_updated: instant(closed_at),
    }
}

/// A name as an id of OCPI: as it is where it fits, else `**` and digits of its hash.
fn short(name: &str) -> String {
    let fits =
        !name.is_empty() && name.len() <= ID_MAX && name.bytes().all(|b| b.is_ascii_graphic());
    if fits { name.to_owned() } else { hashed(name) }
}

fn hashed(name: &str) -> String {
    format!("**{}", &juden_domain::hex::sha256(name.as_bytes())[..HASH_DIGITS].to_uppercase())
}

/// A text cut to its first characters.
fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

/// An EVSE id as eMI3 writes it: letters, digits and `*`. Capital letters and digits of the station's identity stand for
/// themselves, every other byte is `*` and two hex digits, and `*` and the connector follow; an identity that grows too long is
/// `**` and digits of its hash. No two connectors have one id, also where case is not told apart.
pub fn evse_id(party: &Party, station: &str, connector_id: i64) -> String {
    let plain: String = station
        .bytes()
        .map(|b| {
            if b.is_ascii_uppercase() || b.is_ascii_digit() {
                char::from(b).to_string()
            } else {
                format!("*{b:02X}")
            }
        })
        .collect();
    let connector = format!("*{}", connector_id.unsigned_abs());
    let outlet = if plain.len() + connector.len() <= OUTLET_MAX { plain } else { hashed(station) };
    format!("{}*{}*E{outlet}{connector}", party.country, party.party)
}

/// Where it was: as the site's record says, where it has one; else its name is all that is known.
fn location<'a>(
    class: ChargerClass,
    session: &'a Session,
    place: Option<&'a ChargePlace>,
    party: &Party,
) -> Location<'a> {
    let (standard, power) = match class {
        ChargerClass::Quick => ("CHADEMO", "DC"),
        ChargerClass::Normal => ("IEC_62196_T1", "AC_1_PHASE"),
    };
    let site = place.and_then(|place| place.site.as_ref());
    let or_name = |known: Option<&str>| cut(known.unwrap_or(&session.site_name), ADDRESS_MAX);
    let station = session.station_id.as_str();
    Location {
        id: short(station),
        name: site.map_or(&session.site_name, |site| &site.name).clone(),
        address: or_name(site.map(|site| site.address.as_str())),
        city: or_name(site.map(|site| site.city.as_str())),
        postal_code: site.and_then(|site| site.postal_code.as_deref()),
        country: site.map_or("JPN", |site| site.country.as_str()),
        coordinates: Coordinates {
            latitude: site.map_or("0.000000", |site| site.latitude.as_str()),
            longitude: site.map_or("0.000000", |site| site.longitude.as_str()),
        },
        evse_id: evse_id(party, station, session.connector_id),
        evse_uid: short(&format!("{station}-{}", session.connector_id)),
        connector_id: session.connector_id.to_string(),
        connector_standard: place.and_then(|place| place.standard.as_deref()).unwrap_or(standard),
        connector_format: "CABLE",
        connector_power_type: power,
    }
}

/// Units that cost nothing: out of the pool, or because a person reduced the session to fewer than it began. What was recorded
/// before sessions could be reduced stays as it was told.
fn free_units(group: &BilledGroup, record: &BilledSession, duration: TimeDelta) -> i64 {
    let Some(told) = &record.told else { return record.free };
    record.free.max(metering::units(duration, told.energy, group.unit_s) - record.charged)
}

/// The tariff of one record: free time first where it has any, then the price.
fn tariff<'a>(
    group: &BilledGroup,
    split: (i64, i64),
    party: &'a Party,
    id: String,
    closed_at: DateTime<Utc>,
) -> Tariff<'a> {
    let per_hour = |unit_price: Yen| {
        group.tax_rate.without_tax(unit_price) * Decimal::from(3600) / Decimal::from(group.unit_s)
    };
    let component = |unit_price: Yen| Component {
        r#type: "TIME",
        price: number(per_hour(unit_price)),
        vat: number(group.tax_rate.per_cent()),
        step_size: group.unit_s,
    };
    let free = || Element { price_components: vec![component(Yen::ZERO)], restrictions: None };
    let charged = |restrictions| Element {
        price_components: vec![component(group.unit_price)],
        restrictions,
    };
    let elements = match split {
        (_, 0) => vec![free()],
        (0, _) => vec![charged(None)],
        (units, _) => {
            vec![charged(Some(Restrictions { min_duration: units * group.unit_s })), free()]
        }
    };
    Tariff {
        country_code: &party.country,
        party_id: &party.party,
        id,
        currency: "JPY",
        elements,
        last_updated: instant(closed_at),
    }
}

/// The charging time, cut where the free time ends. Hours are told so that, rounded as they are, they begin
/// as many units as were counted, and the free time lasts no shorter than the tariff says.
fn periods(
    group: &BilledGroup,
    (free, charged): (i64, i64),
    (start, end): (DateTime<Utc>, DateTime<Utc>),
    tariff_id: &str,
) -> Vec<Period> {
    let period = |from: DateTime<Utc>, hours: Decimal| Period {
        start_date_time: instant(from),
        dimensions: vec![Dimension { r#type: "TIME", volume: number(hours) }],
        tariff_id: tariff_id.to_owned(),
    };
    let total = told_hours(end - start, free + charged, group.unit_s);
    let free_time = TimeDelta::seconds(free * group.unit_s);
    let edge = start + free_time;
    if free == 0 || charged == 0 || edge >= end {
        return vec![period(start, total)];
    }
    let free = exact_hours(free_time)
        .round_dp_with_strategy(OCPI_DECIMALS, RoundingStrategy::AwayFromZero);
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
    Price {
        excl_vat: number(tax_rate.without_tax(cost)),
        incl_vat: number(Decimal::new(cost.hundredths(), 2)),
    }
}

fn exact_hours(duration: TimeDelta) -> Decimal {
    Decimal::from(duration.num_milliseconds()) / Decimal::from(3_600_000)
}

fn number(decimal: Decimal) -> Box<RawValue> {
    RawValue::from_string(decimal.normalize().to_string())
        .expect("a decimal prints as a JSON number")
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
#[path = "cdr_tests.rs"]
mod tests;
