//! A message is its content: its repeats get the first answer, whatever their id, whenever they come.

use serde_json::{Value, json};

use crate::harness::{TestServer, has_flag, start, status, stop, transaction};

#[tokio::test]
async fn a_start_repeated_before_and_after_stop_and_restart_and_weeks_later_is_one_session() {
    let mut server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    let (_, card) = server.member_with_card("simple", "CARD1").await;
    let message = start("CARD1", "2024-06-09T23:00:00Z", 5);
    let mut socket = server.socket("CP1").await;
    // The card was activated after this start: the first answer stands for its repeats all the same.
    let first: Value = socket.call_as("a", "StartTransaction", message.clone()).await[2].clone();
    let same = |answer: Value| assert_eq!(answer[2], first);
    same(socket.call_as("a", "StartTransaction", message.clone()).await);
    same(socket.call_as("b", "StartTransaction", message.clone()).await);
    let id = first["transactionId"].as_i64().unwrap();
    socket.call("StopTransaction", stop(id, "2024-06-09T23:30:00Z", 50)).await;
    same(socket.call_as("c", "StartTransaction", message.clone()).await);
    let suspended =
        server.post(&format!("/cards/{card}/suspend"), &json!({"reason": "lost"})).await;
    assert_eq!(suspended.status, 200);
    // No answer of the past accepts a card that is blocked now.
    let blocked = |answer: Value| {
        assert_eq!((&answer[2]["transactionId"], status(&answer)), (&json!(id), "Blocked"));
    };
    blocked(socket.call_as("d", "StartTransaction", message.clone()).await);
    server.restart().await;
    let mut socket = server.socket("CP1").await;
    blocked(socket.call_as("a", "StartTransaction", message.clone()).await);
    server.clock("2024-07-01T00:00:00Z").await;
    blocked(socket.call_as("e", "StartTransaction", message.clone()).await);
    assert_eq!(server.sessions_at("CP1").await.len(), 1);
    let session = server.session(id).await;
    let starts = session["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|message| message["action"] == "StartTransaction")
        .count();
    assert_eq!(starts, 7, "every repeat is kept");
}

#[tokio::test]
async fn a_repeat_is_the_same_message_whatever_is_registered_of_the_station_meanwhile() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    server.member_with_card("simple", "04A2B3C4").await;
    let mut socket = server.socket("CP1").await;
    let message = start("C4B3A204", "2024-06-10T00:00:00Z", 5);
    let first = socket.call("StartTransaction", message.clone()).await;
    assert_eq!(status(&first), "Invalid", "read as it is told, it is nobody's");
    server.station_as("CP1", &json!({"quirks": ["reversed_id_tags", "energy_in_kwh"]})).await;
    assert_eq!(socket.call("StartTransaction", message.clone()).await[2], first[2]);
    let mut ended = stop(transaction(&first), "2024-06-10T00:00:01Z", 50);
    ended["idTag"] = json!("C4B3A204");
    let told = socket.call("StopTransaction", ended.clone()).await;
    server.station_as("CP1", &json!({"quirks": []})).await;
    assert_eq!(socket.call("StopTransaction", ended).await[2], told[2]);
    assert_eq!(socket.call("StartTransaction", message).await[2], first[2]);
    let sessions = server.sessions_at("CP1").await;
    assert!(sessions.len() == 1 && !has_flag(&sessions[0], "stop_differs"), "{sessions:?}");
}

#[tokio::test]
async fn another_connector_card_time_or_meter_is_another_session() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    server.station("CP2").await;
    let mut socket = server.socket("CP1").await;
    let base = start("CARD1", "2024-06-09T23:00:00Z", 5);
    let mut ids = vec![transaction(&socket.call("StartTransaction", base.clone()).await)];
    for (field, value) in [
        ("connectorId", json!(2)),
        ("idTag", json!("CARD2")),
        ("timestamp", json!("2024-06-09T23:00:01Z")),
        ("meterStart", json!(6)),
    ] {
        let mut other = base.clone();
        other[field] = value;
        ids.push(transaction(&socket.call("StartTransaction", other).await));
    }
    let mut elsewhere = server.socket("CP2").await;
    ids.push(transaction(&elsewhere.call("StartTransaction", base.clone()).await));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let mut respelled = base;
    respelled["idTag"] = json!("card-1");
    respelled["timestamp"] = json!("2024-06-10T08:00:00+09:00");
    respelled["connectorId"] = json!("1");
    let again = transaction(&socket.call("StartTransaction", respelled).await);
    assert!(ids.contains(&again), "the same content in another spelling is the same start");
}

#[tokio::test]
async fn a_station_without_a_clock_may_start_the_same_again_once_the_first_has_stopped() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let message = start("CARD1", "1970-01-01T00:00:05Z", 0);
    let first = transaction(&socket.call("StartTransaction", message.clone()).await);
    assert_eq!(transaction(&socket.call("StartTransaction", message.clone()).await), first);
    socket.call("StopTransaction", stop(first, "1970-01-01T00:10:00Z", 50)).await;
    let second = transaction(&socket.call("StartTransaction", message.clone()).await);
    assert_ne!(second, first);
    assert_eq!(transaction(&socket.call("StartTransaction", message).await), second);
    assert!(has_flag(&server.session(first).await, "clock_implausible"));
}

#[tokio::test]
async fn a_stop_three_times_is_one_stop_and_the_first_that_differs_is_evidence() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    let (member, _) = server.member_with_card("simple", "CARD1").await;
    server.clock("2024-06-10T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await,
    );
    for message_id in ["a", "a", "b"] {
        let answer = socket
            .call_as(message_id, "StopTransaction", stop(id, "2024-06-09T23:30:00Z", 9000))
            .await;
        assert_eq!(answer, json!([3, message_id, {}]));
    }
    let before = server.session(id).await;
    assert_eq!((&before["energy_wh"], &before["flags"]), (&json!(9000), &json!([])));
    let other = socket.call("StopTransaction", stop(id, "2024-06-09T23:50:00Z", 20_000)).await;
    assert_eq!(other[0], 3);
    let after = server.session(id).await;
    assert_eq!(
        (&after["energy_wh"], &after["stopped_at"], &after["state"]),
        (&json!(9000), &before["stopped_at"], &json!("ended"))
    );
    assert!(has_flag(&after, "stop_differs"));
    let effects: Vec<&str> = after["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["effect"].as_str().unwrap())
        .collect();
    assert_eq!(effects, ["started", "stopped", "repeated_stop", "repeated_stop", "differing_stop"]);
    let usage = server.get(&format!("/members/{member}/usage/2024-06")).await;
    assert_eq!(
        (usage["sessions"].as_array().unwrap().len(), &usage["sessions"][0]["units"]),
        (1, &json!(30))
    );
}

#[tokio::test]
async fn a_repeated_start_is_not_refused_as_its_own_rival() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    server.station("CP2").await;
    server.member_with_card("simple", "CARD1").await;
    server.clock("2024-06-10T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let message = start("CARD1", "2024-06-09T23:40:00Z", 0);
    assert_eq!(status(&socket.call("StartTransaction", message.clone()).await), "Accepted");
    assert_eq!(status(&socket.call("StartTransaction", message).await), "Accepted");
    let mut elsewhere = server.socket("CP2").await;
    assert_eq!(
        status(&elsewhere.call("Authorize", json!({"idTag": "CARD1"})).await),
        "Accepted",
        "a card must be able to stop its own session"
    );
    let rival = elsewhere.call("StartTransaction", start("CARD1", "2024-06-09T23:50:00Z", 0)).await;
    assert_eq!(status(&rival), "ConcurrentTx");
    assert!(has_flag(&server.session(transaction(&rival)).await, "concurrent"));
}

#[tokio::test]
async fn repeats_without_end_are_answered_and_kept_up_to_a_limit() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await,
    );
    for _ in 0..120 {
        let answer = socket.call("StopTransaction", stop(id, "2024-06-09T23:30:00Z", 9000)).await;
        assert_eq!(answer[0], 3);
    }
    let messages = server.session(id).await["messages"].as_array().unwrap().len();
    assert_eq!(messages, 102, "the start, the stop, and a hundred repeats");
}

#[tokio::test]
async fn readings_are_kept_once_and_never_reopen_a_session() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await,
    );
    let reading = |transaction: Value, at: &str, value: &str| json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{"timestamp": at, "sampledValue": [{"value": value}]}]});
    for _ in 0..3 {
        let answer =
            socket.call("MeterValues", reading(json!(id), "2024-06-09T23:10:00Z", "4000")).await;
        assert_eq!(answer[2], json!({}));
    }
    let without_id = json!({"connectorId": 1, "meterValue": [{"timestamp": "2024-06-09T23:11:00Z", "sampledValue": [{"value": "4.4", "unit": "kWh"}]}]});
    socket.call("MeterValues", without_id).await;
    for wrong in [json!(-1), json!(0), json!(9_223_372_036_854_775_807_i64), json!("x")] {
        assert_eq!(
            socket.call("MeterValues", reading(wrong, "2024-06-09T23:12:00Z", "4500")).await[0],
            3
        );
    }
    // The meter stop is unknown: the last reading stands in for it.
    socket.call("StopTransaction", stop(id, "2024-06-09T23:30:00Z", -1)).await;
    socket.call("MeterValues", reading(json!(id), "2024-06-09T23:40:00Z", "9999")).await;
    let session = server.session(id).await;
    assert_eq!(
        (&session["energy_wh"], session["stopped_at"].as_str().unwrap()),
        (&json!(4500), "2024-06-09T23:30:00Z")
    );
    let kept = server.database.number("SELECT count(*) FROM readings WHERE session_id > 0").await;
    assert_eq!(kept, 4, "three instants within the session and one after it");
}

#[tokio::test]
async fn readings_that_come_late_are_the_sessions_also_where_its_end_was_estimated_meanwhile() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await,
    );
    let reading = |at: &str, value: &str| json!({"connectorId": 1, "meterValue": [{"timestamp": at, "sampledValue": [{"value": value}]}]});
    socket.call("MeterValues", reading("2024-06-09T23:10:00Z", "4000")).await;
    server.clock("2024-06-10T00:00:01Z").await;
    let session = server.session(id).await;
    assert!(has_flag(&session, "site_cap_passed"), "{session}");
    assert_eq!(session["stopped_at"], "2024-06-09T23:10:00Z");
    socket.call("MeterValues", reading("2024-06-09T23:28:00Z", "9000")).await;
    server.clock("2024-06-10T00:00:02Z").await;
    let session = server.session(id).await;
    assert_eq!(
        (&session["stopped_at"], &session["energy_wh"]),
        (&json!("2024-06-09T23:28:00Z"), &json!(9000)),
        "{session}"
    );
    socket.call("StopTransaction", stop(id, "2024-06-09T23:30:00Z", -1)).await;
    let session = server.session(id).await;
    assert_eq!(
        (&session["stopped_at"], &session["energy_wh"]),
        (&json!("2024-06-09T23:30:00Z"), &json!(9000)),
        "{session}"
    );
}

#[tokio::test]
async fn w80_a_card_left_open_at_a_charger_long_gone_is_accepted_elsewhere_and_flagged() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    server.station("CP2").await;
    server.member_with_card("simple", "CARD1").await;
    server.clock("2024-06-10T00:00:00Z").await;
    let mut gone = server.socket("CP1").await;
    assert_eq!(
        status(&gone.call("StartTransaction", start("CARD1", "2024-06-10T00:00:00Z", 0)).await),
        "Accepted"
    );
    drop(gone);
    while server.get("/stations/CP1").await["online"] == true {
        tokio::task::yield_now().await;
    }
    server.clock("2024-06-10T00:40:00Z").await;
    let mut elsewhere = server.socket("CP2").await;
    let busy = elsewhere.call("StartTransaction", start("CARD1", "2024-06-10T00:40:00Z", 0)).await;
    assert_eq!(
        status(&busy),
        "ConcurrentTx",
        "within a quarter of an hour past the site's half hour"
    );
    server.clock("2024-06-10T00:46:00Z").await;
    let accepted =
        elsewhere.call("StartTransaction", start("CARD1", "2024-06-10T00:45:30Z", 0)).await;
    assert_eq!(status(&accepted), "Accepted");
    assert!(has_flag(&server.session(transaction(&accepted)).await, "stale_concurrent"));
}

#[tokio::test]
async fn a_lost_stop_keeps_its_card_busy_only_until_the_connector_is_used_again() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    server.station("CP2").await;
    server.member_with_card("simple", "CARD1").await;
    server.member_with_card("simple", "CARD2").await;
    server.clock("2024-06-10T00:00:00Z").await;
    let (mut first, mut second) = (server.socket("CP1").await, server.socket("CP2").await);
    let lost = transaction(
        &first.call("StartTransaction", start("CARD1", "2024-06-09T23:30:00Z", 0)).await,
    );
    assert_eq!(
        status(&second.call("StartTransaction", start("CARD1", "2024-06-09T23:40:00Z", 0)).await),
        "ConcurrentTx"
    );
    first.call("StartTransaction", start("CARD2", "2024-06-09T23:50:00Z", 0)).await;
    assert!(has_flag(&server.session(lost).await, "superseded"));
    assert_eq!(
        status(&second.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await),
        "Accepted"
    );
}
