//! Billing months: months in Japan, which has one zone, UTC+9, all year. The host's zone is never
//! used (convention C1).

use std::fmt;

use chrono::{DateTime, Datelike, Days, FixedOffset, NaiveDate, TimeDelta, TimeZone, Utc};

/// Japan's offset from UTC in seconds.
const JAPAN_OFFSET_S: i32 = 9 * 3600;

/// An instant in Japan time.
pub fn in_japan(instant: DateTime<Utc>) -> DateTime<FixedOffset> {
    instant.with_timezone(&FixedOffset::east_opt(JAPAN_OFFSET_S).expect("nine hours is an offset"))
}

/// The instant of midnight, Japan time, at which a day begins.
pub fn japan_midnight(day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_hms_opt(0, 0, 0).expect("every day has a midnight");
    Utc.from_utc_datetime(&(midnight - TimeDelta::seconds(i64::from(JAPAN_OFFSET_S))))
}

/// A calendar month in Japan time: from 00:00 of its first day until before 00:00 of the next
/// month's first (convention C2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BillingMonth {
    months_since_year_zero: i32,
}

impl BillingMonth {
    /// The month `month` (1 to 12) of the year `year` (1 to 9998).
    pub fn new(year: i32, month: u32) -> Option<Self> {
        if !(1..=9998).contains(&year) || !(1..=12).contains(&month) {
            return None;
        }
        Some(Self { months_since_year_zero: year * 12 + i32::try_from(month).ok()? - 1 })
    }

    /// The month that an instant lies in.
    pub fn of(instant: DateTime<Utc>) -> Self {
        let local = in_japan(instant);
        Self {
            months_since_year_zero: local.year() * 12 + i32::try_from(local.month0()).unwrap_or(0),
        }
    }

    /// Reads `YYYY-MM`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits =
            |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        Self::new(year.parse().ok()?, month.parse().ok()?)
    }

    /// The month that is `months` later, or earlier when negative.
    pub fn plus(self, months: i32) -> Self {
        Self { months_since_year_zero: self.months_since_year_zero + months }
    }

    /// The month after this one.
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The month before this one.
    pub fn previous(self) -> Self {
        self.plus(-1)
    }

    /// The first instant of the month.
    pub fn start(self) -> DateTime<Utc> {
        japan_midnight(self.first_day())
    }

    /// The first instant that is no longer in the month.
    pub fn end(self) -> DateTime<Utc> {
        self.next().start()
    }

    /// Whether an instant lies in the month.
    pub fn contains(self, instant: DateTime<Utc>) -> bool {
        Self::of(instant) == self
    }

    /// The first day of the month.
    pub fn first_day(self) -> NaiveDate {
        let (year, month0) = (
            self.months_since_year_zero.div_euclid(12),
            self.months_since_year_zero.rem_euclid(12),
        );
        NaiveDate::from_ymd_opt(year, u32::try_from(month0).unwrap_or(0) + 1, 1)
            .unwrap_or(NaiveDate::MAX)
    }
}

impl fmt::Display for BillingMonth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month0) = (
            self.months_since_year_zero.div_euclid(12),
            self.months_since_year_zero.rem_euclid(12),
        );
        write!(f, "{year:04}-{:02}", month0 + 1)
    }
}

/// The first day after a period of so many months that begins the day after `day`: the same day of
/// the last month or, if that month has no such day, the first of the next (civil code, articles
/// 140 and 143).
pub fn months_from_next_day(day: NaiveDate, months: u32) -> NaiveDate {
    let first = day + Days::new(1);
    let months = i64::from(first.year()) * 12 + i64::from(first.month0()) + i64::from(months);
    let date = |months: i64, day: u32| {
        let year = i32::try_from(months.div_euclid(12)).unwrap_or(i32::MAX);
        NaiveDate::from_ymd_opt(year, u32::try_from(months.rem_euclid(12)).unwrap_or(0) + 1, day)
    };
    date(months, first.day()).or_else(|| date(months + 1, 1)).unwrap_or(NaiveDate::MAX)
}

#[cfg(test)]
#[path = "month_tests.rs"]
mod tests;
