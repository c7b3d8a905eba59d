//! Cards that readers read in two ways: one card, wherever and however it is shown.

use serde_json::json;

use crate::harness::{TestServer, has_flag, start, status, stop, transaction};

const NOW: &str = "2026-11-30T03:00:00Z";
const ONE: &str = "04A2B3C4D5E680";
const OTHER: &str = "80:E6:D5:C4:B3:A2:04";

#[tokio::test]
async fn both_readings_of_a_card_are_that_card_from_the_first_start_to_the_block() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    server.station("CP2").await;
    let (member, card) = server.member_with_card("simple", ONE).await;
    let (_, another) = server.member_with_card("simple", "04FFFFFFFF").await;
    let (mut first, mut second) = (server.socket("CP1").await, server.socket("CP2").await);
    let authorize = json!({"idTag": OTHER});
    assert_eq!(status(&first.call("Authorize", authorize.clone()).await), "Invalid");

    let readings = format!("/cards/{card}/readings");
    let added = server.post(&readings, &json!({"id_tag": OTHER})).await;
    assert_eq!((added.status, &added.json()["readings"]), (201, &json!(2)), "{added:?}");
    assert_eq!(
        server.post(&readings, &json!({"id_tag": "80e6d5c4b3a204"})).await.status,
        200,
        "the same in another spelling"
    );
    for (path, body) in [
        (format!("/cards/{another}/readings"), json!({"id_tag": OTHER})),
        (readings.clone(), json!({"id_tag": "04ffffffff"})),
        ("/cards".to_owned(), json!({"id_tag": OTHER})),
    ] {
        let refused = server.post(&path, &body).await;
        assert_eq!(
            (refused.status, &refused.json()["reason"]),
            (409, &json!("id_tag_taken")),
            "{path} {body}"
        );
    }
    for body in [
        json!({"id_tag": ""}),
        json!({"id_tag": "::"}),
        json!({"id_tag": "A".repeat(65)}),
        json!({}),
    ] {
        assert_eq!(server.post(&readings, &body).await.status, 422, "{body}");
    }
    assert_eq!(
        server.post("/cards/C-99999999/readings", &json!({"id_tag": "X1"})).await.status,
        404
    );

    assert_eq!(status(&first.call("Authorize", authorize.clone()).await), "Accepted");
    let number =
        transaction(&first.call("StartTransaction", start(ONE, "2026-11-30T03:00:00Z", 0)).await);
    let elsewhere = second.call("StartTransaction", start(OTHER, "2026-11-30T03:00:00Z", 0)).await;
    assert_eq!(status(&elsewhere), "ConcurrentTx", "one card charges once at a time: {elsewhere}");
    server.clock("2026-11-30T03:20:00Z").await;
    let mut end = stop(number, "2026-11-30T03:20:00Z", 9_000);
    end["idTag"] = json!(OTHER);
    assert_eq!(status(&first.call("StopTransaction", end).await), "Accepted");
    let session = server.session(number).await;
    assert!(!has_flag(&session, "stopped_by_other_card"), "{session}");
    assert_eq!(
        (&session["member_id"], &session["units"]),
        (&json!(member), &json!(20)),
        "{session}"
    );

    assert_eq!(
        server.post(&format!("/cards/{card}/suspend"), &json!({"reason": "lost"})).await.status,
        200
    );
    for tag in [ONE, OTHER, "80E6D5C4B3A204"] {
        assert_eq!(
            status(&second.call("Authorize", json!({"idTag": tag})).await),
            "Blocked",
            "{tag}"
        );
    }
}

#[tokio::test]
async fn a_start_that_comes_again_after_its_reading_was_added_is_the_same_session() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let (_, card) = server.member_with_card("simple", ONE).await;
    let mut socket = server.socket("CP1").await;
    let message = start(OTHER, "2026-11-30T03:00:00Z", 0);
    let number = transaction(&socket.call("StartTransaction", message.clone()).await);
    assert_eq!(
        server.post(&format!("/cards/{card}/readings"), &json!({"id_tag": OTHER})).await.status,
        201
    );
    let again = socket.call("StartTransaction", message).await;
    assert_eq!(transaction(&again), number);
    assert_eq!(server.sessions_at("CP1").await.len(), 1);
}
