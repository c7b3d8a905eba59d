//! Blocks reach stations that refuse, forget, hang up or are late, and changes that cross a delivery under way end
//! in the right state.

use std::time::{Duration, Instant};

use juden_domain::ids::{CardNumber, StationId};
use juden_fleet::memory::{Fault, SharedMemory};
use juden_store::Seen;
use juden_store::StoreError;
use juden_store::blocks::{BlockOrAllow, DeliveryOutcome, DeliveryState};
use serde_json::{Value, json};

use crate::blocking::{CARD, NOW, Place, delivery, resume, suspend};
use crate::harness::{PATIENCE, Socket, TestServer, status};

/// A server with a card, and a station with a list that was told it is accepted.
async fn accepted(settings: &[(&'static str, &str)]) -> (TestServer, String, Place) {
    let server = TestServer::with(NOW, settings).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(true, true)).await;
    assert_eq!(place.station.authorize(CARD).await.unwrap(), "Accepted");
    (server, card, place)
}

/// Further cards that a station was told are accepted.
async fn more_cards(server: &TestServer, place: &mut Place, count: usize) -> Vec<String> {
    let mut cards = Vec::new();
    for n in 0..count {
        let (_, card) = server.member_with_card("simple", &format!("MORE{n}")).await;
        assert_eq!(place.station.authorize(&format!("MORE{n}")).await.unwrap(), "Accepted");
        cards.push(card);
    }
    cards
}

/// Serves commands until a try to tell has failed, and that is kept.
async fn tried(server: &TestServer, place: &mut Place) {
    let deadline = Instant::now() + PATIENCE;
    while server
        .database
        .number("SELECT count(*) FROM card_deliveries WHERE tries > 0 AND state = 'pending'")
        .await
        == 0
    {
        assert!(Instant::now() < deadline, "{:?}", place.commands());
        place.station.idle(Duration::from_millis(20)).await.unwrap();
    }
}

fn answer(word: &str) -> Fault {
    Fault::Answer(json!({"status": word}))
}

#[tokio::test]
async fn a_list_that_is_refused_twice_is_sent_whole_with_what_it_held_before() {
    for word in ["VersionMismatch", "Failed"] {
        let (server, card, mut place) = accepted(&[]).await;
        let more = more_cards(&server, &mut place, 1).await;
        suspend(&server, &card).await;
        place.until(&server, &card, "block delivered local_list").await;
        for _ in 0..2 {
            place.memory.fail_next("SendLocalList", answer(word));
        }
        suspend(&server, &more[0]).await;
        place.until(&server, &more[0], "block delivered local_list").await;
        let kinds = ["Differential", "Differential", "Differential", "Full"];
        assert_eq!(
            place.lists(),
            kinds.map(|kind| (kind.to_owned(), if kind == "Full" { 2 } else { 1 })),
            "{word}"
        );
        assert!(
            !place.station.lets_charge_offline(CARD) && !place.station.lets_charge_offline("MORE0")
        );
    }
}

#[tokio::test]
async fn a_station_whose_list_is_not_supported_forgets_its_cache() {
    for fault in
        [answer("NotSupported"), Fault::Error("NotImplemented"), Fault::Error("NotSupported")]
    {
        let (server, card, mut place) = accepted(&[]).await;
        place.memory.fail_next("SendLocalList", fault);
        suspend(&server, &card).await;
        place.until(&server, &card, "block delivered clear_cache").await;
        assert!(!place.station.lets_charge_offline(CARD));
    }
    let (server, card, mut place) = accepted(&[]).await;
    place.memory.fail_next("GetLocalListVersion", Fault::Answer(json!({"listVersion": -1})));
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered clear_cache").await;
    assert_eq!(place.count("SendLocalList"), 0, "no list is sent where there is none");
}

#[tokio::test]
async fn a_station_that_takes_no_list_at_all_forgets_its_cache_and_the_entry_is_taken_out_all_the_same()
 {
    let (server, card, mut place) = accepted(&[]).await;
    for fault in [answer("Failed"), Fault::Error("InternalError"), answer("Failed")] {
        place.memory.fail_next("SendLocalList", fault);
    }
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered local_list").await;
    assert_eq!((place.count("SendLocalList"), place.count("ClearCache")), (3, 1));
    assert!(!place.station.lets_charge_offline(CARD));
    assert_eq!(resume(&server, &card).await["stations_pending"], 1);
    place.until(&server, &card, "allow delivered local_list").await;
    assert_eq!(place.memory.lock().listed(CARD), None);
}

#[tokio::test]
async fn an_error_that_may_pass_is_tried_again_after_a_wait() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(false, true)).await;
    place.station.authorize(CARD).await.unwrap();
    place.memory.fail_next("ClearCache", Fault::Error("InternalError"));
    suspend(&server, &card).await;
    tried(&server, &mut place).await;
    assert_eq!(delivery(&server, &card, "CP1").await, "block pending -");
    server.clock("2024-06-10T00:01:00Z").await;
    place.until(&server, &card, "block delivered clear_cache").await;
    assert_eq!(place.count("ClearCache"), 2);
}

#[tokio::test]
async fn what_a_list_may_hold_is_taken_out_again_although_its_answer_was_lost() {
    let (server, card, mut place) = accepted(&[("call-timeout-s", "1")]).await;
    place.memory.fail_next("SendLocalList", Fault::Deaf);
    suspend(&server, &card).await;
    // It was entered, and nobody knows.
    tried(&server, &mut place).await;
    assert_eq!(place.memory.lock().listed(CARD), Some("Blocked"));
    assert_eq!(resume(&server, &card).await["stations_pending"], 1);
    server.clock("2024-06-10T00:01:00Z").await;
    place.until(&server, &card, "allow delivered local_list").await;
    assert_eq!(place.memory.lock().listed(CARD), None, "a valid card must not stay blocked");
}

#[tokio::test]
async fn a_station_that_hangs_up_in_the_middle_is_told_as_soon_as_it_returns() {
    let (server, card, mut place) = accepted(&[]).await;
    let memory = place.memory.clone();
    for _ in 0..3 {
        memory.fail_next("SendLocalList", Fault::HangUp);
    }
    suspend(&server, &card).await;
    for times in 1..=3 {
        let deadline = Instant::now() + PATIENCE;
        while place.station.idle(Duration::from_millis(20)).await.is_ok() {
            assert!(Instant::now() < deadline, "it was told {times} times less one");
        }
        place.station.go_offline().await;
        // No clock is moved: it does not wait for the next try.
        place = Place::back(&server, "CP1", &memory).await;
    }
    place.until(&server, &card, "block delivered local_list").await;
    assert!(!place.station.lets_charge_offline(CARD));
}

#[tokio::test]
async fn a_list_is_sent_in_as_many_messages_as_the_station_takes() {
    let (server, card, mut place) = accepted(&[]).await;
    place.memory.set("SendLocalListMaxLength", "2");
    let mut cards = more_cards(&server, &mut place, 4).await;
    cards.push(card);
    place.station.go_offline().await;
    for card in &cards {
        suspend(&server, card).await;
    }
    let memory = place.memory.clone();
    let mut place = Place::back(&server, "CP1", &memory).await;
    for card in &cards {
        place.until(&server, card, "block delivered local_list").await;
    }
    assert_eq!(place.lists(), [2, 2, 1].map(|entries| ("Differential".to_owned(), entries)));
    assert_eq!(memory.lock().list_length(), 5);
    // Its list is lost, and what it is sent next is everything: Full first, the rest Differential.
    memory.lock().reset_list(0);
    resume(&server, &cards[0]).await;
    place.until(&server, &cards[0], "allow delivered local_list").await;
    assert_eq!(place.lists()[3..], [("Full".to_owned(), 2), ("Differential".to_owned(), 2)]);
    assert_eq!(memory.lock().list_length(), 4);
}

#[tokio::test]
async fn a_whole_list_that_broke_off_is_sent_whole_again() {
    let (server, card, mut place) = accepted(&[("call-timeout-s", "1")]).await;
    place.memory.set("SendLocalListMaxLength", "1");
    let more = more_cards(&server, &mut place, 1).await;
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered local_list").await;
    place.memory.lock().reset_list(0);
    // The whole list's second message is lost.
    place.memory.fail_next("SendLocalList", Fault::Deaf);
    suspend(&server, &more[0]).await;
    tried(&server, &mut place).await;
    assert_eq!(place.memory.lock().list_length(), 1, "the first half came");
    server.clock("2024-06-10T00:02:00Z").await;
    place.until(&server, &more[0], "block delivered local_list").await;
    assert!(
        !place.station.lets_charge_offline(CARD) && !place.station.lets_charge_offline("MORE0"),
        "{:?}",
        place.lists()
    );
    assert_eq!(place.memory.lock().list_length(), 2);
}

#[tokio::test]
async fn a_card_that_no_list_takes_is_told_by_the_cache_and_keeps_no_other_waiting() {
    let (server, card, mut place) = accepted(&[]).await;
    let tag = "ABCDEFGHIJKLMNOPQRSTUVWX";
    let (_, long) = server.member_with_card("simple", tag).await;
    assert_eq!(place.station.authorize(tag).await.unwrap(), "Accepted");
    suspend(&server, &long).await;
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered local_list").await;
    place.until(&server, &long, "block delivered clear_cache").await;
    assert!(!place.station.lets_charge_offline(tag) && !place.station.lets_charge_offline(CARD));
}

#[tokio::test]
async fn a_card_is_blocked_in_the_spelling_in_which_a_reader_tells_it() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", "04:A2:B3:C4:D5:E6:80").await;
    let mut place = Place::open(&server, "CP1", &SharedMemory::new(true, true)).await;
    for spelling in ["04a2b3c4d5e680", "04:a2:b3:c4:d5:e6:80"] {
        assert_eq!(place.station.authorize(spelling).await.unwrap(), "Accepted");
        assert!(place.station.lets_charge_offline(spelling));
    }
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered local_list").await;
    for spelling in ["04a2b3c4d5e680", "04:a2:b3:c4:d5:e6:80"] {
        assert!(!place.station.lets_charge_offline(spelling), "{spelling}");
    }
    resume(&server, &card).await;
    place.until(&server, &card, "allow delivered local_list").await;
    assert_eq!(place.memory.lock().list_length(), 0);
}

/// The next command, as a station that answers by hand sees it.
async fn command(socket: &mut Socket, expected: &str) -> Value {
    let frame = socket.next().await.unwrap();
    assert_eq!(frame[2], expected, "{frame}");
    frame
}

async fn reply(socket: &mut Socket, frame: &Value, answer: Value) {
    socket.send(&json!([3, frame[1], answer]).to_string()).await;
}

/// A station that answers by hand, with a suspended card whose first command of a name is under way.
async fn under_way(server: &TestServer, card: &str, keys: Value, action: &str) -> (Socket, Value) {
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    assert_eq!(status(&socket.call("Authorize", json!({"idTag": CARD})).await), "Accepted");
    suspend(server, card).await;
    let asked = command(&mut socket, "GetConfiguration").await;
    reply(&mut socket, &asked, json!({"configurationKey": keys})).await;
    if action == "SendLocalList" {
        let asked = command(&mut socket, "GetLocalListVersion").await;
        reply(&mut socket, &asked, json!({"listVersion": 0})).await;
    }
    let frame = command(&mut socket, action).await;
    (socket, frame)
}

async fn shown(server: &TestServer, card: &str, expected: &str) {
    let deadline = Instant::now() + PATIENCE;
    while delivery(server, card, "CP1").await != expected {
        assert!(
            Instant::now() < deadline,
            "{} and not {expected}",
            delivery(server, card, "CP1").await
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_card_that_comes_back_while_its_block_is_under_way_is_taken_out_of_the_list() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let keys = json!([{"key": "LocalAuthListEnabled", "readonly": false, "value": "true"}]);
    let (mut socket, frame) = under_way(&server, &card, keys, "SendLocalList").await;
    resume(&server, &card).await;
    reply(&mut socket, &frame, json!({"status": "Accepted"})).await;
    let asked = command(&mut socket, "GetLocalListVersion").await;
    assert_eq!(
        delivery(&server, &card, "CP1").await,
        "allow pending local_list",
        "what was told is not what is to be told"
    );
    reply(&mut socket, &asked, json!({"listVersion": 1})).await;
    let taken_out = command(&mut socket, "SendLocalList").await;
    assert_eq!(
        taken_out[3],
        json!({"listVersion": 2, "updateType": "Differential", "localAuthorizationList": [{"idTag": CARD}]})
    );
    // Once more, and the other way round.
    suspend(&server, &card).await;
    reply(&mut socket, &taken_out, json!({"status": "Accepted"})).await;
    let asked = command(&mut socket, "GetLocalListVersion").await;
    reply(&mut socket, &asked, json!({"listVersion": 2})).await;
    let entered = command(&mut socket, "SendLocalList").await;
    assert_eq!(
        entered[3]["localAuthorizationList"],
        json!([{"idTag": CARD, "idTagInfo": {"status": "Blocked"}}])
    );
    reply(&mut socket, &entered, json!({"status": "Accepted"})).await;
    shown(&server, &card, "block delivered local_list").await;
}

#[tokio::test]
async fn a_card_that_came_back_and_was_suspended_again_while_the_cache_was_cleared_has_it_cleared_again()
 {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let (mut socket, frame) = under_way(&server, &card, json!([]), "ClearCache").await;
    // Between the two the station may have been told once more that the card is accepted.
    resume(&server, &card).await;
    suspend(&server, &card).await;
    reply(&mut socket, &frame, json!({"status": "Accepted"})).await;
    let again = command(&mut socket, "ClearCache").await;
    assert_eq!(delivery(&server, &card, "CP1").await, "block pending -");
    reply(&mut socket, &again, json!({"status": "Accepted"})).await;
    shown(&server, &card, "block delivered clear_cache").await;
}

#[tokio::test]
async fn what_was_seen_of_a_card_before_it_changed_recalls_nothing() {
    let server = TestServer::at(NOW).await;
    let (_, number) = server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    socket.call("Authorize", json!({"idTag": CARD})).await;
    let store = server.store().await;
    let (card, station) = (CardNumber::parse(&number).unwrap(), StationId::parse("CP1").unwrap());
    let file = store.card(&card).await.unwrap().unwrap().file;
    let before = Seen::of(&[&file], file.member.as_ref());
    suspend(&server, &number).await;
    let now = NOW.parse().unwrap();
    let late = store.recall(&card, BlockOrAllow::Allow, now, &before).await;
    assert!(matches!(late, Err(StoreError::Conflict(_))), "{late:?}");
    assert_eq!(delivery(&server, &number, "CP1").await, "block pending -");
    // Nor is what was told of one delivery kept of the next, at whatever instant that came.
    let first = store.pending_at(&station, 10).await.unwrap();
    let file = store.card(&card).await.unwrap().unwrap().file;
    let seen = Seen::of(&[&file], file.member.as_ref());
    for reach in [BlockOrAllow::Allow, BlockOrAllow::Block] {
        store.recall(&card, reach, first[0].since, &seen).await.unwrap();
    }
    let told = DeliveryOutcome {
        state: DeliveryState::Delivered,
        means: Some("clear_cache"),
        at: now,
        next_try_at: now,
        whole: false,
    };
    store.save_told(&first, &told).await.unwrap();
    assert!(store.begin_listing(&first).await.unwrap().is_empty());
    assert_eq!(delivery(&server, &number, "CP1").await, "block pending -");
    let next = store.pending_at(&station, 10).await.unwrap();
    assert_eq!(store.begin_listing(&next).await.unwrap(), next);
    store.save_told(&next, &told).await.unwrap();
    assert_eq!(delivery(&server, &number, "CP1").await, "block delivered clear_cache");
}

#[tokio::test]
async fn a_free_opening_is_believed_for_minutes() {
    let server = TestServer::at(NOW).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    suspend(&server, &card).await;
    server.station("CP1").await;
    let opened = server
        .post("/free-openings", &json!({"note": "flood", "to": "2024-06-11T00:00:00Z"}))
        .await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let answer = server.socket("CP1").await.call("Authorize", json!({"idTag": CARD})).await;
    assert_eq!(status(&answer), "Accepted");
    let until: chrono::DateTime<chrono::Utc> =
        answer[2]["idTagInfo"]["expiryDate"].as_str().unwrap().parse().unwrap();
    let opened: chrono::DateTime<chrono::Utc> = NOW.parse().unwrap();
    assert!(until - opened < chrono::TimeDelta::minutes(6), "{answer}");
}
