//! Tariff files: `NAME/YYYY-MM.toml`, the name of the file being the first usage month it rates.
//! Every fault is told with its file, line and key.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, de};

use crate::domain::month::BillingMonth;
use crate::domain::tariff::{Fees, FreeUnits, Plan, Price, Tariff, TariffBook};
use crate::domain::units::{TaxRate, Yen};

/// The tariffs that come with the program.
const BUILT_IN: [(&str, &str, &str); 2] = [
    ("zesp3", "2019-12", include_str!("../tariffs/zesp3/2019-12.toml")),
    ("zesp3", "2023-09", include_str!("../tariffs/zesp3/2023-09.toml")),
];

/// The longest unit of a price, a day, and the most free units.
const UNIT_MAX_S: i64 = 86_400;
const FREE_UNITS_MAX: i64 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileText {
    tax_rate: TaxText,
    terms: TermsText,
    fees: FeesText,
    plans: BTreeMap<String, PlanText>,
    #[serde(default)]
    renames: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TermsText {
    auto_renew: bool,
    accepts_term: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FeesText {
    contract: YenText,
    reissue: YenText,
    additional_issue: YenText,
    additional_monthly: YenText,
    early_termination: YenText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanText {
    base: YenText,
    #[serde(default = "no_yen")]
    term_discount: YenText,
    #[serde(default)]
    carry_over_months: CarryText,
    quick: PriceText,
    normal: PriceText,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PriceText {
    unit_s: UnitText,
    free_units: FreeText,
    per_unit: YenText,
}

struct YenText(Yen);
struct TaxText(TaxRate);
struct UnitText(i64);
struct FreeText(FreeUnits);
#[derive(Default)]
struct CarryText(u8);

const fn no_yen() -> YenText {
    YenText(Yen::ZERO)
}

impl<'de> Deserialize<'de> for YenText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("{text:?} is no amount: write yen as \"1650\" or \"3.3\""));
        Yen::parse(&text).map(Self).ok_or_else(wrong)
    }
}

impl<'de> Deserialize<'de> for TaxText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || D::Error::custom(format!("{text:?} is no tax rate: write it as \"0.10\""));
        TaxRate::parse(&text).map(Self).ok_or_else(wrong)
    }
}

fn within<'de, D: Deserializer<'de>>(deserializer: D, low: i64, high: i64) -> Result<i64, D::Error> {
    let number = i64::deserialize(deserializer)?;
    if (low..=high).contains(&number) {
        Ok(number)
    } else {
        Err(D::Error::custom(format!("{number} is not allowed: from {low} to {high}")))
    }
}

impl<'de> Deserialize<'de> for UnitText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        within(deserializer, 1, UNIT_MAX_S).map(Self)
    }
}

impl<'de> Deserialize<'de> for CarryText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        within(deserializer, 0, 1).map(|months| Self(u8::from(months == 1)))
    }
}

impl<'de> Deserialize<'de> for FreeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FreeVisitor;
        impl Visitor<'_> for FreeVisitor {
            type Value = FreeText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from 0 to {FREE_UNITS_MAX}, or \"unlimited\"")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<FreeText, E> {
                if !(0..=FREE_UNITS_MAX).contains(&number) {
                    return Err(E::invalid_value(de::Unexpected::Signed(number), &self));
                }
                Ok(FreeText(FreeUnits::Limited(number)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<FreeText, E> {
                match text {
                    "unlimited" => Ok(FreeText(FreeUnits::Unlimited)),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }
        }
        deserializer.deserialize_any(FreeVisitor)
    }
}

impl From<PriceText> for Price {
    fn from(text: PriceText) -> Self {
        Self { unit_s: text.unit_s.0, free_units: text.free_units.0, per_unit: text.per_unit.0 }
    }
}

impl From<PlanText> for Plan {
    fn from(text: PlanText) -> Self {
        Self {
            base: text.base.0,
            term_discount: text.term_discount.0,
            carry_over_months: text.carry_over_months.0,
            quick: text.quick.into(),
            normal: text.normal.into(),
        }
    }
}

/// Reads one file's text. `file` is its name for faults, `version` its name in bills.
fn read(file: &str, version: &str, month: &str, text: &str) -> Result<Tariff, String> {
    let from = BillingMonth::parse(month)
        .ok_or_else(|| format!("{file}: the file must be named after the first month it rates, such as 2026-11.toml"))?;
    let parsed: FileText = toml::from_str(text).map_err(|fault| located(file, text, &fault))?;
    if parsed.plans.is_empty() {
        return Err(format!("{file}: no plan: add [plans.NAME]"));
    }
    if let Some((old, new)) = parsed.renames.iter().find(|(_, new)| !parsed.plans.contains_key(*new)) {
        return Err(format!("{file}: renames.{old}: there is no plan {new:?} in this file"));
    }
    Ok(Tariff {
        version: version.to_owned(),
        from,
        tax_rate: parsed.tax_rate.0,
        auto_renew: parsed.terms.auto_renew,
        accepts_term: parsed.terms.accepts_term,
        fees: Fees {
            contract: parsed.fees.contract.0,
            reissue: parsed.fees.reissue.0,
            additional_issue: parsed.fees.additional_issue.0,
            additional_monthly: parsed.fees.additional_monthly.0,
            early_termination: parsed.fees.early_termination.0,
        },
        plans: parsed.plans.into_iter().map(|(name, plan)| (name, plan.into())).collect(),
        renames: parsed.renames,
    })
}

/// A fault with its file, line and the line itself, which shows the key.
fn located(file: &str, text: &str, fault: &toml::de::Error) -> String {
    let message = fault.message().trim();
    match fault.span() {
        None => format!("{file}: {message}"),
        Some(span) => {
            let number = text[..span.start.min(text.len())].matches('\n').count() + 1;
            let line = text.lines().nth(number - 1).unwrap_or_default().trim();
            format!("{file}:{number}: {message}, at: {line}")
        }
    }
}

/// The tariffs that come with the program.
pub fn built_in() -> Result<TariffBook, Vec<String>> {
    let tariffs = BUILT_IN.iter().map(|(name, month, text)| {
        let file = format!("{name}/{month}.toml");
        read(&file, &format!("{name}/{month}"), month, text).map(Arc::new)
    });
    book(tariffs.collect())
}

fn book(tariffs: Vec<Result<Arc<Tariff>, String>>) -> Result<TariffBook, Vec<String>> {
    let (good, faults): (Vec<_>, Vec<_>) = tariffs.into_iter().partition(Result::is_ok);
    let faults: Vec<String> = faults.into_iter().filter_map(Result::err).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    TariffBook::new(good.into_iter().flatten().collect())
}

/// Reads a folder: tariff files in it, or in the folders below it. Every fault is told.
pub fn load(folder: &Path) -> Result<TariffBook, Vec<String>> {
    let cannot = |path: &Path, cause: std::io::Error| vec![format!("{}: cannot be read: {cause}", path.display())];
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    for depth in 0..2 {
        for folder in std::mem::take(&mut folders) {
            let entries = fs::read_dir(&folder).map_err(|cause| cannot(&folder, cause))?;
            for entry in entries.flatten() {
                let path = entry.path();
                if path.is_dir() && depth == 0 {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "toml") {
                    files.push(path);
                }
            }
        }
    }
    if files.is_empty() {
        return Err(vec![format!("{}: holds no tariff file: add NAME/YYYY-MM.toml", folder.display())]);
    }
    files.sort();
    let tariffs = files.iter().map(|path| {
        let month = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
        let name = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or("tariff");
        let file = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|cause| format!("{file}: cannot be read: {cause}"))?;
        read(&file, &format!("{name}/{month}"), month, &text).map(Arc::new)
    });
    book(tariffs.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(change: impl Fn(&str) -> String) -> String {
        read("t/2023-09.toml", "t/2023-09", "2023-09", &change(BUILT_IN[1].2)).unwrap_err()
    }

    #[test]
    fn the_built_in_tariffs_are_good_and_know_each_others_plans() {
        let book = built_in().unwrap();
        let month = BillingMonth::parse("2026-11").unwrap();
        let (tariff, name, plan) = book.plan("premium_10", month).unwrap();
        assert_eq!((tariff.version.as_str(), name, plan.quick.per_unit), ("zesp3/2023-09", "premium_100", Yen::whole(44)));
        assert!(book.in_force(BillingMonth::parse("2019-11").unwrap()).is_err());
    }

    #[test]
    fn every_fault_names_file_line_and_key() {
        for (from, to, expected) in [
            ("base = \"1100\"", "bose = \"1100\"", "t/2023-09.toml:15: unknown field `bose`"),
            ("reissue = \"1650\"", "reissue = 1650", "t/2023-09.toml:9:"),
            ("contract = \"1650\"", "contract = \"x\"", "\"x\" is no amount"),
            (
                "unit_s = 60, free_units = 0, per_unit = \"99\"",
                "unit_s = 0, free_units = 0, per_unit = \"99\"",
                "0 is not allowed: from 1 to 86400",
            ),
            ("free_units = 100", "free_units = \"many\"", "or \"unlimited\""),
            ("tax_rate = \"0.10\"", "tax_rate = \"10\"", "is no tax rate"),
            ("normal = { unit_s = 60, free_units = 0, per_unit = \"3.3\" }", "", "missing field `normal`"),
            ("premium_40 = \"premium_400\"", "premium_40 = \"premium_9\"", "there is no plan \"premium_9\""),
        ] {
            let fault = fault_of(|text| {
                assert!(text.contains(from), "{from}");
                text.replacen(from, to, 1)
            });
            assert!(fault.starts_with("t/2023-09.toml") && fault.contains(expected), "{from} -> {to}: {fault}");
        }
    }

    #[test]
    fn a_file_must_be_named_after_a_month() {
        let fault = read("t/september.toml", "t/september", "september", BUILT_IN[1].2).unwrap_err();
        assert!(fault.contains("2026-11.toml"));
    }

    #[test]
    fn a_folder_is_read_with_all_its_faults() {
        let folder = tempfile::tempdir().unwrap();
        assert!(load(folder.path()).unwrap_err()[0].contains("holds no tariff file"));
        let tariffs = folder.path().join("tt");
        fs::create_dir(&tariffs).unwrap();
        fs::write(tariffs.join("2023-09.toml"), BUILT_IN[1].2.replace("renames", "renamed")).unwrap();
        fs::write(tariffs.join("2019-12.toml"), "tax_rate = 1").unwrap();
        assert_eq!(load(folder.path()).unwrap_err().len(), 2);
        fs::write(tariffs.join("2023-09.toml"), BUILT_IN[1].2).unwrap();
        fs::write(tariffs.join("2019-12.toml"), BUILT_IN[0].2).unwrap();
        assert_eq!(load(folder.path()).unwrap().versions().len(), 2);
        assert_eq!(load(&tariffs).unwrap().versions()[0].version, "tt/2019-12");
    }
}
