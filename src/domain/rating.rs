//! Rating: a pure function of a member's events, sessions and the tariff versions (convention C5).
//! The member's screen, the API, the export and the month's verification all ask it.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::allowance::{Pool, Split};
use super::bill::{Bill, Line, LineCode};
use super::card::Role;
use super::ids::SessionId;
use super::member::Member;
use super::month::BillingMonth;
use super::session::{BillingState, Session};
use super::station::ChargerClass;
use super::tariff::{FreeUnits, NoPrice, Plan, Tariff, TariffBook};
use super::units::Yen;

/// A session of the month as it was rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedSession {
    /// Which.
    pub id: SessionId,
    /// What its money does.
    pub state: BillingState,
    /// Its units as measured; 0 while it runs.
    pub units: i64,
    /// How they are paid for. A session whose money waits draws nothing.
    pub split: Split,
}

/// What became of the month's free units of one class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUse {
    /// The class of chargers.
    pub charger_class: ChargerClass,
    /// The units given, with those carried in; `None`: no limit.
    pub free_units: Option<i64>,
    /// The units that billed sessions used, free and charged.
    pub used_units: i64,
    /// Free units left; `None`: no limit.
    pub free_units_left: Option<i64>,
}

/// A member's month, rated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatedMonth {
    /// The pools, quick then normal.
    pub pools: Vec<PoolUse>,
    /// The month's sessions in order of start, then number (rule R7.6).
    pub sessions: Vec<RatedSession>,
    /// The bill.
    pub bill: Bill,
}

/// The earliest month whose sessions are needed to rate `month`: earlier ones count only where a
/// plan carries unused units on.
pub fn first_month_needed(member: &Member, month: BillingMonth, tariffs: &TariffBook) -> BillingMonth {
    let Some(service_start) = member.service_start() else {
        return month;
    };
    let mut first = month;
    while first > BillingMonth::of(service_start) && carries_from(member, first.previous(), tariffs) {
        first = first.previous();
    }
    first
}

fn carries_from(member: &Member, month: BillingMonth, tariffs: &TariffBook) -> bool {
    tariffs.plan(member.plan_at(month.start()), month).is_ok_and(|(_, _, plan)| plan.carry_over_months > 0)
}

/// Rates a member's month; one before the admission has nothing, whatever tariff was in force. `sessions` holds at least the member's sessions of the months from
/// [`first_month_needed`] to `month`, in any order.
pub fn rate(member: &Member, sessions: &[Session], month: BillingMonth, tariffs: &TariffBook) -> Result<RatedMonth, NoPrice> {
    if member.admitted_at >= month.end() {
        let bill = Bill { member: member.id.clone(), month, lines: Vec::new() };
        return Ok(RatedMonth { pools: Vec::new(), sessions: Vec::new(), bill });
    }
    let (tariff, _, plan) = tariffs.plan(member.plan_at(month.start()), month)?;
    let mut carried = 0;
    let mut earlier = first_month_needed(member, month, tariffs);
    while earlier < month {
        let (_, _, plan) = tariffs.plan(member.plan_at(earlier.start()), earlier)?;
        let (_, pool) = draw(&of_month(sessions, earlier), sessions, plan, ChargerClass::Quick, carried);
        carried = pool.own_left();
        earlier = earlier.next();
    }
    if plan.quick.free_units == FreeUnits::Limited(0) {
        // Carried units are lost on a change to a plan without an allowance (rule R7.7).
        carried = 0;
    }
    let of_month = of_month(sessions, month);
    let mut rated = Vec::new();
    let mut pools = Vec::new();
    for class in ChargerClass::ALL {
        let carried = if class == ChargerClass::Quick { carried } else { 0 };
        let (of_class, pool) = draw(&of_month, sessions, plan, class, carried);
        pools.push(pool_use(class, plan, carried, &of_class, pool));
        rated.extend(of_class);
    }
    rated.extend(unrated(&of_month));
    let position = |id: SessionId| of_month.iter().position(|session| session.id == id);
    rated.sort_by_key(|session| position(session.id));
    let bill = Bill { member: member.id.clone(), month, lines: lines(member, month, tariff, plan, &of_month, &rated) };
    Ok(RatedMonth { pools, sessions: rated, bill })
}

/// The month's sessions in the order in which they draw on the pool (rule R7.6).
fn of_month(sessions: &[Session], month: BillingMonth) -> Vec<&Session> {
    let mut chosen: Vec<&Session> = sessions.iter().filter(|session| session.month() == month).collect();
    chosen.sort_by_key(|session| (session.start.at, session.id));
    chosen
}

/// Lets the sessions of a class draw on its pool in order.
fn draw(of_month: &[&Session], all: &[Session], plan: &Plan, class: ChargerClass, carried: i64) -> (Vec<RatedSession>, Pool) {
    let price = plan.price(class);
    let mut pool = Pool::new(price.free_units, carried);
    let of_class = of_month.iter().filter(|session| session.site.is_some_and(|site| site.charger_class == class));
    let rated = of_class.map(|session| {
        let overlaps = all.iter().any(|other| session.overlaps(other));
        let state = session.billing_state(overlaps);
        let units = session.units(price.unit_s);
        let split = if state == BillingState::Ended { pool.draw(units) } else { Split { free: 0, charged: 0 } };
        RatedSession { id: session.id, state, units, split }
    });
    (rated.collect(), pool)
}

/// Sessions at connectors of unknown class: listed, never priced.
fn unrated(of_month: &[&Session]) -> Vec<RatedSession> {
    let unknown = of_month.iter().filter(|session| session.site.is_none());
    unknown
        .map(|session| RatedSession { id: session.id, state: session.billing_state(false), units: 0, split: Split { free: 0, charged: 0 } })
        .collect()
}

fn pool_use(class: ChargerClass, plan: &Plan, carried: i64, rated: &[RatedSession], pool: Pool) -> PoolUse {
    let free_units = match plan.price(class).free_units {
        FreeUnits::Limited(own) => Some(own + carried),
        FreeUnits::Unlimited => None,
    };
    let used_units = rated.iter().map(|session| session.split.free + session.split.charged).sum();
    PoolUse { charger_class: class, free_units, used_units, free_units_left: pool.left() }
}

/// The bill's lines (rule R6.0).
fn lines(
    member: &Member,
    month: BillingMonth,
    tariff: &Arc<Tariff>,
    plan: &Plan,
    of_month: &[&Session],
    rated: &[RatedSession],
) -> Vec<Line> {
    let line = |code, quantity: i64, unit: &str, unit_price: Yen, sessions| Line {
        code,
        usage_month: month,
        quantity,
        unit: unit.to_owned(),
        unit_price,
        amount: unit_price.times(quantity).floor_to_whole(),
        tax_rate: tariff.tax_rate,
        tariff_version: tariff.version.clone(),
        sessions,
    };
    let mut lines = Vec::new();
    if month.contains(member.admitted_at) {
        lines.push(line(LineCode::Contract, 1, "contract", tariff.fees.contract, vec![]));
    }
    if member.service_start().is_some_and(|start| BillingMonth::of(start) <= month) {
        lines.push(line(LineCode::Base, 1, "month", plan.base, vec![]));
        if member.term().is_some_and(|term| term.discounts(month)) && plan.term_discount > Yen::ZERO {
            lines.push(line(LineCode::TermDiscount, 1, "month", -plan.term_discount, vec![]));
        }
    }
    for (class, code) in [(ChargerClass::Quick, LineCode::MeteredQuick), (ChargerClass::Normal, LineCode::MeteredNormal)] {
        let charged: Vec<&RatedSession> =
            rated.iter().filter(|rated| rated.split.charged > 0 && class_of(of_month, rated.id) == Some(class)).collect();
        let quantity = charged.iter().map(|session| session.split.charged).sum();
        let price = plan.price(class);
        if quantity > 0 {
            let sessions = charged.iter().map(|session| session.id).collect();
            lines.push(line(code, quantity, &unit_name(price.unit_s), price.per_unit, sessions));
        }
    }
    let issues = additional_activations(member, month);
    if issues > 0 {
        lines.push(line(LineCode::AdditionalIssue, issues, "card", tariff.fees.additional_issue, vec![]));
    }
    if has_additional_month(member, month) {
        lines.push(line(LineCode::AdditionalMonthly, 1, "month", tariff.fees.additional_monthly, vec![]));
    }
    lines
}

fn class_of(of_month: &[&Session], id: SessionId) -> Option<ChargerClass> {
    of_month.iter().find(|session| session.id == id).and_then(|session| session.site).map(|site| site.charger_class)
}

fn unit_name(unit_s: i64) -> String {
    if unit_s % 60 == 0 { format!("{} min", unit_s / 60) } else { format!("{unit_s} s") }
}

/// The lives of additional cards: from activation until death, `None` while they live.
fn additional_lives(member: &Member) -> impl Iterator<Item = (DateTime<Utc>, Option<DateTime<Utc>>)> {
    member.cards.iter().filter_map(|card| {
        let holder = card.holder().filter(|holder| holder.role == Role::Additional)?;
        Some((holder.activated_at, card.died_at()))
    })
}

/// How many additional cards were activated in the month: each has its issue fee (rule R9.5).
fn additional_activations(member: &Member, month: BillingMonth) -> i64 {
    additional_lives(member).filter(|(activated, _)| month.contains(*activated)).map(|_| 1).sum()
}

/// Whether the month has the additional card's fee: a live one touches it (rule R9.6). It arises
/// once, however many cards.
fn has_additional_month(member: &Member, month: BillingMonth) -> bool {
    additional_lives(member).any(|(activated, died)| {
        let touches = activated < month.end() && died.is_none_or(|died| died > month.start());
        touches || month.contains(activated)
    })
}

#[cfg(test)]
#[path = "rating_tests.rs"]
mod tests;
