//! Texts that are awkward to read, at the largest size that is taken: each is answered, or its connection closed, within a
//! second, and another station and the API notice nothing.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::node::Node;

/// The largest body that the API takes.
const LARGEST_BODY: usize = 256 << 10;

/// The largest message that is taken.
const LARGEST: usize = 1 << 20;

/// A text that is filled with a piece between a head and a tail.
fn filled(head: &str, piece: &str, tail: &str) -> String {
    filled_to(LARGEST, head, piece, tail)
}

/// The same up to a size in bytes.
fn filled_to(largest: usize, head: &str, piece: &str, tail: &str) -> String {
    let room = largest.saturating_sub(head.len() + tail.len() + 64);
    format!("{head}{}{tail}", piece.repeat(room / piece.len()))
}

/// What ends a text that was filled with list items.
fn listed(head: &str, piece: &str, tail: &str) -> String {
    filled(head, piece, tail).replace(&format!(",{tail}"), tail)
}

fn frames() -> Vec<(String, String)> {
    let pieces = [
        "\\\":,", "\":,", "[", "{\"a\":", "\"", "\\", "\\u0000", ",", ":", "{", "]", "0", "1e",
        "\u{7f}", "\u{a0}", "{}", "\n", "é", "'",
    ];
    let mut texts = Vec::new();
    for piece in pieces {
        for head in [
            "",
            "[2,\"a\",\"Heartbeat\",{",
            "[2,\"a\",\"DataTransfer\",{\"vendorId\":\"x\",\"data\":\"",
            "[2,\"",
            "[3,\"a\",{",
            "[4,\"a\",\"b\",\"",
        ] {
            texts.push((format!("frame {head}{piece}…"), filled(head, piece, "")));
        }
        texts.push((
            format!("frame [2,…\"{piece}…\"]"),
            filled("[2,\"a\",\"BootNotification\",{\"chargePointVendor\":\"", piece, "\"}]"),
        ));
    }
    texts
}

/// Valid JSON with much of one thing in a field of each kind.
fn fields() -> Vec<(String, String)> {
    let reading = "{\"timestamp\":\"2026-06-10T01:00:00Z\",\"sampledValue\":[{\"value\":\"1\"}]},";
    let sample = "{\"value\":\"1\",\"phase\":\"L1\"},";
    let of_one = "[2,\"a\",\"MeterValues\",{\"connectorId\":1,\"meterValue\":[";
    let newer = "[2,\"a\",\"TransactionEvent\",{\"eventType\":\"Started\",\"timestamp\":\"2026-06-10T01:00:00Z\",\"triggerReason\":\"Authorized\",\"seqNo\":0,\"transactionInfo\":{\"transactionId\":\"T\"},\"meterValue\":[";
    let mut texts = vec![
        ("readings".into(), listed(of_one, reading, "]}]")),
        ("readings of nothing".into(), listed(of_one, "{},", "]}]")),
        (
            "samples of L1".into(),
            listed(
                &format!("{of_one}{{\"timestamp\":\"2026-06-10T01:00:00Z\",\"sampledValue\":["),
                sample,
                "]}]}]",
            ),
        ),
        ("steps' readings".into(), listed(newer, reading, "]}]")),
        (
            "a long number".into(),
            filled(
                "[2,\"a\",\"StartTransaction\",{\"connectorId\":1,\"idTag\":\"A\",\"timestamp\":\"x\",\"meterStart\":",
                "9",
                "}]",
            ),
        ),
        (
            "a long fraction".into(),
            filled(
                "[2,\"a\",\"StartTransaction\",{\"connectorId\":1,\"idTag\":\"A\",\"timestamp\":\"x\",\"meterStart\":0.",
                "1",
                "}]",
            ),
        ),
        ("many fields".into(), listed("[2,\"a\",\"Heartbeat\",{", "\"abcdefgh\":1,", "}]")),
    ];
    let texts_of = [
        (
            "StartTransaction",
            "{\"connectorId\":1,\"timestamp\":\"2026-06-10T01:00:00Z\",\"meterStart\":1,\"idTag\":\"",
        ),
        (
            "StartTransaction",
            "{\"connectorId\":1,\"idTag\":\"A\",\"meterStart\":1,\"timestamp\":\"",
        ),
        ("Authorize", "{\"idTag\":\""),
        (
            "StatusNotification",
            "{\"connectorId\":1,\"errorCode\":\"NoError\",\"status\":\"Available\",\"info\":\"",
        ),
        ("SignCertificate", "{\"csr\":\""),
        (
            "SecurityEventNotification",
            "{\"type\":\"x\",\"timestamp\":\"2026-06-10T01:00:00Z\",\"techInfo\":\"",
        ),
        ("LogStatusNotification", "{\"status\":\""),
    ];
    for (action, head) in texts_of {
        for piece in [
            "A",
            "-",
            "\\u0041",
            "あ",
            "-----BEGIN CERTIFICATE REQUEST-----\\n",
            "MIIB\\n",
            "00-",
            ":",
            "\\\"",
        ] {
            texts.push((
                format!("{action} {head}{piece}…"),
                filled(&format!("[2,\"a\",\"{action}\",{head}"), piece, "\"}]"),
            ));
        }
    }
    for head in [
        "{\"idToken\":{\"type\":\"eMAID\",\"idToken\":\"",
        "{\"idToken\":{\"type\":\"eMAID\",\"idToken\":\"A\"},\"certificate\":\"",
    ] {
        texts.push((
            format!("Authorize {head}"),
            filled(&format!("[2,\"a\",\"Authorize\",{head}"), "A", "\"}]"),
        ));
    }
    texts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_awkward_message_is_answered_or_ends_its_connection_within_a_second_and_nobody_else_waits()
 {
    let node = Node::started(&[]).await;
    node.station("AWKWARD").await;
    node.station("BESIDE").await;
    let (done, mut is_done) = tokio::sync::watch::channel(false);
    let mut beside = node.line("BESIDE").await;
    let heart = tokio::spawn(async move {
        let mut worst = Duration::ZERO;
        while !*is_done.borrow_and_update() {
            let began = Instant::now();
            beside.call("Heartbeat", &json!({})).await;
            worst = worst.max(began.elapsed());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        worst
    });
    let mut slow = Vec::new();
    for (name, text) in frames().into_iter().chain(fields()) {
        assert!(
            text.len() <= LARGEST && text.len() > LARGEST - 1_000,
            "{name}: {} bytes",
            text.len()
        );
        for protocol in ["ocpp1.6", "ocpp2.0.1"] {
            let mut line = node.line_as("AWKWARD", protocol).await;
            let began = Instant::now();
            line.send(text.clone()).await;
            // What is passed over in silence is followed by a heartbeat's answer.
            line.send(json!([2, "after", "Heartbeat", {}]).to_string()).await;
            while let Some(answer) = line.answer().await {
                if answer[1] == json!("after") {
                    break;
                }
            }
            let took = began.elapsed();
            if took > Duration::from_secs(1) {
                slow.push(format!("{protocol} {name}: {took:?}"));
            }
        }
    }
    done.send(true).unwrap();
    let worst = heart.await.unwrap();
    println!("the slowest heartbeat beside took {worst:?}");
    assert!(slow.is_empty(), "{slow:#?}");
    assert!(worst < Duration::from_millis(200), "a heartbeat beside took {worst:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_of_one_phase_without_end_hold_nobodys_ledger() {
    let node = Node::started(&[]).await;
    node.station("SAMPLES").await;
    node.station("BESIDE").await;
    node.member("CARD").await;
    let mut line = node.line("SAMPLES").await;
    let now = crate::node::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    let started = line
        .call(
            "StartTransaction",
            &json!({"connectorId": 1, "idTag": "CARD", "timestamp": now, "meterStart": 0}),
        )
        .await;
    let sample = json!({"value": "1", "phase": "L1"});
    let mut samples = vec![sample; 38_000];
    let transaction = &started["transactionId"];
    let mut body = json!({"connectorId": 1, "transactionId": transaction, "meterValue": [{"timestamp": now, "sampledValue": samples}]});
    while body.to_string().len() > LARGEST - 64 {
        samples = body["meterValue"][0]["sampledValue"].as_array().unwrap()[1_000..].to_vec();
        body["meterValue"][0]["sampledValue"] = json!(samples);
    }
    let began = Instant::now();
    line.call("MeterValues", &body).await;
    let took = began.elapsed();
    let mut beside = node.line("BESIDE").await;
    let beside_began = Instant::now();
    beside
        .call(
            "StartTransaction",
            &json!({"connectorId": 1, "idTag": "OTHER", "timestamp": now, "meterStart": 0}),
        )
        .await;
    println!(
        "{} samples took {took:?}, a start beside {:?}",
        samples.len(),
        beside_began.elapsed()
    );
    assert!(took < Duration::from_secs(1), "{took:?}");
    let stop = json!({"transactionId": transaction, "timestamp": now, "meterStop": 10, "transactionData": body["meterValue"]});
    let began = Instant::now();
    line.call("StopTransaction", &stop).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    let session = node.done("GET", &format!("/sessions/{transaction}"), None).await;
    assert_eq!((&session["state"], &session["energy_wh"]), (&json!("ended"), &json!(10)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_awkward_body_of_the_api_is_answered_within_a_second() {
    let node = Node::started(&[]).await;
    node.station("CP1").await;
    let (member, card) = node.member("CARD").await;
    let paths = [
        ("PUT", "/stations/CP1".to_owned()),
        ("PUT", "/sites/Yokohama/local-list".to_owned()),
        ("POST", "/members".to_owned()),
        ("POST", "/cards".to_owned()),
        ("POST", format!("/cards/{card}/suspend")),
        ("POST", format!("/members/{member}/cards/activate")),
        ("POST", "/stations/CP1/commands".to_owned()),
        ("POST", "/stations/CP1/ocpp/SetChargingProfile".to_owned()),
        ("POST", "/terms".to_owned()),
    ];
    for (method, path) in paths {
        for (head, piece, tail) in [
            ("", "[", ""),
            ("", "{\"a\":", ""),
            ("{\"id_tag\":\"", "\\u0041", "\"}"),
            ("{\"certificate\":\"", "-----BEGIN CERTIFICATE-----\\n", "\"}"),
            ("{\"name\":\"", "あ", "\"}"),
            ("{\"reason\":\"", "\\\"", "\"}"),
            ("{\"entries\":[", "{\"id_tag\":\"A\"},", "{}]}"),
            ("{\"connectors\":[", "{\"connector_id\":1,\"charger_class\":\"quick\"},", "{}]}"),
            (
                "{\"profile\":{\"chargingSchedulePeriod\":[",
                "{\"startPeriod\":0,\"limit\":1},",
                "{}]}}",
            ),
            ("{\"power_kw\":", "9", "}"),
            (
                "{\"command\":\"install_certificate\",\"type\":\"ManufacturerRootCertificate\",\"certificate\":\"",
                "-----BEGIN CERTIFICATE-----\\nMIIB",
                "\"}",
            ),
            (
                "{\"command\":\"set_charging_profile\",\"periods\":[",
                "{\"start_s\":0,\"limit\":1},",
                "{}]}",
            ),
            ("{\"command\":\"data_transfer\",\"vendor_id\":\"x\",\"data\":\"", "\\\"", "\"}"),
        ] {
            for largest in [LARGEST_BODY, LARGEST] {
                let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
                let request = node
                    .client
                    .request(method, format!("http://127.0.0.1:{}/api/v1{path}", node.http));
                let request = request
                    .bearer_auth(crate::node::KEY)
                    .header("content-type", "application/json");
                let began = Instant::now();
                // One that is refused before it is read may be cut off while it is sent.
                match request.body(filled_to(largest, head, piece, tail)).send().await {
                    Ok(answer) => assert!(
                        (400..500).contains(&answer.status().as_u16()),
                        "{path} {head}{piece}…: {answer:?}"
                    ),
                    Err(_) => assert_eq!(
                        node.status("/healthz").await,
                        Some(200),
                        "{path} {head}{piece}…"
                    ),
                }
                assert!(
                    began.elapsed() < Duration::from_secs(1),
                    "{path} {head}{piece}…: {:?}",
                    began.elapsed()
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_awkward_identity_and_header_of_a_handshake_is_answered_within_a_second() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let node = Node::started(&[]).await;
    node.station("CP1").await;
    for piece in [
        "%41", "%", "/", "a", "../", "?id=", "&id=a", "%2F", "%FF", "+", "=", "A:", ",",
        "ocpp1.6,", " ", ";",
    ] {
        let text = piece.repeat((15 << 10) / piece.len());
        for (path, protocols, basic) in [
            (text.as_str(), "ocpp1.6", "QQ=="),
            ("CP1", text.as_str(), "QQ=="),
            ("CP1", "ocpp1.6", text.as_str()),
        ] {
            let head = format!(
                "GET /ocpp/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: {protocols}\r\nAuthorization: Basic {basic}\r\n\r\n"
            );
            let began = Instant::now();
            let mut stream =
                tokio::net::TcpStream::connect(("127.0.0.1", node.ocpp)).await.unwrap();
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            let read = tokio::time::timeout(crate::node::PATIENCE, stream.read(&mut answer))
                .await
                .expect("it is answered");
            let status = String::from_utf8_lossy(&answer[..read.unwrap_or(0)]).into_owned();
            assert!(
                began.elapsed() < Duration::from_secs(1),
                "{piece}…: {:?} {status}",
                began.elapsed()
            );
            assert!(status.is_empty() || status.starts_with("HTTP/1.1 "), "{piece}…: {status}");
        }
    }
    node.line("CP1").await.call("Heartbeat", &json!({})).await;
}
