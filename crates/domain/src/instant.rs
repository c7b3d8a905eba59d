//! The instants of a message: the reported time and the received time. [`attribute`] decides which
//! of them counts for the bill (rule R6.2b).

use chrono::{DateTime, FixedOffset, NaiveDateTime, TimeDelta, TimeZone, Utc};

use super::charger_clock::Measured;
use super::flag::Flag;

/// Seconds by which the clock of a connected station may differ from the server's.
pub const CLOCK_TOLERANCE_S: i64 = 120;

/// Seconds by which a message may be late and its reported time still count, if the station's clock
/// is known to be right.
pub const LATE_MAX_S: i64 = 86_400;

/// Seconds by which a reported time may be ahead. A time further ahead (one day) is implausible.
pub const CLOCK_AHEAD_MAX_S: i64 = 86_400;

/// The programme's first day, 2019-12-16 Japan time, as a Unix time. No session can be older.
const PROGRAMME_BEGAN_S: i64 = 1_576_422_000;

/// The meaning of a station's time text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// An instant: the text names a date, a time and a zone.
    At(DateTime<Utc>),
    /// A date and time without a zone.
    Local(NaiveDateTime),
    /// The station sent no time.
    Missing,
    /// The text is not a time.
    Unreadable,
}

/// A reported time: the text and its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reported {
    /// The text as the station sent it; empty if it sent none.
    pub text: String,
    /// The meaning of the text.
    pub moment: Moment,
}

impl Reported {
    /// The reported time of a message without one.
    pub const fn missing() -> Self {
        Self { text: String::new(), moment: Moment::Missing }
    }

    /// The instant that the text names. A text without a zone is read in the station's zone.
    pub fn instant(&self, zone: Option<Zone>) -> Option<DateTime<Utc>> {
        match self.moment {
            Moment::At(instant) => Some(instant),
            Moment::Local(local) => zone.and_then(|zone| zone.instant(local)),
            Moment::Missing | Moment::Unreadable => None,
        }
    }
}

/// A station's time zone, for time texts that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    /// A fixed offset from UTC.
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

    /// The instant at which clocks of the zone show `local`: the earlier one if the clocks show it
    /// twice, none if they skip it.
    fn instant(self, local: NaiveDateTime) -> Option<DateTime<Utc>> {
        match self {
            Self::Fixed(offset) => {
                offset.from_local_datetime(&local).earliest().map(|at| at.to_utc())
            }
            Self::Named(zone) => zone.from_local_datetime(&local).earliest().map(|at| at.to_utc()),
        }
    }
}

/// The receipt of a message, and the state of its connection at that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// The server's clock at the receipt.
    pub received_at: DateTime<Utc>,
    /// The time since which the station was connected.
    pub connected_since: DateTime<Utc>,
    /// The difference of the station's clock, if it was known.
    pub clock: Option<Measured>,
}

/// The billed time of a message, and the doubt about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributed {
    /// The instant that decides the month, the duration and the card's state.
    pub at: DateTime<Utc>,
    /// The flag that says why this is not simply the reported time.
    pub doubt: Option<Flag>,
}

/// Decides which instant of a message counts for the bill.
///
/// A reported time that agrees with the received time counts. Otherwise the measured difference of
/// the station's clock decides. If the clock is right, the reported time counts although the
/// message is late, by up to [`LATE_MAX_S`]. If the clock is wrong, the difference is subtracted.
///
/// Without such a measurement, a reported time that cannot be true is replaced by the received
/// time: one ahead of it, or one behind it although the station was connected all the while. A
/// message about a time before the connection was queued offline and keeps its reported time.
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

/// The billed time by the measured difference of the station's clock; `None`: that does not decide
/// it.
fn by_clock(said: DateTime<Utc>, clock: Measured, heard: Heard) -> Option<Attributed> {
    let tolerance = TimeDelta::seconds(CLOCK_TOLERANCE_S);
    let late = heard.received_at - said;
    if clock.is_right() {
        let doubt = (said >= heard.connected_since).then_some(Flag::DeliveredLate);
        return (late > TimeDelta::zero() && late <= TimeDelta::seconds(LATE_MAX_S))
            .then_some(Attributed { at: said, doubt });
    }
    // An instant before the station's boot may come from a clock with another difference.
    let at = said - clock.offset;
    let fits = at <= heard.received_at + tolerance && at >= clock.since - tolerance;
    fits.then_some(Attributed { at: at.min(heard.received_at), doubt: Some(Flag::ClockCorrected) })
}

#[cfg(test)]
#[path = "instant_tests.rs"]
mod tests;
