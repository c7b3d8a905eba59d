//! Reads stations' timestamps: RFC 3339, and the deviations from it that stations send.

use chrono::{DateTime, Datelike, FixedOffset, NaiveDateTime, TimeZone};

use juden_domain::instant::{Moment, Reported};

/// Years that a station's time may have. Both stores keep these years. Adding a duration to such a
/// time cannot overflow.
const YEARS: std::ops::RangeInclusive<i32> = 1..=9999;

/// Characters of a timestamp's text that are kept.
const TEXT_MAX: usize = 64;

/// Reads a station's timestamp. Accepted beside RFC 3339: a blank for the `T`, lower case, an
/// offset without colon or minutes, no seconds, any number of decimals, no zone at all.
pub fn read(text: &str) -> Reported {
    // Times are truncated to milliseconds, so that 14:59:59.9999 stays before 15:00. A leap second
    // becomes the next second.
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

/// Reads an offset: `Z`, `+09`, `+0900`, `+09:00`.
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
#[path = "timestamp_tests.rs"]
mod tests;
