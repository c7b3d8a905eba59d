//! Charge records: each is priced again, from its own tariff and periods, by an OCPI library that knows
//! nothing of us; and what they come to is what the invoices say.

use std::collections::BTreeMap;

use ocpi_tariffs::{Version, cdr, price};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::history::{History, exports, months, play};

fn decimal(value: &Value) -> Decimal {
    value.to_string().parse().unwrap_or_else(|_| panic!("{value}"))
}

/// What the library comes to, without tax. It rounds hours to four decimals, as OCPI does.
fn priced(text: &str) -> Decimal {
    let report = cdr::parse_with_version(text, Version::V221).unwrap();
    assert_eq!(report.unexpected_fields.len(), 0, "{text}");
    let priced = cdr::price(&report.cdr, price::TariffSource::UseCdr, chrono_tz::Tz::Asia__Tokyo)
        .unwrap_or_else(|fault| panic!("{fault:?}: {text}"));
    let (report, _) = priced.into_parts();
    let cost = report.total_cost.calculated.unwrap_or_else(|| panic!("no price: {text}"));
    Decimal::from(cost.excl_vat)
}

/// What four decimals of an hour are worth at a record's price.
fn blur(record: &Value) -> Decimal {
    let per_hour = decimal(&record["tariffs"][0]["elements"][0]["price_components"][0]["price"]);
    per_hour * Decimal::new(2, 4) + Decimal::new(1, 2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_librarys_price_of_every_record_is_ours_and_credits_take_back_what_was_recorded() {
    let history = History::generate(20_240_229, 60, 3_000);
    let played = play(&history, 3, 1).await;
    let exports = exports(&played.server).await;
    let mut recorded: BTreeMap<String, Value> = BTreeMap::new();
    let (mut free, mut charged, mut split, mut credits) = (0, 0, 0, 0);
    for month in months() {
        for text in exports[&format!("{month} ocpi-cdr")].lines() {
            let record: Value = serde_json::from_str(text).unwrap();
            let id = record["id"].as_str().unwrap().to_owned();
            assert!(id.len() <= 39, "an id has 39 characters at most");
            let ours = decimal(&record["total_cost"]["incl_vat"]);
            if record["credit"] == true {
                let credited = &recorded[record["credit_reference_id"].as_str().unwrap()];
                assert_eq!(ours, -decimal(&credited["total_cost"]["incl_vat"]));
                credits += 1;
            } else {
                let without_tax = decimal(&record["total_cost"]["excl_vat"]);
                assert!(
                    (priced(text) - without_tax).abs() <= blur(&record),
                    "{} or {without_tax}: {text}",
                    priced(text)
                );
                assert!(
                    (without_tax * Decimal::new(11, 1) - ours).abs() < Decimal::new(1, 2),
                    "{text}"
                );
                match (record["tariffs"][0]["elements"].as_array().unwrap().len(), ours.is_zero()) {
                    (2, _) => split += 1,
                    (_, true) => free += 1,
                    (_, false) => charged += 1,
                }
            }
            assert!(recorded.insert(id, record).is_none(), "an id is used once");
        }
    }
    println!("{free} free, {charged} charged, {split} split, {credits} credits");
    assert!(
        free > 100 && charged > 100 && split > 20 && credits > 0,
        "the history shows every kind"
    );
}
