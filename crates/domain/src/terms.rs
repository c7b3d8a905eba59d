//! Versions of the member terms (article 19): published, then in force.

use chrono::{DateTime, NaiveDate, Utc};

use super::month::{japan_midnight, months_from_next_day};
use super::refusal::Reason;

/// Why the terms may be changed (article 19.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeReason {
    /// The law changed.
    Law,
    /// It serves the members.
    MemberBenefit,
    /// It does not run against the contract's purpose and is reasonable.
    Reasonable,
}

named!(ChangeReason, Law = "law", MemberBenefit = "member_benefit", Reasonable = "reasonable");

/// One version of the member terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsVersion {
    /// Its name.
    pub version: String,
    /// The day on which it was published on the website (article 24.1).
    pub published_on: NaiveDate,
    /// The day, Japan time, from whose midnight it holds.
    pub effective_on: NaiveDate,
    /// Why it was changed.
    pub reason: ChangeReason,
    /// Whether term contracts renew by themselves under it; `None`: as the tariff file says.
    pub auto_renew: Option<bool>,
}

impl TermsVersion {
    /// The instant from which it holds.
    pub fn effective_at(&self) -> DateTime<Utc> {
        japan_midnight(self.effective_on)
    }

    /// Whether it was published a month before it holds, as the civil code counts: the day of the publication does not count,
    /// and the month that begins the day after must be over (articles 140, 143; rule R19.1).
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
