//! A station that lets unknown cards charge while it is cut off takes any card at all: every block must be in its list, or
//! it is counted as on its way. And a card's own suspension is kept, whatever else holds it (W112).

use std::time::Duration;

use juden_fleet::memory::SharedMemory;
use juden_fleet::version::Version;
use serde_json::json;

use crate::blocking::{CARD, NOW, Place, resume, suspend};
use crate::harness::{PATIENCE, TestServer, status};

/// A station that takes unknown cards, and that has said so.
async fn taker(server: &TestServer, version: Version, has_list: bool) -> Place {
    let memory = SharedMemory::new(has_list, true);
    memory.set("AllowOfflineTxForUnknownId", "true");
    memory.lock().speaks = version;
    server.station("CP1").await;
    let mut place = Place::speaking(version, server, "CP1", &memory).await;
    let asked = std::time::Instant::now();
    while server.database.number("SELECT count(*) FROM stations WHERE takes_unknown").await == 0 {
        assert!(asked.elapsed() < PATIENCE, "the station is asked what it does with unknown cards");
        let _ = place.station.idle(Duration::from_millis(20)).await;
    }
    place
}

#[tokio::test]
async fn a_block_reaches_a_station_that_takes_unknown_cards_although_it_never_saw_the_card() {
    for version in [Version::V16, Version::V201] {
        let server = TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await;
        let (_, card) = server.member_with_card("simple", CARD).await;
        let mut place = taker(&server, version, true).await;
        assert!(place.station.lets_charge_offline(CARD), "it takes any card");
        suspend(&server, &card).await;
        place.until(&server, &card, "block delivered local_list").await;
        assert!(!place.station.lets_charge_offline(CARD), "{version:?}");
        resume(&server, &card).await;
        place.until(&server, &card, "allow delivered local_list").await;
        assert!(place.station.lets_charge_offline(CARD), "{version:?}");
    }
}

#[tokio::test]
async fn a_card_that_was_blocked_before_the_station_said_it_takes_unknown_cards_is_told_too() {
    let server = TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    suspend(&server, &card).await;
    let mut place = taker(&server, Version::V16, true).await;
    place.until(&server, &card, "block delivered local_list").await;
    assert!(!place.station.lets_charge_offline(CARD));
}

#[tokio::test]
async fn where_a_station_that_takes_unknown_cards_has_no_list_a_block_stays_pending() {
    let server = TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = taker(&server, Version::V16, false).await;
    assert_eq!(
        suspend(&server, &card).await["stations_pending"],
        1,
        "what is not sure is not called done"
    );
    for _ in 0..20 {
        let _ = place.station.idle(Duration::from_millis(20)).await;
    }
    let shown = server.get(&format!("/cards/{card}")).await;
    assert_eq!(
        shown["block_delivery"][0]["state"], "pending",
        "an emptied cache blocks nothing there: {shown}"
    );
    assert!(place.station.lets_charge_offline(CARD));
}

#[tokio::test]
async fn a_card_that_is_suspended_during_a_hold_is_suspended_when_the_hold_ends() {
    let server = TestServer::at(NOW).await;
    let (member, card) = server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let empty = json!({});
    assert_eq!(server.post(&format!("/members/{member}/hold"), &empty).await.status, 200);
    assert_eq!(status(&socket.call("Authorize", json!({"idTag": CARD})).await), "Blocked");
    suspend(&server, &card).await;
    assert_eq!(server.post(&format!("/members/{member}/release"), &empty).await.status, 200);
    assert_eq!(server.get(&format!("/cards/{card}")).await["state"], "suspended");
    assert_eq!(status(&socket.call("Authorize", json!({"idTag": CARD})).await), "Blocked");
    resume(&server, &card).await;
    assert_eq!(status(&socket.call("Authorize", json!({"idTag": CARD})).await), "Accepted");
}

#[tokio::test]
async fn a_card_that_comes_back_during_a_hold_is_dead_until_the_hold_ends() {
    let server = TestServer::at(NOW).await;
    let (member, card) = server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let empty = json!({});
    // In the other order too: the hold comes while the card is suspended, and the card comes back during the hold.
    suspend(&server, &card).await;
    assert_eq!(server.post(&format!("/members/{member}/hold"), &empty).await.status, 200);
    resume(&server, &card).await;
    assert_eq!(
        status(&socket.call("Authorize", json!({"idTag": CARD})).await),
        "Blocked",
        "the hold goes on"
    );
    assert_eq!(server.post(&format!("/members/{member}/release"), &empty).await.status, 200);
    assert_eq!(status(&socket.call("Authorize", json!({"idTag": CARD})).await), "Accepted");
}
