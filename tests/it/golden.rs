//! What the outside keeps is the same bytes from version to version: exports, and the answers that a repeat gets. One story
//! makes them; `tests/it/golden` holds them. A change is deliberate or a fault: `JUDEN_GOLDEN=write` writes them anew.

use std::path::Path;

use serde_json::json;

use crate::engine::is_postgres;
use crate::harness::{TestServer, start, stop, transaction};
use crate::newer::Newer;

pub fn held(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    if std::env::var("JUDEN_GOLDEN").as_deref() == Ok("write") {
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
    }
    let known =
        std::fs::read_to_string(&file).unwrap_or_else(|why| panic!("{}: {why}", file.display()));
    assert_eq!(known, text, "{} is not as it was", file.display());
}

#[tokio::test]
async fn exports_and_kept_answers_are_the_bytes_that_they_always_were() {
    // The story is told in the words of 1.6; in 2.0.1 a session has another name.
    if Newer::wanted() {
        return;
    }
    let server = TestServer::at("2024-11-01T00:00:00Z").await;
    server.station("CP1").await;
    server.member_with_card("premium_100", "CARD1").await;
    server.member_with_card("simple", "CARD2").await;
    server.clock("2024-11-30T16:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let mut answers = String::new();
    for (tag, from, until, wh) in [
        ("CARD1", "2024-11-03T01:00:00Z", "2024-11-03T01:31:10Z", 12_345),
        ("CARD1", "2024-11-30T14:00:00Z", "2024-11-30T15:50:00Z", 30_000),
        ("CARD2", "2024-11-10T02:00:00Z", "2024-11-10T02:14:59Z", 0),
        ("NOBODY", "2024-11-11T02:00:00Z", "2024-11-11T02:10:00Z", 5_000),
    ] {
        let started = socket.call("StartTransaction", start(tag, from, 0)).await;
        let id = transaction(&started);
        let readings = json!({"connectorId": 1, "transactionId": id, "meterValue": [{"timestamp": from, "sampledValue": [{"value": "1"}]}]});
        let read = socket.call("MeterValues", readings).await;
        let stopped = socket.call("StopTransaction", stop(id, until, wh)).await;
        for answer in [started, read, stopped] {
            answers += &format!("{answer}\n");
        }
    }
    held("answers.jsonl", &answers);
    assert_eq!(server.post("/months/2024-11/close", &json!({})).await.status, 200);
    for format in ["csv", "jsonl", "ocpi-cdr", "collection"] {
        let export = server
            .request("GET", &format!("/months/2024-11/export?format={format}"), None, &[])
            .await;
        assert_eq!(export.status, 200, "{export:?}");
        held(&format!("2024-11.{format}"), &export.text);
    }
}

#[tokio::test]
async fn a_session_with_a_flag_that_this_version_does_not_know_is_unreadable_and_not_billed() {
    let server = TestServer::at("2024-11-01T00:00:00Z").await;
    server.station("CP1").await;
    let (member, _) = server.member_with_card("simple", "CARD1").await;
    server.clock("2024-11-10T00:00:00Z").await;
    let mut socket = server.socket("CP1").await;
    let id = transaction(
        &socket.call("StartTransaction", start("CARD1", "2024-11-09T01:00:00Z", 0)).await,
    );
    socket.call("StopTransaction", stop(id, "2024-11-09T02:00:00Z", 9_000)).await;
    let bill = server.get(&format!("/members/{member}/bills/2024-11")).await;
    assert_ne!(bill["total_yen"], "0", "it is billed: {bill}");
    let words = [
        (
            "UPDATE sessions SET flags = 'doubt_of_another_version'",
            "UPDATE sessions SET flags = ''",
        ),
        (
            "UPDATE sessions SET refusal = 'reason_of_another_version'",
            "UPDATE sessions SET refusal = NULL",
        ),
        (
            "UPDATE sessions SET decision = 'decided_by_another_version'",
            "UPDATE sessions SET decision = NULL",
        ),
    ];
    for (unknown, known) in words {
        server.database.run(unknown).await;
        server.clock("2024-12-02T00:00:00Z").await;
        for path in [
            format!("/sessions/{id}"),
            format!("/members/{member}/bills/2024-11"),
            format!("/members/{member}/usage/2024-11"),
        ] {
            let asked = server.request("GET", &path, None, &[]).await;
            assert_eq!(asked.status, 500, "{unknown}: {path}: {asked:?}");
        }
        let closed = server.post("/months/2024-11/close", &json!({})).await;
        assert!(
            closed.status >= 500,
            "{unknown}: a month is not closed over what cannot be read: {closed:?}"
        );
        server.database.run(known).await;
        assert_eq!(
            server.get(&format!("/sessions/{id}")).await["state"],
            "ended",
            "postgres: {}",
            is_postgres()
        );
    }
    assert_eq!(server.post("/months/2024-11/close", &json!({})).await.status, 200);
}
