//! A site's list: the cards that its chargers accept by themselves, held by each of them in its local list, full and
//! differential, and made right again where a charger lost it.

use std::time::{Duration, Instant};

use juden_fleet::memory::{Fault, SharedMemory};
use juden_fleet::version::Version;
use serde_json::{Value, json};

use crate::blocking::{CARD, NOW, Place, delivery, resume, suspend};
use crate::harness::{Answered, PATIENCE, TestServer};

/// The site at which the stations of these tests stand.
const LIST: &str = "/sites/Test%20site/local-list";

async fn replace(server: &TestServer, cards: &[&str]) -> Answered {
    server.put(LIST, &json!({"card_numbers": cards})).await
}

async fn change(server: &TestServer, method: &str, card: &str) -> Value {
    let answered = server.request(method, &format!("{LIST}/{card}"), None, &[]).await;
    assert_eq!(answered.status, 200, "{answered:?}");
    answered.json()
}

/// Serves a place's commands until its list is as expected.
async fn until_listed(place: &mut Place, expected: &[(&str, Option<&str>)]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _ = place.station.idle(Duration::from_millis(20)).await;
        let found: Vec<_> = expected
            .iter()
            .map(|(tag, _)| (*tag, place.memory.lock().listed(tag).map(str::to_owned)))
            .collect();
        if found.iter().zip(expected).all(|((_, found), (_, wanted))| found.as_deref() == *wanted) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{found:?} and not {expected:?}; {:#?}",
            place.commands()
        );
    }
}

async fn server_with_site(settings: &[(&'static str, &str)]) -> TestServer {
    let server = TestServer::with(NOW, settings).await;
    server.station_as("CP1", &json!({"site": "Test site"})).await;
    server
}

#[tokio::test]
async fn a_sites_cards_are_held_as_accepted_by_chargers_of_each_version_that_never_saw_them() {
    for version in [Version::V16, Version::V201] {
        let server = server_with_site(&[]).await;
        let (member, card) = server.member_with_card("simple", CARD).await;
        let mut place =
            Place::speaking(version, &server, "CP1", &SharedMemory::new(true, true)).await;
        assert!(!place.station.lets_charge_offline(CARD));
        let answered = replace(&server, &[&card]).await;
        assert_eq!(
            (answered.status, answered.json()),
            (200, json!({"added": 1, "removed": 0})),
            "{version:?}"
        );
        place.until(&server, &card, "allow delivered local_list").await;
        assert!(place.station.lets_charge_offline(CARD), "{version:?}: the list has it");
        assert_eq!(place.memory.lock().listed(CARD), Some("Accepted"));
        let sent = place.commands().pop().unwrap().1;
        assert!(sent.to_string().contains(&member), "its member is the card's group: {sent}");
        // Blocked everywhere, and back where it was listed.
        suspend(&server, &card).await;
        place.until(&server, &card, "block delivered local_list").await;
        assert_eq!(place.memory.lock().listed(CARD), Some("Blocked"));
        resume(&server, &card).await;
        place.until(&server, &card, "allow delivered local_list").await;
        assert_eq!(place.memory.lock().listed(CARD), Some("Accepted"));
        // Out of the list, and in no time out of the charger's.
        assert_eq!(change(&server, "DELETE", &card).await, json!({"added": 0, "removed": 1}));
        until_listed(&mut place, &[(CARD, None)]).await;
        assert!(!place.station.lets_charge_offline(CARD));
    }
}

#[tokio::test]
async fn a_card_that_is_read_in_two_ways_stands_in_lists_twice_and_is_blocked_twice() {
    let server = server_with_site(&[]).await;
    let (_, card) = server.member_with_card("simple", "AAAA").await;
    let mut place = Place::back(&server, "CP1", &SharedMemory::new(true, true)).await;
    replace(&server, &[&card]).await;
    until_listed(&mut place, &[("AAAA", Some("Accepted")), ("BBBB", None)]).await;
    assert_eq!(
        server.post(&format!("/cards/{card}/readings"), &json!({"id_tag": "BBBB"})).await.status,
        201
    );
    until_listed(&mut place, &[("AAAA", Some("Accepted")), ("BBBB", Some("Accepted"))]).await;
    suspend(&server, &card).await;
    until_listed(&mut place, &[("AAAA", Some("Blocked")), ("BBBB", Some("Blocked"))]).await;
}

#[tokio::test]
async fn what_changes_in_a_list_is_told_as_a_difference_and_what_stays_is_not_told_again() {
    let server = server_with_site(&[]).await;
    let mut cards = Vec::new();
    for tag in ["AAAA", "BBBB", "CCCC"] {
        cards.push(server.member_with_card("simple", tag).await.1);
    }
    let mut place = Place::back(&server, "CP1", &SharedMemory::new(true, true)).await;
    replace(&server, &[&cards[0], &cards[1]]).await;
    until_listed(&mut place, &[("AAAA", Some("Accepted")), ("BBBB", Some("Accepted"))]).await;
    place.until(&server, &cards[1], "allow delivered local_list").await;
    let before = place.lists().len();
    let answered = replace(&server, &[&cards[1], &cards[2]]).await;
    assert_eq!(answered.json(), json!({"added": 1, "removed": 1}));
    until_listed(
        &mut place,
        &[("AAAA", None), ("BBBB", Some("Accepted")), ("CCCC", Some("Accepted"))],
    )
    .await;
    let told: usize = place.lists()[before..]
        .iter()
        .map(|(kind, entries)| (kind == "Differential", entries))
        .map(|(differs, entries)| {
            assert!(differs);
            *entries
        })
        .sum();
    assert_eq!(told, 2, "only what changed: {:?}", place.lists());
    assert_eq!(
        change(&server, "PUT", &cards[2]).await,
        json!({"added": 0, "removed": 0}),
        "it is there already"
    );
    let shown = server.get(LIST).await;
    let shown: Vec<&str> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["card_number"].as_str().unwrap())
        .collect();
    assert_eq!(shown, [cards[1].as_str(), cards[2].as_str()]);
    let stations = server.get(&format!("{LIST}/stations")).await["items"].clone();
    assert_eq!(
        (&stations[0]["station_id"], &stations[0]["held"], &stations[0]["pending"]),
        (&json!("CP1"), &json!(2), &json!(0))
    );
    assert_eq!(
        stations[0]["list_version"],
        json!(place.memory.lock().list_version()),
        "the versions agree"
    );
}

#[tokio::test]
async fn a_list_is_sent_whole_to_a_charger_that_has_another_one_and_to_one_that_lost_it() {
    let server = server_with_site(&[("onboarding-delay-s", "0")]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let memory = SharedMemory::new(true, true);
    memory.lock().reset_list(7);
    let mut place = Place::back(&server, "CP1", &memory).await;
    replace(&server, &[&card]).await;
    place.until(&server, &card, "allow delivered local_list").await;
    assert_eq!(place.lists(), [("Full".to_owned(), 1)], "somebody else's list goes");
    assert!(memory.lock().list_version() > 7);
    drop(place);
    for lost in [0, 99] {
        memory.lock().reset_list(lost);
        let mut place = Place::back(&server, "CP1", &memory).await;
        until_listed(&mut place, &[(CARD, Some("Accepted"))]).await;
        assert_eq!(place.lists(), [("Full".to_owned(), 1)], "it came back with version {lost}");
        place.until(&server, &card, "allow delivered local_list").await;
    }
    // One that has what it was sent is asked for the version, and sent nothing.
    let mut place = Place::back(&server, "CP1", &memory).await;
    let deadline = Instant::now() + PATIENCE;
    while !place.station.commanded().iter().any(|one| one.action == "GetLocalListVersion") {
        let _ = place.station.idle(Duration::from_millis(20)).await;
        assert!(Instant::now() < deadline);
    }
    assert_eq!(place.count("SendLocalList"), 0);
}

#[tokio::test]
async fn a_charger_that_tells_of_a_conflict_is_sent_the_whole_list_once() {
    let server = server_with_site(&[]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let memory = SharedMemory::new(true, true);
    let mut place = Place::back(&server, "CP1", &memory).await;
    replace(&server, &[&card]).await;
    place.until(&server, &card, "allow delivered local_list").await;
    let before = place.lists().len();
    let conflict =
        json!({"connectorId": 0, "errorCode": "LocalListConflict", "status": "Available"});
    for _ in 0..3 {
        place.station.call("StatusNotification", &conflict).await.unwrap();
    }
    place.until(&server, &card, "allow delivered local_list").await;
    let deadline = Instant::now() + PATIENCE;
    while place.lists().len() == before {
        let _ = place.station.idle(Duration::from_millis(20)).await;
        assert!(Instant::now() < deadline);
    }
    place.until(&server, &card, "allow delivered local_list").await;
    assert_eq!(place.lists()[before..], [("Full".to_owned(), 1)]);
}

#[tokio::test]
async fn a_charger_that_comes_to_a_site_learns_its_list_and_one_that_leaves_forgets_it() {
    let server = server_with_site(&[]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    replace(&server, &[&card]).await;
    server.station_as("CP2", &json!({"site": "Elsewhere"})).await;
    let mut place = Place::back(&server, "CP2", &SharedMemory::new(true, true)).await;
    assert_eq!(delivery(&server, &card, "CP2").await, "");
    server.station_as("CP2", &json!({"site": "Test site"})).await;
    until_listed(&mut place, &[(CARD, Some("Accepted"))]).await;
    place.until(&server, &card, "allow delivered local_list").await;
    server.station_as("CP2", &json!({"site": "Elsewhere"})).await;
    until_listed(&mut place, &[(CARD, None)]).await;
}

#[tokio::test]
async fn a_charger_without_a_list_or_without_room_says_so_and_its_blocks_go_first() {
    let server = server_with_site(&[]).await;
    let mut cards = Vec::new();
    for tag in ["AAAA", "BBBB", "CCCC", "DDDD"] {
        cards.push(server.member_with_card("simple", tag).await.1);
    }
    server.station_as("CP2", &json!({"site": "Test site"})).await;
    let mut none = Place::back(&server, "CP2", &SharedMemory::new(false, true)).await;
    let memory = SharedMemory::new(true, true);
    memory.set("LocalAuthListMaxLength", "2");
    let mut small = Place::back(&server, "CP1", &memory).await;
    assert_eq!(small.station.authorize("DDDD").await.unwrap(), "Accepted");
    suspend(&server, &cards[3]).await;
    small.until(&server, &cards[3], "block delivered local_list").await;
    replace(&server, &[&cards[0], &cards[1], &cards[2]]).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _ = small.station.idle(Duration::from_millis(20)).await;
        let _ = none.station.idle(Duration::from_millis(20)).await;
        let shown = server.get(&format!("{LIST}/stations")).await["items"].clone();
        let counts = |place: usize| {
            ["held", "pending", "unsupported"].map(|word| shown[place][word].as_i64().unwrap())
        };
        if (counts(0), counts(1)) == ([1, 0, 2], [0, 0, 3]) {
            break;
        }
        assert!(Instant::now() < deadline, "{shown}");
    }
    assert_eq!(memory.lock().listed("DDDD"), Some("Blocked"));
    assert_eq!(memory.lock().list_length(), 2);
}

/// A charger whose list holds two cards and has no room for more, and a third card that it has accepted.
async fn full_list_of_two() -> (TestServer, Place, Vec<String>) {
    let server = server_with_site(&[]).await;
    let mut cards = Vec::new();
    for tag in ["AAAA", "BBBB", "CCCC"] {
        cards.push(server.member_with_card("simple", tag).await.1);
    }
    let memory = SharedMemory::new(true, true);
    memory.set("LocalAuthListMaxLength", "2");
    let mut place = Place::back(&server, "CP1", &memory).await;
    replace(&server, &[&cards[0], &cards[1]]).await;
    until_listed(&mut place, &[("AAAA", Some("Accepted")), ("BBBB", Some("Accepted"))]).await;
    assert_eq!(place.station.authorize("CCCC").await.unwrap(), "Accepted");
    (server, place, cards)
}

#[tokio::test]
async fn a_card_that_made_room_for_a_block_comes_back_when_there_is_room_again() {
    let (server, mut place, cards) = full_list_of_two().await;
    suspend(&server, &cards[2]).await;
    place.until(&server, &cards[2], "block delivered local_list").await;
    assert_eq!(place.memory.lock().listed("CCCC"), Some("Blocked"));
    assert_eq!(place.memory.lock().list_length(), 2);
    let counts = async || {
        let shown = server.get(&format!("{LIST}/stations")).await["items"][0].clone();
        ["held", "pending", "unsupported"].map(|word| shown[word].as_i64().unwrap())
    };
    assert_eq!(counts().await, [1, 0, 1]);
    resume(&server, &cards[2]).await;
    until_listed(
        &mut place,
        &[("AAAA", Some("Accepted")), ("BBBB", Some("Accepted")), ("CCCC", None)],
    )
    .await;
    place.until(&server, &cards[2], "allow delivered local_list").await;
    assert_eq!(counts().await, [2, 0, 0]);
}

#[tokio::test]
async fn a_list_that_is_too_small_for_the_blocked_holds_none_of_them_as_accepted() {
    let (server, mut place, cards) = full_list_of_two().await;
    place.station.go_offline().await;
    for card in &cards {
        suspend(&server, card).await;
    }
    let mut place = Place::back(&server, "CP1", &place.memory).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _ = place.station.idle(Duration::from_millis(20)).await;
        let told = async |card: &String| {
            delivery(&server, card, "CP1").await.starts_with("block delivered")
        };
        if told(&cards[0]).await && told(&cards[1]).await && told(&cards[2]).await {
            break;
        }
        assert!(Instant::now() < deadline, "{:?}", place.commands());
    }
    for tag in ["AAAA", "BBBB", "CCCC"] {
        assert_ne!(place.memory.lock().listed(tag), Some("Accepted"));
        assert!(!place.station.lets_charge_offline(tag), "{tag}");
    }
}

#[tokio::test]
async fn a_block_waits_as_long_as_a_list_that_takes_nothing_may_hold_the_card() {
    for word in ["Failed", "VersionMismatch"] {
        let server = server_with_site(&[]).await;
        let (_, card) = server.member_with_card("simple", CARD).await;
        let memory = SharedMemory::new(true, true);
        let mut place = Place::back(&server, "CP1", &memory).await;
        replace(&server, &[&card]).await;
        place.until(&server, &card, "allow delivered local_list").await;
        for _ in 0..3 {
            memory.fail_next("SendLocalList", Fault::Answer(json!({"status": word})));
        }
        suspend(&server, &card).await;
        let deadline = Instant::now() + PATIENCE;
        while place.count("ClearCache") == 0 {
            let _ = place.station.idle(Duration::from_millis(20)).await;
            assert!(Instant::now() < deadline, "{:?}", place.commands());
        }
        assert_eq!(delivery(&server, &card, "CP1").await, "block pending local_list", "{word}");
        drop(place);
        let mut place = Place::back(&server, "CP1", &memory).await;
        place.until(&server, &card, "block delivered local_list").await;
        assert_eq!(memory.lock().listed(CARD), Some("Blocked"));
    }
}

#[tokio::test]
async fn a_list_that_was_off_when_a_card_was_blocked_is_sent_whole_once_it_is_on() {
    let server = server_with_site(&[("onboarding-delay-s", "0")]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let memory = SharedMemory::new(true, true);
    let mut place = Place::back(&server, "CP1", &memory).await;
    replace(&server, &[&card]).await;
    place.until(&server, &card, "allow delivered local_list").await;
    memory.fail_next("SendLocalList", Fault::Answer(json!({"status": "NotSupported"})));
    suspend(&server, &card).await;
    place.until(&server, &card, "block delivered local_list").await;
    assert_eq!(memory.lock().listed(CARD), Some("Accepted"), "only its cache was cleared");
    drop(place);
    let mut place = Place::back(&server, "CP1", &memory).await;
    until_listed(&mut place, &[(CARD, Some("Blocked"))]).await;
}

#[tokio::test]
async fn a_card_that_is_listed_before_it_is_activated_is_told_once_it_is() {
    let server = server_with_site(&[]).await;
    let member = server.member("simple").await;
    let card = server.stock(CARD).await;
    let mut place = Place::back(&server, "CP1", &SharedMemory::new(true, true)).await;
    assert_eq!(replace(&server, &[&card.0]).await.json(), json!({"added": 1, "removed": 0}));
    assert_eq!(server.activate(&member, &card, "primary").await.status, 200);
    server.clock("2024-06-10T00:01:00Z").await;
    until_listed(&mut place, &[(CARD, Some("Accepted"))]).await;
}

#[tokio::test]
async fn versions_that_cannot_be_sent_are_none_and_high_ones_begin_anew() {
    let server = server_with_site(&[]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let memory = SharedMemory::new(true, true);
    let mut place = Place::back(&server, "CP1", &memory).await;
    memory.lock().reset_list(2_147_483_647);
    memory.fail_next("GetLocalListVersion", Fault::Answer(json!({"listVersion": i64::MAX})));
    replace(&server, &[&card]).await;
    // The try must have failed, not only be due: a connection that ends within it puts the next one off.
    let tried = "SELECT count(*) FROM card_deliveries WHERE tries > 0 AND state = 'pending'";
    let deadline = Instant::now() + PATIENCE;
    while server.database.number(tried).await == 0 {
        assert!(Instant::now() < deadline, "{:?}", place.station.commanded());
        let _ = place.station.idle(Duration::from_millis(20)).await;
    }
    drop(place);
    let mut place = Place::back(&server, "CP1", &memory).await;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let _ = place.station.idle(Duration::from_millis(20)).await;
        let sent = place.commands().into_iter().find(|(action, _)| action == "SendLocalList");
        if let Some((_, sent)) = sent {
            assert_eq!((&sent["listVersion"], &sent["updateType"]), (&json!(1), &json!("Full")));
            return;
        }
        assert!(Instant::now() < deadline, "{:?}", place.station.commanded());
    }
}

#[tokio::test]
async fn changes_one_after_the_other_leave_the_last_word() {
    let server = server_with_site(&[]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let mut place = Place::back(&server, "CP1", &SharedMemory::new(true, true)).await;
    for _ in 0..10 {
        change(&server, "PUT", &card).await;
        change(&server, "DELETE", &card).await;
    }
    until_listed(&mut place, &[(CARD, None)]).await;
    change(&server, "PUT", &card).await;
    until_listed(&mut place, &[(CARD, Some("Accepted"))]).await;
}

#[tokio::test]
async fn a_list_takes_known_cards_of_known_sites_up_to_its_limit() {
    let server = server_with_site(&[]).await;
    let (_, card) = server.member_with_card("simple", CARD).await;
    let field = |answered: &Answered| answered.json()["field"].clone();
    let unknown = replace(&server, &[&card, "9999999999"]).await;
    assert_eq!(unknown.status, 404, "{unknown:?}");
    assert_eq!(server.get(LIST).await["items"], json!([]), "nothing of it was taken");
    let bad = replace(&server, &[&card, ""]).await;
    assert_eq!((bad.status, field(&bad)), (422, json!("card_numbers[1]")), "{bad:?}");
    let nowhere = server.put("/sites/Nowhere/local-list", &json!({"card_numbers": []})).await;
    assert_eq!(nowhere.status, 404);
    let many: Vec<String> = (0..3_001).map(|n| format!("X{n}")).collect();
    let many = server.put(LIST, &json!({"card_numbers": many})).await;
    assert_eq!((many.status, field(&many)), (422, json!("card_numbers")), "{many:?}");
    assert_eq!(
        replace(&server, &[&card, &card]).await.json(),
        json!({"added": 1, "removed": 0}),
        "twice is once"
    );
}
