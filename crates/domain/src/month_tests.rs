use super::*;

fn month_of(instant: &str) -> String {
    BillingMonth::of(instant.parse().unwrap()).to_string()
}

#[test]
fn the_month_turns_at_fifteen_hundred_utc_of_its_last_day() {
    for (instant, month) in [
        ("2023-12-31T14:59:59.999Z", "2023-12"),
        ("2023-12-31T15:00:00Z", "2024-01"),
        ("2024-02-29T14:59:59Z", "2024-02"),
        ("2024-02-29T15:00:00Z", "2024-03"),
        ("2023-02-28T15:00:00Z", "2023-03"),
        ("2024-06-30T14:59:59Z", "2024-06"),
        ("2024-07-01T00:30:00+09:00", "2024-07"),
        ("2024-03-31T14:59:59.999999999Z", "2024-03"),
    ] {
        assert_eq!(month_of(instant), month, "{instant}");
    }
}

#[test]
fn a_month_is_half_open_and_the_next_begins_where_it_ends() {
    let month = BillingMonth::parse("2024-12").unwrap();
    assert!(month.contains(month.start()));
    assert!(!month.contains(month.end()));
    assert_eq!(month.end(), BillingMonth::parse("2025-01").unwrap().start());
}

#[test]
fn only_four_digits_a_dash_and_two_digits_name_a_month() {
    assert_eq!(BillingMonth::parse("2026-11").unwrap().to_string(), "2026-11");
    for bad in
        ["2026-13", "2026-00", "2026-1", "26-11", "2026-11-01", "", "2026", "0000-01", "+026-11"]
    {
        assert_eq!(BillingMonth::parse(bad), None, "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn every_instant_lies_in_exactly_the_month_that_it_is_given(seconds in -2_000_000_000i64..30_000_000_000) {
        let instant = DateTime::from_timestamp(seconds, 0).unwrap();
        let month = BillingMonth::of(instant);
        proptest::prop_assert!(month.start() <= instant && instant < month.end());
        proptest::prop_assert_eq!(month.next().previous(), month);
    }
}
