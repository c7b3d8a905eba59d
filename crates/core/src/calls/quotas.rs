//! How much of what a station sends is kept. What money hangs on is always kept; what stations tell beside it, and readings,
//! up to a daily measure: a station that sends as fast as its line does not fill the disk.

use chrono::{DateTime, TimeDelta, Utc};
use dashmap::DashMap;
use tracing::warn;

use juden_domain::ids::StationId;

/// What a measure is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// Messages that are kept as they came, and states: bytes.
    Reports,
    /// Readings between a session's start and end, with their messages: bytes.
    Readings,
    /// Cards that were shown: how many.
    ShownCards,
}

impl Kept {
    const ALL: [Self; 3] = [Self::Reports, Self::Readings, Self::ShownCards];

    /// The quota of a station: the most that it may use at once. A used quota refills evenly within a day.
    pub const fn daily(self) -> i64 {
        match self {
            Self::Reports => 16 * 1024 * 1024,
            Self::Readings => 32 * 1024 * 1024,
            Self::ShownCards => 20_000,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Reports => "reports",
            Self::Readings => "readings",
            Self::ShownCards => "shown_cards",
        }
    }
}

/// What is left of a measure, and as of when.
#[derive(Debug, Clone, Copy)]
struct Left {
    amount: i64,
    as_of: DateTime<Utc>,
    told_at: Option<DateTime<Utc>>,
}

/// The measures of every station that was connected here.
#[derive(Debug, Default)]
pub struct Quotas(DashMap<StationId, [Option<Left>; Kept::ALL.len()]>);

impl Quotas {
    /// Takes so much of a station's measure. `false`: nothing is left of it, and what was sent is not kept; the first time
    /// within a day that is told. A message that is larger than what is left is the last that is kept.
    pub fn take(&self, station: &StationId, kept: Kept, amount: usize, now: DateTime<Utc>) -> bool {
        let mut lefts = self.0.entry(station.clone()).or_default();
        let Some(left) = lefts.get_mut(kept as usize) else { return true };
        let left = left.get_or_insert(Left { amount: kept.daily(), as_of: now, told_at: None });
        left.refill(kept, now);
        let is_kept = left.amount > 0;
        if is_kept {
            left.amount -= i64::try_from(amount.max(1)).unwrap_or(i64::MAX);
        } else {
            metrics::counter!("juden_quota_exceeded_total", "kept" => kept.name()).increment(1);
            if left.told_at.is_none_or(|told| now - told >= TimeDelta::days(1)) {
                left.told_at = Some(now);
                warn!(station_id = %station, kept = kept.name(), daily = kept.daily(),
                    "a station sends more than is kept of it in a day: the rest is answered and not kept");
            }
        }
        is_kept
    }
}

impl Left {
    fn refill(&mut self, kept: Kept, now: DateTime<Utc>) {
        let passed_ms = (now - self.as_of).num_milliseconds().clamp(0, 86_400_000);
        let more = i64::try_from(i128::from(kept.daily()) * i128::from(passed_ms) / 86_400_000)
            .unwrap_or(i64::MAX);
        // What has not come to a whole yet goes on coming.
        if more > 0 || now < self.as_of {
            self.amount = self.amount.saturating_add(more).min(kept.daily());
            self.as_of = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measure_is_used_up_and_comes_back_within_a_day() {
        let (quotas, one, other) =
            (Quotas::default(), StationId::parse("CP1").unwrap(), StationId::parse("CP2").unwrap());
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        let daily = usize::try_from(Kept::ShownCards.daily()).unwrap();
        assert!((0..daily).all(|_| quotas.take(&one, Kept::ShownCards, 1, now)));
        assert!(!quotas.take(&one, Kept::ShownCards, 1, now));
        assert!(
            quotas.take(&other, Kept::ShownCards, 1, now)
                && quotas.take(&one, Kept::Reports, 1, now),
            "each has its own"
        );
        let later = now + TimeDelta::hours(12);
        assert_eq!(
            (0..daily).filter(|_| quotas.take(&one, Kept::ShownCards, 1, later)).count(),
            daily / 2
        );
        assert!(
            !quotas.take(&one, Kept::ShownCards, 1, now),
            "a clock that goes back gives nothing"
        );
    }

    #[test]
    fn a_message_larger_than_what_is_left_is_the_last_that_is_kept() {
        let (quotas, station) = (Quotas::default(), StationId::parse("CP1").unwrap());
        let now: DateTime<Utc> = "2026-11-30T12:00:00Z".parse().unwrap();
        assert!(quotas.take(&station, Kept::Reports, 1 << 30, now));
        assert!(!quotas.take(&station, Kept::Reports, 1, now));
    }
}
