use super::*;

#[test]
fn a_part_tells_where_its_month_ends() {
    let december = NaiveDate::from_ymd_opt(2026, 12, 1).unwrap();
    assert_eq!(part("journal", december), "journal_2026_12");
    assert_eq!(end("journal_2026_12", "journal"), NaiveDate::from_ymd_opt(2027, 1, 1));
    assert_eq!(end("journal_default", "journal"), None);
}
