//! A session is wholly its start month's, in Japan time, however the station spells the time.

use serde_json::json;

use crate::harness::{TestServer, start, stop, transaction};

#[tokio::test]
async fn a_start_at_the_last_millisecond_and_at_midnight_are_two_months() {
    let server = TestServer::at("2023-12-01T00:00:00Z").await;
    server.station("CP1").await;
    let (member, _) = server.member_with_card("premium_100", "CARD1").await;
    server.member_with_card("simple", "CARD2").await;
    server.clock("2024-03-03T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let cases = [
        ("CARD1", "2023-12-31T14:59:59.999Z", "2023-12-31T15:29:00Z", "2023-12"),
        ("CARD2", "2023-12-31T15:00:00Z", "2023-12-31T15:31:00Z", "2024-01"),
        ("CARD1", "2024-01-31T14:59:59.999Z", "2024-01-31T15:10:00Z", "2024-01"),
        ("CARD2", "2024-01-31T15:00:00Z", "2024-01-31T15:10:00Z", "2024-02"),
        ("CARD1", "2024-02-29T14:59:59.999Z", "2024-02-29T15:10:00Z", "2024-02"),
        ("CARD2", "2024-02-29T15:00:00Z", "2024-02-29T15:30:00Z", "2024-03"),
        ("CARD1", "2024-03-01T01:00:00+09:00", "2024-03-01T01:01:00+09:00", "2024-03"),
        ("CARD1", "2024-02-29T23:00:00.123456789+09:00", "2024-02-29T23:10:00+0900", "2024-02"),
        ("CARD1", "2024-02-29 22:00:00+09", "2024-02-29T22:10:00,5+09:00", "2024-02"),
    ];
    for (card, from, to, month) in cases {
        let id = transaction(&socket.call("StartTransaction", start(card, from, 0)).await);
        socket.call("StopTransaction", stop(id, to, 100)).await;
        let session = server.session(id).await;
        assert_eq!(session["usage_month"], month, "{from}: {session}");
        // What arrives more than 60 days late waits for a person; its month is the same.
        let state = if from < "2024-01-01" { "review" } else { "ended" };
        assert_eq!(session["state"], state, "{from}: {session}");
        assert_eq!(session["start_reported"], from);
    }
    let december = server.get(&format!("/members/{member}/usage/2023-12")).await;
    assert_eq!(december["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(
        december["sessions"][0]["units"], 30,
        "29 minutes and a millisecond are 30 begun minutes"
    );
}

#[tokio::test]
async fn a_time_without_zone_takes_the_stations_zone_and_is_quarantined_without_one() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.member_with_card("simple", "CARD1").await;
    server.clock("2024-07-02T00:00:00Z").await;
    for (station, zone, month, state) in [
        ("CP-UTC", json!("UTC"), "2024-07", "ended"),
        ("CP-JST", json!("Asia/Tokyo"), "2024-06", "ended"),
        ("CP-NONE", json!(null), "2024-07", "quarantined"),
    ] {
        server.station_as(station, &json!({"time_zone": zone})).await;
        let mut socket = server.socket(station).await;
        let id = transaction(
            &socket.call("StartTransaction", start("CARD1", "2024-06-30T23:30:00", 0)).await,
        );
        socket.call("StopTransaction", stop(id, "2024-06-30T23:40:00", 100)).await;
        let session = server.session(id).await;
        assert_eq!(
            (session["usage_month"].as_str(), session["state"].as_str()),
            (Some(month), Some(state)),
            "{station}: {session}"
        );
        assert_eq!(
            session["start_reported"], "2024-06-30T23:30:00",
            "the text is kept as it was sent"
        );
    }
}

#[tokio::test]
async fn a_connected_stations_wrong_clock_gives_way_to_our_receipt() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    server.member_with_card("simple", "CARD1").await;
    let mut socket = server.socket("CP1").await;
    server.clock("2024-06-10T01:00:00Z").await;
    let ahead = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-10T01:10:00Z", 0)).await,
    );
    let session = server.session(ahead).await;
    assert!(
        session["started_at"].as_str().unwrap().starts_with("2024-06-10T01:00:00"),
        "{session}"
    );
    assert_eq!(session["flags"], json!(["clock_ahead"]));
    socket.call("StopTransaction", stop(ahead, "2024-06-10T01:20:00Z", 10)).await;
    let behind = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-10T00:30:00Z", 0)).await,
    );
    assert_eq!(server.session(behind).await["flags"], json!(["clock_behind"]));
    let queued = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await,
    );
    let session = server.session(queued).await;
    assert_eq!(
        session["started_at"], "2024-06-09T23:00:00Z",
        "what lies before the connection was queued offline"
    );
}
