//! `juden-fleet`: a fleet of virtual stations against a central system.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use juden_fleet::fleet::{FleetSetup, Progress, run};
use juden_fleet::plan::{PlanSetup, PlannedStation};
use juden_fleet::version::{Kind, Version};

/// Virtual OCPP 1.6 and 2.0.1 stations: boot, authorize, start, meter values, stop; offline queues and repeats.
#[derive(Parser)]
#[command(name = "juden-fleet", version)]
struct Arguments {
    /// The central system.
    #[arg(long, default_value = "ws://127.0.0.1:9000/ocpp")]
    url: String,
    /// The stations' identities: this and a number from 1.
    #[arg(long, default_value = "FLEET-")]
    station_prefix: String,
    /// How many stations; every second one is a normal charger.
    #[arg(long, default_value_t = 10)]
    stations: usize,
    /// The password of every station.
    #[arg(long)]
    password: Option<String>,
    /// What the stations speak: 1.6, 2.0.1, or `both`, in turn.
    #[arg(long, default_value = "both", value_parser = ["1.6", "2.0.1", "both"])]
    ocpp: String,
    /// The cards, separated by commas; they are dealt out to the stations in turn.
    #[arg(long, default_value = "FLEETCARD1,FLEETCARD2")]
    cards: String,
    /// How many sessions each station has.
    #[arg(long, default_value_t = 10)]
    sessions: usize,
    /// Meter readings within each session.
    #[arg(long, default_value_t = 3)]
    readings: usize,
    /// One in this many sessions happens offline and is delivered later; 0: none.
    #[arg(long, default_value_t = 4)]
    offline_one_in: u32,
    /// How far the stations' clocks are off, in seconds.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset_s: i64,
    /// Sessions lie between this instant and --until; a day ago when left out.
    #[arg(long)]
    from: Option<DateTime<Utc>>,
    /// See --from; now when left out.
    #[arg(long)]
    until: Option<DateTime<Utc>>,
    /// The seed; a random one when left out. It is printed: the same seed is the same fleet.
    #[arg(long)]
    seed: Option<u64>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(rand::random);
    #[expect(
        clippy::disallowed_methods,
        reason = "a program of its own: its stations live in real time"
    )]
    let now = Utc::now();
    let cards: Vec<String> = arguments
        .cards
        .split(',')
        .map(str::trim)
        .filter(|card| !card.is_empty())
        .map(str::to_owned)
        .collect();
    if cards.is_empty() || arguments.stations == 0 {
        bail!("--cards and --stations must name at least one card and one station");
    }
    let plan = PlanSetup {
        seed,
        sessions_per_station: arguments.sessions,
        from: arguments.from.unwrap_or(now - TimeDelta::days(1)),
        until: arguments.until.unwrap_or(now),
        readings: arguments.readings,
        offline_one_in: arguments.offline_one_in,
    };
    if plan.from >= plan.until {
        bail!("--from {} must be before --until {}", plan.from, plan.until);
    }
    println!(
        "seed {seed}: {} stations, {} sessions each, {} to {}",
        arguments.stations, arguments.sessions, plan.from, plan.until
    );
    let stations: Vec<PlannedStation> = (0..arguments.stations)
        .map(|number| PlannedStation {
            station_id: format!("{}{}", arguments.station_prefix, number + 1),
            // Quick and normal ones of both versions.
            version: Version::parse(&arguments.ocpp).unwrap_or(if number % 4 < 2 {
                Version::V16
            } else {
                Version::V201
            }),
            quick: number % 2 == 0,
            id_tags: dealt(&cards, number, arguments.stations),
        })
        .collect();
    let fleet = FleetSetup {
        url: arguments.url,
        password: arguments.password,
        #[expect(
            clippy::disallowed_methods,
            reason = "a program of its own: its stations live in real time"
        )]
        time: Arc::new(Utc::now),
        clock_offset: TimeDelta::seconds(arguments.clock_offset_s),
    };
    let messages =
        u64::try_from(arguments.stations * arguments.sessions * (arguments.readings + 2))
            .context("too many messages")?;
    let progress = Arc::new(Progress::default());
    let bar = ProgressBar::new(messages).with_style(ProgressStyle::with_template(
        "{wide_bar} {pos}/{len} messages confirmed, {elapsed}",
    )?);
    let shown = tokio::spawn({
        let (progress, bar) = (progress.clone(), bar.clone());
        async move {
            loop {
                bar.set_position(progress.confirmed.load(Ordering::Relaxed));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    });
    let began = Instant::now();
    let logs = run(fleet, plan, stations, progress.clone()).await;
    shown.abort();
    bar.finish_and_clear();
    let mut by_kind: BTreeMap<Kind, usize> = BTreeMap::new();
    for confirmed in logs.iter().flat_map(|log| &log.confirmed) {
        *by_kind.entry(confirmed.said.kind).or_default() += 1;
    }
    println!(
        "confirmed in {:.1?}: {by_kind:?}; connected {} times",
        began.elapsed(),
        progress.connects.load(Ordering::Relaxed)
    );
    Ok(())
}

/// A station's cards: no card is dealt to two stations while there are enough.
fn dealt(cards: &[String], number: usize, stations: usize) -> Vec<String> {
    let own: Vec<String> = cards.iter().skip(number).step_by(stations).cloned().collect();
    if own.is_empty() { vec![cards[number % cards.len()].clone()] } else { own }
}
