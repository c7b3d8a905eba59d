//! A member's plan in each month, and its term contracts, derived from its requests (articles 7 and
//! 8). A request takes effect on the first of the next month. Of several requests in a month the
//! last one counts.

use chrono::{DateTime, TimeDelta, Utc};

use super::ending::{End, EndCause, check_no_ground};
use super::member::{Member, MemberEvent, MemberState};
use super::month::BillingMonth;
use super::programme::Programme;
use super::refusal::Reason;
use super::tariff::{NoPrice, Plan, Tariff};
use super::term::Contract;

/// A plan change that waits for the end of the month (rule R7.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The requested plan.
    pub plan: String,
    /// Whether a term contract is requested (`true`) or to be ended (`false`); `None`: a running
    /// one goes on, if it can.
    pub term: Option<bool>,
    /// The month from which the change takes effect.
    pub from: BillingMonth,
}

/// A member's plans and term contracts over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanHistory {
    /// Each plan with its first month, oldest first.
    plans: Vec<(BillingMonth, String)>,
    /// The term contracts, oldest first.
    contracts: Vec<Contract>,
}

impl PlanHistory {
    /// The plan in a month, by the name under which it was chosen.
    pub fn plan_in(&self, month: BillingMonth) -> &str {
        let chosen =
            self.plans.iter().rev().find(|(from, _)| *from <= month).or_else(|| self.plans.first());
        chosen.map_or("", |(_, plan)| plan.as_str())
    }

    /// The term contract that gives its discount in a month, and the end month of its present term.
    pub fn contract_in(
        &self,
        month: BillingMonth,
        programme: &Programme,
    ) -> Option<(Contract, BillingMonth)> {
        let renews = |at| programme.renews_terms(at);
        self.contracts.iter().rev().find_map(|contract| {
            let end = contract.end_month(month, renews).filter(|_| contract.from <= month)?;
            Some((*contract, end))
        })
    }

    /// The number of early-termination fees that arise in a month (rule R8.4).
    pub fn early_terminations_in(&self, month: BillingMonth) -> i64 {
        self.contracts.iter().filter(|contract| contract.fee_in == Some(month)).map(|_| 1).sum()
    }
}

impl Member {
    /// The member's plan in a month, by its name in that month's tariff.
    pub fn plan_name_in(&self, month: BillingMonth, programme: &Programme) -> String {
        let history = self.plans(programme);
        let chosen = history.plan_in(month);
        programme.tariffs.plan(chosen, month).map_or(chosen, |(_, name, _)| name).to_owned()
    }

    /// The plan change requested in a month, unless it was cancelled, by the month's events up to
    /// an instant.
    fn slot(&self, month: BillingMonth, at: DateTime<Utc>) -> Option<Pending> {
        let of_month = self.events_until(at).filter(|dated| month.contains(dated.at));
        of_month.fold(None, |slot, dated| match &dated.event {
            MemberEvent::PlanChangeRequested { plan, term } => {
                Some(Pending { plan: plan.clone(), term: *term, from: month.next() })
            }
            MemberEvent::PlanChangeCancelled => None,
            _ => slot,
        })
    }

    /// The plan change that waits at an instant. A change that would take effect only after the
    /// last month with fees is dropped (rule R7.3).
    pub fn pending_at(&self, at: DateTime<Utc>, programme: &Programme) -> Option<Pending> {
        let ground_known =
            self.events_until(at).any(|dated| matches!(dated.event, MemberEvent::Disqualified(_)));
        let drops = |change: &Pending| {
            self.end(programme).is_some_and(|end| {
                let foreseen = ground_known || end.cause == EndCause::ServiceEnded;
                end.at <= at || (foreseen && change.from > end.last_fee_month)
            })
        };
        self.slot(BillingMonth::of(at), at).filter(|change| !drops(change))
    }

    /// The member's plans and term contracts.
    pub fn plans(&self, programme: &Programme) -> PlanHistory {
        let joined_in = BillingMonth::of(self.admitted_at.unwrap_or(self.applied_at));
        let first =
            Contract { applied_in: joined_in, from: joined_in, ended_from: None, fee_in: None };
        let mut history = PlanHistory {
            plans: vec![(joined_in, self.admission.plan.clone())],
            contracts: self.admission.term.then_some(first).into_iter().collect(),
        };
        let end = self.end(programme);
        for month in self.months_with_requests() {
            let holds = |change: &Pending| end.is_none_or(|end| change.from <= end.last_fee_month);
            if let Some(change) =
                self.slot(month, month.end() - TimeDelta::milliseconds(1)).filter(holds)
            {
                history.apply(month, &change, programme);
            }
        }
        if let Some(end) = end {
            history.end(end, programme);
        }
        history
    }

    fn months_with_requests(&self) -> Vec<BillingMonth> {
        let asked = self
            .events
            .iter()
            .filter(|dated| matches!(dated.event, MemberEvent::PlanChangeRequested { .. }));
        let mut months: Vec<BillingMonth> = asked.map(|dated| BillingMonth::of(dated.at)).collect();
        months.dedup();
        months
    }
}

impl PlanHistory {
    fn running(&mut self, month: BillingMonth, programme: &Programme) -> Option<&mut Contract> {
        let renews = |at| programme.renews_terms(at);
        self.contracts.iter_mut().rev().find(|contract| contract.end_month(month, renews).is_some())
    }

    /// Applies the plan change that was requested in `month`.
    fn apply(&mut self, month: BillingMonth, change: &Pending, programme: &Programme) {
        let premium = is_premium(&change.plan, change.from, programme);
        self.plans.push((change.from, change.plan.clone()));
        let running = self.running(month, programme);
        match running {
            Some(contract) if !premium || change.term == Some(false) => {
                let costs = contract.costs_fee(month, |at| programme.renews_terms(at));
                contract.ended_from = Some(change.from);
                contract.fee_in = costs.then_some(month);
            }
            Some(_) => {}
            None if premium && change.term == Some(true) => {
                self.contracts.push(Contract {
                    applied_in: month,
                    from: change.from,
                    ended_from: None,
                    fee_in: None,
                });
            }
            None => {}
        }
    }

    /// Ends a running term contract with the membership. Only a withdrawal costs the
    /// early-termination fee (rules R8.4, R8.7).
    fn end(&mut self, end: End, programme: &Programme) {
        let month = BillingMonth::of(end.at);
        if let Some(contract) = self.running(month, programme) {
            let costs = contract.costs_fee(month, |at| programme.renews_terms(at));
            contract.fee_in = (costs && end.cause == EndCause::Withdrawn).then_some(month);
            contract.ended_from = Some(month.next());
        }
    }
}

fn is_premium(plan: &str, month: BillingMonth, programme: &Programme) -> bool {
    programme.tariffs.plan(plan, month).is_ok_and(|(_, _, plan)| plan.is_premium())
}

/// The reason why a plan change cannot be requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoChange {
    /// A rule refuses, for this reason.
    Refused(Reason),
    /// The tariff of the month in which the change would take effect does not have the plan.
    NoPrice(NoPrice),
    /// The plan is not a premium plan, as a term contract needs (article 2.8).
    NotPremium,
}

/// Whether a term contract can be requested with a plan (articles 2.8, 8.1).
fn check_term(plan: &Plan, in_force: &Tariff, at: DateTime<Utc>) -> Result<(), NoChange> {
    if !plan.is_premium() {
        return Err(NoChange::NotPremium);
    }
    if in_force.takes_terms_at(at) { Ok(()) } else { Err(NoChange::Refused(Reason::TermClosed)) }
}

/// Whether an applicant may choose a plan, with or without a term contract.
pub fn check_offer(
    plan: &str,
    term: bool,
    at: DateTime<Utc>,
    programme: &Programme,
) -> Result<(), NoChange> {
    if programme.service_ends_at.is_some_and(|end| end <= at) {
        return Err(NoChange::Refused(Reason::ServiceEnded));
    }
    let (tariff, _, prices) =
        programme.tariffs.plan(plan, BillingMonth::of(at)).map_err(NoChange::NoPrice)?;
    if term { check_term(prices, tariff, at) } else { Ok(()) }
}

/// Requests a plan from the next month on (articles 7, 8; rules R7.1 to R7.3). A request for the
/// present plan and contract cancels the waiting change as a whole, its term contract included:
/// there is one waiting change, and the last request replaces it. `None`: nothing changes.
pub fn request_change(
    member: &Member,
    plan: &str,
    term: Option<bool>,
    at: DateTime<Utc>,
    programme: &Programme,
) -> Result<Option<MemberEvent>, NoChange> {
    member
        .check_changeable(at, programme)
        .and_then(|()| check_no_ground(member))
        .map_err(NoChange::Refused)?;
    if member.state_at(at, programme) != MemberState::Active {
        return Err(NoChange::Refused(Reason::NotActivated));
    }
    let month = BillingMonth::of(at);
    let tariffs = &programme.tariffs;
    let (_, name, prices) = tariffs.plan(plan, month.next()).map_err(NoChange::NoPrice)?;
    if term == Some(true) && !prices.is_premium() {
        return Err(NoChange::NotPremium);
    }
    let history = member.plans(programme);
    let runs = history.contract_in(month, programme).is_some();
    let applies = term == Some(true) && !runs;
    if applies {
        check_term(prices, tariffs.in_force(month).map_err(NoChange::NoPrice)?, at)?;
    }
    let same_plan = tariffs
        .plan(history.plan_in(month), month.next())
        .is_ok_and(|(_, current, _)| current == name);
    let ends = term == Some(false) && runs;
    let same_term = !(applies || ends);
    if same_plan && same_term {
        return Ok(member.pending_at(at, programme).map(|_| MemberEvent::PlanChangeCancelled));
    }
    Ok(Some(MemberEvent::PlanChangeRequested {
        plan: name.to_owned(),
        term: if same_term { None } else { term },
    }))
}

/// Cancels the plan change requested this month (article 7, rule R7.2). A change that has taken
/// effect stands.
pub fn cancel_change(
    member: &Member,
    at: DateTime<Utc>,
    programme: &Programme,
) -> Result<MemberEvent, Reason> {
    member.check_changeable(at, programme)?;
    check_no_ground(member)?;
    let month = BillingMonth::of(at);
    if member.pending_at(at, programme).is_some() {
        return Ok(MemberEvent::PlanChangeCancelled);
    }
    match member.slot(month.previous(), month.start() - TimeDelta::milliseconds(1)) {
        Some(_) => Err(Reason::AlreadyEffective),
        None => Err(Reason::NothingPending),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
