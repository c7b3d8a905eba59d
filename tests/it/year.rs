//! A year of members and sessions: bills, verification and exports agree, whatever arrived first.

use std::collections::BTreeMap;

use juden_domain::month::BillingMonth;
use serde_json::Value;

use crate::history::{History, exports, invoices, months, play, yen};

const SEED: u64 = 20_240_229;

/// Every bill's lines sum to its total, and its tax is that of its total at each rate.
fn check_sums(exports: &BTreeMap<String, String>) -> BTreeMap<String, i64> {
    let mut codes = BTreeMap::new();
    for month in months() {
        for invoice in invoices(&exports[&format!("{month} jsonl")]) {
            let lines = invoice["lines"].as_array().unwrap();
            let mut by_rate: BTreeMap<&str, i64> = BTreeMap::new();
            for line in lines {
                *by_rate.entry(line["tax_rate"].as_str().unwrap()).or_default() +=
                    yen(&line["amount_yen"]);
            }
            let sum: i64 = by_rate.values().sum();
            assert_eq!(sum, yen(&invoice["total_yen"]), "{invoice}");
            assert!(sum >= 0, "nobody is asked for less than nothing: {invoice}");
            let taxed = by_rate.get("0.10").copied().unwrap_or_default();
            let tax = taxed.signum() * (taxed.abs() * 10 / 110);
            assert_eq!(tax, yen(&invoice["tax_yen_total"]), "{invoice}");
            for line in lines {
                *codes.entry(line["code"].as_str().unwrap().to_owned()).or_default() += 1;
            }
            *codes.entry(format!("invoice {}", invoice["kind"].as_str().unwrap())).or_default() +=
                1;
        }
    }
    codes
}

/// How many members play the year: `JUDEN_YEAR_MEMBERS`, a thousand when unset. Each has as many sessions.
fn members() -> usize {
    std::env::var("JUDEN_YEAR_MEMBERS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_year_of_many_members_comes_out_the_same_in_any_order_of_arrival() {
    let history = History::generate(SEED, members(), members() * 130);
    println!(
        "seed {SEED}: {} sessions of {} members at {} stations",
        history.uses.len(),
        history.members,
        history.stations
    );
    let (first, second) = tokio::join!(play(&history, 1, 1), play(&history, 2, 1));
    let (one, other) = tokio::join!(exports(&first.server), exports(&second.server));
    for (name, text) in &one {
        assert!(*text == other[name], "{name} depends on the order of arrival");
    }
    let codes = check_sums(&one);
    for code in [
        "contract",
        "base",
        "metered_quick",
        "metered_normal",
        "additional_issue",
        "additional_monthly",
        "reissue",
        "adjustment",
        "credit",
        "goodwill",
        "damages",
        "other",
        "carried_credit",
        "carried_forward",
        "invoice regular",
        "invoice supplementary",
        "invoice final",
    ] {
        assert!(
            codes.get(code).is_some_and(|count| *count > 0),
            "the year has no {code}: {codes:?}"
        );
    }
    println!("{codes:?}");
    assert!(
        first.corrected * 1_000 > history.uses.len(),
        "persons correct some: {} of {}",
        first.corrected,
        history.uses.len()
    );
    let refunds: usize =
        months().iter().map(|month| one[&format!("{month} refunds")].lines().count() - 1).sum();
    assert!(refunds > 0, "who left with a credit is paid out");
    for month in months() {
        let differences = first
            .server
            .server()
            .app
            .billing
            .verify_month(BillingMonth::parse(&month).unwrap())
            .await
            .unwrap();
        assert!(differences.is_empty(), "{month}: {differences:?}");
    }
    check_bills(&first.server, &first.ids).await;
}

/// What the API shows of bills is what was exported.
async fn check_bills(server: &crate::harness::TestServer, ids: &[String]) {
    for id in ids.iter().step_by(97) {
        for month in months() {
            let bill = server.get(&format!("/members/{id}/bills/{month}?archive=true")).await;
            assert_eq!(bill["state"], "closed");
            let sum: i64 = bill["lines"]
                .as_array()
                .unwrap()
                .iter()
                .map(|line: &Value| yen(&line["amount_yen"]))
                .sum();
            assert_eq!(sum, yen(&bill["total_yen"]), "{bill}");
        }
    }
}
