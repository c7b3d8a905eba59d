//! What is known of a station's clock (rule R6.2b): by how much it differs from ours, measured from messages that are sent
//! as they happen, a boot at a time. It alone lets a station's time be doubted, or believed although it comes late.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};

use super::instant::CLOCK_TOLERANCE_S;

/// Differences that are remembered: the newest few.
const REMEMBERED: usize = 5;

/// For how long a difference says something of the clock.
const HOLDS_FOR_H: i64 = 12;

/// By how much the pace of two readings may differ from that of their receipts: what is sent as it happens keeps pace, what
/// was queued comes all at once.
const PACE_TOLERANCE_S: i64 = 10;

/// How far two readings lie apart at least for their pace to say something.
const PACE_FROM_S: i64 = 5;

/// By how much a station's clock differs from ours, as measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measured {
    /// The station's time less ours.
    pub offset: TimeDelta,
    /// Since when that is known: the boot, or the first message that told it.
    pub since: DateTime<Utc>,
}

impl Measured {
    /// Whether the clock is right, as near as a clock need be.
    pub fn is_right(self) -> bool {
        self.offset.abs() <= TimeDelta::seconds(CLOCK_TOLERANCE_S)
    }
}

/// What one boot of a station has told of its clock.
#[derive(Debug, Clone, Default)]
pub struct ClockEvidence {
    since: Option<DateTime<Utc>>,
    /// The newest differences, each with its receipt.
    newest: VecDeque<(DateTime<Utc>, TimeDelta)>,
    /// The newest reading: its time and its receipt.
    last_reading: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl ClockEvidence {
    /// The station booted: its clock may be another now.
    pub fn booted(&mut self, at: DateTime<Utc>) {
        *self = Self { since: Some(at), ..Self::default() };
    }

    /// A message that is sent as it happens told a time.
    pub fn told(&mut self, said: DateTime<Utc>, received_at: DateTime<Utc>) {
        self.since.get_or_insert(received_at);
        if self.newest.len() == REMEMBERED {
            self.newest.pop_front();
        }
        self.newest.push_back((received_at, said - received_at));
    }

    /// A reading told a time. It counts where it keeps pace with the one before it: a queued one does not.
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

    /// What is known at an instant: the median of the newest differences, where the newest agrees with it.
    pub fn measured(&self, now: DateTime<Utc>) -> Option<Measured> {
        let from = now - TimeDelta::hours(HOLDS_FOR_H);
        let mut offsets: Vec<TimeDelta> =
            self.newest.iter().filter(|(at, _)| *at >= from).map(|(_, offset)| *offset).collect();
        let newest = offsets.last().copied()?;
        offsets.sort_unstable();
        // Of an even number the one nearer to the newest: it may have been set meanwhile.
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

/// The difference of the clocks without the time that a message was on its way, which is below a second: stations tell whole
/// seconds, and a way only takes from the difference.
fn without_way(offset: TimeDelta) -> TimeDelta {
    TimeDelta::seconds(-(-offset).num_milliseconds().div_euclid(1_000))
}

#[cfg(test)]
#[path = "charger_clock_tests.rs"]
mod tests;
