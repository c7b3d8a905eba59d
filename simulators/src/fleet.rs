//! Doing a plan: every station on a task of its own, connecting again whenever it must, until all of
//! its messages are confirmed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use tokio::time::sleep;

use crate::plan::{PlanSetup, PlannedSession, PlannedStation, sessions};
use crate::station::{Confirmed, Station, StationSetup, Time};
use crate::wire::CallFailure;

/// The wait before a station connects again.
const RECONNECT: Duration = Duration::from_millis(20);

/// The fleet's central system and time.
#[derive(Clone)]
pub struct FleetSetup {
    /// The central system, `ws://HOST:PORT/ocpp`.
    pub url: String,
    /// The password of every station.
    pub password: Option<String>,
    /// The stations' time.
    pub time: Time,
    /// How far the stations' clocks are off.
    pub clock_offset: TimeDelta,
}

/// How far a fleet has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// Messages that were confirmed.
    pub confirmed: AtomicU64,
    /// Times that a station connected.
    pub connects: AtomicU64,
    /// Calls that were answered with an error.
    pub refused: AtomicU64,
}

/// What a station did.
#[derive(Debug, Clone)]
pub struct StationLog {
    /// Its identity.
    pub station_id: String,
    /// Every message that was confirmed, in order.
    pub confirmed: Vec<Confirmed>,
}

/// Runs stations to the end of their plans.
pub async fn run(
    fleet: FleetSetup,
    plan: PlanSetup,
    stations: Vec<PlannedStation>,
    progress: Arc<Progress>,
) -> Vec<StationLog> {
    let tasks: Vec<_> = stations
        .into_iter()
        .zip(0..)
        .map(|(station, number)| {
            tokio::spawn(run_station(
                fleet.clone(),
                plan.clone(),
                station,
                number,
                progress.clone(),
            ))
        })
        .collect();
    let mut logs = Vec::new();
    for task in tasks {
        if let Ok(log) = task.await {
            logs.push(log);
        }
    }
    logs
}

async fn run_station(
    fleet: FleetSetup,
    plan: PlanSetup,
    planned: PlannedStation,
    number: u64,
    progress: Arc<Progress>,
) -> StationLog {
    let mut station = Station::new(StationSetup {
        url: fleet.url.clone(),
        station_id: planned.station_id.clone(),
        version: planned.version,
        password: fleet.password.clone(),
        time: fleet.time.clone(),
        clock_offset: fleet.clock_offset,
    });
    for session in sessions(&plan, &planned, number) {
        run_session(&mut station, &session, fleet.clock_offset, &progress).await;
    }
    deliver(&mut station, true, &progress).await;
    station.go_offline().await;
    StationLog { station_id: planned.station_id, confirmed: station.confirmed }
}

async fn run_session(
    station: &mut Station,
    session: &PlannedSession,
    offset: TimeDelta,
    progress: &Progress,
) {
    let online = !session.offline;
    if online {
        deliver(station, session.same_ids, progress).await;
        // What is not queued is lost when it fails, as with real stations.
        let _ = station.heartbeat().await;
        let _ = station.status(1, "Preparing").await;
        let _ = station.authorize(&session.id_tag).await;
    } else {
        station.go_offline().await;
    }
    let count = station.start(1, &session.id_tag, session.start + offset, session.meter_start_wh);
    if online {
        deliver(station, session.same_ids, progress).await;
        let _ = station.status(1, "Charging").await;
    }
    for (at, meter_wh) in &session.readings {
        station.meter(count, 1, *at + offset, *meter_wh);
        if online {
            deliver(station, session.same_ids, progress).await;
        }
    }
    station.stop(count, &session.id_tag, session.stop + offset, session.meter_stop_wh);
    if online {
        deliver(station, session.same_ids, progress).await;
        let _ = station.status(1, "Available").await;
    }
}

/// Sends what waits until all of it is confirmed, connecting again as often as it takes.
async fn deliver(station: &mut Station, same_ids: bool, progress: &Progress) {
    let mut told = false;
    loop {
        if !station.is_connected() {
            if let Err(cause) = station.connect().await {
                if !std::mem::replace(&mut told, true) {
                    eprintln!("{}: {cause}; it tries again", station.id());
                }
                sleep(RECONNECT).await;
                continue;
            }
            progress.connects.fetch_add(1, Ordering::Relaxed);
        }
        let before = station.confirmed.len();
        let flushed = station.flush(same_ids).await;
        let now = u64::try_from(station.confirmed.len() - before).unwrap_or(0);
        progress.confirmed.fetch_add(now, Ordering::Relaxed);
        match flushed {
            Ok(()) => return,
            Err(failure) => {
                if matches!(failure, CallFailure::Refused { .. }) {
                    progress.refused.fetch_add(1, Ordering::Relaxed);
                }
                sleep(RECONNECT).await;
            }
        }
    }
}
