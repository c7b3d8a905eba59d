//! Lists that an operator sends a charger himself: a suspended card does not stay in them.

use std::time::{Duration, Instant};

use juden_fleet::memory::{Fault, SharedMemory};
use juden_fleet::version::Version;
use serde_json::{Value, json};

use crate::blocking::{CARD, NOW, Place, suspend};
use crate::harness::{PATIENCE, TestServer};

/// A whole list of these cards, as accepted.
fn full(version: Version, number: i64, tags: &[&str]) -> Value {
    let older = |tag: &&str| json!({"idTag": tag, "idTagInfo": {"status": "Accepted"}});
    let newer = |tag: &&str| json!({"idToken": {"idToken": tag, "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}});
    match version {
        Version::V16 => {
            json!({"listVersion": number, "updateType": "Full", "localAuthorizationList": tags.iter().map(older).collect::<Vec<_>>()})
        }
        Version::V201 => {
            json!({"versionNumber": number, "updateType": "Full", "localAuthorizationList": tags.iter().map(newer).collect::<Vec<_>>()})
        }
    }
}

/// Sends it; what it came to.
async fn send(server: &TestServer, place: &mut Place, list: &Value) -> String {
    let sent = server.post("/stations/CP1/ocpp/SendLocalList", list);
    tokio::pin!(sent);
    let mut outcome = None;
    while outcome.is_none() {
        // To its end: a charger that is stopped in the middle owes an answer.
        let idle = place.station.idle(Duration::from_millis(20));
        tokio::pin!(idle);
        loop {
            tokio::select! {
                answered = &mut sent, if outcome.is_none() => outcome = Some(answered.json()["outcome"].as_str().unwrap().to_owned()),
                _ = &mut idle => break,
            }
        }
    }
    outcome.unwrap()
}

/// Serves commands until the charger's list has a card as blocked.
async fn until_blocked(place: &mut Place, tag: &str) {
    let deadline = Instant::now() + PATIENCE;
    while place.memory.lock().listed(tag) != Some("Blocked") {
        let _ = place.station.idle(Duration::from_millis(20)).await;
        assert!(Instant::now() < deadline, "{tag}: {:#?}", place.commands());
    }
}

#[tokio::test]
async fn a_card_that_was_suspended_or_is_later_does_not_stay_accepted_in_an_operators_list() {
    for version in [Version::V16, Version::V201] {
        let server = TestServer::at(NOW).await;
        server.station("CP1").await;
        let (_, before) = server.member_with_card("simple", "BEFORE").await;
        let (_, after) = server.member_with_card("simple", "AFTER").await;
        let mut place =
            Place::speaking(version, &server, "CP1", &SharedMemory::new(true, true)).await;
        assert_eq!(suspend(&server, &before).await["stations_pending"], 0, "no charger knows it");
        assert_eq!(
            send(&server, &mut place, &full(version, 5, &["BEFORE", "AFTER", "GUEST"])).await,
            "accepted"
        );
        place.until(&server, &before, "block delivered local_list").await;
        assert_eq!(place.memory.lock().listed("BEFORE"), Some("Blocked"), "{version:?}");
        assert_eq!(place.memory.lock().listed("AFTER"), Some("Accepted"));
        suspend(&server, &after).await;
        place.until(&server, &after, "block delivered local_list").await;
        assert_eq!(place.memory.lock().listed("AFTER"), Some("Blocked"), "{version:?}");
        assert_eq!(
            place.memory.lock().listed("GUEST"),
            Some("Accepted"),
            "what is nobody's here stays the operator's"
        );
    }
}

#[tokio::test]
async fn what_an_operator_sends_to_a_list_stays_and_what_juden_holds_in_it_does_too() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(true, true)).await;
    assert_eq!(place.station.authorize(CARD).await.unwrap(), "Accepted");
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered local_list").await;
    // The operator's own list would let the suspended card charge.
    assert_eq!(
        send(&server, &mut place, &full(Version::V16, 50, &[CARD, "GUEST"])).await,
        "accepted"
    );
    until_blocked(&mut place, CARD).await;
    assert_eq!(place.memory.lock().listed("GUEST"), Some("Accepted"));
}

#[tokio::test]
async fn an_operators_list_whose_answer_was_lost_is_replaced_whole() {
    let server = TestServer::with(NOW, &[("call-timeout-s", "4")]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(true, true)).await;
    assert_eq!(place.station.authorize(CARD).await.unwrap(), "Accepted");
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered local_list").await;
    // The version that it has, or the next one: nothing would tell that it has another list now.
    for more in [0, 1] {
        let version = place.memory.lock().list_version() + more;
        place.memory.fail_next("SendLocalList", Fault::Deaf);
        assert_eq!(
            send(&server, &mut place, &full(Version::V16, version, &[CARD, "GUEST"])).await,
            "unknown"
        );
        until_blocked(&mut place, CARD).await;
        place.until(&server, &card, "block delivered local_list").await;
        assert_eq!(place.memory.lock().listed("GUEST"), None);
    }
}

#[tokio::test]
async fn a_list_that_an_operator_sends_while_juden_sends_its_own_hides_no_suspension() {
    let server = TestServer::at(NOW).await;
    let memory = SharedMemory::new(true, true);
    memory.set("SendLocalListMaxLength", "1");
    let mut cards = Vec::new();
    let mut place = Place::open(&server, "CP1", &memory).await;
    for tag in ["AAAA", "BBBB"] {
        cards.push(server.member_with_card("simple", tag).await.1);
        assert_eq!(place.station.authorize(tag).await.unwrap(), "Accepted");
    }
    for card in &cards {
        suspend(&server, card).await;
    }
    let deadline = Instant::now() + PATIENCE;
    while !["AAAA", "BBBB"].iter().any(|tag| place.memory.lock().listed(tag) == Some("Blocked")) {
        let _ = place.station.idle(Duration::from_millis(1)).await;
        assert!(Instant::now() < deadline, "{:#?}", place.commands());
    }
    // Between Juden's messages, or behind them.
    assert_eq!(send(&server, &mut place, &full(Version::V16, 1, &["AAAA"])).await, "accepted");
    for (card, tag) in cards.iter().zip(["AAAA", "BBBB"]) {
        until_blocked(&mut place, tag).await;
        place.until(&server, card, "block delivered local_list").await;
    }
}
