//! Two instants stand behind every message: what the station says and when we heard it. This is
//! where it is decided which one bills (rule R6.2b).

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeDelta, TimeZone, Utc};

use super::charger_clock::Measured;
use super::flag::Flag;

/// How far a connected station's clock may differ from ours.
pub const CLOCK_TOLERANCE_S: i64 = 120;

/// How late a message may come over a standing connection and its own time still count, where the clock is shown right.
pub const LATE_MAX_S: i64 = 86_400;

/// How far ahead a clock may be and still be taken for a clock (one day).
pub const CLOCK_AHEAD_MAX_S: i64 = 86_400;

/// The programme's first day, 2019-12-16 Japan time, as a Unix time: no session is older.
const PROGRAMME_BEGAN_S: i64 = 1_576_422_000;

/// What a station's time text says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// An instant.
    At(DateTime<Utc>),
    /// A wall clock without a zone.
    Local(NaiveDateTime),
    /// Nothing was sent.
    Missing,
    /// Text that is no time.
    Unreadable,
}

/// A station's time as it was sent and as it reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reported {
    /// The text on the wire; empty when nothing was sent.
    pub text: String,
    /// What it says.
    pub moment: Moment,
}

impl Reported {
    /// A station that sent no time.
    pub const fn missing() -> Self {
        Self { text: String::new(), moment: Moment::Missing }
    }

    /// The instant that it names, under the station's zone where it names none itself.
    pub fn instant(&self, zone: Option<Zone>) -> Option<DateTime<Utc>> {
        match self.moment {
            Moment::At(instant) => Some(instant),
            Moment::Local(local) => zone.and_then(|zone| zone.instant(local)),
            Moment::Missing | Moment::Unreadable => None,
        }
    }
}

/// A station's own zone, for time texts that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A fixed distance from UTC.
    Fixed(FixedOffset),
    /// A zone of the IANA database.
    Named(chrono_tz::Tz),
}

impl Zone {
    /// Reads `Asia/Tokyo`, `UTC`, `JST` or `+09:00`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "JST" {
            return Some(Self::Named(chrono_tz::Asia::Tokyo));
        }
        if let Ok(named) = text.parse::<chrono_tz::Tz>() {
            return Some(Self::Named(named));
        }
        text.parse::<FixedOffset>().ok().map(Self::Fixed)
    }

    /// The instant at which the wall clocks of the zone show `local`; the earlier one where they
    /// show it twice; none where they skip it.
    fn instant(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self {
            Self::Fixed(offset) => {
                offset.from_local_datetime(&local).earliest().map(|at| at.to_utc())
            }
            Self::Named(zone) => zone.from_local_datetime(&local).earliest().map(|at| at.to_utc()),
        }
    }
}

/// When and over which connection a message was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Our clock when it arrived.
    pub received_at: DateTime<Utc>,
    /// Since when the station was connected then.
    pub connected_since: DateTime<Utc>,
    /// What was known of the station's clock then.
    pub clock: Option<Measured>,
}

/// The instant that counts, and the doubt about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributed {
    /// The instant that decides month, duration and card state.
    pub at: DateTime<Utc>,
    /// Why it is not simply what the station said.
    pub doubt: Option<Flag>,
}

/// Decides which instant counts. A station's own time does where it agrees with our receipt. Else what was measured of its
/// clock decides: where the clock is right the time counts, however late the message came; where it is wrong the difference
/// is taken off. Without such evidence a time that cannot be true gives way to our receipt: one ahead of it, or one behind it
/// although the station was connected all the while. A message about a time before the connection was queued offline and
/// keeps its own time.
pub fn attribute(reported: &Reported, zone: Option<Zone>, heard: Heard) -> Attributed {
    let doubtful = |flag| Attributed { at: heard.received_at, doubt: Some(flag) };
    if matches!(reported.moment, Moment::Local(_)) && zone.is_none() {
        return doubtful(Flag::TimeWithoutZone);
    }
    let Some(said) = reported.instant(zone) else {
        return doubtful(Flag::TimeUnreadable);
    };
    let tolerance = TimeDelta::seconds(CLOCK_TOLERANCE_S);
    let ahead = said - heard.received_at;
    let is_possible = |at: DateTime<Utc>| at.timestamp() >= PROGRAMME_BEGAN_S;
    if ahead.abs() <= tolerance && is_possible(said) {
        return Attributed { at: said, doubt: None };
    }
    if let Some(by_clock) = heard
        .clock
        .and_then(|clock| by_clock(said, clock, heard))
        .filter(|found| is_possible(found.at))
    {
        return by_clock;
    }
    if said.timestamp() < PROGRAMME_BEGAN_S || ahead > TimeDelta::seconds(CLOCK_AHEAD_MAX_S) {
        return doubtful(Flag::ClockImplausible);
    }
    if ahead > tolerance {
        return doubtful(Flag::ClockAhead);
    }
    if said >= heard.connected_since && -ahead > tolerance {
        return doubtful(Flag::ClockBehind);
    }
    Attributed { at: said, doubt: None }
}

/// The instant by what was measured of the station's clock; `None`: that does not place it.
fn by_clock(said: DateTime<Utc>, clock: Measured, heard: Heard) -> Option<Attributed> {
    let tolerance = TimeDelta::seconds(CLOCK_TOLERANCE_S);
    let late = heard.received_at - said;
    if clock.is_right() {
        let doubt = (said >= heard.connected_since).then_some(Flag::DeliveredLate);
        return (late > TimeDelta::zero() && late <= TimeDelta::seconds(LATE_MAX_S))
            .then_some(Attributed { at: said, doubt });
    }
    // What lies before the boot may have been told by another clock.
    let at = said - clock.offset;
    let fits = at <= heard.received_at + tolerance && at >= clock.since - tolerance;
    fits.then_some(Attributed { at: at.min(heard.received_at), doubt: Some(Flag::ClockCorrected) })
}

#[cfg(test)]
#[path = "instant_tests.rs"]
mod tests;
