//! Station times: RFC 3339 and the deviations that the field sends.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, TimeZone};

use juden_domain::instant::{Moment, Reported};

/// Years that a time may lie in: what every store keeps, and sums of times do not leave what a time may be.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// The longest time text that is kept.
const TEXT_MAX: usize = 64;

/// Reads a station's time. Tolerated beside RFC 3339: a blank for the `T`, lower case, an offset
/// without colon or minutes, no seconds, any number of decimals, no zone at all.
pub fn read(text: &str) -> Reported {
    // Whole milliseconds, cut: 14:59:59.9999 stays before 15:00; a leap second is the next second.
    let moment = match moment(text.trim()) {
        Moment::At(instant) if !YEARS.contains(&instant.year()) => Moment::Unreadable,
        Moment::Local(local) if !YEARS.contains(&local.year()) => Moment::Unreadable,
        Moment::At(instant) => DateTime::from_timestamp_millis(instant.timestamp_millis())
            .map_or(Moment::Unreadable, Moment::At),
        Moment::Local(local) => DateTime::from_timestamp_millis(local.and_utc().timestamp_millis())
            .map_or(Moment::Unreadable, |instant| Moment::Local(instant.naive_utc())),
        other => other,
    };
    Reported { text: text.chars().take(TEXT_MAX).collect(), moment }
}

fn moment(text: &str) -> Moment {
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Moment::At(instant.to_utc());
    }
    let Some((date, rest)) = text.split_once(['T', 't', ' ']) else {
        return Moment::Unreadable;
    };
    let (clock, offset) = match rest.find(['Z', 'z', '+', '-']) {
        Some(place) => (&rest[..place], Some(&rest[place..])),
        None => (rest, None),
    };
    let wall = format!("{date}T{}", clock.trim_end().replace(',', "."));
    let Some(local) = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .into_iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&wall, form).ok())
    else {
        return Moment::Unreadable;
    };
    match offset {
        None => Moment::Local(local),
        Some(offset) => match parse_offset(offset)
            .and_then(|offset| offset.from_local_datetime(&local).single())
        {
            Some(instant) => Moment::At(instant.to_utc()),
            None => Moment::Unreadable,
        },
    }
}

/// `Z`, `+09`, `+0900`, `+09:00`.
fn parse_offset(text: &str) -> Option<FixedOffset> {
    if text.eq_ignore_ascii_case("z") {
        return FixedOffset::east_opt(0);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = match digits.len() {
        2 => (digits.as_str(), "0"),
        4 => digits.split_at(2),
        _ => return None,
    };
    FixedOffset::east_opt(
        sign * (hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_spellings_of_one_instant_are_one_instant() {
        let expected = Moment::At("2024-06-30T14:59:59Z".parse().unwrap());
        for text in [
            "2024-06-30T14:59:59Z",
            "2024-06-30t14:59:59z",
            "2024-06-30 14:59:59Z",
            "2024-06-30T14:59:59.000Z",
            "2024-06-30T14:59:59.000000000Z",
            "2024-06-30T23:59:59+09:00",
            "2024-06-30T23:59:59+0900",
            "2024-06-30T23:59:59+09",
            "2024-06-30T09:29:59-05:30",
            " 2024-06-30T14:59:59Z ",
            "2024-06-30T14:59:59,000Z",
        ] {
            assert_eq!(moment(text.trim()), expected, "{text}");
        }
        for text in [
            "+262142-12-31T23:59:59Z",
            "-0001-01-01T00:00:00Z",
            "0000-12-31T23:59:59Z",
            "+10000-01-01T00:00:00",
            "9999-12-31T23:59:59-01:00",
        ] {
            assert_eq!(read(text).moment, Moment::Unreadable, "{text}");
        }
        for text in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert!(matches!(read(text).moment, Moment::At(_)), "{text}");
        }
        assert_eq!(
            moment("2024-06-30T14:59Z"),
            Moment::At("2024-06-30T14:59:00Z".parse().unwrap())
        );
    }

    #[test]
    fn a_leap_second_is_the_next_second_in_the_next_month() {
        let leap = read("2024-06-30T14:59:60Z").moment;
        assert_eq!(leap, Moment::At("2024-06-30T15:00:00Z".parse().unwrap()));
        assert_eq!(
            read("2024-06-30T14:59:59.9999Z").moment,
            Moment::At("2024-06-30T14:59:59.999Z".parse().unwrap())
        );
    }

    #[test]
    fn a_time_without_zone_stays_a_wall_clock() {
        assert_eq!(
            read("2024-06-30T23:30:00").moment,
            Moment::Local("2024-06-30T23:30:00".parse().unwrap())
        );
        assert_eq!(
            read("2024-06-30 23:30").moment,
            Moment::Local("2024-06-30T23:30:00".parse().unwrap())
        );
    }

    #[test]
    fn nonsense_is_unreadable_and_kept_to_its_limit() {
        for text in [
            "",
            "soon",
            "2024-13-01T00:00:00Z",
            "2024-02-30T00:00:00Z",
            "2024-06-30",
            "2024-06-30T25:00:00Z",
            "2024-06-30T10:00:00+9x",
            "T",
            "2024-06-30T10:00:00+99999",
            "é T é+é",
        ] {
            assert_eq!(read(text).moment, Moment::Unreadable, "{text}");
        }
        assert_eq!(read(&"x".repeat(65)).text.len(), 64);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,60}") {
            let _ = read(&text);
        }
    }
}
