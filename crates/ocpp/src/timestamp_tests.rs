use super::*;

#[test]
fn the_fields_spellings_of_one_instant_are_one_instant() {
    let expected = Moment::At("2024-06-30T14:59:59Z".parse().unwrap());
    for text in [
        "2024-06-30T14:59:59Z",
        "2024-06-30t14:59:59z",
        "2024-06-30 14:59:59Z",
        "2024-06-30T14:59:59.000Z",
        "2024-06-30T14:59:59.000000000Z",
        "2024-06-30T23:59:59+09:00",
        "2024-06-30T23:59:59+0900",
        "2024-06-30T23:59:59+09",
        "2024-06-30T09:29:59-05:30",
        " 2024-06-30T14:59:59Z ",
        "2024-06-30T14:59:59,000Z",
    ] {
        assert_eq!(moment(text.trim()), expected, "{text}");
    }
    for text in [
        "+262142-12-31T23:59:59Z",
        "-0001-01-01T00:00:00Z",
        "0000-12-31T23:59:59Z",
        "+10000-01-01T00:00:00",
        "9999-12-31T23:59:59-01:00",
    ] {
        assert_eq!(read(text).moment, Moment::Unreadable, "{text}");
    }
    for text in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        assert!(matches!(read(text).moment, Moment::At(_)), "{text}");
    }
    assert_eq!(moment("2024-06-30T14:59Z"), Moment::At("2024-06-30T14:59:00Z".parse().unwrap()));
}

#[test]
fn a_leap_second_is_the_next_second_in_the_next_month() {
    let leap = read("2024-06-30T14:59:60Z").moment;
    assert_eq!(leap, Moment::At("2024-06-30T15:00:00Z".parse().unwrap()));
    assert_eq!(
        read("2024-06-30T14:59:59.9999Z").moment,
        Moment::At("2024-06-30T14:59:59.999Z".parse().unwrap())
    );
}

#[test]
fn a_time_without_zone_stays_a_wall_clock() {
    assert_eq!(
        read("2024-06-30T23:30:00").moment,
        Moment::Local("2024-06-30T23:30:00".parse().unwrap())
    );
    assert_eq!(
        read("2024-06-30 23:30").moment,
        Moment::Local("2024-06-30T23:30:00".parse().unwrap())
    );
}

#[test]
fn nonsense_is_unreadable_and_kept_to_its_limit() {
    for text in [
        "",
        "soon",
        "2024-13-01T00:00:00Z",
        "2024-02-30T00:00:00Z",
        "2024-06-30",
        "2024-06-30T25:00:00Z",
        "2024-06-30T10:00:00+9x",
        "T",
        "2024-06-30T10:00:00+99999",
        "é T é+é",
    ] {
        assert_eq!(read(text).moment, Moment::Unreadable, "{text}");
    }
    assert_eq!(read(&"x".repeat(65)).text.len(), 64);
}

proptest::proptest! {
    #[test]
    fn any_text_is_read_without_a_panic(text in ".{0,60}") {
        let _ = read(&text);
    }
}
