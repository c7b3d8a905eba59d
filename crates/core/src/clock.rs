//! The only place that reads the system's time, and the simulated clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use tracing::warn;

/// Where "now" comes from. Instants are whole milliseconds: what is answered, kept and compared
/// is the same number everywhere.
#[derive(Debug)]
pub enum Clock {
    /// The system's clock, as far as it agrees with those of the other nodes.
    System(Adjustment),
    /// A clock that was set at start, ticks on or stands, and can be moved forward.
    Simulated(Mutex<SimulatedTime>),
}

/// By how much a node's clock differs from the store's, and the instant that it is not to fall behind: what
/// another node did must not lie in the future here.
#[derive(Debug, Default)]
pub struct Adjustment {
    offset_ms: AtomicI64,
    floor_ms: AtomicI64,
}

/// A difference that is left alone: clocks that are kept right differ by less.
const OFFSET_IGNORED_MS: i64 = 250;

/// How often the system's clock is held against the monotonic one, and what counts as a jump.
const WATCHED_EVERY: Duration = Duration::from_secs(1);
const JUMP_MS: i64 = 2_000;

/// A clock that is further ahead than this is not followed: something else is wrong with it.
const AHEAD_MAX_MS: i64 = 10_000;

/// The simulated clock's reading at an instant of the machine's own monotonic clock; with none, it stands.
#[derive(Debug)]
pub struct SimulatedTime {
    set_to: DateTime<Utc>,
    set_when: Option<Instant>,
}

impl SimulatedTime {
    fn now(&self) -> DateTime<Utc> {
        let ticked = self
            .set_when
            .and_then(|when| TimeDelta::from_std(when.elapsed()).ok())
            .unwrap_or_default();
        (self.set_to + ticked).trunc_subsecs(3)
    }
}

/// Why the clock was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockFault {
    /// The server runs on real time.
    #[error(
        "the server runs on the system's clock; only one started with --simulated-clock can be moved"
    )]
    NotSimulated,
    /// Time does not run backwards.
    #[error("the clock stands at {now} and moves forward only")]
    Backwards {
        /// Where it stands.
        now: DateTime<Utc>,
    },
}

/// The system's time in seconds since 1970, for what others date: certificates and their lists.
pub fn wall_clock_s() -> i64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the system's time"
    )]
    Utc::now().timestamp()
}

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self::System(Adjustment::default())
    }

    /// A simulated clock that begins to tick at an instant.
    pub fn simulated(start: DateTime<Utc>) -> Self {
        Self::Simulated(Mutex::new(SimulatedTime { set_to: start, set_when: Some(Instant::now()) }))
    }

    /// A simulated clock that stands at an instant until it is moved: what is done in a day's last second is done
    /// in it, however slow the machine.
    pub fn standing(start: DateTime<Utc>) -> Self {
        Self::Simulated(Mutex::new(SimulatedTime { set_to: start, set_when: None }))
    }

    /// The instant that it is now.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            Self::System(adjustment) => {
                let (ms, floor_ms) =
                    (adjustment.unfloored_ms(), adjustment.floor_ms.load(Ordering::SeqCst));
                // A floor that lies farther ahead was set before this machine's clock was put back: it holds nobody up.
                let ms = if floor_ms - ms <= AHEAD_MAX_MS { ms.max(floor_ms) } else { ms };
                DateTime::from_timestamp_millis(ms).unwrap_or_default()
            }
            Self::Simulated(time) => {
                time.lock().unwrap_or_else(std::sync::PoisonError::into_inner).now()
            }
        }
    }

    /// The store said that it is `told`, when it was asked at `asked_at`: a clock that differs by more than the
    /// question took, and more than clocks that are kept right do, is put right.
    pub fn follow(&self, told: DateTime<Utc>, asked_at: Instant) {
        let Self::System(adjustment) = self else { return };
        let took_ms = i64::try_from(asked_at.elapsed().as_millis()).unwrap_or(i64::MAX);
        let differs_ms = told.timestamp_millis() - (adjustment.unfloored_ms() - took_ms / 2);
        if differs_ms.abs() > OFFSET_IGNORED_MS + took_ms {
            let offset_ms =
                adjustment.offset_ms.fetch_add(differs_ms, Ordering::SeqCst) + differs_ms;
            metrics::gauge!("juden_clock_offset_seconds").set(seconds(offset_ms));
            warn!(
                offset_ms,
                "this machine's clock differs from the store's: the node goes by the store's"
            );
        }
    }

    /// Another node's clock showed this: ours does not fall behind it.
    pub fn not_before(&self, instant: DateTime<Utc>) {
        match self {
            Self::System(adjustment) => {
                let ms = instant.timestamp_millis();
                if ms - adjustment.unfloored_ms() <= AHEAD_MAX_MS {
                    adjustment.floor_ms.fetch_max(ms, Ordering::SeqCst);
                }
            }
            Self::Simulated(_) => {
                let _ = self.advance_to(instant);
            }
        }
    }

    /// Looks for jumps of the system's clock against the machine's own monotonic one, for as long as it is polled.
    pub async fn keep_watching(&self) {
        let Self::System(adjustment) = self else { return };
        let mut before = (Instant::now(), adjustment.unfloored_ms());
        loop {
            tokio::time::sleep(WATCHED_EVERY).await;
            let now = (Instant::now(), adjustment.unfloored_ms());
            let ticked_ms = i64::try_from((now.0 - before.0).as_millis()).unwrap_or(i64::MAX);
            let jumped_ms = now.1 - before.1 - ticked_ms;
            if jumped_ms.abs() > JUMP_MS {
                metrics::counter!("juden_clock_jumps_total").increment(1);
                metrics::gauge!("juden_clock_jump_seconds").set(seconds(jumped_ms));
                warn!(
                    jumped_ms,
                    "THIS MACHINE'S CLOCK JUMPED: what is kept from now on has other times; look at its time service"
                );
            }
            before = now;
        }
    }

    /// Moves a simulated clock forward.
    pub fn advance_to(&self, target: DateTime<Utc>) -> Result<(), ClockFault> {
        let Self::Simulated(time) = self else {
            return Err(ClockFault::NotSimulated);
        };
        let mut time = time.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = time.now();
        if target < now {
            return Err(ClockFault::Backwards { now });
        }
        *time = SimulatedTime { set_to: target, set_when: time.set_when.map(|_| Instant::now()) };
        Ok(())
    }

    /// Whether it is simulated.
    pub const fn is_simulated(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }
}

impl Adjustment {
    fn unfloored_ms(&self) -> i64 {
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one place that reads the system's time"
        )]
        let now = Utc::now().timestamp_millis();
        now + self.offset_ms.load(Ordering::SeqCst)
    }
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a metric is a float")]
fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1_000.0
}

#[cfg(test)]
#[path = "clock_tests.rs"]
mod tests;
