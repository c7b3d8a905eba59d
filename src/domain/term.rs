//! The term contract (定期契約, articles 2.8 and 8): three years of a premium plan at a discount.

use chrono::{DateTime, Utc};

use super::month::BillingMonth;

/// How long one term runs.
pub const TERM_MONTHS: i32 = 36;

/// A member's term contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    applied_in: BillingMonth,
    auto_renew: bool,
}

impl Term {
    /// A contract applied for at an instant, under terms that renew it by themselves or not.
    pub fn applied_at(instant: DateTime<Utc>, auto_renew: bool) -> Self {
        Self { applied_in: BillingMonth::of(instant), auto_renew }
    }

    /// The end month in force during `month`: the application's month plus 36, moved on by 36
    /// with each renewal window that passed untouched (rules R8.1 to R8.3).
    pub fn end_month(&self, month: BillingMonth) -> BillingMonth {
        let mut end = self.applied_in.plus(TERM_MONTHS);
        while self.auto_renew && month >= end.plus(2) {
            end = end.plus(TERM_MONTHS);
        }
        end
    }

    /// The renewal window that belongs to an end month: from its first day until the end of the
    /// month after it, the second instant no longer in it (rule R8.2).
    pub fn window(end: BillingMonth) -> (DateTime<Utc>, DateTime<Utc>) {
        (end.start(), end.plus(2).start())
    }

    /// Whether the discount of rule R8.8 applies to a month's base fee.
    pub fn discounts(&self, month: BillingMonth) -> bool {
        month >= self.applied_in && month <= self.end_month(month).plus(i32::from(self.auto_renew))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> BillingMonth {
        BillingMonth::parse(text).unwrap()
    }

    #[test]
    fn the_end_month_counts_months_only() {
        for (applied, end, window_ends) in [
            ("2020-01-15T00:00:00Z", "2023-01", "2023-03"),
            ("2020-02-29T03:00:00Z", "2023-02", "2023-04"),
            ("2021-01-31T03:00:00Z", "2024-01", "2024-03"),
            ("2020-12-20T03:00:00Z", "2023-12", "2024-02"),
        ] {
            let term = Term::applied_at(applied.parse().unwrap(), true);
            assert_eq!(term.end_month(month("2022-06")), month(end));
            assert_eq!(Term::window(month(end)), (month(end).start(), month(window_ends).start()));
        }
    }

    #[test]
    fn an_untouched_window_renews_for_another_three_years() {
        let term = Term::applied_at("2020-01-15T00:00:00Z".parse().unwrap(), true);
        assert_eq!(term.end_month(month("2023-02")), month("2023-01"));
        assert_eq!(term.end_month(month("2023-03")), month("2026-01"));
        assert!(term.discounts(month("2030-05")));
    }

    #[test]
    fn a_contract_that_does_not_renew_is_discounted_to_its_end_month() {
        let term = Term::applied_at("2021-03-10T00:00:00Z".parse().unwrap(), false);
        assert!(term.discounts(month("2024-03")));
        assert!(!term.discounts(month("2024-04")));
        assert!(!term.discounts(month("2021-02")));
    }
}
