//! Tariffs: versions of prices, each in force from the first of a month (rules M3, R19.3). Amounts
//! are data; no fee stands in code.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Months, NaiveDate, Utc};

use super::member::MemberKind;
use super::month::{BillingMonth, in_japan};
use super::station::ChargerClass;
use super::units::{TaxRate, Yen};

/// How many units a plan gives free in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeUnits {
    /// This many.
    Limited(i64),
    /// All of them.
    Unlimited,
}

/// A plan's price at one class of charger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// Seconds of one unit; a begun unit counts whole.
    pub unit_s: i64,
    /// Units included in the base fee.
    pub free_units: FreeUnits,
    /// Price of each unit beyond them.
    pub per_unit: Yen,
}

/// A plan's prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The month's base fee.
    pub base: Yen,
    /// What a term contract takes off it.
    pub term_discount: Yen,
    /// Months that unused quick units are carried: 0 or 1 (rule R7.7).
    pub carry_over_months: u8,
    /// At quick chargers.
    pub quick: Price,
    /// At normal chargers.
    pub normal: Price,
}

impl Plan {
    /// The price at a class of charger.
    pub const fn price(&self, class: ChargerClass) -> &Price {
        match class {
            ChargerClass::Quick => &self.quick,
            ChargerClass::Normal => &self.normal,
        }
    }

    /// Whether it is a premium plan: its base fee includes free units (article 2.7).
    pub fn is_premium(&self) -> bool {
        ChargerClass::ALL
            .into_iter()
            .any(|class| self.price(class).free_units != FreeUnits::Limited(0))
    }
}

/// The fees beside the plans'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fees {
    /// Once, on admission (article 6.1).
    pub contract: Yen,
    /// Who owes that (rule R6.1).
    pub contract_for: Vec<MemberKind>,
    /// Per registered replacement card (article 3.8).
    pub reissue: Yen,
    /// Per activation of an additional card (article 9.4).
    pub additional_issue: Yen,
    /// Per month touched by a live additional card (articles 9.4, 9.6).
    pub additional_monthly: Yen,
    /// For leaving a term contract outside its window (article 8.2).
    pub early_termination: Yen,
}

/// The fee for collecting a small sum by account debit (rule M2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmallDebitFee {
    /// Invoices below this total have the fee.
    pub threshold: Yen,
    /// The fee.
    pub fee: Yen,
}

/// One version of the tariff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// Its name, such as `zesp3/2023-09`.
    pub version: String,
    /// The first usage month that it rates.
    pub from: BillingMonth,
    /// The consumption tax contained in its amounts.
    pub tax_rate: TaxRate,
    /// Whether term contracts renew by themselves.
    pub auto_renew: bool,
    /// Whether new term contracts are taken.
    pub accepts_term: bool,
    /// The last day, Japan time, on which they are; `None`: as long as the version holds.
    pub accepts_term_until: Option<NaiveDate>,
    /// The day on which the version was published, where the file says so.
    pub published_on: Option<NaiveDate>,
    /// The fee for small sums by account debit, where there is one.
    pub small_debit: Option<SmallDebitFee>,
    /// The share of the basic rental fee that members are let off (article 5.1(1)): at most half.
    pub rental_rate: TaxRate,
    /// The fees.
    pub fees: Fees,
    /// The plans by name.
    pub plans: BTreeMap<String, Plan>,
    /// Plans of the version before that go on under a new name: old name to new.
    pub renames: BTreeMap<String, String>,
}

impl Tariff {
    /// Whether a term contract can be applied for at an instant of a month that it rates.
    pub fn takes_terms_at(&self, at: DateTime<Utc>) -> bool {
        self.accepts_term
            && self.accepts_term_until.is_none_or(|last| in_japan(at).date_naive() <= last)
    }

    /// Whether it was published less than a month before it takes effect: worth a warning, no more (rule
    /// R19.3).
    pub fn has_short_notice(&self) -> bool {
        let latest = self.from.first_day().checked_sub_months(Months::new(1));
        self.published_on.zip(latest).is_some_and(|(published, latest)| published > latest)
    }
}

/// A month for which no price is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPrice {
    /// No version is in force.
    #[error("no tariff is in force in {month}: add a tariff file for it or an earlier month")]
    NoTariff {
        /// The month.
        month: BillingMonth,
    },
    /// The version lacks the plan.
    #[error("the tariff {version} has no plan {plan:?}")]
    NoPlan {
        /// The version.
        version: String,
        /// The plan.
        plan: String,
    },
}

/// Why versions do not make a book.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookFault {
    /// Two versions begin in one month.
    #[error("{one} and {other} both begin in {from}: keep one")]
    SameMonth {
        /// The one.
        one: String,
        /// The other.
        other: String,
        /// The month.
        from: BillingMonth,
    },
    /// A plan has a name that was given up.
    #[error(
        "plans.{plan}: the name {plan:?} was given up by a rename up to {version}: take another"
    )]
    NameReused {
        /// The version that has the plan.
        version: String,
        /// The name.
        plan: String,
    },
    /// A plan ends without a successor.
    #[error(
        "plans.{plan}: the plan {plan:?} of {earlier} is missing: add [plans.{plan}] or name its successor in renames"
    )]
    PlanEnds {
        /// The version that lacks it.
        later: String,
        /// The version that has it.
        earlier: String,
        /// The plan.
        plan: String,
    },
}

/// All versions, in order of their first month.
#[derive(Debug, Clone, Default)]
pub struct TariffBook {
    versions: Vec<Arc<Tariff>>,
}

impl TariffBook {
    /// Puts versions in order. Two of one month, or a plan that ends without a successor, is a fault.
    pub fn new(mut versions: Vec<Arc<Tariff>>) -> Result<Self, Vec<BookFault>> {
        versions.sort_by_key(|version| version.from);
        let mut faults = Vec::new();
        let mut given_up: Vec<&str> = Vec::new();
        for version in &versions {
            given_up.extend(version.renames.keys().map(String::as_str));
            let reused = version.plans.keys().filter(|plan| given_up.contains(&plan.as_str()));
            faults.extend(reused.map(|plan| BookFault::NameReused {
                version: version.version.clone(),
                plan: plan.clone(),
            }));
        }
        for pair in versions.windows(2) {
            let [earlier, later] = pair else { continue };
            if earlier.from == later.from {
                faults.push(BookFault::SameMonth {
                    one: earlier.version.clone(),
                    other: later.version.clone(),
                    from: later.from,
                });
                continue;
            }
            for plan in earlier.plans.keys() {
                let successor = later.renames.get(plan).unwrap_or(plan);
                if !later.plans.contains_key(successor) {
                    faults.push(BookFault::PlanEnds {
                        later: later.version.clone(),
                        earlier: earlier.version.clone(),
                        plan: plan.clone(),
                    });
                }
            }
        }
        if faults.is_empty() { Ok(Self { versions }) } else { Err(faults) }
    }

    /// The version that rates a month.
    pub fn in_force(&self, month: BillingMonth) -> Result<&Arc<Tariff>, NoPrice> {
        self.versions
            .iter()
            .rev()
            .find(|version| version.from <= month)
            .ok_or(NoPrice::NoTariff { month })
    }

    /// The plan that a plan chosen under some earlier name is in a month: its current name and prices.
    pub fn plan(
        &self,
        chosen: &str,
        month: BillingMonth,
    ) -> Result<(&Arc<Tariff>, &str, &Plan), NoPrice> {
        let tariff = self.in_force(month)?;
        let name = self
            .versions
            .iter()
            .filter(|version| version.from <= month)
            .fold(chosen, |name, version| version.renames.get(name).map_or(name, String::as_str));
        match tariff.plans.get_key_value(name) {
            Some((name, plan)) => Ok((tariff, name, plan)),
            None => {
                Err(NoPrice::NoPlan { version: tariff.version.clone(), plan: chosen.to_owned() })
            }
        }
    }

    /// Every version, in order.
    pub fn versions(&self) -> &[Arc<Tariff>] {
        &self.versions
    }
}
