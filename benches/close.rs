//! Rating and closing one big month out of the store, beside a plain scan of the same rows.
//!
//! `cargo bench --bench close -- [MEMBERS] [SESSIONS]`; without numbers 100,000 members and 2,000,000
//! sessions. Prints sessions a second and the peak memory of the close.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::float_arithmetic,
    reason = "a benchmark prints ratios and fails loudly"
)]

#[path = "common/fill.rs"]
mod fill;

use std::sync::Arc;
use std::time::Instant;

use fill::{MONTH, fill_members, fill_sessions};
use futures_util::TryStreamExt;
use juden::config::Texts;
use juden::server::{assemble, tariffs};
use juden_core::clock::Clock;
use juden_domain::month::BillingMonth;
use juden_store::sqlite::SqliteStore;
use sqlx::{ConnectOptions, Row};

/// Reads every row of the month, all columns decoded by nobody: the floor of any close.
async fn scan(path: &str) -> (i64, f64) {
    let options: sqlx::sqlite::SqliteConnectOptions = path.parse().unwrap();
    let mut connection = options.connect().await.unwrap();
    let begun = Instant::now();
    let mut rows = sqlx::query("SELECT * FROM sessions WHERE usage_month = ?1")
        .bind(MONTH)
        .fetch(&mut connection);
    let (mut count, mut energy) = (0, 0i64);
    while let Some(row) = rows.try_next().await.unwrap() {
        count += 1;
        energy += row.get::<i64, _>("energy_wh");
    }
    assert!(energy > 0);
    (count, begun.elapsed().as_secs_f64())
}

/// The largest resident memory since the last reset, in MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}

fn reset_peak() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

#[tokio::main]
async fn main() {
    let numbers: Vec<i64> =
        std::env::args().filter_map(|text| text.replace(['_', ','], "").parse().ok()).collect();
    // Run as a test, it only shows that it still runs.
    let (usual_members, usual_sessions) = if std::env::args().any(|text| text == "--bench") {
        (100_000, 2_000_000)
    } else {
        (20, 400)
    };
    let (members, sessions) = (
        numbers.first().copied().unwrap_or(usual_members),
        numbers.get(1).copied().unwrap_or(usual_sessions),
    );
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("juden.db").display());
    let store = Arc::new(SqliteStore::open(&url).await.unwrap());
    store.migrate(&url).await.unwrap();
    let begun = Instant::now();
    fill_members(&url, members).await;
    fill_sessions(store.as_ref(), members, sessions).await;
    println!(
        "filled with {members} members and {sessions} sessions in {:.0} s",
        begun.elapsed().as_secs_f64()
    );

    let (_, _) = scan(&url).await;
    reset_peak();
    let (scanned, scan_s) = scan(&url).await;
    println!(
        "plain scan: {scanned} rows in {scan_s:.2} s, {:.0} rows/s, peak {:.0} MiB",
        scanned as f64 / scan_s,
        peak_mib()
    );

    // A close asks who issues the invoices, and charge records who issues them.
    let setting = |key: &str| match key {
        "issuer-name" => Some("none".to_owned()),
        "party-id" => Some("JDN".to_owned()),
        _ => None,
    };
    let config = Texts::gather(setting, |_| None, None).into_config().unwrap();
    let clock = Arc::new(Clock::simulated("2026-11-05T00:00:00Z".parse().unwrap()));
    let app = assemble(&config, store, None, tariffs(&config).unwrap(), clock).await.unwrap().app;
    app.closing.close_month(BillingMonth::parse("2026-09").unwrap()).await.unwrap();
    reset_peak();
    let begun = Instant::now();
    let closed = app.closing.close_month(BillingMonth::parse(MONTH).unwrap()).await.unwrap();
    let close_s = begun.elapsed().as_secs_f64();
    assert_eq!(closed.members, members);
    println!(
        "close: {} sessions of {} members rated and invoiced in {close_s:.2} s: {:.0} sessions/s, peak {:.0} MiB; {:.1} times the plain scan",
        closed.sessions,
        closed.members,
        closed.sessions as f64 / close_s,
        peak_mib(),
        close_s / scan_s
    );
    for name in ["csv", "ocpi-cdr"] {
        reset_peak();
        let begun = Instant::now();
        let mut export = app
            .billing
            .export(
                BillingMonth::parse(MONTH).unwrap(),
                juden_core::export::Format::parse(name).unwrap(),
            )
            .await
            .unwrap();
        let mut bytes = 0;
        while let Some(piece) = export.next().await.unwrap() {
            bytes += piece.len();
        }
        println!(
            "export {name}: {} rows, {:.0} MiB in {:.2} s, peak {:.0} MiB",
            export.tally.rows,
            bytes as f64 / 1_048_576.0,
            begun.elapsed().as_secs_f64(),
            peak_mib()
        );
    }
}
