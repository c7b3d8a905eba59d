//! The term contract (定期契約, articles 2.8 and 8): three years of a premium plan at a discount.

use chrono::{DateTime, Utc};

use super::month::BillingMonth;

/// The length of one term.
pub const TERM_MONTHS: i32 = 36;

/// The renewal window of an end month: the first instant of the window and the first instant after
/// it. The window covers the end month and the month after it (rule R8.2).
pub fn window(end: BillingMonth) -> (DateTime<Utc>, DateTime<Utc>) {
    (end.start(), end.plus(2).start())
}

/// Whether a month is in the window of an end month. Windows are whole months.
pub fn is_in_window(end: BillingMonth, month: BillingMonth) -> bool {
    month == end || month == end.next()
}

/// A term contract, from its application on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Contract {
    /// The month of the application, from which its terms are counted (rule R8.1).
    pub applied_in: BillingMonth,
    /// The first month with the discount (rule R8.8).
    pub from: BillingMonth,
    /// The first month without the discount, if a procedure ended the contract.
    pub ended_from: Option<BillingMonth>,
    /// The month in which the early-termination fee arose, if any (rules R8.4, R8.5). The fee
    /// arises at most once.
    pub fee_in: Option<BillingMonth>,
}

impl Contract {
    /// The end month of the term to which a month belongs; `None` if the contract does not run
    /// then. The first end month is the application's month plus 36. Each window that passes
    /// without a procedure adds 36. `renews` says whether the terms in force at the instant of a
    /// renewal renew it (rule R8.3).
    pub fn end_month(
        &self,
        month: BillingMonth,
        renews: impl Fn(DateTime<Utc>) -> bool,
    ) -> Option<BillingMonth> {
        if month < self.applied_in || self.ended_from.is_some_and(|ended| month >= ended) {
            return None;
        }
        let mut end = self.applied_in.plus(TERM_MONTHS);
        while month > end {
            let (_, renewed_at) = window(end);
            if !renews(renewed_at) {
                return None;
            }
            if month == end.next() {
                return Some(end);
            }
            end = end.plus(TERM_MONTHS);
        }
        Some(end)
    }

    /// Whether a procedure that ends the contract in a month costs the early-termination fee: the
    /// contract gives its discount then, and the month is in no window (rule R8.4).
    pub fn costs_fee(&self, month: BillingMonth, renews: impl Fn(DateTime<Utc>) -> bool) -> bool {
        month >= self.from
            && self.end_month(month, renews).is_some_and(|end| !is_in_window(end, month))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn month(text: &str) -> BillingMonth {
        BillingMonth::parse(text).unwrap()
    }

    fn contract(applied: &str) -> Contract {
        let applied_in = BillingMonth::of(applied.parse().unwrap());
        Contract { applied_in, from: applied_in, ended_from: None, fee_in: None }
    }

    #[test]
    fn w46_w49_w50_w51_the_end_month_and_its_window_count_months_only() {
        for (applied, end, window_ends) in [
            ("2020-01-15T00:00:00Z", "2023-01", "2023-03"),
            ("2020-02-29T03:00:00Z", "2023-02", "2023-04"),
            ("2021-01-31T03:00:00Z", "2024-01", "2024-03"),
            ("2020-12-20T03:00:00Z", "2023-12", "2024-02"),
        ] {
            assert_eq!(contract(applied).end_month(month("2022-06"), |_| true), Some(month(end)));
            assert_eq!(window(month(end)), (month(end).start(), month(window_ends).start()));
        }
    }

    #[test]
    fn an_untouched_window_renews_for_another_three_years() {
        let contract = contract("2020-01-15T00:00:00Z");
        assert_eq!(contract.end_month(month("2023-02"), |_| true), Some(month("2023-01")));
        assert_eq!(contract.end_month(month("2023-03"), |_| true), Some(month("2026-01")));
        assert_eq!(contract.end_month(month("2030-05"), |_| true), Some(month("2032-01")));
    }

    #[test]
    fn w93_a_contract_that_does_not_renew_ends_with_its_end_month() {
        let contract = contract("2021-03-10T00:00:00Z");
        assert_eq!(contract.end_month(month("2024-03"), |_| false), Some(month("2024-03")));
        assert_eq!(contract.end_month(month("2024-04"), |_| false), None);
        assert_eq!(contract.end_month(month("2021-02"), |_| false), None);
    }

    #[test]
    fn w47_w48_a_procedure_outside_every_window_costs_the_fee() {
        let contract = contract("2020-01-15T00:00:00Z");
        for (procedure, costs) in [
            ("2022-12", true),
            ("2023-01", false),
            ("2023-02", false),
            ("2023-03", true),
            ("2026-01", false),
        ] {
            assert_eq!(contract.costs_fee(month(procedure), |_| true), costs, "{procedure}");
        }
    }
}
