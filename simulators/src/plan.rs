//! What a fleet does, out of a seed: the same seed is the same plan, to the millisecond and watt-hour.

use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::version::Version;

/// What a plan is made of.
#[derive(Debug, Clone)]
pub struct PlanSetup {
    /// The seed.
    pub seed: u64,
    /// How many sessions each station has.
    pub sessions_per_station: usize,
    /// When the first of them may start.
    pub from: DateTime<Utc>,
    /// When the last of them has started.
    pub until: DateTime<Utc>,
    /// Meter readings within each session.
    pub readings: usize,
    /// One in this many sessions happens offline; 0: none.
    pub offline_one_in: u32,
}

/// A station of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedStation {
    /// Its identity.
    pub station_id: String,
    /// What it speaks.
    pub version: Version,
    /// Whether its one connector is quick.
    pub quick: bool,
    /// The cards that are shown there.
    pub id_tags: Vec<String>,
}

/// A session as planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedSession {
    /// The card.
    pub id_tag: String,
    /// When it starts.
    pub start: DateTime<Utc>,
    /// When it stops.
    pub stop: DateTime<Utc>,
    /// The register at the start.
    pub meter_start_wh: i64,
    /// The register at the stop.
    pub meter_stop_wh: i64,
    /// When the meter is read, and what it shows.
    pub readings: Vec<(DateTime<Utc>, i64)>,
    /// Whether the station is offline the while.
    pub offline: bool,
    /// Whether messages sent again keep their ids.
    pub same_ids: bool,
}

/// Quick sessions last up to this many minutes, normal ones up to the other.
const QUICK_MINUTES: i64 = 30;
const NORMAL_MINUTES: i64 = 480;

/// The sessions of one station, in order, one after the other.
pub fn sessions(setup: &PlanSetup, station: &PlannedStation, number: u64) -> Vec<PlannedSession> {
    let mut random =
        ChaCha8Rng::seed_from_u64(setup.seed.wrapping_mul(1_000_003).wrapping_add(number));
    let count = i64::try_from(setup.sessions_per_station).unwrap_or(i64::MAX).max(1);
    let slot_ms = ((setup.until - setup.from).num_milliseconds() / count).max(2);
    let longest_ms = (if station.quick { QUICK_MINUTES } else { NORMAL_MINUTES }) * 60_000;
    let mut meter_wh = 0;
    (0..count)
        .map(|slot| {
            let start = setup.from
                + TimeDelta::milliseconds(slot * slot_ms + random.random_range(0..slot_ms / 2));
            let length_ms = random.random_range(1_000..=longest_ms.min(slot_ms / 2).max(1_001));
            let stop = start + TimeDelta::milliseconds(length_ms);
            let power_w = if station.quick {
                random.random_range(20_000..45_000)
            } else {
                random.random_range(2_000..6_000)
            };
            let meter_start_wh = meter_wh;
            meter_wh += power_w * length_ms / 3_600_000;
            let parts = i64::try_from(setup.readings).unwrap_or(0);
            let reading = |part: i64| {
                let part_ms = length_ms * part / (parts + 1);
                (
                    start + TimeDelta::milliseconds(part_ms),
                    meter_start_wh + power_w * part_ms / 3_600_000,
                )
            };
            PlannedSession {
                id_tag: station.id_tags[random.random_range(0..station.id_tags.len())].clone(),
                start,
                stop,
                meter_start_wh,
                meter_stop_wh: meter_wh,
                readings: (1..=parts).map(reading).collect(),
                offline: setup.offline_one_in > 0
                    && random.random_range(0..setup.offline_one_in) == 0,
                same_ids: random.random(),
            }
        })
        .collect()
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
