//! Reads one tariff file, and reports every fault in it with its line and key.

use std::collections::BTreeMap;
use std::ops::Range;

use chrono::NaiveDate;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use juden_domain::member::MemberKind;
use juden_domain::month::BillingMonth;
use juden_domain::tariff::{Fees, FreeUnits, Plan, Price, SmallDebitFee, Tariff};
use juden_domain::units::{TaxRate, Yen};

/// The longest unit of a price in seconds, a day, and the most free units.
const UNIT_MAX_S: i64 = 86_400;
const FREE_UNITS_MAX: i64 = 1_000_000;

/// The largest whole sum of yen in a file.
const YEN_MAX: i64 = 1_000_000_000;

type Value<'a> = Spanned<DeValue<'a>>;

/// The faults found so far in a file.
struct Faults<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<(usize, String)>,
}

impl Faults<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        self.text[..span.start.min(self.text.len())].matches('\n').count() + 1
    }

    fn add(&mut self, span: &Range<usize>, key: &str, message: &str) {
        let line = self.line(span);
        let key = if key.is_empty() { String::new() } else { format!("{key}: ") };
        self.found.push((line, format!("{}:{line}: {key}{message}", self.file)));
    }
}

/// A table of the file, with its path for faults.
struct Section<'a> {
    name: String,
    span: Range<usize>,
    table: Option<&'a DeTable<'a>>,
}

impl<'a> Section<'a> {
    fn key(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn get(&self, key: &str) -> Option<&'a Value<'a>> {
        self.table?
            .iter()
            .find(|(known, _)| known.get_ref().as_ref() == key)
            .map(|(_, value)| value)
    }

    /// Reports every key that is not known.
    fn check_keys(&self, known: &[&str], faults: &mut Faults<'_>) {
        for (key, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            if !known.contains(&key.get_ref().as_ref()) {
                let message =
                    format!("unknown key `{}`; there are: {}", key.get_ref(), known.join(", "));
                faults.add(&key.span(), &self.key(key.get_ref()), &message);
            }
        }
    }

    /// A required value. A wrong or missing value is a fault.
    fn required<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(&DeValue<'a>) -> Option<T>,
        faults: &mut Faults<'_>,
    ) -> Option<T> {
        if self.table.is_some() && self.get(key).is_none() {
            faults.add(&self.span, &self.key(key), &format!("is missing: it must be {allowed}"));
        }
        self.optional(key, allowed, read, faults)
    }

    /// An optional value. A wrong value is a fault.
    fn optional<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(&DeValue<'a>) -> Option<T>,
        faults: &mut Faults<'_>,
    ) -> Option<T> {
        let value = self.get(key)?;
        let found = read(value.get_ref());
        if found.is_none() {
            faults.add(
                &value.span(),
                &self.key(key),
                &format!("{} is not allowed: it must be {allowed}", shown(value.get_ref())),
            );
        }
        found
    }

    fn section(&self, key: &str, is_required: bool, faults: &mut Faults<'_>) -> Section<'a> {
        let name = self.key(key);
        let none = |span: Range<usize>| Section { name: name.clone(), span, table: None };
        match self.get(key) {
            None => {
                if is_required && self.table.is_some() {
                    faults.add(&self.span, &name, "is missing: it must be a table");
                }
                none(self.span.clone())
            }
            Some(value) => {
                if let Some(table) = value.get_ref().as_table() {
                    Section { name, span: value.span(), table: Some(table) }
                } else {
                    faults.add(
                        &value.span(),
                        &name,
                        &format!("{} is not allowed: it must be a table", shown(value.get_ref())),
                    );
                    none(value.span())
                }
            }
        }
    }
}

/// A value as a fault shows it.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", text.as_ref()),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Boolean(truth) => truth.to_string(),
        other => format!("a value of the kind {}", other.type_str()),
    }
}

const AMOUNT: &str = "yen as a string such as \"1650\" or \"3.3\"";
const DAY: &str = "a day as a string such as \"2023-05-31\"";

fn yen(value: &DeValue<'_>) -> Option<Yen> {
    value.as_str().and_then(Yen::parse)
}

fn truth(value: &DeValue<'_>) -> Option<bool> {
    value.as_bool()
}

fn day(value: &DeValue<'_>) -> Option<NaiveDate> {
    value.as_str()?.parse().ok()
}

fn whole(low: i64, high: i64) -> impl Fn(&DeValue<'_>) -> Option<i64> {
    move |value| {
        let number = value.as_integer()?;
        let number = i64::from_str_radix(number.as_str(), number.radix()).ok()?;
        (low..=high).contains(&number).then_some(number)
    }
}

fn free_units(value: &DeValue<'_>) -> Option<FreeUnits> {
    match value.as_str() {
        Some("unlimited") => Some(FreeUnits::Unlimited),
        Some(_) => None,
        None => whole(0, FREE_UNITS_MAX)(value).map(FreeUnits::Limited),
    }
}

fn price(section: &Section<'_>, faults: &mut Faults<'_>) -> Option<Price> {
    section.check_keys(&["unit_s", "free_units", "per_unit"], faults);
    let unit_s = section.required(
        "unit_s",
        &format!("seconds from 1 to {UNIT_MAX_S}"),
        whole(1, UNIT_MAX_S),
        faults,
    );
    let allowed = format!("a number from 0 to {FREE_UNITS_MAX}, or \"unlimited\"");
    let free_units = section.required("free_units", &allowed, free_units, faults);
    let per_unit = section.required("per_unit", AMOUNT, yen, faults);
    Some(Price { unit_s: unit_s?, free_units: free_units?, per_unit: per_unit? })
}

fn plan(section: &Section<'_>, faults: &mut Faults<'_>) -> Option<Plan> {
    section.check_keys(&["base", "term_discount", "carry_over_months", "quick", "normal"], faults);
    let base = section.required("base", AMOUNT, yen, faults);
    let term_discount = section.optional("term_discount", AMOUNT, yen, faults).unwrap_or(Yen::ZERO);
    let carries = section.optional("carry_over_months", "0 or 1", whole(0, 1), faults).unwrap_or(0);
    let quick = price(&section.section("quick", true, faults), faults);
    let normal = price(&section.section("normal", true, faults), faults);
    if let Some(base) = base.filter(|base| term_discount > *base) {
        faults.add(
            &section.span,
            &section.key("term_discount"),
            &format!(
                "{term_discount} yen is not allowed: it must be at most the base fee, {base} yen"
            ),
        );
    }
    Some(Plan {
        base: base?,
        term_discount,
        carry_over_months: u8::from(carries == 1),
        quick: quick?,
        normal: normal?,
    })
}

fn fees(section: &Section<'_>, faults: &mut Faults<'_>) -> Option<Fees> {
    let known = [
        "contract",
        "contract_for",
        "reissue",
        "additional_issue",
        "additional_monthly",
        "early_termination",
    ];
    section.check_keys(&known, faults);
    let allowed = "a list of \"corporation\" and \"sole_proprietor\", such as [\"corporation\"]";
    let contract_for = section
        .optional("contract_for", allowed, member_kinds, faults)
        .unwrap_or_else(|| vec![MemberKind::Corporation]);
    let mut fee = |key| section.required(key, AMOUNT, yen, faults);
    let (contract, reissue, additional_issue) =
        (fee("contract"), fee("reissue"), fee("additional_issue"));
    let (additional_monthly, early_termination) =
        (fee("additional_monthly"), fee("early_termination"));
    Some(Fees {
        contract: contract?,
        contract_for,
        reissue: reissue?,
        additional_issue: additional_issue?,
        additional_monthly: additional_monthly?,
        early_termination: early_termination?,
    })
}

/// A list of kinds of members; empty if nobody owes the fee.
fn member_kinds(value: &DeValue<'_>) -> Option<Vec<MemberKind>> {
    let kinds = value
        .as_array()?
        .iter()
        .map(|kind| kind.get_ref().as_str().and_then(MemberKind::parse))
        .collect::<Option<Vec<_>>>()?;
    (kinds.len() <= MemberKind::ALL.len()).then_some(kinds)
}

/// The highest discount on the basic rental fee (article 5.1(1)).
pub const RENTAL_RATE_MAX: &str = "0.50";

fn rental_rate(section: &Section<'_>, faults: &mut Faults<'_>) -> Option<TaxRate> {
    section.check_keys(&["rental_rate"], faults);
    let most = TaxRate::parse(RENTAL_RATE_MAX);
    let read = |value: &DeValue<'_>| {
        value.as_str().and_then(TaxRate::parse).filter(|rate| Some(*rate) <= most)
    };
    section.optional("rental_rate", "a rate from \"0\" to \"0.50\"", read, faults).or(most)
}

fn small_debit(section: &Section<'_>, faults: &mut Faults<'_>) -> Option<SmallDebitFee> {
    section.table?;
    section.check_keys(&["threshold_yen", "fee_yen"], faults);
    let mut sum = |key| section.required(key, "whole yen as a number", whole(0, YEN_MAX), faults);
    let (threshold, fee) = (sum("threshold_yen"), sum("fee_yen"));
    Some(SmallDebitFee { threshold: Yen::whole(threshold?), fee: Yen::whole(fee?) })
}

fn plans(section: &Section<'_>, faults: &mut Faults<'_>) -> BTreeMap<String, Plan> {
    let names: Vec<String> = section
        .table
        .into_iter()
        .flat_map(|table| table.keys())
        .map(|key| key.get_ref().to_string())
        .collect();
    if names.is_empty() && section.table.is_some() {
        faults.add(&section.span, &section.name, "holds no plan: add [plans.NAME]");
    }
    let read = |name: String| {
        let plan = plan(&section.section(&name, true, faults), faults)?;
        Some((name, plan))
    };
    names.into_iter().filter_map(read).collect()
}

fn renames(
    section: &Section<'_>,
    plans: Option<&DeTable<'_>>,
    faults: &mut Faults<'_>,
) -> BTreeMap<String, String> {
    let known = |name: &str| {
        plans.is_some_and(|plans| plans.iter().any(|(plan, _)| plan.get_ref().as_ref() == name))
    };
    let mut found = BTreeMap::new();
    for (old, new) in section.table.into_iter().flat_map(|table| table.iter()) {
        match new.get_ref().as_str() {
            Some(name) if known(name) => {
                found.insert(old.get_ref().to_string(), name.to_owned());
            }
            Some(name) => faults.add(
                &new.span(),
                &section.key(old.get_ref()),
                &format!("there is no plan {name:?} in this file"),
            ),
            None => faults.add(
                &new.span(),
                &section.key(old.get_ref()),
                "must be the name of a plan of this file",
            ),
        }
    }
    found
}

/// Reads a file's text, or returns every fault in order of the lines. `file` is its name for
/// faults, `version` its name in bills, and `month` the first month that it rates, from its name.
pub fn read(file: &str, version: &str, month: &str, text: &str) -> Result<Tariff, Vec<String>> {
    let mut faults = Faults { file, text, found: Vec::new() };
    let from = BillingMonth::parse(month);
    if from.is_none() {
        faults.found.push((0, format!("{file}: the file must be named after the first month it rates, such as 2026-11.toml")));
    }
    let (document, broken) = DeTable::parse_recoverable(text);
    for fault in &broken {
        let span = fault.span().unwrap_or(0..0);
        let line = text.lines().nth(faults.line(&span) - 1).unwrap_or_default().trim();
        faults.add(&span, "", &format!("{}, at: {line}", fault.message().trim()));
    }
    let top = Section { name: String::new(), span: 0..0, table: Some(document.get_ref()) };
    let tariff = if broken.is_empty() { tariff(&top, version, from, &mut faults) } else { None };
    if let Some(tariff) = tariff.filter(|_| faults.found.is_empty()) {
        Ok(tariff)
    } else {
        faults.found.sort();
        Err(faults.found.into_iter().map(|(_, fault)| fault).collect())
    }
}

fn tariff(
    top: &Section<'_>,
    version: &str,
    from: Option<BillingMonth>,
    faults: &mut Faults<'_>,
) -> Option<Tariff> {
    top.check_keys(
        &[
            "tax_rate",
            "published",
            "terms",
            "fees",
            "small_debit_fee",
            "benefits",
            "plans",
            "renames",
        ],
        faults,
    );
    let tax_rate = top.required(
        "tax_rate",
        "a rate as a string such as \"0.10\"",
        |value| value.as_str().and_then(TaxRate::parse),
        faults,
    );
    let published_on = top.optional("published", DAY, day, faults);
    let terms = top.section("terms", true, faults);
    terms.check_keys(&["auto_renew", "accepts_term", "accepts_term_until"], faults);
    let auto_renew = terms.required("auto_renew", "true or false", truth, faults);
    let accepts_term = terms.required("accepts_term", "true or false", truth, faults);
    let accepts_term_until = terms.optional("accepts_term_until", DAY, day, faults);
    let fees = fees(&top.section("fees", true, faults), faults);
    let small_debit = small_debit(&top.section("small_debit_fee", false, faults), faults);
    let rental_rate = rental_rate(&top.section("benefits", false, faults), faults);
    let listed = top.section("plans", true, faults);
    let plans = plans(&listed, faults);
    let renames = renames(&top.section("renames", false, faults), listed.table, faults);
    Some(Tariff {
        version: version.to_owned(),
        from: from?,
        tax_rate: tax_rate?,
        auto_renew: auto_renew?,
        accepts_term: accepts_term?,
        accepts_term_until,
        published_on,
        small_debit,
        rental_rate: rental_rate?,
        fees: fees?,
        plans,
        renames,
    })
}
