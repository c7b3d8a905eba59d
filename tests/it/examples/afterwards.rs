//! What comes after a session was shown to be over, after a guess, and after a person spoke (B6, B8 to B11).

use serde_json::{Value, json};

use super::corrections::{as_person, correct, march};
use super::evidence::{begin, event, newer, november, old, reading, state};
use super::story::{Story, utc};
use crate::harness::{Socket, has_flag, start, status, stop, transaction};

/// A session of the first card's on connector 1 of Q1, last seen charging after 15 minutes, then left without a stop.
async fn left_alone() -> (Story, Socket, i64) {
    let (story, _) = november().await;
    let mut socket = old(&story, "Q1").await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2026-11-30 12:00:00"), 5_000)).await,
    );
    story.clock("2026-11-30 12:15:00").await;
    let value = json!([{"timestamp": utc("2026-11-30 12:15:00"), "sampledValue": [{"value": "9000", "unit": "Wh"}]}]);
    socket.call("MeterValues", json!({"connectorId": 1, "meterValue": value})).await;
    story.clock("2026-11-30 12:20:00").await;
    state(&mut socket, 1, "Available", &utc("2026-11-30 12:20:00")).await;
    assert_eq!(units_and_state(&story, number).await, (json!(15), "review".to_owned()));
    (story, socket, number)
}

async fn units_and_state(story: &Story, number: i64) -> (Value, String) {
    let session = story.server.session(number).await;
    (session["units"].clone(), session["state"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn the_next_drivers_charging_does_not_lengthen_a_session_that_is_over() {
    let (story, mut socket, number) = left_alone().await;
    story.clock("2026-11-30 13:20:00").await;
    for word in ["Preparing", "Charging"] {
        state(&mut socket, 1, word, &utc("2026-11-30 13:20:00")).await;
    }
    assert_eq!(units_and_state(&story, number).await, (json!(15), "review".to_owned()));
    let mut elsewhere = old(&story, "D1").await;
    let accepted =
        elsewhere.call("StartTransaction", start("CARD1", &utc("2026-11-30 13:20:00"), 0)).await;
    assert_eq!(status(&accepted), "Accepted", "the card is free: {accepted}");
    socket.call("StartTransaction", start("CARD2", &utc("2026-11-30 13:20:00"), 9_000)).await;
    assert_eq!(units_and_state(&story, number).await, (json!(15), "review".to_owned()));
}

#[tokio::test]
async fn a_stray_stop_is_not_guessed_onto_a_session_that_was_over_before_it() {
    let (story, mut socket, number) = left_alone().await;
    story.clock("2026-11-30 14:20:00").await;
    socket.call("StopTransaction", stop(-1, &utc("2026-11-30 14:20:00"), 30_000)).await;
    assert_eq!(units_and_state(&story, number).await, (json!(15), "review".to_owned()));
    // One of before the connector was free may be its own.
    let mut own = stop(-1, &utc("2026-11-30 12:18:00"), 9_500);
    own["idTag"] = json!("CARD1");
    socket.call("StopTransaction", own).await;
    assert_eq!(units_and_state(&story, number).await, (json!(18), "ended".to_owned()));
}

#[tokio::test]
async fn a_guess_is_taken_back_where_the_station_goes_on_with_the_session() {
    let (story, _) = november().await;
    let mut socket = old(&story, "Q1").await;
    let number = transaction(
        &socket.call("StartTransaction", start("CARD1", &utc("2026-11-30 12:00:00"), 5_000)).await,
    );
    story.clock("2026-11-30 12:10:00").await;
    socket.call("StopTransaction", stop(999, &utc("2026-11-30 12:10:00"), 7_000)).await;
    assert_eq!(units_and_state(&story, number).await, (json!(10), "ended".to_owned()));
    story.clock("2026-11-30 12:15:00").await;
    reading(&mut socket, 1, number, &utc("2026-11-30 12:15:00"), 8_000).await;
    assert_eq!(units_and_state(&story, number).await.1, "open");
    story.clock("2026-11-30 12:25:00").await;
    socket.call("StopTransaction", stop(number, &utc("2026-11-30 12:25:00"), 9_000)).await;
    assert_eq!(units_and_state(&story, number).await, (json!(25), "ended".to_owned()));
    assert!(has_flag(&story.server.session(number).await, "end_replaced"));
}

#[tokio::test]
async fn events_of_the_next_driver_whose_start_was_lost_are_not_the_first_drivers() {
    let (story, _) = november().await;
    let mut socket = newer(&story, "Q1").await;
    socket
        .call("TransactionEvent", event("1", "Started", 0, "2026-11-30 12:00:00", Some("CARD1"), 0))
        .await;
    story.clock("2026-11-30 12:15:00").await;
    socket
        .call("TransactionEvent", event("1", "Updated", 1, "2026-11-30 12:15:00", None, 4_000))
        .await;
    drop(socket);
    story.clock("2026-11-30 14:15:00").await;
    let mut socket = newer(&story, "Q1").await;
    socket
        .call(
            "BootNotification",
            json!({"reason": "PowerUp", "chargingStation": {"vendorName": "V", "model": "M"}}),
        )
        .await;
    story.clock("2026-11-30 14:25:00").await;
    let card = story.server.get("/sessions?station_id=Q1").await["items"][0]["card_number"].clone();
    socket
        .call("TransactionEvent", event("1", "Updated", 2, "2026-11-30 14:25:00", Some("CARD2"), 0))
        .await;
    story.clock("2026-11-30 14:42:00").await;
    socket
        .call("TransactionEvent", event("1", "Ended", 3, "2026-11-30 14:42:00", None, 6_000))
        .await;
    let sessions = story.server.sessions_at("Q1").await;
    assert_eq!(sessions.len(), 2, "{sessions:?}");
    let (first, second) = (&sessions[0], &sessions[1]);
    assert_eq!(
        (&first["card_number"], &first["units"], &first["state"]),
        (&card, &json!(15), &json!("review")),
        "{first}"
    );
    assert_ne!(second["card_number"], card, "{second}");
    assert_eq!(second["state"], "review", "its start never came: {second}");
}

#[tokio::test]
async fn one_name_at_two_evses_at_once_is_two_transactions() {
    let (story, _) = november().await;
    let mut socket = newer(&story, "D1").await;
    let at_evse = |mut event: Value, evse: i64| {
        event["evse"] = json!({"id": evse, "connectorId": 1});
        event
    };
    socket
        .call(
            "TransactionEvent",
            at_evse(event("1", "Started", 0, "2026-11-30 12:00:00", Some("CARD1"), 0), 1),
        )
        .await;
    story.clock("2026-11-30 12:05:00").await;
    socket
        .call(
            "TransactionEvent",
            at_evse(event("1", "Started", 0, "2026-11-30 12:05:00", Some("CARD2"), 0), 2),
        )
        .await;
    story.clock("2026-11-30 12:15:00").await;
    socket
        .call(
            "TransactionEvent",
            at_evse(event("1", "Ended", 1, "2026-11-30 12:15:00", None, 5_000), 1),
        )
        .await;
    story.clock("2026-11-30 12:30:00").await;
    socket
        .call(
            "TransactionEvent",
            at_evse(event("1", "Ended", 1, "2026-11-30 12:30:00", None, 8_000), 2),
        )
        .await;
    let sessions = story.server.sessions_at("D1").await;
    let told: Vec<_> = sessions
        .iter()
        .map(|one| (&one["connector_id"], &one["units"], &one["energy_wh"], &one["state"]))
        .collect();
    let (one, two, ended) = (json!(1), json!(2), json!("ended"));
    assert_eq!(
        told,
        [(&one, &json!(15), &json!(5_000), &ended), (&two, &json!(25), &json!(8_000), &ended)],
        "{sessions:?}"
    );
}

#[tokio::test]
async fn a_sum_that_a_person_named_waits_for_a_second_one_whichever_way_it_comes_to_be_billed() {
    let (story, _, session) = march().await;
    correct(&story, session, json!({"kind": "waive"})).await;
    let ended =
        correct(&story, session, json!({"kind": "end", "stopped_at": utc("2024-03-10 22:30")}))
            .await;
    assert_eq!(ended["state"], "done", "it costs nothing while it is waived: {ended}");
    let billed = correct(&story, session, json!({"kind": "bill"})).await;
    assert_eq!(billed["state"], "waiting", "{billed}");
    let confirm = format!("/corrections/{}/confirm", billed["correction_id"].as_str().unwrap());
    for same in ["operator", "Operator ", "OPERATOR"] {
        assert_eq!(as_person(&story, "POST", &confirm, same).await.status, 409, "{same}");
    }
    assert_eq!(as_person(&story, "POST", &confirm, "bob").await.status, 200);
}

#[tokio::test]
async fn what_is_confirmed_after_an_undo_stands_and_what_was_undone_stays_so() {
    let (story, member, session) = march().await;
    correct(&story, session, json!({"kind": "reduce", "amount_yen": 100})).await;
    let end =
        correct(&story, session, json!({"kind": "end", "stopped_at": utc("2024-03-10 20:30")}))
            .await;
    assert_eq!(end["state"], "waiting");
    correct(&story, session, json!({"kind": "undo"})).await;
    assert_eq!(story.bill(&member, "2024-03").await.total, "4070", "the reduction is taken back");
    let confirm = format!("/corrections/{}/confirm", end["correction_id"].as_str().unwrap());
    assert_eq!(as_person(&story, "POST", &confirm, "bob").await.status, 200);
    let bill = story.bill(&member, "2024-03").await;
    assert_eq!(
        (bill.yen("goodwill"), story.server.session(session).await["units"].clone()),
        (vec![], json!(630)),
        "{bill:?}"
    );
}

#[tokio::test]
async fn what_a_station_told_while_a_persons_end_stood_counts_once_that_is_undone() {
    let (story, _) = november().await;
    let mut socket = old(&story, "D1").await;
    let number = transaction(
        &socket.call("StartTransaction", begin(1, "CARD1", &utc("2026-11-30 12:00:00"), 0)).await,
    );
    story.clock("2026-11-30 12:20:00").await;
    correct(&story, number, json!({"kind": "end", "stopped_at": utc("2026-11-30 12:10:00")})).await;
    state(&mut socket, 1, "Available", &utc("2026-11-30 12:20:00")).await;
    correct(&story, number, json!({"kind": "undo"})).await;
    assert_eq!(units_and_state(&story, number).await.1, "review");
    let accepted = old(&story, "Q1")
        .await
        .call("StartTransaction", start("CARD1", &utc("2026-11-30 12:20:00"), 0))
        .await;
    assert_eq!(status(&accepted), "Accepted", "{accepted}");
}

#[tokio::test]
async fn an_entry_that_is_confirmed_after_its_month_was_closed_is_a_line_of_the_next() {
    let (story, member, _) = march().await;
    let body = json!({"kind": "damages", "amount_yen": 50_000, "reason": "a cable"});
    let entered = story.post(&format!("/members/{member}/entries"), &body).await;
    story.clock("2024-04-06 00:00").await;
    let confirm = format!("/entries/{}/confirm", entered["entry_id"].as_str().unwrap());
    assert_eq!(as_person(&story, "POST", &confirm, "bob").await.status, 200);
    let april = story.bill(&member, "2024-04").await;
    assert_eq!(
        (april.yen("damages"), april.yen("adjustment")),
        (vec!["50000"], vec![]),
        "{april:?}"
    );
}

#[tokio::test]
async fn a_stop_that_ended_another_billed_session_is_not_joined() {
    let (story, _, session) = march().await;
    let other = story
        .session(super::story::Class::Quick, "CARD1", "2024-03-12 10:00", "2024-03-12 10:20")
        .await;
    let station = story.server.session(session).await["station_id"].as_str().unwrap().to_owned();
    let messages =
        story.server.get(&format!("/stations/{station}/messages?action=StopTransaction")).await;
    if messages["items"].as_array().unwrap().is_empty() {
        return; // The sessions were told in the words of 2.0.1.
    }
    let of_other = messages["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["transaction_id"] == other)
        .unwrap();
    let name = story.server.session(session).await["session_id"].as_str().unwrap().to_owned();
    let body =
        json!({"kind": "join_stop", "message_id": of_other["message_id"], "reason": "tried"});
    let refused = story.server.post(&format!("/sessions/{name}/corrections"), &body).await;
    assert_eq!(
        (refused.status, refused.json()["reason"].as_str()),
        (409, Some("stop_of_another_session")),
        "{refused:?}"
    );
}
