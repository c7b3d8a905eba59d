use super::super::card::tests::at;
use super::*;

#[test]
fn w87_w88_w89_three_months_are_counted_from_the_day_after() {
    for (set, from) in [
        ("2024-01-15", "2024-04-16"),
        ("2023-11-28", "2024-02-29"),
        ("2023-11-29", "2024-03-01"),
        ("2023-11-30", "2024-03-01"),
        ("2022-11-28", "2023-03-01"),
        ("2024-05-20", "2024-08-21"),
        ("2023-12-31", "2024-04-01"),
    ] {
        let midnight = |day: &str| japan_midnight(day.parse().unwrap());
        assert_eq!(eligible_from(midnight(set)), midnight(from), "{set}");
        assert_eq!(
            eligible_from(midnight(set) + chrono::TimeDelta::hours(23)),
            midnight(from),
            "{set} 23:00"
        );
    }
    assert_eq!(eligible_from(at("2024-01-14T15:00:00Z")), at("2024-04-15T15:00:00Z"));
}
