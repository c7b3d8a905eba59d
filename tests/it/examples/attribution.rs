//! To which month a session belongs, and how long it is (article 6.2).

use serde_json::{Value, json};

use super::story::{Class, Story, line, utc};
use crate::harness::has_flag;

/// The names of the sessions that a member's month shows.
async fn shown(story: &Story, member: &str, month: &str) -> Vec<Value> {
    let usage = story.server.get(&format!("/members/{member}/usage/{month}")).await;
    usage["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|session| session["session_id"].clone())
        .collect()
}

/// A quick session of a simple plan that a station kept: the one month that has its units and its yen, and
/// another that has none. The session's record.
async fn belongs(
    joined: &str,
    arrives: &str,
    (from, to): (&str, &str),
    has: &str,
    has_not: &str,
    (units, yen): (i64, &str),
) -> Value {
    let story = Story::at(joined).await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock(arrives).await;
    let session = story.delivered("Q1", "CARD1", from, to, 1_000, 6_000).await;
    let record = story.server.session(session).await;
    assert_eq!(
        (record["usage_month"].as_str(), record["units"].as_i64()),
        (Some(has), Some(units)),
        "{record}"
    );
    assert_eq!(shown(&story, &member, has).await, [record["session_id"].clone()]);
    assert_eq!(shown(&story, &member, has_not).await, [] as [Value; 0]);
    story.clock("2024-08-06 00:00").await;
    assert_eq!(
        story.closed(&member, has).await.lines,
        [line("base", 1, "1100"), line("metered_quick", units, yen)]
    );
    assert_eq!(story.closed(&member, has_not).await.lines, [line("base", 1, "1100")]);
    record
}

#[tokio::test]
async fn w12_a_minute_before_new_year_in_japan_is_the_old_years() {
    let times = ("2023-12-31T14:59:00Z", "2023-12-31T15:29:00Z");
    belongs("2023-11-01 09:00", "2024-01-02 09:00", times, "2023-12", "2024-01", (30, "2970"))
        .await;
}

#[tokio::test]
async fn w13_midnight_of_new_year_in_japan_is_january() {
    let times = ("2023-12-31T15:00:00Z", "2023-12-31T15:30:00Z");
    belongs("2023-11-01 09:00", "2024-01-02 09:00", times, "2024-01", "2023-12", (30, "2970"))
        .await;
}

#[tokio::test]
async fn w14_the_last_second_of_leap_day_is_february_and_a_begun_minute_counts() {
    let times = ("2024-02-29T14:59:59Z", "2024-02-29T15:10:00Z");
    belongs("2024-01-01 09:00", "2024-03-02 09:00", times, "2024-02", "2024-03", (11, "1089"))
        .await;
}

#[tokio::test]
async fn w15_midnight_after_leap_day_is_march() {
    let times = ("2024-02-29T15:00:00Z", "2024-02-29T15:10:00Z");
    belongs("2024-01-01 09:00", "2024-03-02 09:00", times, "2024-03", "2024-02", (10, "990")).await;
}

/// A member whose card charges at a normal charger for weeks. The session is held for its length, and a
/// person decided to bill it: the story, the member and the transaction id.
async fn long_stay(plan: &str, joined: &str, (from, to): (&str, &str)) -> (Story, String, i64) {
    let story = Story::at(joined).await;
    let (member, _) = story.active(plan, "CARD1").await;
    let (status, session, mut socket) = story.live("N1", "CARD1", from).await;
    assert_eq!(status, "Accepted");
    story.unplug(&mut socket, session, to).await;
    let record = story.server.session(session).await;
    assert!(has_flag(&record, "over_a_day"), "{record}");
    assert_eq!(record["state"], "review", "{record}");
    story
        .post(
            &format!("/sessions/{session}/decision"),
            &json!({"decision": "bill", "note": "It stood there."}),
        )
        .await;
    (story, member, session)
}

/// The corrections of a closed bill: the month that each corrects, and its yen.
async fn corrections(story: &Story, member: &str, month: &str) -> Vec<(String, String)> {
    let bill = story.server.get(&format!("/members/{member}/bills/{month}")).await;
    let lines =
        bill["lines"].as_array().unwrap().iter().filter(|line| line["code"] == "adjustment");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    lines.map(|line| (text(&line["usage_month"]), text(&line["amount_yen"]))).collect()
}

#[tokio::test]
async fn w16_a_stay_of_a_month_is_its_start_months() {
    let (story, member, session) =
        long_stay("premium_100", "2024-02-01 09:00", ("2024-03-31 20:00", "2024-05-02 08:00"))
            .await;
    assert_eq!(
        story.used(&member, "2024-03", session).await,
        Some((45_360, 600, 44_760, "ended".to_owned()))
    );
    for month in ["2024-04", "2024-05"] {
        assert_eq!(shown(&story, &member, month).await, [] as [Value; 0], "{month}");
    }
    story.clock("2024-06-06 00:00").await;
    // March was closed while it ran: what it costs comes with the next bill, as March's.
    assert_eq!(story.closed(&member, "2024-03").await.lines, [line("base", 1, "4400")]);
    assert_eq!(
        corrections(&story, &member, "2024-04").await,
        [("2024-03".to_owned(), "147708".to_owned())]
    );
    assert_eq!(story.closed(&member, "2024-04").await.total, "152108");
    assert_eq!(story.closed(&member, "2024-05").await.lines, [line("base", 1, "4400")]);
}

#[tokio::test]
async fn w17_a_stay_over_new_year_is_wholly_decembers() {
    let (story, member, session) =
        long_stay("simple", "2023-11-01 09:00", ("2023-12-31 20:00", "2024-02-02 06:30")).await;
    assert_eq!(
        story.used(&member, "2023-12", session).await,
        Some((46_710, 0, 46_710, "ended".to_owned()))
    );
    for month in ["2024-01", "2024-02"] {
        assert_eq!(shown(&story, &member, month).await, [] as [Value; 0], "{month}");
    }
    story.clock("2024-03-06 00:00").await;
    assert_eq!(story.closed(&member, "2023-12").await.lines, [line("base", 1, "1100")]);
    let january = story.closed(&member, "2024-01").await;
    assert_eq!(
        corrections(&story, &member, "2024-01").await,
        [("2023-12".to_owned(), "154143".to_owned())]
    );
    assert_eq!((january.yen("metered_normal"), january.total.as_str()), (vec![], "155243"));
    assert_eq!(story.closed(&member, "2024-02").await.lines, [line("base", 1, "1100")]);
}

#[tokio::test]
async fn w18_summer_has_no_other_time() {
    let times = ("2024-06-30T14:59:59Z", "2024-06-30T15:09:59Z");
    belongs("2024-05-01 09:00", "2024-07-02 09:00", times, "2024-06", "2024-07", (10, "990")).await;
}

#[tokio::test]
async fn w19_an_offset_is_read() {
    let times = ("2024-07-01T00:30:00+09:00", "2024-07-01T00:40:00+09:00");
    let record =
        belongs("2024-05-01 09:00", "2024-07-02 09:00", times, "2024-07", "2024-06", (10, "990"))
            .await;
    assert_eq!(
        (&record["started_at"], &record["start_reported"]),
        (&json!("2024-06-30T15:30:00Z"), &json!(times.0))
    );
}

#[tokio::test]
async fn w20_a_time_without_a_zone_is_read_in_the_stations_or_not_at_all() {
    let story = Story::at("2024-05-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-07-02 09:00").await;
    for (station, zone, month, state, starts) in [
        ("ZONE-UTC", json!("UTC"), "2024-07", "ended", Some("2024-06-30T23:30:00Z")),
        ("ZONE-JST", json!("JST"), "2024-06", "ended", Some("2024-06-30T14:30:00Z")),
        ("ZONE-NONE", json!(null), "2024-07", "quarantined", None),
    ] {
        story.server.station_as(station, &json!({"time_zone": zone})).await;
        let session = story
            .delivered(station, "CARD1", "2024-06-30T23:30:00", "2024-06-30T23:40:00", 1_000, 6_000)
            .await;
        let record = story.server.session(session).await;
        assert_eq!(
            (record["usage_month"].as_str(), record["state"].as_str()),
            (Some(month), Some(state)),
            "{record}"
        );
        assert!(starts.is_none_or(|starts| record["started_at"] == starts), "{record}");
    }
    story.clock("2024-08-06 00:00").await;
    for month in ["2024-06", "2024-07"] {
        let bill = story.closed(&member, month).await;
        assert_eq!(
            bill.lines,
            [line("base", 1, "1100"), line("metered_quick", 10, "990")],
            "{month}"
        );
    }
}

#[tokio::test]
async fn w21_a_session_without_duration_is_recorded_and_costs_nothing() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-03-11 09:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 10:00").await;
    let record = story.server.session(session).await;
    assert_eq!(
        (&record["started_at"], &record["stopped_at"]),
        (&json!(utc("2024-03-10 10:00")), &json!(utc("2024-03-10 10:00")))
    );
    assert_eq!(story.used(&member, "2024-03", session).await, Some((0, 0, 0, "ended".to_owned())));
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 0, 100));
    story.clock("2024-04-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-03").await.lines, [line("base", 1, "4400")]);
}

#[tokio::test]
async fn w22_begun_minutes_count_and_failed_starts_do_not() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("simple", "CARD1").await;
    story.clock("2024-03-20 09:00").await;
    for (from, to, energy, units) in [
        ("2024-03-02 10:00:00", "2024-03-02 10:00:45", 0, 0),
        ("2024-03-03 10:00:00", "2024-03-03 10:00:01", 120, 1),
        ("2024-03-04 10:00:00", "2024-03-04 10:01:00", 500, 1),
        ("2024-03-05 10:00:00", "2024-03-05 10:01:01", 500, 2),
    ] {
        let session =
            story.delivered("Q1", "CARD1", &utc(from), &utc(to), 1_000, 1_000 + energy).await;
        assert_eq!(
            story.used(&member, "2024-03", session).await,
            Some((units, 0, units, "ended".to_owned())),
            "{from}"
        );
    }
    story.clock("2024-04-06 00:00").await;
    assert_eq!(
        story.closed(&member, "2024-03").await.lines,
        [line("base", 1, "1100"), line("metered_quick", 4, "396")]
    );
}

#[tokio::test]
async fn w23_an_end_before_the_start_is_held_without_units_until_a_person_gives_the_times() {
    let story = Story::at("2024-02-01 09:00").await;
    let (member, _) = story.active("premium_100", "CARD1").await;
    story.clock("2024-03-11 09:00").await;
    let session =
        story.session(Class::Quick, "CARD1", "2024-03-10 10:00", "2024-03-10 09:58").await;
    let record = story.server.session(session).await;
    assert_eq!(record["state"], "review", "{record}");
    assert!(has_flag(&record, "stop_before_start"), "{record}");
    assert_eq!(story.used(&member, "2024-03", session).await, Some((0, 0, 0, "review".to_owned())));
    assert_eq!(story.quick_pool(&member, "2024-03").await, (100, 0, 100));
    story.clock("2024-04-06 00:00").await;
    assert_eq!(story.closed(&member, "2024-03").await.lines, [line("base", 1, "4400")]);
}

#[tokio::test]
async fn w24_the_older_tariff_counts_begun_ten_minutes() {
    let story = Story::at("2023-05-01 09:00").await;
    let mut expected = Vec::new();
    for (card, to, units, yen) in [
        ("CARD1", "2023-06-10 10:10:00", 1, "550"),
        ("CARD2", "2023-06-10 10:10:01", 2, "1100"),
        ("CARD3", "2023-06-10 10:21:00", 3, "1650"),
    ] {
        expected.push((story.active("simple", card).await.0, card, to, units, yen));
    }
    story.clock("2023-06-11 09:00").await;
    for (member, card, to, units, _) in &expected {
        let session = story.session(Class::Quick, card, "2023-06-10 10:00:00", to).await;
        assert_eq!(
            story.used(member, "2023-06", session).await,
            Some((*units, 0, *units, "ended".to_owned())),
            "{to}"
        );
    }
    story.clock("2023-07-06 00:00").await;
    for (member, _, to, units, yen) in &expected {
        assert_eq!(
            story.closed(member, "2023-06").await.lines,
            [line("base", 1, "550"), line("metered_quick", *units, yen)],
            "{to}"
        );
    }
}
