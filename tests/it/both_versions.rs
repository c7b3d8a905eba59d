//! What holds whichever version a station speaks, and what is 2.0.1's own, over real sockets.

use juden_fleet::memory::SharedMemory;
use juden_fleet::version::Version;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use serde_json::{Value, json};

use crate::blocking::{Place, delivery, resume, suspend};
use crate::harness::{Socket, TestServer, has_flag};

pub const NOW: &str = "2024-06-10T00:00:00Z";
pub const CARD: &str = "04A2B3C4D5E680";

pub async fn newer(server: &TestServer, id: &str) -> Socket {
    Socket::open(&format!("{}/{id}", server.ocpp_url()), Some("ocpp2.0.1"), None).await.unwrap()
}

#[tokio::test]
async fn a_suspended_card_leaves_list_or_cache_of_a_charger_of_either_version_also_of_an_absent() {
    for version in [Version::V16, Version::V201] {
        for (has_list, means) in [(true, "local_list"), (false, "clear_cache")] {
            let server = TestServer::at(NOW).await;
            let (_, card) = server.member_with_card("simple", CARD).await;
            let (here, away) =
                (SharedMemory::new(has_list, true), SharedMemory::new(has_list, true));
            server.station("HERE").await;
            server.station("AWAY").await;
            let mut here = Place::speaking(version, &server, "HERE", &here).await;
            let mut gone = Place::speaking(version, &server, "AWAY", &away).await;
            for place in [&mut here, &mut gone] {
                assert_eq!(place.station.authorize(CARD).await.unwrap(), "Accepted");
                assert!(place.station.lets_charge_offline(CARD), "{version:?}: it is in the cache");
            }
            gone.station.go_offline().await;
            assert_eq!(suspend(&server, &card).await["stations_pending"], 2);
            here.until(&server, &card, &format!("block delivered {means}")).await;
            assert!(!here.station.lets_charge_offline(CARD), "{version:?} {means}");
            assert_eq!(delivery(&server, &card, "AWAY").await, "block pending -");
            assert!(gone.station.lets_charge_offline(CARD), "it does not know yet");
            let mut back = Place::speaking(version, &server, "AWAY", &away).await;
            back.until(&server, &card, &format!("block delivered {means}")).await;
            assert!(!back.station.lets_charge_offline(CARD), "{version:?} {means}");
            resume(&server, &card).await;
            here.until(&server, &card, &format!("allow delivered {means}")).await;
            assert_eq!(here.station.authorize(CARD).await.unwrap(), "Accepted");
            assert!(here.station.lets_charge_offline(CARD), "{version:?} {means}");
        }
    }
}

fn event(kind: &str, place: i64, minute: i64, more: &Value) -> Value {
    let at = format!("2024-06-09T12:{minute:02}:00Z");
    let mut event = json!({"eventType": kind, "timestamp": at, "triggerReason": "Trigger", "seqNo": place,
        "transactionInfo": {"transactionId": "T-1"}});
    for (name, value) in more.as_object().unwrap() {
        if name == "transactionInfo" {
            event["transactionInfo"]["chargingState"] = value["chargingState"].clone();
        } else {
            event[name] = value.clone();
        }
    }
    event
}

fn register(minute: i64, wh: i64, context: &str) -> Value {
    json!([{"timestamp": format!("2024-06-09T12:{minute:02}:00Z"), "sampledValue": [{"value": wh, "context": context}]}])
}

/// Plugged in at 12:00, card at 12:01, energy from 12:02 on, unplugged at 12:32.
pub fn whole() -> Vec<Value> {
    vec![
        event(
            "Started",
            0,
            0,
            &json!({"transactionInfo": {"chargingState": "EVConnected"}, "evse": {"id": 1}, "meterValue": register(0, 1_000, "Transaction.Begin")}),
        ),
        event("Updated", 1, 1, &json!({"idToken": {"idToken": CARD, "type": "ISO14443"}})),
        event(
            "Updated",
            2,
            2,
            &json!({"triggerReason": "ChargingStateChanged", "transactionInfo": {"chargingState": "Charging"}}),
        ),
        event("Updated", 3, 17, &json!({"meterValue": register(17, 6_000, "Sample.Periodic")})),
        event("Updated", 4, 31, &json!({"transactionInfo": {"chargingState": "SuspendedEV"}})),
        event(
            "Ended",
            5,
            32,
            &json!({"idToken": {"idToken": CARD, "type": "ISO14443"}, "meterValue": register(32, 11_000, "Transaction.End")}),
        ),
    ]
}

#[tokio::test]
async fn events_in_any_order_with_repeats_and_losses_are_one_session_that_is_right_or_flagged() {
    let seed: u64 = std::env::var("JUDEN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(rand::random);
    println!("JUDEN_SEED={seed}");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let server = TestServer::at("2024-06-08T00:00:00Z").await;
    let cases: Vec<(Option<usize>, usize)> =
        [None, Some(0), Some(1), Some(2), Some(3), Some(4), Some(5)]
            .into_iter()
            .flat_map(|lost| (0..6).map(move |round| (lost, round)))
            .collect();
    for n in 0..cases.len() {
        server.member_with_card("premium_100", &format!("CARD{n}")).await;
    }
    server.clock("2024-06-10T12:00:00Z").await;
    for (n, (lost, round)) in cases.into_iter().enumerate() {
        let name =
            format!("CP-{round}-{}", lost.map_or("all".to_owned(), |place| place.to_string()));
        server.station(&name).await;
        let mut events: Vec<Value> = whole()
            .into_iter()
            .enumerate()
            .filter(|(place, _)| Some(*place) != lost)
            .map(|(_, event)| event)
            .collect();
        for event in events.iter_mut().filter(|event| event["idToken"].is_object()) {
            event["idToken"]["idToken"] = json!(format!("CARD{n}"));
        }
        events.extend(events.clone().into_iter().take(round));
        events.shuffle(&mut random);
        let mut socket = newer(&server, &name).await;
        let mut answers = std::collections::HashMap::new();
        for event in &events {
            let answer = socket.call("TransactionEvent", event.clone()).await;
            assert_eq!(answer[0], 3, "{answer}");
            let first = answers.entry(event["seqNo"].as_i64()).or_insert_with(|| answer[2].clone());
            assert_eq!(*first, answer[2], "a repeat has the first answer");
            assert_eq!(
                answer[2]["idTokenInfo"].is_object(),
                event["idToken"].is_object(),
                "{answer}"
            );
        }
        let sessions = server.sessions_at(&name).await;
        assert_eq!(sessions.len(), 1, "{name}: {events:#?}");
        check(&sessions[0], lost, &name);
    }
}

fn check(session: &Value, lost: Option<usize>, name: &str) {
    let measured = (
        session["started_at"].as_str(),
        session["stopped_at"].as_str(),
        session["energy_wh"].as_i64(),
    );
    let right = (Some("2024-06-09T12:02:00Z"), Some("2024-06-09T12:32:00Z"), Some(10_000));
    let state = session["state"].as_str().unwrap();
    match lost {
        None | Some(1 | 3 | 4) => {
            assert_eq!(measured, right, "{name}: {session}");
            // With the card's event lost, the end tells the card.
            assert_eq!(
                (state, session["units"].as_i64()),
                ("ended", Some(30)),
                "{name}: {session}"
            );
            assert_eq!(has_flag(session, "steps_missing"), lost.is_some(), "{name}: {session}");
        }
        Some(0) => {
            assert_eq!((measured.0, measured.1), (right.0, right.1), "{name}: {session}");
            assert!(has_flag(session, "start_missing") && state == "review", "{name}: {session}");
        }
        Some(2) => assert!(
            has_flag(session, "charging_start_doubtful") && state == "review",
            "{name}: {session}"
        ),
        Some(_) => assert_eq!(
            (measured.0, measured.1, state),
            (right.0, None, "open"),
            "{name}: {session}"
        ),
    }
}

#[tokio::test]
async fn an_event_that_says_something_else_under_its_number_is_set_aside() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    for event in whole() {
        socket.call("TransactionEvent", event).await;
    }
    let mut other = whole().pop().unwrap();
    other["meterValue"] = register(32, 99_000, "Transaction.End");
    let answer = socket.call("TransactionEvent", other).await;
    assert_eq!(answer[2]["idTokenInfo"]["status"], "Accepted");
    let session = server.sessions_at("CP1").await.pop().unwrap();
    assert_eq!(session["energy_wh"], 10_000);
    assert!(has_flag(&session, "step_differs"), "{session}");
    let detail =
        server.get(&format!("/sessions/{}", session["session_id"].as_str().unwrap())).await;
    let effects: Vec<&str> = detail["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["effect"].as_str().unwrap())
        .collect();
    assert_eq!(
        effects,
        ["started", "updated", "updated", "updated", "updated", "ended", "differing_step"]
    );
}

#[tokio::test]
async fn a_late_first_event_moves_a_session_to_the_month_in_which_it_began() {
    let server = TestServer::at("2024-05-31T00:00:00Z").await;
    let (member, _) = server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    server.clock("2024-06-10T00:00:00Z").await;
    let mut socket = newer(&server, "CP1").await;
    let at = |kind: &str, place: i64, at: &str| {
        json!({"eventType": kind, "timestamp": at, "triggerReason": "Trigger", "seqNo": place, "evse": {"id": 1}, "offline": true,
            "idToken": {"idToken": CARD, "type": "ISO14443"}, "transactionInfo": {"transactionId": "T-1"}})
    };
    socket.call("TransactionEvent", at("Updated", 1, "2024-05-31T15:10:00Z")).await;
    socket.call("TransactionEvent", at("Ended", 2, "2024-05-31T15:20:00Z")).await;
    assert_eq!(server.sessions_at("CP1").await[0]["usage_month"], "2024-06");
    assert_eq!(server.post("/months/2024-05/close", &json!({})).await.status, 200);
    socket.call("TransactionEvent", at("Started", 0, "2024-05-31T14:50:00Z")).await;
    let session = server.sessions_at("CP1").await.pop().unwrap();
    assert_eq!(
        (&session["usage_month"], &session["units"], &session["state"]),
        (&json!("2024-05"), &json!(30), &json!("ended"))
    );
    // May was closed before: what came late is a line of June's invoice.
    server.clock("2024-07-06T00:00:00Z").await;
    assert_eq!(server.post("/months/2024-06/close", &json!({})).await.status, 200);
    let bill = server.get(&format!("/members/{member}/bills/2024-06")).await;
    let lines: Vec<(&str, &str)> = bill["lines"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (line["code"].as_str().unwrap(), line["usage_month"].as_str().unwrap()))
        .collect();
    assert!(lines.contains(&("adjustment", "2024-05")), "{lines:?}");
}

#[tokio::test]
async fn a_station_that_needs_nobodys_card_is_told_yes_and_its_session_belongs_to_no_card() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let nobody = json!({"idToken": "", "type": "NoAuthorization"});
    let answer = socket.call("Authorize", json!({"idToken": nobody})).await;
    assert_eq!(answer[2], json!({"idTokenInfo": {"status": "Accepted"}}));
    let mut started = whole().remove(0);
    started["idToken"] = nobody;
    assert_eq!(
        socket.call("TransactionEvent", started).await[2],
        json!({"idTokenInfo": {"status": "Accepted"}})
    );
    let session = server.sessions_at("CP1").await.pop().unwrap();
    assert!(has_flag(&session, "no_card") && session["card_number"].is_null(), "{session}");
}

/// An event of another transaction at an EVSE, with a card where one is named.
fn told(
    name: &str,
    kind: &str,
    place: i64,
    minute: i64,
    card: Option<&str>,
    more: &Value,
) -> Value {
    let mut event = event(kind, place, minute, more);
    event["transactionInfo"]["transactionId"] = json!(name);
    event["evse"] = json!({"id": 1});
    if let Some(card) = card {
        event["idToken"] = json!({"idToken": card, "type": "ISO14443"});
    }
    event
}

async fn after_may() -> TestServer {
    let server = TestServer::at("2024-06-08T00:00:00Z").await;
    server.member_with_card("simple", "CARD1").await;
    server.member_with_card("simple", "CARD2").await;
    for station in ["CP1", "CP2"] {
        server.station(station).await;
    }
    server.clock("2024-06-10T12:00:00Z").await;
    server
}

const CHARGING: &str = r#"{"transactionInfo":{"chargingState":"Charging"}}"#;

fn charging() -> Value {
    serde_json::from_str(CHARGING).unwrap()
}

#[tokio::test]
async fn a_stop_over_an_older_connection_stands_until_the_transactions_own_end_comes() {
    let server = after_may().await;
    let mut socket = newer(&server, "CP1").await;
    socket.call("TransactionEvent", told("T", "Started", 0, 0, Some("CARD1"), &charging())).await;
    let number = server.sessions_at("CP1").await[0]["transaction_id"].clone();
    let mut older =
        Socket::open(&format!("{}/CP1", server.ocpp_url()), Some("ocpp1.6"), None).await.unwrap();
    let stop =
        json!({"transactionId": number, "timestamp": "2024-06-09T12:30:00Z", "meterStop": 0});
    assert_eq!(older.call("StopTransaction", stop).await[0], 3);
    let mut socket = newer(&server, "CP1").await;
    socket.call("TransactionEvent", told("T", "Updated", 1, 10, None, &json!({}))).await;
    assert_eq!(server.sessions_at("CP1").await[0]["units"], 30);
    socket.call("TransactionEvent", told("T", "Ended", 2, 20, None, &json!({}))).await;
    assert_eq!(server.sessions_at("CP1").await[0]["units"], 20);
}

#[tokio::test]
async fn the_first_card_that_is_accepted_pays_and_is_judged_when_it_was_shown() {
    let server = after_may().await;
    let mut socket = newer(&server, "CP1").await;
    for first in [
        json!({"idToken": "DEADBEEF", "type": "ISO14443"}),
        json!({"idToken": "", "type": "NoAuthorization"}),
    ] {
        let name = first["type"].as_str().unwrap();
        let mut started = told(name, "Started", 0, 0, None, &json!({}));
        started["idToken"] = first.clone();
        socket.call("TransactionEvent", started).await;
        socket
            .call("TransactionEvent", told(name, "Updated", 1, 1, Some("CARD1"), &charging()))
            .await;
        socket.call("TransactionEvent", told(name, "Ended", 2, 9, None, &json!({}))).await;
        let session = server.sessions_at("CP1").await.pop().unwrap();
        assert_eq!(
            (&session["card_number"], session["units"].as_i64()),
            (&json!("C-00000001"), Some(8)),
            "{session}"
        );
    }
    // Suspended between the plug and the card: the start was right, the card is not.
    let mut live = newer(&server, "CP2").await;
    let at = |kind: &str, place: i64, at: &str, card: bool| {
        let mut event = told("L", kind, place, 0, card.then_some("CARD2"), &json!({}));
        event["timestamp"] = json!(at);
        event
    };
    live.call("TransactionEvent", at("Started", 0, "2024-06-10T12:00:00Z", false)).await;
    server.clock("2024-06-10T12:05:00Z").await;
    suspend(&server, "C-00000002").await;
    server.clock("2024-06-10T12:06:00Z").await;
    let answer =
        live.call("TransactionEvent", at("Updated", 1, "2024-06-10T12:06:00Z", true)).await;
    assert_eq!(answer[2]["idTokenInfo"]["status"], "Blocked");
    server.clock("2024-06-10T12:20:00Z").await;
    live.call("TransactionEvent", at("Ended", 2, "2024-06-10T12:20:00Z", false)).await;
    let session = server.sessions_at("CP2").await.pop().unwrap();
    assert_eq!(
        (&session["state"], &session["refusal"]),
        (&json!("exception"), &json!("suspended_lost")),
        "{session}"
    );
}

#[tokio::test]
async fn a_name_that_is_used_again_is_another_transaction_and_late_repeats_find_the_first() {
    let server = after_may().await;
    let mut socket = newer(&server, "CP1").await;
    let first = [
        told("1", "Started", 0, 0, Some("CARD1"), &charging()),
        told("1", "Ended", 1, 10, None, &json!({})),
    ];
    let second = [
        told("1", "Started", 0, 20, Some("CARD2"), &charging()),
        told("1", "Ended", 1, 50, None, &json!({})),
    ];
    for event in first.iter().chain(&second).chain(&first).chain(&second) {
        assert_eq!(socket.call("TransactionEvent", event.clone()).await[0], 3);
    }
    let units: Vec<(Value, Value)> = server
        .sessions_at("CP1")
        .await
        .into_iter()
        .map(|mut one| (one["card_number"].take(), one["units"].take()))
        .collect();
    assert_eq!(units, [(json!("C-00000001"), json!(10)), (json!("C-00000002"), json!(30))]);
}

#[tokio::test]
async fn a_station_that_never_counts_is_read_by_kind_and_time() {
    let server = after_may().await;
    let mut socket = newer(&server, "CP1").await;
    let events = [
        told("Z", "Started", 0, 0, Some("CARD1"), &charging()),
        told("Z", "Updated", 0, 5, None, &json!({})),
        told("Z", "Updated", 0, 10, None, &json!({})),
        told("Z", "Ended", 0, 30, None, &json!({})),
    ];
    for event in events.iter().chain(&events) {
        socket.call("TransactionEvent", event.clone()).await;
    }
    let session = server.sessions_at("CP1").await.pop().unwrap();
    assert_eq!((&session["units"], &session["state"]), (&json!(30), &json!("ended")), "{session}");
    assert!(
        has_flag(&session, "steps_uncounted") && !has_flag(&session, "step_numbers_repeated"),
        "{session}"
    );
}

#[tokio::test]
async fn a_start_or_an_end_under_a_number_that_another_event_has_is_not_lost() {
    let server = after_may().await;
    let mut socket = newer(&server, "CP1").await;
    let events = [
        told("Z", "Started", 0, 0, Some("CARD1"), &charging()),
        told("Z", "Updated", 1, 5, None, &json!({})),
        told("Z", "Ended", 1, 30, None, &json!({})),
    ];
    for event in events.iter().chain(&events) {
        socket.call("TransactionEvent", event.clone()).await;
    }
    let session = server.sessions_at("CP1").await.pop().unwrap();
    assert_eq!((&session["units"], &session["state"]), (&json!(30), &json!("review")), "{session}");
    assert!(has_flag(&session, "step_numbers_repeated"), "{session}");
}

#[tokio::test]
async fn what_tells_that_energy_flowed_keeps_a_session_from_having_no_minutes() {
    let server = after_may().await;
    let mut socket = newer(&server, "CP1").await;
    let plugged = json!({"transactionInfo": {"chargingState": "EVConnected"}, "meterValue": register(0, 0, "Transaction.Begin")});
    let mut charged = told("time", "Ended", 1, 20, None, &json!({}));
    charged["transactionInfo"]["timeSpentCharging"] = json!(600);
    let ends = [
        ("none", told("none", "Ended", 1, 20, None, &json!({})), "never_charged"),
        ("time", charged, "charging_start_doubtful"),
        (
            "back",
            told(
                "back",
                "Ended",
                1,
                20,
                None,
                &json!({"meterValue": register(20, -5, "Transaction.End")}),
            ),
            "charging_start_doubtful",
        ),
    ];
    for (name, end, flag) in ends {
        socket.call("TransactionEvent", told(name, "Started", 0, 0, Some("CARD1"), &plugged)).await;
        socket.call("TransactionEvent", end).await;
        let session = server.sessions_at("CP1").await.pop().unwrap();
        assert!(has_flag(&session, flag), "{name}: {session}");
    }
    // Read beside the transaction (J01).
    socket
        .call(
            "TransactionEvent",
            told(
                "beside",
                "Started",
                0,
                30,
                Some("CARD1"),
                &json!({"transactionInfo": {"chargingState": "EVConnected"}, "meterValue": register(30, 0, "Transaction.Begin")}),
            ),
        )
        .await;
    socket
        .call(
            "MeterValues",
            json!({"evseId": 1, "meterValue": register(35, 5_000, "Sample.Clock")}),
        )
        .await;
    socket.call("TransactionEvent", told("beside", "Ended", 1, 50, None, &json!({}))).await;
    let session = server.sessions_at("CP1").await.pop().unwrap();
    assert!(has_flag(&session, "charging_start_doubtful"), "{session}");
}

#[tokio::test]
async fn a_card_that_charges_elsewhere_is_refused_however_often_it_is_shown() {
    let server = after_may().await;
    let now = "2024-06-10T12:00:00Z";
    let live = |name: &str, kind: &str, place: i64| {
        let mut event = told(name, kind, place, 0, Some("CARD1"), &json!({}));
        event["timestamp"] = json!(now);
        event
    };
    let (mut here, mut there) = (newer(&server, "CP1").await, newer(&server, "CP2").await);
    assert_eq!(
        here.call("TransactionEvent", live("A", "Started", 0)).await[2]["idTokenInfo"]["status"],
        "Accepted"
    );
    for (kind, place) in [("Started", 0), ("Updated", 1), ("Updated", 2)] {
        let answer = there.call("TransactionEvent", live("B", kind, place)).await;
        assert_eq!(answer[2]["idTokenInfo"]["status"], "ConcurrentTx", "{kind} {place}");
    }
}
