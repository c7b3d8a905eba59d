//! Tariffs: versions of prices, each in force from the first of a month (rules M3, R19.3). Amounts
//! are data; no fee stands in code.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::month::BillingMonth;
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
        ChargerClass::ALL.into_iter().any(|class| self.price(class).free_units != FreeUnits::Limited(0))
    }
}

/// The fees beside the plans'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fees {
    /// Once, on admission (article 6.1).
    pub contract: Yen,
    /// Per registered replacement card (article 3.8).
    pub reissue: Yen,
    /// Per activation of an additional card (article 9.4).
    pub additional_issue: Yen,
    /// Per month touched by a live additional card (articles 9.4, 9.6).
    pub additional_monthly: Yen,
    /// For leaving a term contract outside its window (article 8.2).
    pub early_termination: Yen,
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
    /// The fees.
    pub fees: Fees,
    /// The plans by name.
    pub plans: BTreeMap<String, Plan>,
    /// Plans of the version before that go on under a new name: old name to new.
    pub renames: BTreeMap<String, String>,
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

/// All versions, in order of their first month.
#[derive(Debug, Clone, Default)]
pub struct TariffBook {
    versions: Vec<Arc<Tariff>>,
}

impl TariffBook {
    /// Puts versions in order. Two of one month, or a plan that ends without a successor, is a
    /// fault, told in a sentence.
    pub fn new(mut versions: Vec<Arc<Tariff>>) -> Result<Self, Vec<String>> {
        versions.sort_by_key(|version| version.from);
        let mut faults = Vec::new();
        for pair in versions.windows(2) {
            let [earlier, later] = pair else { continue };
            if earlier.from == later.from {
                faults.push(format!("{} and {} both begin in {}: keep one", earlier.version, later.version, later.from));
                continue;
            }
            for plan in earlier.plans.keys() {
                let successor = later.renames.get(plan).unwrap_or(plan);
                if !later.plans.contains_key(successor) {
                    faults.push(format!(
                        "{}: the plan {plan:?} of {} is missing: add [plans.{plan}] or name its successor in renames",
                        later.version, earlier.version
                    ));
                }
            }
        }
        if faults.is_empty() { Ok(Self { versions }) } else { Err(faults) }
    }

    /// The version that rates a month.
    pub fn in_force(&self, month: BillingMonth) -> Result<&Arc<Tariff>, NoPrice> {
        self.versions.iter().rev().find(|version| version.from <= month).ok_or(NoPrice::NoTariff { month })
    }

    /// The plan that a plan chosen under some earlier name is in a month: its current name and prices.
    pub fn plan(&self, chosen: &str, month: BillingMonth) -> Result<(&Arc<Tariff>, &str, &Plan), NoPrice> {
        let tariff = self.in_force(month)?;
        let name = self
            .versions
            .iter()
            .filter(|version| version.from <= month)
            .fold(chosen, |name, version| version.renames.get(name).map_or(name, String::as_str));
        match tariff.plans.get_key_value(name) {
            Some((name, plan)) => Ok((tariff, name, plan)),
            None => Err(NoPrice::NoPlan { version: tariff.version.clone(), plan: chosen.to_owned() }),
        }
    }

    /// Every version, in order.
    pub fn versions(&self) -> &[Arc<Tariff>] {
        &self.versions
    }
}
