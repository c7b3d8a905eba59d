use super::*;

fn attributed(text: &str, moment: Moment, zone: Option<&str>) -> (String, Option<&'static str>) {
    attributed_with(text, moment, zone, None)
}

fn attributed_with(
    text: &str,
    moment: Moment,
    zone: Option<&str>,
    clock: Option<Measured>,
) -> (String, Option<&'static str>) {
    let connected_since = "2024-07-10T10:00:00Z".parse().unwrap();
    let heard =
        Heard { received_at: "2024-07-10T12:00:00Z".parse().unwrap(), connected_since, clock };
    let reported = Reported { text: text.into(), moment };
    let result = attribute(&reported, zone.map(|zone| Zone::parse(zone).unwrap()), heard);
    (result.at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true), result.doubt.map(Flag::code))
}

fn instant(text: &str) -> (String, Option<&'static str>) {
    attributed(text, Moment::At(text.parse().unwrap()), None)
}

fn kept(text: &str) -> (String, Option<&'static str>) {
    (text.to_owned(), None)
}

fn received(flag: &'static str) -> (String, Option<&'static str>) {
    ("2024-07-10T12:00:00Z".to_owned(), Some(flag))
}

#[test]
fn a_connected_stations_clock_may_differ_by_the_tolerance_and_no_more() {
    assert_eq!(instant("2024-07-10T12:02:00Z"), kept("2024-07-10T12:02:00Z"));
    assert_eq!(instant("2024-07-10T12:02:00.001Z"), received("clock_ahead"));
    assert_eq!(instant("2024-07-10T11:58:00Z"), kept("2024-07-10T11:58:00Z"));
    assert_eq!(instant("2024-07-10T11:57:59.999Z"), received("clock_behind"));
    assert_eq!(instant("2024-07-10T10:00:00Z"), received("clock_behind"));
}

#[test]
fn what_happened_before_the_connection_keeps_its_own_time() {
    assert_eq!(instant("2024-07-10T09:59:59.999Z"), kept("2024-07-10T09:59:59.999Z"));
    assert_eq!(instant("2024-06-30T14:59:59Z"), kept("2024-06-30T14:59:59Z"));
}

#[test]
fn a_clock_that_is_no_clock_is_quarantined() {
    assert_eq!(instant("2019-12-15T15:00:00Z"), kept("2019-12-15T15:00:00Z"));
    for text in [
        "2019-12-15T14:59:59Z",
        "1970-01-01T00:00:05Z",
        "0001-01-01T00:00:00Z",
        "2099-01-01T00:00:00Z",
        "2024-07-11T12:00:01Z",
    ] {
        assert_eq!(instant(text), received("clock_implausible"), "{text}");
    }
    assert_eq!(instant("2024-07-11T12:00:00Z"), received("clock_ahead"));
}

/// The same where the station's clock was measured since its boot at 09:00.
fn by_clock(text: &str, offset_s: i64) -> (String, Option<&'static str>) {
    let clock = Measured {
        offset: TimeDelta::seconds(offset_s),
        since: "2024-07-10T09:00:00Z".parse().unwrap(),
    };
    attributed_with(text, Moment::At(text.parse().unwrap()), None, Some(clock))
}

#[test]
fn w98_a_clock_shown_right_is_believed_however_late_the_message_comes() {
    let late = |text: &str| (text.to_owned(), Some("delivered_late"));
    assert_eq!(by_clock("2024-07-10T11:59:00Z", 2), kept("2024-07-10T11:59:00Z"));
    assert_eq!(by_clock("2024-07-10T11:55:00Z", 2), late("2024-07-10T11:55:00Z"));
    assert_eq!(by_clock("2024-07-10T11:55:00Z", -120), late("2024-07-10T11:55:00Z"));
    let corrected = ("2024-07-10T11:57:01Z".to_owned(), Some("clock_corrected"));
    assert_eq!(
        by_clock("2024-07-10T11:55:00Z", -121),
        corrected,
        "a clock that is wrong by a steady difference"
    );
    assert_eq!(
        by_clock("2024-07-10T11:55:00Z", -600),
        received("clock_behind"),
        "it would lie ahead: that is no evidence"
    );
    assert_eq!(
        by_clock("2024-07-09T12:00:00Z", 2),
        kept("2024-07-09T12:00:00Z"),
        "before the connection: queued"
    );
    assert_eq!(by_clock("2024-07-10T12:05:00Z", 2), received("clock_ahead"));
}

#[test]
fn w99_a_steady_offset_is_taken_off_whatever_year_the_clock_stands_at() {
    let corrected = |text: &str| (text.to_owned(), Some("clock_corrected"));
    let behind = |text: &str| {
        ("2024-07-10T12:00:00Z".parse::<DateTime<Utc>>().unwrap()
            - text.parse::<DateTime<Utc>>().unwrap())
        .num_seconds()
    };
    for stands_at in ["1970-01-01T00:00:40Z", "2000-01-01T00:00:40Z", "2023-01-01T00:00:40Z"] {
        assert_eq!(by_clock(stands_at, -behind(stands_at)), corrected("2024-07-10T12:00:00Z"));
    }
    assert_eq!(by_clock("2024-07-11T11:30:00Z", 86_400), corrected("2024-07-10T11:30:00Z"));
    assert_eq!(
        by_clock("2023-01-01T00:00:00Z", -behind("2023-01-01T04:00:00Z")),
        kept("2023-01-01T00:00:00Z"),
        "of another boot"
    );
}

#[test]
fn w20_a_time_without_zone_takes_the_stations_or_none() {
    let naive = "2024-06-30T23:30:00";
    let local = Moment::Local(naive.parse().unwrap());
    assert_eq!(attributed(naive, local, Some("UTC")), kept("2024-06-30T23:30:00Z"));
    assert_eq!(attributed(naive, local, Some("Asia/Tokyo")), kept("2024-06-30T14:30:00Z"));
    assert_eq!(attributed(naive, local, Some("JST")), kept("2024-06-30T14:30:00Z"));
    assert_eq!(attributed(naive, local, Some("+09:00")), kept("2024-06-30T14:30:00Z"));
    assert_eq!(attributed(naive, local, None), received("time_without_zone"));
}

#[test]
fn a_missing_or_unreadable_time_is_quarantined_at_its_receipt() {
    assert_eq!(attributed("", Moment::Missing, None), received("time_unreadable"));
    assert_eq!(attributed("soon", Moment::Unreadable, None), received("time_unreadable"));
}
