//! Billed sessions as they are recorded with each close: what the exported charge records say, frozen. A
//! session whose split changes later has its record credited and gets a new one.

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
    /// Its name.
    pub session: SessionRef,
    /// Its number.
    pub number: SessionId,
    /// Units out of the pool.
    pub free: i64,
    /// Units that cost.
    pub charged: i64,
    /// Counts the records of one session, from 1.
    pub version: i64,
    /// Takes the record of this version back.
    pub is_credit: bool,
    /// What its charge record tells beside its units; `None`: it was recorded before that was kept, and is read from the
    /// session.
    pub told: Option<ChargeDetails>,
}

/// What a charge record tells of its session, frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChargeDetails {
    /// When it ended.
    pub ended_at: DateTime<Utc>,
    /// What was delivered, where that is known.
    pub energy: Option<WattHours>,
    /// Its card.
    pub card: Option<CardNumber>,
    /// Where it was, as far as that is registered.
    pub place: Option<ChargePlace>,
}

/// Where a charger stands, and what its plug is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChargePlace {
    /// The site's record, where it has one.
    pub site: Option<SiteRecord>,
    /// The standard of the plug, in OCPI's word.
    pub standard: Option<String>,
}

/// What is registered of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteRecord {
    /// What stations call it.
    pub site: String,
    /// Its name for people.
    pub name: String,
    /// Street and number.
    pub address: String,
    /// Its city.
    pub city: String,
    /// Its postal code.
    pub postal_code: Option<String>,
    /// Its country, three letters.
    pub country: String,
    /// Degrees with five to seven decimals.
    pub latitude: String,
    /// Degrees with five to seven decimals.
    pub longitude: String,
    /// When it is open, in words.
    pub opening_hours: Option<String>,
    /// Its zone.
    pub time_zone: Option<String>,
}

/// Billed sessions of one month, class and price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BilledGroup {
    /// The month whose usage they are.
    pub usage_month: BillingMonth,
    /// The class of their chargers.
    pub charger_class: ChargerClass,
    /// Seconds of one unit.
    pub unit_s: i64,
    /// The price of a unit beyond the free ones.
    pub unit_price: Yen,
    /// The tax contained in it.
    pub tax_rate: TaxRate,
    /// The tariff version that priced them.
    pub tariff_version: String,
    /// The sessions.
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

/// A session's records: how many there were, and the one that stands, where none credited it.
type Standing<'a> = (i64, Option<(&'a BilledGroup, &'a BilledSession)>);

/// Every session's records.
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

/// What a month's rating adds to the records so far: new sessions, credits of those that count no more,
/// and both for those whose split or price changed.
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

/// The sessions that records name, each once, in order of their names.
pub fn references(records: &[BilledGroup]) -> Vec<SessionRef> {
    let mut names: Vec<SessionRef> =
        records.iter().flat_map(|group| &group.sessions).map(|one| one.session.clone()).collect();
    names.sort();
    names.dedup();
    names
}
