//! Reads stored words that bills or access depend on, for both engines. An unknown word, perhaps of
//! a newer program, is an error. If it were read as absent, a doubtful session would be billed, and
//! the next write would delete the word.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::{StoreError, Stored};
use juden_domain::charger_clock::Measured;
use juden_domain::flag::Flag;
use juden_domain::instant::Zone;
use juden_domain::month::BillingMonth;
use juden_domain::refusal::Reason;
use juden_domain::session::Decision;
use juden_domain::station::{Availability, Quirk, Registration};

/// A session's flags: their names with blanks between them.
pub fn flags(names: &str) -> Stored<BTreeSet<Flag>> {
    names
        .split_whitespace()
        .map(|name| Flag::from_code(name).ok_or(StoreError::Unreadable("session's flag")))
        .collect()
}

/// A session's flags as the column holds them.
pub fn flags_text(flags: &BTreeSet<Flag>) -> String {
    flags.iter().map(|flag| flag.code()).collect::<Vec<_>>().join(" ")
}

/// The reason for which a session's card was refused.
pub fn refusal(code: Option<&str>) -> Stored<Option<Reason>> {
    known(code, Reason::from_code, "session's refusal")
}

/// A person's decision about a session: bill or waive.
pub fn decision(name: Option<&str>) -> Stored<Option<Decision>> {
    known(name, Decision::parse, "session's decision")
}

/// The measured clock of a station: its difference in milliseconds, and the instant from which that
/// holds.
pub fn clock(offset_ms: Option<i64>, since: Option<DateTime<Utc>>) -> Option<Measured> {
    Some(Measured { offset: TimeDelta::milliseconds(offset_ms?), since: since? })
}

/// A month.
pub fn month(text: Option<&str>) -> Stored<Option<BillingMonth>> {
    known(text, BillingMonth::parse, "month")
}

/// A station's registration status.
pub fn registration(name: &str) -> Stored<Registration> {
    Registration::parse(name).ok_or(StoreError::Unreadable("station's registration"))
}

/// A station's availability.
pub fn availability(name: &str) -> Stored<Availability> {
    Availability::parse(name).ok_or(StoreError::Unreadable("station's availability"))
}

/// A station's quirks, its deviations from the standard: names with commas between them.
pub fn quirks(names: Option<&str>) -> Stored<BTreeSet<Quirk>> {
    let names = names.into_iter().flat_map(|names| names.split(','));
    names.map(|name| Quirk::parse(name).ok_or(StoreError::Unreadable("station's quirk"))).collect()
}

/// A station's registered time zone. An unknown zone is an error.
pub fn time_zone(name: Option<String>) -> Stored<Option<String>> {
    match name {
        Some(name) if Zone::parse(&name).is_none() => {
            Err(StoreError::Unreadable("station's time zone"))
        }
        name => Ok(name),
    }
}

fn known<T>(
    text: Option<&str>,
    read: impl Fn(&str) -> Option<T>,
    what: &'static str,
) -> Stored<Option<T>> {
    text.map(|text| read(text).ok_or(StoreError::Unreadable(what))).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_unreadable_and_never_no_doubt() {
        let all: BTreeSet<Flag> = Flag::ALL.iter().copied().collect();
        assert_eq!(flags(&flags_text(&all)).unwrap(), all);
        assert!(flags("").unwrap().is_empty());
        assert!(matches!(
            flags("superseded clock_of_another_planet"),
            Err(StoreError::Unreadable("session's flag"))
        ));
        assert!(refusal(Some("because")).is_err() && refusal(None).unwrap().is_none());
        assert!(decision(Some("maybe")).is_err() && decision(Some("waive")).is_ok());
        assert!(
            registration("maybe").is_err()
                && availability("maybe").is_err()
                && quirks(Some("no_pings,odd")).is_err()
        );
        assert!(
            month(Some("2026-13")).is_err() && time_zone(Some("Nowhere/Land".to_owned())).is_err()
        );
    }
}
