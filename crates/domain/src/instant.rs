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
mod tests {
    use super::*;

    fn attributed(
        text: &str,
        moment: Moment,
        zone: Option<&str>,
    ) -> (String, Option<&'static str>) {
        attributed_with(text, moment, zone, None)
    }

    fn attributed_with(
        text: &str,
        moment: Moment,
        zone: Option<&str>,
        clock: Option<Measured>,
    ) -> (String, Option<&'static str>) {
        let connected_since = "2024-07-10T10:00:00Z".parse().unwrap();
        let heard =
            Heard { received_at: "2024-07-10T12:00:00Z".parse().unwrap(), connected_since, clock };
        let reported = Reported { text: text.into(), moment };
        let result = attribute(&reported, zone.map(|zone| Zone::parse(zone).unwrap()), heard);
        (
            result.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true),
            result.doubt.map(Flag::code),
        )
    }

    fn instant(text: &str) -> (String, Option<&'static str>) {
        attributed(text, Moment::At(text.parse().unwrap()), None)
    }

    fn kept(text: &str) -> (String, Option<&'static str>) {
        (text.to_owned(), None)
    }

    fn received(flag: &'static str) -> (String, Option<&'static str>) {
        ("2024-07-10T12:00:00Z".to_owned(), Some(flag))
    }

    #[test]
    fn a_connected_stations_clock_may_differ_by_the_tolerance_and_no_more() {
        assert_eq!(instant("2024-07-10T12:02:00Z"), kept("2024-07-10T12:02:00Z"));
        assert_eq!(instant("2024-07-10T12:02:00.001Z"), received("clock_ahead"));
        assert_eq!(instant("2024-07-10T11:58:00Z"), kept("2024-07-10T11:58:00Z"));
        assert_eq!(instant("2024-07-10T11:57:59.999Z"), received("clock_behind"));
        assert_eq!(instant("2024-07-10T10:00:00Z"), received("clock_behind"));
    }

    #[test]
    fn what_happened_before_the_connection_keeps_its_own_time() {
        assert_eq!(instant("2024-07-10T09:59:59.999Z"), kept("2024-07-10T09:59:59.999Z"));
        assert_eq!(instant("2024-06-30T14:59:59Z"), kept("2024-06-30T14:59:59Z"));
    }

    #[test]
    fn a_clock_that_is_no_clock_is_quarantined() {
        assert_eq!(instant("2019-12-15T15:00:00Z"), kept("2019-12-15T15:00:00Z"));
        for text in [
            "2019-12-15T14:59:59Z",
            "1970-01-01T00:00:05Z",
            "0001-01-01T00:00:00Z",
            "2099-01-01T00:00:00Z",
            "2024-07-11T12:00:01Z",
        ] {
            assert_eq!(instant(text), received("clock_implausible"), "{text}");
        }
        assert_eq!(instant("2024-07-11T12:00:00Z"), received("clock_ahead"));
    }

    /// The same where the station's clock was measured since its boot at 09:00.
    fn by_clock(text: &str, offset_s: i64) -> (String, Option<&'static str>) {
        let clock = Measured {
            offset: TimeDelta::seconds(offset_s),
            since: "2024-07-10T09:00:00Z".parse().unwrap(),
        };
        attributed_with(text, Moment::At(text.parse().unwrap()), None, Some(clock))
    }

    #[test]
    fn w98_a_clock_shown_right_is_believed_however_late_the_message_comes() {
        let late = |text: &str| (text.to_owned(), Some("delivered_late"));
        assert_eq!(by_clock("2024-07-10T11:59:00Z", 2), kept("2024-07-10T11:59:00Z"));
        assert_eq!(by_clock("2024-07-10T11:55:00Z", 2), late("2024-07-10T11:55:00Z"));
        assert_eq!(by_clock("2024-07-10T11:55:00Z", -120), late("2024-07-10T11:55:00Z"));
        let corrected = ("2024-07-10T11:57:01Z".to_owned(), Some("clock_corrected"));
        assert_eq!(
            by_clock("2024-07-10T11:55:00Z", -121),
            corrected,
            "a clock that is wrong by a steady difference"
        );
        assert_eq!(
            by_clock("2024-07-10T11:55:00Z", -600),
            received("clock_behind"),
            "it would lie ahead: that is no evidence"
        );
        assert_eq!(
            by_clock("2024-07-09T12:00:00Z", 2),
            kept("2024-07-09T12:00:00Z"),
            "before the connection: queued"
        );
        assert_eq!(by_clock("2024-07-10T12:05:00Z", 2), received("clock_ahead"));
    }

    #[test]
    fn w99_a_steady_offset_is_taken_off_whatever_year_the_clock_stands_at() {
        let corrected = |text: &str| (text.to_owned(), Some("clock_corrected"));
        let behind = |text: &str| {
            ("2024-07-10T12:00:00Z".parse::<DateTime<Utc>>().unwrap()
                - text.parse::<DateTime<Utc>>().unwrap())
            .num_seconds()
        };
        for stands_at in ["1970-01-01T00:00:40Z", "2000-01-01T00:00:40Z", "2023-01-01T00:00:40Z"] {
            assert_eq!(by_clock(stands_at, -behind(stands_at)), corrected("2024-07-10T12:00:00Z"));
        }
        assert_eq!(by_clock("2024-07-11T11:30:00Z", 86_400), corrected("2024-07-10T11:30:00Z"));
        assert_eq!(
            by_clock("2023-01-01T00:00:00Z", -behind("2023-01-01T04:00:00Z")),
            kept("2023-01-01T00:00:00Z"),
            "of another boot"
        );
    }

    #[test]
    fn w20_a_time_without_zone_takes_the_stations_or_none() {
        let naive = "2024-06-30T23:30:00";
        let local = Moment::Local(naive.parse().unwrap());
        assert_eq!(attributed(naive, local, Some("UTC")), kept("2024-06-30T23:30:00Z"));
        assert_eq!(attributed(naive, local, Some("Asia/Tokyo")), kept("2024-06-30T14:30:00Z"));
        assert_eq!(attributed(naive, local, Some("JST")), kept("2024-06-30T14:30:00Z"));
        assert_eq!(attributed(naive, local, Some("+09:00")), kept("2024-06-30T14:30:00Z"));
        assert_eq!(attributed(naive, local, None), received("time_without_zone"));
    }

    #[test]
    fn a_missing_or_unreadable_time_is_quarantined_at_its_receipt() {
        assert_eq!(attributed("", Moment::Missing, None), received("time_unreadable"));
        assert_eq!(attributed("soon", Moment::Unreadable, None), received("time_unreadable"));
    }
}
