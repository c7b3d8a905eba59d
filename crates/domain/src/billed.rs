//! Records of billed sessions, made with each close of a month. These records freeze the content of
//! the exported charge records. If a session's split changes later, its record is credited and a
//! new one is made.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::ids::{CardNumber, SessionId, SessionRef};
use super::month::BillingMonth;
use super::rating::{PoolUse, RatedMonth, RatedSession};
use super::session::BillingState;
use super::station::ChargerClass;
use super::units::{TaxRate, WattHours, Yen};

/// A billed session, or the credit of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BilledSession {
    /// The session's name for people.
    pub session: SessionRef,
    /// The session's number.
    pub number: SessionId,
    /// Units taken from the pool.
    pub free: i64,
    /// Units that are charged.
    pub charged: i64,
    /// The number of this record among those of its session, from 1.
    pub version: i64,
    /// Whether this record cancels the session's record of the same version.
    pub is_credit: bool,
    /// The further content of the charge record. `None` in records made before this was kept: then
    /// the content is read from the session.
    pub told: Option<ChargeDetails>,
}

/// The content of a charge record beside its units, frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeDetails {
    /// The billed time of the session's end.
    pub ended_at: DateTime<Utc>,
    /// The energy delivered, if known.
    pub energy: Option<WattHours>,
    /// The card that pays for the session.
    pub card: Option<CardNumber>,
    /// The charging site and the plug, if they are registered.
    pub place: Option<ChargePlace>,
}

/// A charging site, and the standard of the plug.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChargePlace {
    /// The charging site's record, if it has one.
    pub site: Option<SiteRecord>,
    /// The plug's standard, as OCPI names it.
    pub standard: Option<String>,
}

/// The registered data of a charging site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteRecord {
    /// The `site` by which the stations' records name it.
    pub site: String,
    /// The site's name for people.
    pub name: String,
    /// The site's street and number.
    pub address: String,
    /// The site's city.
    pub city: String,
    /// The site's postal code.
    pub postal_code: Option<String>,
    /// The site's country, as a code of three letters.
    pub country: String,
    /// Latitude in degrees, with five to seven decimals.
    pub latitude: String,
    /// Longitude in degrees, with five to seven decimals.
    pub longitude: String,
    /// The site's opening hours, as text.
    pub opening_hours: Option<String>,
    /// The site's time zone.
    pub time_zone: Option<String>,
}

/// Records of billed sessions that share one usage month, charger class, tariff version and price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BilledGroup {
    /// The usage month of the sessions.
    pub usage_month: BillingMonth,
    /// The class of the sessions' chargers.
    pub charger_class: ChargerClass,
    /// The length of one unit in seconds.
    pub unit_s: i64,
    /// The price of a unit beyond the free ones, tax included.
    pub unit_price: Yen,
    /// The rate of the tax contained in the price.
    pub tax_rate: TaxRate,
    /// The tariff version that priced the sessions.
    pub tariff_version: String,
    /// The records.
    pub sessions: Vec<BilledSession>,
}

impl BilledGroup {
    fn with(&self, sessions: Vec<BilledSession>) -> Self {
        Self { sessions, tariff_version: self.tariff_version.clone(), ..*self }
    }

    fn is_priced_like(&self, other: &Self) -> bool {
        self.with(Vec::new()) == other.with(Vec::new())
    }
}

/// The newest version of a session's records, and the record of that version unless it was
/// credited.
type Standing<'a> = (i64, Option<(&'a BilledGroup, &'a BilledSession)>);

/// The newest record of each session of a usage month.
fn standing(records: &[BilledGroup], month: BillingMonth) -> BTreeMap<&SessionRef, Standing<'_>> {
    let mut standing = BTreeMap::new();
    for group in records.iter().filter(|group| group.usage_month == month) {
        for session in &group.sessions {
            let record = (!session.is_credit).then_some((group, session));
            standing.insert(&session.session, (session.version, record));
        }
    }
    standing
}

/// The records that a month's rating adds to the known ones: records of new sessions, credits of
/// sessions that are no longer billed, and both for sessions whose split, price or content changed.
pub fn new_records(records: &[BilledGroup], rated: &RatedMonth) -> Vec<BilledGroup> {
    let mut known = standing(records, rated.bill.month);
    let (mut credits, mut groups) = (Vec::new(), Vec::new());
    for pool in &rated.pools {
        let Some(mut group) = group_of(rated, pool) else { continue };
        for session in
            rated.sessions.iter().filter(|session| is_billed_at(session, pool.charger_class))
        {
            let (version, record) = known.remove(&session.reference).unwrap_or((0, None));
            match record {
                Some((old, one)) if same_split(one, session) && old.is_priced_like(&group) => {}
                Some((old, one)) => {
                    credits.push(old.with(vec![BilledSession { is_credit: true, ..one.clone() }]));
                    group.sessions.push(billed(session, version + 1));
                }
                None => group.sessions.push(billed(session, version + 1)),
            }
        }
        groups.push(group);
    }
    for (old, one) in known.into_values().filter_map(|(_, record)| record) {
        credits.push(old.with(vec![BilledSession { is_credit: true, ..one.clone() }]));
    }
    credits.extend(groups.into_iter().filter(|group| !group.sessions.is_empty()));
    credits
}

fn group_of(rated: &RatedMonth, pool: &PoolUse) -> Option<BilledGroup> {
    let tariff = rated.tariff.as_ref()?;
    Some(BilledGroup {
        usage_month: rated.bill.month,
        charger_class: pool.charger_class,
        unit_s: pool.price.unit_s,
        unit_price: pool.price.per_unit,
        tax_rate: tariff.tax_rate,
        tariff_version: tariff.version.clone(),
        sessions: Vec::new(),
    })
}

fn is_billed_at(session: &RatedSession, class: ChargerClass) -> bool {
    session.state == BillingState::Ended && session.charger_class == Some(class)
}

fn same_split(record: &BilledSession, rated: &RatedSession) -> bool {
    let same_told = record.told.as_ref().is_none_or(|told| {
        Some(told.ended_at) == rated.ended_at
            && told.energy == rated.energy
            && told.card == rated.card
    });
    same_told && record.free == rated.split.free && record.charged == rated.split.charged
}

fn billed(session: &RatedSession, version: i64) -> BilledSession {
    BilledSession {
        session: session.reference.clone(),
        number: session.id,
        free: session.split.free,
        charged: session.split.charged,
        version,
        is_credit: false,
        told: session.ended_at.map(|ended_at| ChargeDetails {
            ended_at,
            energy: session.energy,
            card: session.card.clone(),
            place: None,
        }),
    }
}

/// The names of the sessions in records, sorted, each once.
pub fn references(records: &[BilledGroup]) -> Vec<SessionRef> {
    let mut names: Vec<SessionRef> =
        records.iter().flat_map(|group| &group.sessions).map(|one| one.session.clone()).collect();
    names.sort();
    names.dedup();
    names
}
