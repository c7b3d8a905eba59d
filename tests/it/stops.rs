//! Whatever a stop says, it is confirmed and kept, and the session that should close closes.

use serde_json::{Value, json};

use crate::harness::{Socket, TestServer, has_flag, start, stop, transaction};

async fn open_session(server: &TestServer, station: &str, id_tag: &str) -> (Socket, i64) {
    server.station(station).await;
    let mut socket = server.socket(station).await;
    let id = transaction(
        &socket.call("StartTransaction", start(id_tag, "2024-06-09T23:00:00Z", 100)).await,
    );
    (socket, id)
}

#[tokio::test]
async fn a_stop_that_names_no_transaction_of_ours_closes_the_one_session_it_can_mean() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    for (station, named) in [
        ("CP1", json!(-1)),
        ("CP2", json!(0)),
        ("CP3", json!(9_223_372_036_854_775_807_i64)),
        ("CP4", json!(777_777)),
        ("CP5", json!(-9000)),
    ] {
        let (mut socket, id) = open_session(&server, station, "CARD1").await;
        let mut message = stop(0, "2024-06-09T23:30:00Z", 9000);
        message["transactionId"] = named;
        message["idTag"] = json!("CARD1");
        for _ in 0..3 {
            assert_eq!(socket.call("StopTransaction", message.clone()).await[0], 3);
        }
        let session = server.session(id).await;
        assert_eq!(
            (&session["energy_wh"], session["stopped_at"].as_str()),
            (&json!(8900), Some("2024-06-09T23:30:00Z")),
            "{station}"
        );
        assert!(has_flag(&session, "matched_by_content"));
        assert_eq!(
            server.sessions_at(station).await.len(),
            1,
            "{station}: repeats build nothing new"
        );
    }
}

#[tokio::test]
async fn a_stop_that_cannot_mean_the_open_session_leaves_it_open() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    for (station, change) in [
        ("CP1", json!({"idTag": "OTHER"})),
        ("CP2", json!({"timestamp": "2024-06-09T22:59:59Z"})),
        ("CP3", json!({"meterStop": 99})),
    ] {
        let (mut socket, id) = open_session(&server, station, "CARD1").await;
        let mut message = stop(-1, "2024-06-09T23:30:00Z", 9000);
        for (key, value) in change.as_object().unwrap() {
            message[key] = value.clone();
        }
        assert_eq!(socket.call("StopTransaction", message).await[0], 3);
        assert_eq!(server.session(id).await["stopped_at"], Value::Null, "{station}");
    }
}

#[tokio::test]
async fn another_stations_transaction_is_not_touched() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    let (_, theirs) = open_session(&server, "CP1", "CARD1").await;
    let (mut socket, own) = open_session(&server, "CP2", "CARD2").await;
    for _ in 0..3 {
        let answer =
            socket.call("StopTransaction", stop(theirs, "2024-06-09T23:30:00Z", 9000)).await;
        assert_eq!(answer[2], json!({}));
    }
    assert_eq!(server.session(theirs).await["stopped_at"], Value::Null);
    assert_eq!(server.session(own).await["stopped_at"], Value::Null);
    let mut message = stop(theirs, "2024-06-09T23:40:00Z", 9000);
    message["idTag"] = json!("CARD2");
    socket.call("StopTransaction", message).await;
    assert_eq!(server.session(theirs).await["stopped_at"], Value::Null);
    assert_ne!(
        server.session(own).await["stopped_at"],
        Value::Null,
        "its own card names its own session"
    );
}

#[tokio::test]
async fn a_stop_before_its_start_closes_and_quarantines() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    let (mut socket, id) = open_session(&server, "CP1", "CARD1").await;
    assert_eq!(socket.call("StopTransaction", stop(id, "2024-06-09T22:00:00Z", 9000)).await[0], 3);
    let session = server.session(id).await;
    assert_eq!(session["state"], "quarantined");
    assert!(has_flag(&session, "stop_before_start"));
}

#[tokio::test]
async fn a_stop_whose_start_never_came_becomes_a_session_for_review() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    let connectors = json!([{"connector_id": 1, "charger_class": "quick"}, {"connector_id": 2, "charger_class": "normal"}]);
    server.station_as("CP1", &json!({"connectors": connectors})).await;
    let (member, _) = server.member_with_card("simple", "CARD1").await;
    server.clock("2024-06-10T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let begin = |at: &str, value: &str, context: &str| json!({"timestamp": at, "sampledValue": [{"value": value, "context": context}]});
    let message = json!({"transactionId": -1, "idTag": "CARD1", "timestamp": "2024-06-09T23:30:00Z", "meterStop": 9000, "transactionData": [
        begin("2024-06-09T23:00:00Z", "1000", "Transaction.Begin"), begin("2024-06-09T23:30:00Z", "9000", "Transaction.End"),
    ]});
    for _ in 0..2 {
        assert_eq!(socket.call("StopTransaction", message.clone()).await[0], 3);
    }
    let sessions = server.sessions_at("CP1").await;
    assert_eq!(sessions.len(), 1);
    let session = &sessions[0];
    assert_eq!(
        (&session["state"], &session["energy_wh"], &session["units"]),
        (&json!("quarantined"), &json!(8000), &json!(null)),
        "its connector is not known: {session}"
    );
    // A station with one connector leaves no doubt about which it was.
    server.put("/stations/CP2", &json!({"site": "Chiba", "connectors": [{"connector_id": 1, "charger_class": "quick"}]})).await;
    let mut single = server.socket("CP2").await;
    single.call("StopTransaction", message).await;
    let session = &server.sessions_at("CP2").await[0];
    assert_eq!((&session["state"], &session["units"]), (&json!("review"), &json!(30)), "{session}");
    let before = server.get(&format!("/members/{member}/bills/2024-06")).await;
    let decided = server
        .post(
            &format!("/sessions/{}/decision", session["session_id"].as_str().unwrap()),
            &json!({"decision": "bill", "note": "seen on site"}),
        )
        .await;
    assert_eq!((decided.status, &decided.json()["state"]), (200, &json!("ended")));
    let after = server.get(&format!("/members/{member}/bills/2024-06")).await;
    let total = |bill: &Value| bill["total_yen"].as_str().unwrap().parse::<i64>().unwrap();
    assert_eq!(
        total(&after) - total(&before),
        30 * 99,
        "a held session is billed once a person says so"
    );
}

#[tokio::test]
async fn a_stop_about_nothing_is_confirmed_and_kept() {
    let server = TestServer::at("2024-06-10T00:00:00Z").await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    assert_eq!(
        socket.call("StopTransaction", stop(424_242, "2024-06-09T23:30:00Z", 9000)).await[2],
        json!({})
    );
    assert_eq!(socket.call("StopTransaction", json!({})).await[2], json!({}));
    assert_eq!(server.sessions_at("CP1").await.len(), 0);
    let journal =
        juden_store::SessionStore::journal(server.store().await.as_ref(), 0, 10).await.unwrap();
    assert!(journal.iter().all(|entry| entry.effect == "unmatched_stop"), "{journal:?}");
    assert_eq!(journal.len(), 2);
}

#[tokio::test]
async fn the_other_card_of_a_member_stops_a_session_and_the_starting_card_pays() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    let (member, primary) = server.member_with_card("simple", "CARD1").await;
    let additional = server.stock("CARD2").await;
    assert_eq!(server.activate(&member, &additional, "additional").await.status, 200);
    server.clock("2024-06-10T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let started = socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await;
    let mut message = stop(transaction(&started), "2024-06-09T23:30:00Z", 9000);
    message["idTag"] = json!("CARD2");
    let stopped = socket.call("StopTransaction", message).await;
    assert_eq!(stopped[2]["idTagInfo"]["status"], "Accepted");
    assert_eq!(
        stopped[2]["idTagInfo"]["parentIdTag"], started[2]["idTagInfo"]["parentIdTag"],
        "cards of a member share their group"
    );
    let session = server.session(transaction(&started)).await;
    assert_eq!((&session["card_number"], &session["state"]), (&json!(primary), &json!("ended")));
    assert!(has_flag(&session, "stopped_by_other_card"));
}

#[tokio::test]
async fn a_stop_without_number_that_can_mean_two_running_sessions_touches_neither() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    let (member, _) = server.member_with_card("simple", "CARD1").await;
    let additional = server.stock("CARD2").await;
    assert_eq!(server.activate(&member, &additional, "additional").await.status, 200);
    server.clock("2024-06-10T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let begin = |connector: i64, tag: &str, at: &str, meter: i64| json!({"connectorId": connector, "idTag": tag, "timestamp": at, "meterStart": meter});
    let lost = transaction(
        &socket.call("StartTransaction", begin(1, "CARD1", "2024-06-09T20:00:00Z", 0)).await,
    );
    let newest = transaction(
        &socket.call("StartTransaction", begin(1, "CARD1", "2024-06-09T23:00:00Z", 50)).await,
    );
    let other = transaction(
        &socket.call("StartTransaction", begin(2, "CARD2", "2024-06-09T23:01:00Z", 0)).await,
    );
    let mut message = stop(-1, "2024-06-09T23:30:00Z", 9000);
    message["idTag"] = json!("CARD1");
    socket.call("StopTransaction", message).await;
    for open in [newest, other] {
        assert_eq!(
            server.session(open).await["stopped_at"],
            Value::Null,
            "the member's two cards: whose stop it is nobody knows"
        );
    }
    let lost_one = server.session(lost).await;
    assert!(
        has_flag(&lost_one, "superseded") && has_flag(&lost_one, "end_estimated"),
        "{lost_one}"
    );
    let waived = server
        .post(
            &format!("/sessions/S-{lost:09}/decision"),
            &json!({"decision": "waive", "note": "its stop was lost"}),
        )
        .await;
    assert_eq!(waived.json()["state"], "waived", "{waived:?}");
}
