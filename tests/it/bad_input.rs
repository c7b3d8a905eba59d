//! Whatever a station sends, the connection lives where it can, and other sessions are untouched.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures_util::SinkExt;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use juden_core::cluster::Fence;
use juden_core::station_call::StationCall;
use juden_domain::ids::StationId;
use juden_domain::instant::Heard;
use juden_ocpp::event::StationEvent;
use juden_ocpp::frame::Payload;
use juden_ocpp::protocol::Protocol;

use crate::harness::{PATIENCE, Socket, TestServer, has_flag, start, status, stop, transaction};

const NOW: &str = "2024-06-10T00:00:00Z";

async fn station() -> (TestServer, Socket) {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let socket = server.socket("CP1").await;
    (server, socket)
}

fn error_code(answer: &Value) -> &str {
    assert_eq!(answer[0], 4, "{answer}");
    assert!(answer[4].is_object(), "{answer}");
    answer[2].as_str().unwrap()
}

#[tokio::test]
async fn what_is_no_frame_is_passed_over_and_the_connection_lives() {
    let (_server, mut socket) = station().await;
    for text in [
        "",
        " ",
        "hello",
        "{}",
        "[]",
        "[2]",
        "[9,\"a\",{}]",
        "null",
        "[2,{},\"X\",{}]",
        "[3,\"nobody\",{}]",
        "[4,\"nobody\",\"GenericError\",\"\",{}]",
        "[2,\"a\",\"Heart",
    ] {
        socket.send(text).await;
    }
    socket
        .stream
        .send(Message::Binary(Bytes::from_static(b"[2,\"a\",\"Heartbeat\",{}]")))
        .await
        .unwrap();
    socket.stream.send(Message::Ping(Bytes::from_static(b"x"))).await.unwrap();
    socket.lives().await;
}

#[tokio::test]
async fn calls_that_cannot_be_done_are_answered_by_the_standards_codes() {
    let (_server, mut socket) = station().await;
    for (action, payload, code) in [
        ("NoSuchAction", json!({}), "NotImplemented"),
        ("authorize", json!({"idTag": "A"}), "NotImplemented"),
        ("Reset", json!({"type": "Hard"}), "NotSupported"),
        ("Authorize", json!({}), "OccurenceConstraintViolation"),
        ("Authorize", json!({"idTag": null}), "OccurenceConstraintViolation"),
        ("Authorize", json!({"idTag": [5]}), "TypeConstraintViolation"),
        ("Authorize", json!([1]), "FormationViolation"),
        ("Authorize", json!("text"), "FormationViolation"),
        ("BootNotification", json!({"chargePointVendor": "V"}), "OccurenceConstraintViolation"),
        (
            "BootNotification",
            json!({"chargePointVendor": {}, "chargePointModel": "M"}),
            "TypeConstraintViolation",
        ),
        (
            "StatusNotification",
            json!({"connectorId": "one", "status": "Available", "errorCode": "NoError"}),
            "TypeConstraintViolation",
        ),
        (
            "StatusNotification",
            json!({"connectorId": 1, "errorCode": "NoError"}),
            "OccurenceConstraintViolation",
        ),
        ("DataTransfer", json!({"data": "x"}), "OccurenceConstraintViolation"),
    ] {
        let answer = socket.call(action, payload.clone()).await;
        assert_eq!(error_code(&answer), code, "{action} {payload}");
    }
    socket.send(r#"[2,"broken","Heartbeat",{"a":}]"#).await;
    assert_eq!(socket.next().await.unwrap()[0], 3, "a heartbeat needs nothing of its payload");
    socket.send(r#"[2,"broken","Authorize",{"idTag":}]"#).await;
    assert_eq!(
        error_code(&socket.next().await.unwrap()),
        "OccurenceConstraintViolation",
        "a field without a value has none"
    );
    socket.send(r#"[2,"broken","Authorize",{"id"#).await;
    assert_eq!(error_code(&socket.next().await.unwrap()), "FormationViolation");
    socket.send(r#"[2,"noaction",7,{}]"#).await;
    assert_eq!(error_code(&socket.next().await.unwrap()), "FormationViolation");
    socket.lives().await;
}

#[tokio::test]
async fn what_the_field_sends_beside_the_standard_is_taken() {
    let (_server, mut socket) = station().await;
    for (action, payload) in [
        ("Heartbeat", json!(null)),
        (
            "BootNotification",
            json!({"chargePointVendor": "", "chargePointModel": "M".repeat(300), "extra": {"deep": [1]}, "firmwareVersion": null}),
        ),
        (
            "StatusNotification",
            json!({"connectorId": -1, "status": "Charging", "errorCode": "Error", "info": "i".repeat(5000)}),
        ),
        (
            "StatusNotification",
            json!({"connectorId": "1", "status": "Weird", "errorCode": "NoError", "timestamp": "1970"}),
        ),
        (
            "StatusNotification",
            json!({"connectorId": 1.0, "status": "Available", "errorCode": "NoError"}),
        ),
        ("Authorize", json!({"idTag": "", "connectorId": 1})),
        ("Authorize", json!({"idTag": "x".repeat(1000)})),
        ("FirmwareStatusNotification", json!({"status": "Installed"})),
        ("DiagnosticsStatusNotification", json!({"status": "Uploaded"})),
        ("DataTransfer", json!({"vendorId": "V", "data": {"any": 1}})),
        ("MeterValues", json!({"connectorId": 0, "meterValue": []})),
        (
            "MeterValues",
            json!({"connectorId": 1, "meterValue": {"timestamp": "2024-06-09T23:00:00", "sampledValue": {"value": 7, "unit": "Hertz"}}}),
        ),
    ] {
        let answer = socket.call(action, payload.clone()).await;
        assert_eq!(answer[0], 3, "{action} {payload}: {answer}");
    }
    assert_eq!(
        socket.call("DataTransfer", json!({"vendorId": "V"})).await[2]["status"],
        "UnknownVendorId"
    );
    socket.send(r#"[2,42,"Heartbeat",{}]"#).await;
    assert_eq!(socket.next().await.unwrap()[1], 42, "a numeric id is echoed as one");
}

#[tokio::test]
async fn transaction_messages_are_confirmed_and_kept_whatever_they_lack() {
    let (server, mut socket) = station().await;
    for payload in [
        json!({}),
        json!(null),
        json!([1]),
        json!({"connectorId": -1, "idTag": "A", "timestamp": "2024-06-09T23:00:00Z", "meterStart": -5}),
        json!({"connectorId": {}, "idTag": [], "timestamp": 5, "meterStart": "many"}),
        json!({"connectorId": 1, "idTag": "x".repeat(500), "timestamp": "2024-06-09T23:00:00Z", "meterStart": 3_000_000_000_i64}),
        json!({"connectorId": 1, "idTag": "A", "timestamp": "2099-01-01T00:00:00Z", "meterStart": 0}),
        json!({"connectorId": 1, "idTag": "A", "timestamp": "1970-01-01T00:00:00Z", "meterStart": 0}),
        json!({"connectorId": 1, "idTag": "", "timestamp": "2024-06-09T23:00:00Z", "meterStart": 0}),
        json!({"connectorId": 9_223_372_036_854_775_807_i64, "idTag": "A", "timestamp": "2024-06-09T23:00:00Z", "meterStart": i64::MIN}),
    ] {
        let answer = socket.call("StartTransaction", payload.clone()).await;
        let session = server.session(transaction(&answer)).await;
        assert_eq!(status(&answer), "Invalid", "{payload}");
        assert_eq!(session["state"], "quarantined", "{payload}: {session}");
        assert!(!session["flags"].as_array().unwrap().is_empty(), "{payload}: {session}");
        assert_eq!(session["messages"].as_array().unwrap().len(), 1, "{payload}");
        let stopped = socket
            .call("StopTransaction", stop(transaction(&answer), "2024-06-09T23:30:00Z", -9))
            .await;
        assert_eq!(stopped[0], 3, "{payload}");
    }
    socket.send(r#"[2,"cut","StartTransaction",{"timestamp":"2024-06-09T23:00:00Z","idTag":"CUT","meterStart":7,"conn"#).await;
    let cut = socket.next().await.unwrap();
    let session = server.session(transaction(&cut)).await;
    assert!(has_flag(&session, "malformed_start"), "{session}");
    assert_eq!(
        session["start_reported"], "2024-06-09T23:00:00Z",
        "what can be read of broken JSON is read"
    );
    socket
        .send(r#"[2,"aefa","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]"#)
        .await;
    assert_eq!(socket.next().await.unwrap(), json!([3, "aefa", {}]));
    socket.lives().await;
}

#[tokio::test]
async fn a_meter_that_runs_backwards_is_flagged_and_its_minutes_are_billed() {
    let server = TestServer::at("2024-06-01T00:00:00Z").await;
    server.station("CP1").await;
    let (member, _) = server.member_with_card("simple", "CARD1").await;
    server.clock(NOW).await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 50_000)).await,
    );
    socket.call("StopTransaction", stop(id, "2024-06-09T23:10:00Z", 100)).await;
    let session = server.session(id).await;
    assert!(has_flag(&session, "meter_backwards"));
    assert_eq!(
        (&session["energy_wh"], &session["state"], &session["units"]),
        (&Value::Null, &json!("ended"), &json!(10))
    );
    let usage = server.get(&format!("/members/{member}/usage/2024-06")).await;
    assert_eq!(usage["pools"][0]["used_units"], 10);
}

#[tokio::test]
async fn a_message_at_the_limit_is_taken_and_one_over_it_ends_that_connection_alone() {
    let (server, mut socket) = station().await;
    server.station("CP2").await;
    let mut other = server.socket("CP2").await;
    let limit = 1024 * 1024;
    let frame = |length: usize| {
        let head = r#"[2,"big","Heartbeat",{"pad":""#;
        let tail = r#""}]"#;
        format!("{head}{}{tail}", "x".repeat(length - head.len() - tail.len()))
    };
    socket.send(&frame(limit)).await;
    assert_eq!(socket.next().await.unwrap()[0], 3);
    let _ = socket.stream.send(Message::text(frame(2 * limit))).await;
    assert_eq!(socket.next().await.unwrap_err(), Some(1009));
    other.lives().await;
    server.socket("CP1").await.lives().await;
}

#[tokio::test]
async fn text_that_is_no_utf8_ends_that_connection_with_its_code() {
    let (server, mut socket) = station().await;
    let tokio_tungstenite::MaybeTlsStream::Plain(stream) = socket.stream.get_mut() else {
        panic!("the test's socket has no TLS")
    };
    // A masked text frame of two bytes that are no UTF-8, under the mask 0.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]).await.unwrap();
    assert_eq!(socket.next().await.unwrap_err(), Some(1007));
    server.socket("CP1").await.lives().await;
}

#[tokio::test]
async fn a_thousand_frames_at_once_are_all_answered_in_order() {
    let (server, socket) = station().await;
    let Socket { stream, .. } = socket;
    let (mut sending, receiving) = futures_util::StreamExt::split(stream);
    let sender = tokio::spawn(async move {
        for n in 0..1000 {
            let payload = if n % 2 == 0 {
                start("CARD1", &format!("2024-06-09T20:{:02}:{:02}Z", n / 60, n % 60), n)
            } else {
                json!({"idTag": "CARD1"})
            };
            let action = if n % 2 == 0 { "StartTransaction" } else { "Authorize" };
            sending
                .feed(Message::text(json!([2, format!("m{n}"), action, payload]).to_string()))
                .await
                .unwrap();
        }
        sending.flush().await.unwrap();
        sending
    });
    let mut receiving = receiving;
    for n in 0..1000 {
        let message = tokio::time::timeout(PATIENCE, futures_util::StreamExt::next(&mut receiving))
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        let answer: Value = serde_json::from_str(message.to_text().unwrap()).unwrap();
        assert_eq!((&answer[0], answer[1].as_str()), (&json!(3), Some(format!("m{n}").as_str())));
    }
    drop(sender.await.unwrap());
    assert_eq!(
        server.get("/sessions?station_id=CP1&limit=500").await["items"].as_array().unwrap().len(),
        500
    );
}

#[tokio::test]
async fn a_message_id_in_flight_is_refused_and_a_transactions_repeat_gets_its_answer() {
    let (_server, mut socket) = station().await;
    let message = json!([2, "same", "StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)])
        .to_string();
    for _ in 0..2 {
        socket.stream.feed(Message::text(message.clone())).await.unwrap();
    }
    socket.stream.flush().await.unwrap();
    let (first, second) = (socket.next().await.unwrap(), socket.next().await.unwrap());
    assert_eq!(first, second);
    assert_eq!(first[0], 3);
    // A slow message stands before two of one id, so that both are waiting when the second is read.
    let boot = |id: &str| {
        json!([2, id, "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}])
            .to_string()
    };
    for id in ["slow", "twin", "twin"] {
        socket.stream.feed(Message::text(boot(id))).await.unwrap();
    }
    socket.stream.flush().await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let answer = socket.next().await.unwrap();
        answers.push((answer[1].as_str().unwrap().to_owned(), answer[0].as_i64().unwrap()));
    }
    answers.sort();
    assert!(
        answers == [("slow".into(), 3), ("twin".into(), 3), ("twin".into(), 4)]
            || answers == [("slow".into(), 3), ("twin".into(), 3), ("twin".into(), 3)],
        "{answers:?}"
    );
    socket.lives().await;
}

#[tokio::test]
async fn a_reader_that_stops_reading_is_closed_and_takes_no_memory_and_no_one_else_along() {
    let server = TestServer::with(NOW, &[("write-timeout-s", "1")]).await;
    server.station("CP1").await;
    server.station("CP2").await;
    let slow = server.socket("CP1").await;
    let mut other = server.socket("CP2").await;
    let Socket { stream, .. } = slow;
    let (mut sending, _never_read) = futures_util::StreamExt::split(stream);
    let text = json!([2, "x".repeat(500), "Heartbeat", {}]).to_string();
    let began = Instant::now();
    let closed = tokio::time::timeout(PATIENCE, async move {
        // Answers echo the long id: sooner or later nothing more fits, here or there.
        while sending.send(Message::text(text.clone())).await.is_ok() {}
    });
    let waited = tokio::spawn(async move { closed.await.is_ok() });
    while !waited.is_finished() {
        other.lives().await;
        assert!(began.elapsed() < PATIENCE);
    }
    assert!(waited.await.unwrap(), "the connection must be closed");
}

#[tokio::test]
async fn a_half_open_socket_is_closed_when_nothing_is_heard() {
    let server = TestServer::with(NOW, &[("idle-timeout-s", "1"), ("ping-interval-s", "0")]).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    assert_eq!(server.get("/stations/CP1").await["online"], true);
    assert_eq!(socket.next().await.unwrap_err(), Some(1008));
    let began = Instant::now();
    while server.get("/stations/CP1").await["online"] == true {
        assert!(began.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_station_that_answers_no_ping_but_speaks_is_alive() {
    let server = TestServer::with(NOW, &[("idle-timeout-s", "2"), ("ping-interval-s", "1")]).await;
    server.station("CP1").await;
    let mut socket = server.socket("CP1").await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        socket.lives().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn the_newer_of_two_sockets_with_one_identity_wins_and_the_olders_end_changes_nothing() {
    let (server, mut older) = station().await;
    let id = transaction(
        &older.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 0)).await,
    );
    // A probe that says nothing throws out nobody.
    let probe = server.socket("CP1").await;
    older.lives().await;
    drop(probe);
    older.lives().await;
    let mut newer = server.socket("CP1").await;
    older.lives().await;
    newer.lives().await;
    assert_eq!(older.next().await.unwrap_err(), Some(1001));
    assert_eq!(server.get("/stations/CP1").await["online"], true);
    newer.call("StopTransaction", stop(id, "2024-06-09T23:30:00Z", 10)).await;
    assert_ne!(server.session(id).await["stopped_at"], Value::Null);
}

#[tokio::test]
async fn a_time_beyond_all_years_is_kept_as_unreadable_and_stops_nobody() {
    let (server, mut socket) = station().await;
    for (n, far) in ["+262142-12-31T23:59:59Z", "-9999-01-01T00:00:00Z", "-4714-11-23T23:59:59Z"]
        .into_iter()
        .enumerate()
    {
        let n = i64::try_from(n).unwrap();
        let begun =
            socket.call("StartTransaction", start("NOBODY", "1970-01-01T00:00:00Z", n)).await;
        let mut over = stop(0, far, n + 1);
        over["idTag"] = json!("NOBODY");
        assert_eq!(socket.call("StopTransaction", over).await[0], 3, "{far}");
        let far_start = socket.call("StartTransaction", start("NOBODY", far, n)).await;
        assert!(
            has_flag(&server.session(transaction(&far_start)).await, "time_unreadable"),
            "{far}"
        );
        let reading = json!({"connectorId": 1, "meterValue": [{"timestamp": far, "sampledValue": [{"value": "1"}]}]});
        assert_eq!(socket.call("MeterValues", reading).await[0], 3, "{far}");
        assert_eq!(
            socket.call("StopTransaction", stop(transaction(&far_start), far, n + 1)).await[0],
            3,
            "{far}"
        );
        assert_eq!(begun[0], 3);
    }
}

#[tokio::test]
async fn a_message_whose_handling_breaks_off_stops_no_other() {
    let (server, mut socket) = station().await;
    let app = &server.server().app;
    let station = app.stations.find(&StationId::parse("CP1").unwrap()).await.unwrap().unwrap();
    let submit = |meter: i64, received_at: DateTime<Utc>| {
        let heard = Heard { received_at, connected_since: app.clock.now(), clock: None };
        let report = start("CARD1", NOW, meter).to_string();
        let StationEvent::Transaction(event) =
            Protocol::V16.decode("StartTransaction", Payload::Json(&report)).unwrap()
        else {
            panic!()
        };
        let (calls, station) = (app.calls.clone(), station.clone());
        async move {
            let (_answered, written) = tokio::sync::oneshot::channel();
            let call = StationCall {
                station,
                fence: Fence::default(),
                heard,
                message_id: "m".into(),
                protocol: Protocol::V16,
                action: "StartTransaction".into(),
                payload: report,
            };
            calls.handle(call, StationEvent::Transaction(event), written).await
        }
    };
    let (broken, whole) = tokio::join!(
        // No instant lies after this one: until when the station may believe the answer cannot be reckoned.
        submit(5, DateTime::<Utc>::MAX_UTC),
        submit(6, app.clock.now())
    );
    assert!(broken.is_err(), "it is not confirmed");
    assert!(whole.is_ok(), "its neighbour is");
    assert_eq!(
        socket.call("StartTransaction", start("CARD1", "2024-06-09T23:00:00Z", 7)).await[0],
        3
    );
    assert_eq!(server.sessions_at("CP1").await.len(), 2);
}

#[tokio::test]
async fn what_a_station_sends_beside_the_standard_is_counted_and_shown() {
    let (server, mut socket) = station().await;
    assert_eq!(server.get("/stations/CP1").await["oddities"], json!({}));
    for text in [
        "hello",
        "",
        r#"[2,"a","MeterValues",{"connectorId":1,"transactionId":,"meterValue":[]}]"#,
        r#"[2,"b","StartTransaction",{}]"#,
    ] {
        socket.send(text).await;
    }
    let refused = json!({"connectorId": "A", "status": "Available", "errorCode": "NoError"});
    for number in 0..6 {
        socket
            .send(&json!([2, format!("c{number}"), "StatusNotification", refused]).to_string())
            .await;
    }
    socket.send(r#"[2,"d","TransactionEvent",{}]"#).await;
    let mut answers = Vec::new();
    while answers.len() < 9 {
        answers.push(socket.next().await.unwrap());
    }
    assert_eq!(
        (&answers[6][0], &answers[7][0]),
        (&json!(4), &json!(3)),
        "what is refused for ever is confirmed: {answers:?}"
    );
    assert_eq!(answers[8][2], "NotSupported", "it is of the other version");
    let expected = json!({
        "text that is no JSON array": 1, "an empty text": 1, "broken JSON that could be read": 1,
        "a transaction's message that lacks something": 1, "TypeConstraintViolation": 5, "a call that is refused again and again": 1,
        "NotSupported": 1,
    });
    assert_eq!(server.get("/stations/CP1").await["oddities"], expected);
}
