//! The only place that reads the system's time, and the simulated clock.

use std::sync::Mutex;
use std::time::Instant;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// Where "now" comes from. Instants are whole milliseconds: what is answered, kept and compared
/// is the same number everywhere.
#[derive(Debug)]
pub enum Clock {
    /// The system's clock.
    System,
    /// A clock that was set at start, ticks on, and can be moved forward.
    Simulated(Mutex<SimulatedTime>),
}

/// The simulated clock's reading at an instant of the machine's own monotonic clock.
#[derive(Debug)]
pub struct SimulatedTime {
    set_to: DateTime<Utc>,
    set_when: Instant,
}

impl SimulatedTime {
    fn now(&self) -> DateTime<Utc> {
        let ticked = TimeDelta::from_std(self.set_when.elapsed()).unwrap_or_default();
        (self.set_to + ticked).trunc_subsecs(3)
    }
}

/// Why the clock was not moved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClockFault {
    /// The server runs on real time.
    #[error("the server runs on the system's clock; only one started with --simulated-clock can be moved")]
    NotSimulated,
    /// Time does not run backwards.
    #[error("the clock stands at {now} and moves forward only")]
    Backwards {
        /// Where it stands.
        now: DateTime<Utc>,
    },
}

impl Clock {
    /// A simulated clock that begins to tick at an instant.
    pub fn simulated(start: DateTime<Utc>) -> Self {
        Self::Simulated(Mutex::new(SimulatedTime { set_to: start, set_when: Instant::now() }))
    }

    /// The instant that it is now.
    pub fn now(&self) -> DateTime<Utc> {
        match self {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's time")]
            Self::System => Utc::now().trunc_subsecs(3),
            Self::Simulated(time) => time.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).now(),
        }
    }

    /// Moves a simulated clock forward.
    pub fn advance_to(&self, target: DateTime<Utc>) -> Result<(), ClockFault> {
        let Self::Simulated(time) = self else {
            return Err(ClockFault::NotSimulated);
        };
        let mut time = time.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let now = time.now();
        if target < now {
            return Err(ClockFault::Backwards { now });
        }
        *time = SimulatedTime { set_to: target, set_when: Instant::now() };
        Ok(())
    }

    /// Whether it is simulated.
    pub const fn is_simulated(&self) -> bool {
        matches!(self, Self::Simulated(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_moves_forward_and_never_back() {
        let start: DateTime<Utc> = "2024-02-29T14:59:00Z".parse().unwrap();
        let clock = Clock::simulated(start);
        assert!(clock.now() >= start);
        clock.advance_to(start + TimeDelta::days(1)).unwrap();
        assert!(clock.now() >= start + TimeDelta::days(1));
        assert!(matches!(clock.advance_to(start), Err(ClockFault::Backwards { .. })));
        assert_eq!(Clock::System.advance_to(start), Err(ClockFault::NotSimulated));
    }
}
