//! Tariffs: versions of prices, each in force from the first day of a month (rules M3, R19.3). All
//! amounts are data. The code contains no fee.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Months, NaiveDate, Utc};

use super::member::MemberKind;
use super::month::{BillingMonth, in_japan};
use super::station::ChargerClass;
use super::units::{TaxRate, Yen};

/// The number of free units that a plan includes in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeUnits {
    /// This number of units.
    Limited(i64),
    /// All units.
    Unlimited,
}

/// A plan's price at one charger class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// The length of one unit in seconds. A begun unit counts in full.
    pub unit_s: i64,
    /// Units included in the base fee.
    pub free_units: FreeUnits,
    /// The price of each further unit.
    pub per_unit: Yen,
}

/// A plan's prices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The base fee of a month.
    pub base: Yen,
    /// The discount of a term contract on the base fee.
    pub term_discount: Yen,
    /// Months for which unused quick units are carried on: 0 or 1 (rule R7.7).
    pub carry_over_months: u8,
    /// The price at quick chargers.
    pub quick: Price,
    /// The price at normal chargers.
    pub normal: Price,
}

impl Plan {
    /// The price at a charger class.
    pub const fn price(&self, class: ChargerClass) -> &Price {
        match class {
            ChargerClass::Quick => &self.quick,
            ChargerClass::Normal => &self.normal,
        }
    }

    /// Whether the plan is a premium plan: its base fee includes free units (article 2.7).
    pub fn is_premium(&self) -> bool {
        ChargerClass::ALL
            .into_iter()
            .any(|class| self.price(class).free_units != FreeUnits::Limited(0))
    }
}

/// The fees beside those of the plans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fees {
    /// The contract fee, once, on admission (article 6.1).
    pub contract: Yen,
    /// The kinds of member that owe the contract fee (rule R6.1).
    pub contract_for: Vec<MemberKind>,
    /// The reissue fee, for each registered replacement card (article 3.8).
    pub reissue: Yen,
    /// The issue fee, for each activation of an additional card (article 9.4).
    pub additional_issue: Yen,
    /// The monthly fee, for each month that a live additional card touches (articles 9.4, 9.6).
    pub additional_monthly: Yen,
    /// The early-termination fee, for leaving a term contract outside its window (article 8.2).
    pub early_termination: Yen,
}

/// The fee for collecting a small sum by account debit (rule M2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmallDebitFee {
    /// The fee arises on invoices whose total is below this.
    pub threshold: Yen,
    /// The fee, tax included.
    pub fee: Yen,
}

/// One version of the tariff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tariff {
    /// The version's name, such as `zesp3/2023-09`.
    pub version: String,
    /// The first usage month that the version rates.
    pub from: BillingMonth,
    /// The rate of the consumption tax contained in the tariff's amounts.
    pub tax_rate: TaxRate,
    /// Whether term contracts renew automatically.
    pub auto_renew: bool,
    /// Whether new term contracts are accepted.
    pub accepts_term: bool,
    /// The last day, Japan time, on which new term contracts are accepted; `None`: as long as the
    /// version is in force.
    pub accepts_term_until: Option<NaiveDate>,
    /// The day on which the version was published, if the tariff file names it.
    pub published_on: Option<NaiveDate>,
    /// The fee for collecting small sums by account debit, if there is one.
    pub small_debit: Option<SmallDebitFee>,
    /// The members' discount on the basic rental fee, as a share of it (article 5.1(1)): at most
    /// half.
    pub rental_rate: TaxRate,
    /// The fees beside those of the plans.
    pub fees: Fees,
    /// The plans, by name.
    pub plans: BTreeMap<String, Plan>,
    /// Plans of the version before that continue under a new name: old name to new name.
    pub renames: BTreeMap<String, String>,
}

impl Tariff {
    /// Whether this version accepts a new term contract at an instant.
    pub fn takes_terms_at(&self, at: DateTime<Utc>) -> bool {
        self.accepts_term
            && self.accepts_term_until.is_none_or(|last| in_japan(at).date_naive() <= last)
    }

    /// Whether the version was published less than a month before it takes effect. That is only
    /// worth a warning (rule R19.3).
    pub fn has_short_notice(&self) -> bool {
        let latest = self.from.first_day().checked_sub_months(Months::new(1));
        self.published_on.zip(latest).is_some_and(|(published, latest)| published > latest)
    }
}

/// A month for which no price is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPrice {
    /// No tariff version is in force.
    #[error("no tariff is in force in {month}: add a tariff file for it or an earlier month")]
    NoTariff {
        /// The month.
        month: BillingMonth,
    },
    /// The tariff version does not have the plan.
    #[error("the tariff {version} has no plan {plan:?}")]
    NoPlan {
        /// The tariff version.
        version: String,
        /// The plan.
        plan: String,
    },
}

/// The fault for which tariff versions cannot form a [`TariffBook`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BookFault {
    /// Two versions begin in one month.
    #[error("{one} and {other} both begin in {from}: keep one")]
    SameMonth {
        /// The first of the two versions.
        one: String,
        /// The second of the two versions.
        other: String,
        /// The month.
        from: BillingMonth,
    },
    /// A plan has a name that an earlier rename replaced.
    #[error(
        "plans.{plan}: the name {plan:?} was given up by a rename up to {version}: take another"
    )]
    NameReused {
        /// The version that has the plan.
        version: String,
        /// The plan's name.
        plan: String,
    },
    /// A version lacks a plan of the version before, and its renames name no successor.
    #[error(
        "plans.{plan}: the plan {plan:?} of {earlier} is missing: add [plans.{plan}] or name its successor in renames"
    )]
    PlanEnds {
        /// The version without the plan.
        later: String,
        /// The version with the plan.
        earlier: String,
        /// The plan.
        plan: String,
    },
}

/// All tariff versions, in order of their first month.
#[derive(Debug, Clone, Default)]
pub struct TariffBook {
    versions: Vec<Arc<Tariff>>,
}

impl TariffBook {
    /// Orders the versions. Faults are: two versions of one month, a plan without a successor, and
    /// a plan under a name that was given up.
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

    /// Finds the plan of a month by the name under which it was chosen, through all renames since.
    /// Returns the tariff version, the plan's present name and its prices.
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

    /// All tariff versions, in order of their first month.
    pub fn versions(&self) -> &[Arc<Tariff>] {
        &self.versions
    }
}
