//! The difference between a station's clock and the server's clock (rule R6.2b). The difference is
//! measured from messages that stations send without delay, and anew after each boot. This
//! measurement alone lets the server doubt a station's time, or believe it although the message
//! comes late.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::instant::CLOCK_TOLERANCE_S;

/// The number of newest differences that are kept.
const REMEMBERED: usize = 5;

/// Hours after which a measured difference no longer counts.
const HOLDS_FOR_H: i64 = 12;

/// Between two meter values the station's time and the server's clock must advance alike, within
/// this many seconds. Queued meter values fail this: they arrive all at once.
const PACE_TOLERANCE_S: i64 = 10;

/// Two meter values are compared only if at least this many seconds lie between their receipts.
const PACE_FROM_S: i64 = 5;

/// The difference between a station's clock and the server's clock, as measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The station's time minus the server's.
    pub offset: TimeDelta,
    /// The station's clock is known from here on: from its boot, or from the first message that
    /// showed a time.
    pub since: DateTime<Utc>,
}

impl Measured {
    /// Whether the difference is within [`CLOCK_TOLERANCE_S`].
    pub fn is_right(self) -> bool {
        self.offset.abs() <= TimeDelta::seconds(CLOCK_TOLERANCE_S)
    }
}

/// The evidence of a station's clock since its last boot.
#[derive(Debug, Clone, Default)]
pub struct ClockEvidence {
    since: Option<DateTime<Utc>>,
    /// The newest differences, oldest first, each with the time of its receipt.
    newest: VecDeque<(DateTime<Utc>, TimeDelta)>,
    /// The newest meter value: the station's time of it, and the time of its receipt.
    last_reading: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl ClockEvidence {
    /// Drops all evidence: the station booted, and its clock may have been set.
    pub fn booted(&mut self, at: DateTime<Utc>) {
        *self = Self { since: Some(at), ..Self::default() };
    }

    /// Takes the time of a message that stations send without delay.
    pub fn told(&mut self, said: DateTime<Utc>, received_at: DateTime<Utc>) {
        self.since.get_or_insert(received_at);
        if self.newest.len() == REMEMBERED {
            self.newest.pop_front();
        }
        self.newest.push_back((received_at, said - received_at));
    }

    /// Takes the time of a meter value. The time counts only if the station's time and the server's
    /// clock advanced alike since the meter value before, because a queued meter value is late by
    /// an unknown time.
    pub fn told_by_reading(&mut self, said: DateTime<Utc>, received_at: DateTime<Utc>) {
        let before = self.last_reading.replace((said, received_at));
        let keeps_pace = before.is_some_and(|(said_before, received_before)| {
            let passed = received_at - received_before;
            passed >= TimeDelta::seconds(PACE_FROM_S)
                && (said - said_before - passed).abs() <= TimeDelta::seconds(PACE_TOLERANCE_S)
        });
        if keeps_pace {
            self.told(said, received_at);
        }
    }

    /// The clock's difference as known at an instant: the median of the newest differences. `None`
    /// if there are none, or if the newest one is far from the median.
    pub fn measured(&self, now: DateTime<Utc>) -> Option<Measured> {
        let from = now - TimeDelta::hours(HOLDS_FOR_H);
        let mut offsets: Vec<TimeDelta> =
            self.newest.iter().filter(|(at, _)| *at >= from).map(|(_, offset)| *offset).collect();
        let newest = offsets.last().copied()?;
        offsets.sort_unstable();
        // Of an even number of differences, the middle one nearer to the newest counts: the clock
        // may have been set meanwhile.
        let middle = offsets.len() / 2;
        let candidates = if offsets.len() % 2 == 1 {
            &offsets[middle..=middle]
        } else {
            &offsets[middle - 1..=middle]
        };
        let offset = candidates.iter().copied().min_by_key(|offset| (*offset - newest).abs())?;
        let is_steady = (offset - newest).abs() <= TimeDelta::seconds(CLOCK_TOLERANCE_S);
        is_steady.then_some(Measured { offset: without_way(offset), since: self.since? })
    }
}

/// Rounds the difference up to whole seconds. That removes a message's transit time of less than a
/// second: stations report whole seconds, and transit only makes the difference smaller.
fn without_way(offset: TimeDelta) -> TimeDelta {
    TimeDelta::seconds(-(-offset).num_milliseconds().div_euclid(1_000))
}

#[cfg(test)]
#[path = "charger_clock_tests.rs"]
mod tests;
