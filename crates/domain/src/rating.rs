//! Rating: a pure function of a member's events, its sessions and the programme's versions
//! (convention C5). The members' site, the API, the export and the month's verification all use it.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};

use super::allowance::{Pool, Split};
use super::bill::{Bill, Line, LineCode};
use super::card::Role;
use super::correction::Reduction;
use super::ids::{CardNumber, SessionId};
use super::member::Member;
use super::month::BillingMonth;
use super::plan::PlanHistory;
use super::programme::Programme;
use super::session::{BillingState, Session};
use super::station::ChargerClass;
use super::tariff::{FreeUnits, NoPrice, Plan, Tariff};
use super::units::Yen;

pub use super::rated::{PoolUse, RatedMonth, RatedSession};

/// The earliest month whose sessions are needed to rate `month`. Earlier months count only if a
/// plan carries unused units on.
pub fn first_month_needed(
    member: &Member,
    month: BillingMonth,
    programme: &Programme,
) -> BillingMonth {
    let Some(service_start) = member.service_start() else {
        return month;
    };
    let plans = member.plans(programme);
    let carries = |month: BillingMonth| {
        programme
            .tariffs
            .plan(plans.plan_in(month), month)
            .is_ok_and(|(_, _, plan)| plan.carry_over_months > 0)
    };
    let mut first = month;
    while first > BillingMonth::of(service_start) && carries(first.previous()) {
        first = first.previous();
    }
    first
}

/// The unused units of a month, and the length of one in seconds.
#[derive(Default)]
struct Left {
    units: i64,
    unit_s: i64,
}

impl Left {
    /// The same time in units of the next month's plan. A plan without an allowance takes none.
    fn units_for(&self, plan: &Plan) -> i64 {
        if plan.quick.free_units == FreeUnits::Limited(0) {
            0
        } else {
            self.units * self.unit_s / plan.quick.unit_s
        }
    }
}

/// The data that rating needs beside the sessions.
struct Rater<'a> {
    member: &'a Member,
    programme: &'a Programme,
    plans: PlanHistory,
    overlapping: HashSet<SessionId>,
}

/// Rates a member's month. A month before the admission has no sessions and no lines, and needs no
/// tariff. `sessions` must hold the member's sessions of the months from [`first_month_needed`] to
/// `month`, and those that overlap them, in any order.
pub fn rate(
    member: &Member,
    sessions: &[Session],
    month: BillingMonth,
    programme: &Programme,
) -> Result<RatedMonth, NoPrice> {
    if member.admitted_at.is_none_or(|admitted| admitted >= month.end()) {
        let bill = Bill { member: member.id.clone(), month, lines: Vec::new() };
        return Ok(RatedMonth { pools: Vec::new(), sessions: Vec::new(), bill, tariff: None });
    }
    let rater = Rater {
        member,
        programme,
        plans: member.plans(programme),
        overlapping: overlapping(sessions),
    };
    let (tariff, _, plan) = programme.tariffs.plan(rater.plans.plan_in(month), month)?;
    let plan = &rater.in_month(plan, month);
    let carried = rater.carried_into(month, plan, sessions)?;
    let of_month = of_month(sessions, month);
    let mut rated = Vec::with_capacity(of_month.len());
    let mut pools = Vec::new();
    for class in ChargerClass::ALL {
        let carried = if class == ChargerClass::Quick { carried } else { 0 };
        let (of_class, pool) = rater.draw(&of_month, plan, class, carried);
        pools.push(pool_use(class, plan, carried, &of_class, pool));
        rated.extend(of_class);
    }
    rated.extend(
        of_month
            .iter()
            .filter(|session| session.site.is_none())
            .map(|session| rater.rated(session, 0)),
    );
    rated.sort_by(|a, b| (a.started_at, &a.reference).cmp(&(b.started_at, &b.reference)));
    let bill =
        Bill { member: member.id.clone(), month, lines: rater.lines(month, tariff, plan, &rated) };
    Ok(RatedMonth { pools, sessions: rated, bill, tariff: Some(tariff.clone()) })
}

/// The plan of a month, and the quick units carried into it; `None`: the month lies before the
/// admission.
pub fn month_plan(
    member: &Member,
    sessions: &[Session],
    month: BillingMonth,
    programme: &Programme,
) -> Result<Option<(Plan, i64)>, NoPrice> {
    if member.admitted_at.is_none_or(|admitted| admitted >= month.end()) {
        return Ok(None);
    }
    let rater = Rater {
        member,
        programme,
        plans: member.plans(programme),
        overlapping: overlapping(sessions),
    };
    let (_, _, plan) = programme.tariffs.plan(rater.plans.plan_in(month), month)?;
    let plan = rater.in_month(plan, month);
    let carried = rater.carried_into(month, &plan, sessions)?;
    Ok(Some((plan, carried)))
}

/// The month's sessions in the order in which they draw on the pool (rule R7.6).
fn of_month(sessions: &[Session], month: BillingMonth) -> Vec<&Session> {
    let mut chosen: Vec<&Session> =
        sessions.iter().filter(|session| session.month() == month).collect();
    chosen.sort_by(|a, b| (a.start.at, &a.reference).cmp(&(b.start.at, &b.reference)));
    chosen
}

/// The sessions that overlap another session of the same card. In order of start, each session is
/// compared only with the earlier one that ends last. If that one does not overlap it, no earlier
/// one does. If several earlier ones do, they overlap each other too and are found already.
fn overlapping(sessions: &[Session]) -> HashSet<SessionId> {
    let mut by_card: BTreeMap<&CardNumber, Vec<&Session>> = BTreeMap::new();
    for session in sessions.iter().filter(|session| session.measured_span().is_some()) {
        if let Some(card) = &session.card {
            by_card.entry(card).or_default().push(session);
        }
    }
    let ends = |session: &Session| session.measured_span().map(|(_, end)| end);
    let mut found = HashSet::new();
    for of_card in by_card.values_mut() {
        of_card.sort_by_key(|session| session.start.at);
        let mut last: Option<&Session> = None;
        for session in of_card.iter().copied() {
            if let Some(before) = last.filter(|before| before.overlaps(session)) {
                found.extend([before.id, session.id]);
            }
            if last.is_none_or(|before| ends(before) < ends(session)) {
                last = Some(session);
            }
        }
    }
    found
}

fn pool_use(
    class: ChargerClass,
    plan: &Plan,
    carried: i64,
    rated: &[RatedSession],
    pool: Pool,
) -> PoolUse {
    let free_units = match plan.price(class).free_units {
        FreeUnits::Limited(own) => Some(own + carried),
        FreeUnits::Unlimited => None,
    };
    let used_units = rated.iter().map(|session| session.split.free + session.split.charged).sum();
    PoolUse {
        charger_class: class,
        free_units,
        used_units,
        free_units_left: pool.left(),
        price: plan.price(class).clone(),
    }
}

/// The name of a price's unit on bills, such as `10 min`.
pub fn unit_name(unit_s: i64) -> String {
    if unit_s % 60 == 0 { format!("{} min", unit_s / 60) } else { format!("{unit_s} s") }
}

impl Rater<'_> {
    /// The quick units that are carried into a month (rule R7.7). These units are lost on a change
    /// to a plan without an allowance. If the length of a unit changes, the time is carried, not
    /// the number of units.
    fn carried_into(
        &self,
        month: BillingMonth,
        plan: &Plan,
        sessions: &[Session],
    ) -> Result<i64, NoPrice> {
        let mut left = Left::default();
        let mut earlier = first_month_needed(self.member, month, self.programme);
        while earlier < month {
            let (_, _, plan) = self.programme.tariffs.plan(self.plans.plan_in(earlier), earlier)?;
            let (_, pool) = self.draw(
                &of_month(sessions, earlier),
                plan,
                ChargerClass::Quick,
                left.units_for(plan),
            );
            left = Left { units: pool.own_left(), unit_s: plan.quick.unit_s };
            earlier = earlier.next();
        }
        Ok(left.units_for(plan))
    }

    fn rated(&self, session: &Session, unit_s: i64) -> RatedSession {
        let standing = session.standing(
            Some(self.member),
            self.overlapping.contains(&session.id),
            self.programme,
        );
        let units = if standing.free || unit_s == 0 { 0 } else { session.units(unit_s) };
        RatedSession {
            id: session.id,
            reference: session.reference.clone(),
            started_at: session.start.at,
            ended_at: session.stop.as_ref().map(|stop| stop.edge.at),
            energy: session.stop.as_ref().and_then(|stop| stop.energy),
            card: session.card.clone(),
            charger_class: session.site.map(|site| site.charger_class),
            state: session.billing_state(standing),
            standing,
            units,
            split: Split { free: 0, charged: 0 },
            taken_off: Yen::ZERO,
        }
    }

    /// The plan as it holds in a month. A month without a base fee has no free units, since the
    /// base fee includes them: one before the service's start, or after the last month with fees.
    fn in_month(&self, plan: &Plan, month: BillingMonth) -> Plan {
        let mut plan = plan.clone();
        if !self.has_base_fee(month) {
            plan.quick.free_units = FreeUnits::Limited(0);
            plan.normal.free_units = FreeUnits::Limited(0);
        }
        plan
    }

    /// Draws the units of the billed sessions of a class from its pool, in order. Applies
    /// reductions.
    fn draw(
        &self,
        of_month: &[&Session],
        plan: &Plan,
        class: ChargerClass,
        carried: i64,
    ) -> (Vec<RatedSession>, Pool) {
        let price = plan.price(class);
        let mut pool = Pool::new(price.free_units, carried);
        let of_class = of_month
            .iter()
            .filter(|session| session.site.is_some_and(|site| site.charger_class == class));
        let rated = of_class.map(|session| {
            let mut rated = self.rated(session, price.unit_s);
            if rated.state == BillingState::Ended {
                rated.split = pool.draw(rated.units);
                match session.reduction {
                    Some(Reduction::Units(most)) => {
                        rated.split.charged = rated.split.charged.min(most);
                    }
                    Some(Reduction::Yen(yen)) => {
                        rated.taken_off =
                            yen.min(price.per_unit.times(rated.split.charged).floor_to_whole());
                    }
                    None => {}
                }
            }
            rated
        });
        (rated.collect(), pool)
    }

    /// The lines of the month's bill (rule R6.0).
    fn lines(
        &self,
        month: BillingMonth,
        tariff: &Arc<Tariff>,
        plan: &Plan,
        rated: &[RatedSession],
    ) -> Vec<Line> {
        let member = self.member;
        let fees = &tariff.fees;
        let mut lines = Vec::new();
        let mut add = |code, quantity: i64, unit: &str, unit_price: Yen, sessions| {
            if quantity > 0 {
                lines.push(Line {
                    code,
                    usage_month: month,
                    quantity,
                    unit: unit.to_owned(),
                    unit_price,
                    amount: unit_price.times(quantity).floor_to_whole(),
                    tax_rate: tariff.tax_rate,
                    tariff_version: tariff.version.clone(),
                    sessions,
                    previous_invoice: None,
                    reason: None,
                });
            }
        };
        let once = i64::from;
        let owes_contract = member.admitted_at.is_some_and(|at| month.contains(at))
            && fees.contract_for.contains(&member.admission.kind);
        add(LineCode::Contract, once(owes_contract), "contract", fees.contract, vec![]);
        let has_base = self.has_base_fee(month);
        add(LineCode::Base, once(has_base), "month", plan.base, vec![]);
        let discounted = has_base
            && plan.term_discount > Yen::ZERO
            && self.plans.contract_in(month, self.programme).is_some();
        add(LineCode::TermDiscount, once(discounted), "month", -plan.term_discount, vec![]);
        for (class, code) in [
            (ChargerClass::Quick, LineCode::MeteredQuick),
            (ChargerClass::Normal, LineCode::MeteredNormal),
        ] {
            let charged = || {
                rated
                    .iter()
                    .filter(|rated| rated.split.charged > 0 && rated.charger_class == Some(class))
            };
            let price = plan.price(class);
            let sessions = charged().map(|session| session.reference.clone()).collect();
            add(
                code,
                charged().map(|session| session.split.charged).sum(),
                &unit_name(price.unit_s),
                price.per_unit,
                sessions,
            );
        }
        add(
            LineCode::AdditionalIssue,
            self.additional_issues(month),
            "card",
            fees.additional_issue,
            vec![],
        );
        add(
            LineCode::AdditionalMonthly,
            once(self.has_additional_month(month)),
            "month",
            fees.additional_monthly,
            vec![],
        );
        add(LineCode::Reissue, self.reissues(month), "card", fees.reissue, vec![]);
        add(
            LineCode::EarlyTermination,
            self.plans.early_terminations_in(month),
            "contract",
            fees.early_termination,
            vec![],
        );
        for session in rated.iter().filter(|rated| rated.taken_off > Yen::ZERO) {
            add(
                LineCode::Goodwill,
                1,
                "session",
                -session.taken_off,
                vec![session.reference.clone()],
            );
        }
        lines.extend(self.entries(month, tariff));
        lines
    }

    /// The lines of the month's entries (rule B11).
    fn entries(&self, month: BillingMonth, tariff: &Arc<Tariff>) -> impl Iterator<Item = Line> {
        self.member.entries_in(month).map(move |entry| Line {
            code: entry.entered.kind.code(),
            usage_month: month,
            quantity: 1,
            unit: "entry".to_owned(),
            unit_price: entry.entered.amount,
            amount: entry.entered.amount,
            tax_rate: entry.entered.tax_rate.unwrap_or(tariff.tax_rate),
            tariff_version: tariff.version.clone(),
            sessions: Vec::new(),
            previous_invoice: None,
            reason: Some(entry.entered.reason),
        })
    }

    /// Whether the month has a base fee: it lies between the service's start and the last month
    /// with fees (rule R6.0).
    fn has_base_fee(&self, month: BillingMonth) -> bool {
        let started =
            self.member.service_start().is_some_and(|start| BillingMonth::of(start) <= month);
        started && self.member.end(self.programme).is_none_or(|end| month <= end.last_fee_month)
    }

    /// The lives of the member's additional cards: the activation, the end by deactivation or
    /// replacement if there was one, and whether the card replaced another one. The membership's
    /// end is not in here; it counts through the last month with fees.
    fn additional_lives(
        &self,
    ) -> impl Iterator<Item = (DateTime<Utc>, Option<DateTime<Utc>>, bool)> {
        self.member.cards.iter().filter_map(|card| {
            let holder = card.holder().filter(|holder| holder.role == Role::Additional)?;
            Some((holder.activated_at, card.died_at(), holder.replaces.is_some()))
        })
    }

    /// The number of additional cards activated in the month, each of which has the issue fee (rule
    /// R9.5). A replacement has the reissue fee instead and is not counted.
    fn additional_issues(&self, month: BillingMonth) -> i64 {
        self.additional_lives()
            .filter(|(activated, _, replaces)| !replaces && month.contains(*activated))
            .map(|_| 1)
            .sum()
    }

    /// Whether the month has the additional card's fee: a live additional card touches it (rule
    /// R9.6), and it is not after the last month with fees (rule R9.7). The fee arises once, for
    /// any number of cards. A card's end counts in whole seconds, so one deactivated at midnight
    /// does not touch the new month.
    fn has_additional_month(&self, month: BillingMonth) -> bool {
        let touches = self.additional_lives().any(|(activated, died, _)| {
            let lives = activated < month.end()
                && died.is_none_or(|died| died.trunc_subsecs(0) > month.start());
            lives || month.contains(activated)
        });
        touches && self.member.end(self.programme).is_none_or(|end| month <= end.last_fee_month)
    }

    /// The number of replacement cards registered in the month (rule R3.8c).
    fn reissues(&self, month: BillingMonth) -> i64 {
        let holders = self.member.cards.iter().filter_map(super::card::Card::holder);
        holders
            .filter(|holder| holder.replaces.is_some() && month.contains(holder.activated_at))
            .map(|_| 1)
            .sum()
    }
}

#[cfg(test)]
#[path = "rating_tests.rs"]
pub(crate) mod tests;
