//! Commands to stations, and what comes of them.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::harness::TestServer;

const NOW: &str = "2024-06-10T00:00:00Z";

/// Sends a command while a bare station answers it with a frame made from its id.
async fn commanded(
    server: &Arc<TestServer>,
    body: Value,
    answer: impl Fn(&Value) -> Option<Value>,
) -> (Value, Value) {
    let mut socket = server.socket("CP1").await;
    let asking = tokio::spawn({
        let server = server.clone();
        async move { server.post("/stations/CP1/commands", &body).await }
    });
    let frame = socket.next().await.unwrap();
    if let Some(answer) = answer(&frame) {
        socket.send(&answer.to_string()).await;
    }
    let answered = asking.await.unwrap();
    assert_eq!(answered.status, 200, "{answered:?}");
    (frame, answered.json())
}

#[tokio::test]
async fn the_stations_own_word_is_the_outcome() {
    let server = Arc::new(TestServer::at(NOW).await);
    server.station("CP1").await;
    let accept =
        |status: &'static str| move |frame: &Value| Some(json!([3, frame[1], {"status": status}]));
    let (frame, result) =
        commanded(&server, json!({"command": "reset", "type": "hard"}), accept("Accepted")).await;
    assert_eq!((&frame[2], &frame[3]), (&json!("Reset"), &json!({"type": "Hard"})));
    assert_eq!(result, json!({"outcome": "accepted", "answer": {"status": "Accepted"}}));
    let (frame, result) = commanded(
        &server,
        json!({"command": "unlock_connector", "connector_id": 1}),
        accept("UnlockFailed"),
    )
    .await;
    assert_eq!(
        (&frame[3], &result["outcome"]),
        (&json!({"connectorId": 1}), &json!("unlock_failed"))
    );
    let (frame, _) = commanded(
        &server,
        json!({"command": "remote_start", "id_tag": "CARD1", "connector_id": 2}),
        accept("Accepted"),
    )
    .await;
    assert_eq!(
        frame[3],
        json!({"idTag": "CARD1", "connectorId": 2}),
        "absent fields are left out, never null"
    );
    let (frame, _) = commanded(
        &server,
        json!({"command": "remote_stop", "transaction_id": 7}),
        accept("Rejected"),
    )
    .await;
    assert_eq!(frame[3], json!({"transactionId": 7}));
    let (frame, _) = commanded(
        &server,
        json!({"command": "change_availability", "connector_id": 0, "type": "inoperative"}),
        accept("Scheduled"),
    )
    .await;
    assert_eq!(frame[3], json!({"connectorId": 0, "type": "Inoperative"}));
    let (_, result) = commanded(&server, json!({"command": "clear_cache"}), |frame| {
        Some(json!([4, frame[1], "NotSupported", "no cache", {}]))
    })
    .await;
    assert_eq!(
        (&result["outcome"], &result["answer"]["error"]),
        (&json!("error"), &json!("NotSupported"))
    );
}

#[tokio::test]
async fn what_is_not_answered_is_unknown_and_a_dead_station_is_dropped_after_three() {
    let server = Arc::new(TestServer::with(NOW, &[("call-timeout-s", "1")]).await);
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    for _ in 0..3 {
        let answered =
            server.post("/stations/CP1/commands", &json!({"command": "clear_cache"})).await;
        assert_eq!(answered.json()["outcome"], "unknown", "{answered:?}");
    }
    for _ in 0..3 {
        assert_eq!(socket.next().await.unwrap()[2], "ClearCache");
    }
    assert_eq!(socket.next().await.unwrap_err(), Some(1008));
}

#[tokio::test]
async fn calls_cross_freely_and_an_answer_to_nothing_is_passed_over() {
    let server = Arc::new(TestServer::at(NOW).await);
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let asking = tokio::spawn({
        let server = server.clone();
        async move {
            server
                .post("/stations/CP1/ocpp/GetConfiguration", &json!({"key": ["HeartbeatInterval"]}))
                .await
        }
    });
    let frame = socket.next().await.unwrap();
    socket.lives().await;
    socket.send(r#"[3,"someone else's",{"status":"Accepted"}]"#).await;
    socket
        .send(
            &json!([3, frame[1], {"configurationKey": [], "unknownKey": ["HeartbeatInterval"]}])
                .to_string(),
        )
        .await;
    let answered = asking.await.unwrap();
    assert_eq!(answered.json()["answer"]["unknownKey"], json!(["HeartbeatInterval"]));
}

#[tokio::test]
async fn commands_that_cannot_be_sent_say_why() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    for (path, body, status, reason) in [
        (
            "/stations/CP1/commands",
            json!({"command": "reset", "type": "hard"}),
            409,
            "station_offline",
        ),
        ("/stations/NONE/commands", json!({"command": "clear_cache"}), 404, "not_found"),
        ("/stations/CP1/commands", json!({"command": "explode"}), 422, "malformed"),
        ("/stations/CP1/commands", json!({"command": "reset", "type": "warm"}), 422, "malformed"),
        ("/stations/CP1/commands", json!({"command": "reset"}), 422, "malformed"),
        ("/stations/CP1/ocpp/Explode", json!({}), 422, "malformed"),
        ("/stations/CP1/ocpp/Reset", json!({"type": "Warm"}), 422, "malformed"),
        ("/stations/CP1/ocpp/UnlockConnector", json!({"connectorId": 0}), 422, "malformed"),
    ] {
        let answered = server.post(path, &body).await;
        assert_eq!(
            (answered.status, &answered.json()["reason"]),
            (status, &json!(reason)),
            "{path} {body}: {answered:?}"
        );
    }
}

#[tokio::test]
async fn a_new_station_is_asked_for_its_settings_once() {
    let server = TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let boot = json!({"chargePointVendor": "V", "chargePointModel": "M", "firmwareVersion": "1"});
    assert_eq!(socket.call("BootNotification", boot).await[2]["status"], "Accepted");
    let asked = socket.next().await.unwrap();
    assert_eq!((&asked[2], &asked[3]), (&json!("GetConfiguration"), &json!({})));
    let keys = json!([{"key": "TransactionMessageAttempts", "readonly": false, "value": "5"}, {"key": "AuthorizationKey", "readonly": false, "value": "secret"}]);
    socket.send(&json!([3, asked[1], {"configurationKey": keys}]).to_string()).await;
    loop {
        let station = server.get("/stations/CP1").await;
        if station["configuration"].is_object() {
            assert_eq!(
                station["configuration"],
                json!({"TransactionMessageAttempts": "5"}),
                "a secret is not kept"
            );
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_command_that_did_not_leave_is_sent_when_it_is_asked_again_under_its_key() {
    let server = Arc::new(TestServer::at(NOW).await);
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    socket.lives().await;
    let asked = |n: usize| {
        let server = server.clone();
        let key = format!("command-{n}");
        async move {
            let body = json!({"command": "clear_cache"}).to_string();
            (
                n,
                server
                    .request(
                        "POST",
                        "/stations/CP1/commands",
                        Some(body),
                        &[("idempotency-key", &key)],
                    )
                    .await
                    .status,
            )
        }
    };
    // A station that answers nothing: more wait for it than may.
    let mut many: tokio::task::JoinSet<_> = (0..25).map(asked).collect();
    let (refused, status) = many.join_next().await.unwrap().unwrap();
    assert_eq!(status, 503, "one that may not wait is told so at once");
    let answering = tokio::spawn(async move {
        let mut sent = 0;
        while let Ok(frame) = socket.next().await {
            if frame[0] == 2 {
                sent += 1;
                socket.send(&json!([3, frame[1], {"status": "Accepted"}]).to_string()).await;
                if sent == 18 {
                    break;
                }
            }
        }
        sent
    });
    let mut statuses = Vec::new();
    while let Some(done) = many.join_next().await {
        statuses.push(done.unwrap().1);
    }
    let sent = statuses.iter().filter(|status| **status == 200).count();
    assert_eq!(asked(refused).await, (refused, 200), "the repeat is sent: {statuses:?}");
    // On a server the requests under keys share connections besides: fewer wait at once.
    assert!(sent > 0, "{statuses:?}");
    drop(answering);
}
