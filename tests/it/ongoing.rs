//! Stations of OCPP 2.0.1 are asked, once, whether a transaction goes on: where its end is due, and where events are missing.

use serde_json::{Value, json};

use crate::harness::{Socket, TestServer, has_flag};

const NOW: &str = "2026-11-30T03:00:00Z";

async fn charging() -> (TestServer, Socket) {
    let server = TestServer::at(NOW).await;
    let connectors = json!([{"connector_id": 1, "charger_class": "quick", "power_kw": 50, "session_cap_min": 30}]);
    server.station_as("CP1", &json!({"connectors": connectors})).await;
    server.member_with_card("simple", "CARD1").await;
    let mut socket =
        Socket::open(&format!("{}/CP1", server.ocpp_url()), Some("ocpp2.0.1"), None).await.unwrap();
    event(&mut socket, "Started", 0, NOW).await;
    (server, socket)
}

async fn event(socket: &mut Socket, kind: &str, number: i64, at: &str) {
    let mut event = json!({"eventType": kind, "timestamp": at, "triggerReason": "Authorized", "seqNo": number,
        "transactionInfo": {"transactionId": "TX-1", "chargingState": "Charging"}, "evse": {"id": 1, "connectorId": 1}});
    if kind == "Started" {
        event["idToken"] = json!({"idToken": "CARD1", "type": "ISO14443"});
    }
    assert_eq!(socket.call("TransactionEvent", event).await[0], 3);
}

/// Moves the clock, and answers what the station is asked meanwhile; whether it was.
async fn clock_with(server: &TestServer, socket: &mut Socket, to: &str, answer: &Value) -> bool {
    let moved = server.clock(to);
    tokio::pin!(moved);
    let mut was_asked = false;
    loop {
        tokio::select! {
            () = &mut moved => return was_asked,
            asked = socket.next() => {
                let asked = asked.unwrap();
                assert_eq!((&asked[2], &asked[3]["transactionId"]), (&json!("GetTransactionStatus"), &json!("TX-1")), "{asked}");
                assert!(!was_asked, "once");
                was_asked = true;
                socket.send(&json!([3, asked[1], answer]).to_string()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_station_that_says_that_a_transaction_goes_on_is_believed_and_one_that_denies_it_ends_it()
{
    for (answer, state, flag) in [
        (json!({"ongoingIndicator": true, "messagesInQueue": false}), "open", None),
        (json!({"messagesInQueue": true}), "open", None),
        (
            json!({"ongoingIndicator": false, "messagesInQueue": false}),
            "review",
            Some("not_ongoing"),
        ),
        (json!({"messagesInQueue": false}), "review", Some("site_cap_passed")),
    ] {
        let (server, mut socket) = charging().await;
        assert!(
            clock_with(&server, &mut socket, "2026-11-30T04:00:00Z", &answer).await,
            "{answer}"
        );
        assert!(
            !clock_with(&server, &mut socket, "2026-11-30T04:10:00Z", &answer).await,
            "{answer}"
        );
        let session = &server.sessions_at("CP1").await[0];
        assert_eq!(session["state"], state, "{answer}: {session}");
        assert!(
            flag.is_none_or(|flag| has_flag(session, flag) && has_flag(session, "end_estimated")),
            "{answer}: {session}"
        );
        // Its own end comes all the same, and takes the estimate's place.
        event(&mut socket, "Ended", 1, "2026-11-30T04:10:00Z").await;
        let session = &server.sessions_at("CP1").await[0];
        assert_eq!(
            (&session["stopped_at"], has_flag(session, "end_estimated")),
            (&json!("2026-11-30T04:10:00Z"), false),
            "{session}"
        );
    }
}

#[tokio::test]
async fn where_events_are_missing_the_station_is_asked_once_whether_some_wait() {
    let (server, mut socket) = charging().await;
    server.clock("2026-11-30T03:20:00Z").await;
    event(&mut socket, "Ended", 3, "2026-11-30T03:20:00Z").await;
    let answer = json!({"ongoingIndicator": false, "messagesInQueue": false});
    assert!(clock_with(&server, &mut socket, "2026-11-30T03:21:00Z", &answer).await);
    assert!(!clock_with(&server, &mut socket, "2026-11-30T03:25:00Z", &answer).await);
    let session = &server.sessions_at("CP1").await[0];
    assert_eq!((&session["state"], &session["units"]), (&json!("ended"), &json!(20)), "{session}");
    assert!(has_flag(session, "steps_missing"), "{session}");
    let asked = server.get("/stations/CP1/commands").await;
    assert_eq!(asked["items"][0]["action"], "GetTransactionStatus", "{asked}");
}
