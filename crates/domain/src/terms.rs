//! Versions of the member terms (article 19). Each is published first and takes effect later.

use chrono::{DateTime, NaiveDate, Utc};

use super::month::{japan_midnight, months_from_next_day};
use super::refusal::Reason;

/// A reason for which the terms may be changed (article 19.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeReason {
    /// The law changed.
    Law,
    /// The change benefits the members.
    MemberBenefit,
    /// The change is reasonable and does not conflict with the contract's purpose.
    Reasonable,
}

named!(ChangeReason, Law = "law", MemberBenefit = "member_benefit", Reasonable = "reasonable");

/// One version of the member terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsVersion {
    /// The version's name.
    pub version: String,
    /// The day on which the version was published on the website (article 24.1).
    pub published_on: NaiveDate,
    /// The day from whose midnight, Japan time, the version is in force.
    pub effective_on: NaiveDate,
    /// The reason of the change.
    pub reason: ChangeReason,
    /// Whether term contracts renew automatically under it; `None`: the tariff decides.
    pub auto_renew: Option<bool>,
}

impl TermsVersion {
    /// The first instant at which the version is in force.
    pub fn effective_at(&self) -> DateTime<Utc> {
        japan_midnight(self.effective_on)
    }

    /// Refuses unless the version was published at least a month before it is in force. By the
    /// civil code, the day of publication does not count, and the month that begins the day after
    /// must be over (articles 140, 143; rule R19.1).
    pub fn check_notice(&self) -> Result<(), Reason> {
        if months_from_next_day(self.published_on, 1) <= self.effective_on {
            Ok(())
        } else {
            Err(Reason::NoticeTooShort)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w92_terms_are_published_a_month_before_they_hold() {
        for (effective, published, good) in [
            ("2023-09-01", "2023-07-31", true),
            ("2023-09-01", "2023-08-01", false),
            ("2024-03-31", "2024-02-28", true),
            ("2024-03-31", "2024-02-29", false),
        ] {
            let version = TermsVersion {
                version: "t".into(),
                published_on: published.parse().unwrap(),
                effective_on: effective.parse().unwrap(),
                reason: ChangeReason::Law,
                auto_renew: None,
            };
            assert_eq!(version.check_notice().is_ok(), good, "{effective} published {published}");
        }
    }
}
