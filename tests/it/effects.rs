//! What commands led to, in both versions: an acceptance alone says only that a station heard them.

use serde_json::{Value, json};

use crate::both_versions::{CARD, NOW, newer};
use crate::harness::{Socket, TestServer, start, stop, transaction};

/// Sends a command that the station accepts: what it was asked, and where the command is shown.
async fn accepted(
    server: &TestServer,
    socket: &mut Socket,
    body: &Value,
    answer: Value,
) -> (Value, String) {
    let answering = async {
        let asked = socket.next().await.unwrap();
        socket.send(&json!([3, asked[1], answer]).to_string()).await;
        asked
    };
    let (answered, asked) = tokio::join!(server.post("/stations/CP1/commands", body), answering);
    assert_eq!(answered.json()["outcome"], "accepted", "{answered:?}");
    let newest =
        server.get("/stations/CP1/commands?limit=1").await["items"][0]["command_id"].clone();
    (asked[3].clone(), format!("/stations/CP1/commands/{newest}"))
}

async fn effect(server: &TestServer, place: &str) -> Value {
    server.get(place).await["command"]["effect"].clone()
}

#[tokio::test]
async fn a_remote_start_shows_the_session_that_it_led_to_and_a_remote_stop_its_end() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let body = json!({"command": "remote_start", "id_tag": CARD, "connector_id": 1});
    let (_, place) = accepted(&server, &mut socket, &body, json!({"status": "Accepted"})).await;
    assert_eq!(
        effect(&server, &place).await,
        json!({"state": "awaited", "session_id": null, "at": null})
    );
    // Somebody else at the other connector is not it.
    server.member_with_card("simple", "OTHER").await;
    let mut other = start("OTHER", NOW, 0);
    other["connectorId"] = json!(2);
    socket.call("StartTransaction", other).await;
    assert_eq!(effect(&server, &place).await["state"], "awaited");
    let number = transaction(&socket.call("StartTransaction", start(CARD, NOW, 0)).await);
    let session = server.session(number).await["session_id"].clone();
    assert_eq!(
        effect(&server, &place).await,
        json!({"state": "started", "session_id": session, "at": NOW})
    );
    let body = json!({"command": "remote_stop", "session_id": session});
    let (_, place) = accepted(&server, &mut socket, &body, json!({"status": "Accepted"})).await;
    assert_eq!(
        effect(&server, &place).await,
        json!({"state": "awaited", "session_id": session, "at": null})
    );
    socket.call("StopTransaction", stop(number, "2024-06-10T00:00:30Z", 500)).await;
    assert_eq!(
        effect(&server, &place).await,
        json!({"state": "stopped", "session_id": session, "at": "2024-06-10T00:00:30Z"})
    );
}

#[tokio::test]
async fn a_newer_stations_session_is_known_by_the_number_of_its_remote_start() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let body = json!({"command": "remote_start", "id_tag": CARD, "connector_id": 1});
    let (asked, place) = accepted(&server, &mut socket, &body, json!({"status": "Accepted"})).await;
    let event = |name: &str, seq: i64, info: Value| {
        let mut info = info;
        info["transactionId"] = json!(name);
        json!({"eventType": if seq == 0 { "Started" } else { "Updated" }, "timestamp": NOW, "triggerReason": "RemoteStart", "seqNo": seq,
            "transactionInfo": info, "evse": {"id": 1, "connectorId": 1}, "idToken": {"idToken": CARD, "type": "ISO14443"}})
    };
    socket.call("TransactionEvent", event("T-EARLIER", 0, json!({}))).await;
    // The number comes with a later event, of a transaction that began after.
    socket.call("TransactionEvent", event("T-REMOTE", 0, json!({}))).await;
    socket
        .call(
            "TransactionEvent",
            event("T-REMOTE", 1, json!({"remoteStartId": asked["remoteStartId"]})),
        )
        .await;
    let sessions = server.sessions_at("CP1").await;
    let remote = sessions
        .iter()
        .find(|one| one["station_transaction_id"] == "T-REMOTE")
        .expect("it is there");
    assert_eq!(effect(&server, &place).await["session_id"], remote["session_id"]);
    // One whose answer named the transaction that ran by then.
    let (_, place) = accepted(
        &server,
        &mut socket,
        &body,
        json!({"status": "Accepted", "transactionId": "T-EARLIER"}),
    )
    .await;
    let earlier = sessions
        .iter()
        .find(|one| one["station_transaction_id"] == "T-EARLIER")
        .expect("it is there");
    assert_eq!(effect(&server, &place).await["session_id"], earlier["session_id"]);
}

#[tokio::test]
async fn what_does_not_come_about_in_its_time_is_told() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let start_body = json!({"command": "remote_start", "id_tag": CARD});
    let (_, started) =
        accepted(&server, &mut socket, &start_body, json!({"status": "Accepted"})).await;
    let (_, reset) = accepted(
        &server,
        &mut socket,
        &json!({"command": "reset", "type": "soft"}),
        json!({"status": "Accepted"}),
    )
    .await;
    server.clock("2024-06-10T00:03:50Z").await;
    assert_eq!(
        effect(&server, &started).await["state"],
        "awaited",
        "a driver has two minutes to plug in, and the charger two to tell"
    );
    server.clock("2024-06-10T00:04:10Z").await;
    assert_eq!(effect(&server, &started).await["state"], "not_started");
    assert_eq!(effect(&server, &reset).await["state"], "awaited");
    server.clock("2024-06-10T00:15:10Z").await;
    assert_eq!(effect(&server, &reset).await["state"], "not_booted");
    socket
        .call("BootNotification", json!({"chargePointVendor": "V", "chargePointModel": "M"}))
        .await;
    assert_eq!(effect(&server, &reset).await["state"], "booted", "late is late, and known");
}

#[tokio::test]
async fn a_cut_card_is_the_one_that_still_waits_and_two_that_wait_are_none() {
    let server = TestServer::at(NOW).await;
    let (first, second, told) = ("04F0F0F0F0AAAA11", "04F0F0F0F0AAAA22", "04F0F0F0F0");
    let (_, first_card) = server.member_with_card("simple", first).await;
    let (_, second_card) = server.member_with_card("simple", second).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let remote = |card: &str| json!({"command": "remote_start", "id_tag": card, "connector_id": 1});
    accepted(&server, &mut socket, &remote(first), json!({"status": "Accepted"})).await;
    let begun = transaction(&socket.call("StartTransaction", start(told, NOW, 0)).await);
    assert_eq!(server.session(begun).await["card_number"], json!(first_card));
    accepted(&server, &mut socket, &remote(second), json!({"status": "Accepted"})).await;
    let either = socket.call("Authorize", json!({"idTag": told})).await;
    assert_eq!(either[2]["idTagInfo"]["status"], "Invalid", "the first one runs: it may be either");
    socket.call("StopTransaction", stop(begun, "2024-06-10T00:00:30Z", 500)).await;
    let begun = transaction(
        &socket.call("StartTransaction", start(told, "2024-06-10T00:00:40Z", 500)).await,
    );
    assert_eq!(server.session(begun).await["card_number"], json!(second_card));
}
