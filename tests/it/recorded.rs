//! A recorded run: one story over both versions of OCPP. The answers on the wire, the API's views, the exports and every
//! kept row are the same bytes from version to version. `tests/it/golden` holds them; a change is deliberate or a fault:
//! `JUDEN_GOLDEN=write` writes them anew.

use serde_json::{Value, json};

use crate::engine::is_postgres;
use crate::golden::held;
use crate::harness::{Socket, TestServer, start, stop, transaction};
use crate::newer::Newer;

/// Columns whose values are drawn by lot, or tell of this run alone.
const DRAWN: &[&str] = &["code_hash", "password_hash", "id_tag_hash"];
/// Tables about the running program, not about what it keeps.
const PASSING: &[&str] = &[
    "_sqlx_migrations",
    "changes",
    "ledger_marks",
    "meta",
    "nodes",
    "leases",
    "station_leases",
    "sqlite_sequence",
];

/// The wire of one station, and what was answered.
struct Wire {
    socket: Socket,
    answers: String,
}

impl Wire {
    async fn open(server: &TestServer, id: &str, protocol: &str) -> Self {
        let url = format!("{}/{id}", server.ocpp_url());
        Self {
            socket: Socket::open(&url, Some(protocol), None).await.unwrap(),
            answers: String::new(),
        }
    }

    async fn call(&mut self, action: &str, payload: Value) -> Value {
        let answer = self.socket.call(action, payload.clone()).await;
        self.answers += &format!("{action} {payload}\n{answer}\n");
        answer
    }
}

fn event(kind: &str, number: u32, at: &str, transaction: &str, wh: i64, more: &Value) -> Value {
    let mut event = json!({"eventType": kind, "timestamp": at, "triggerReason": "CablePluggedIn", "seqNo": number,
        "transactionInfo": {"transactionId": transaction, "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": [{"value": wh, "unitOfMeasure": {"unit": "Wh"}}]}]});
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

async fn older_story(server: &TestServer) -> String {
    let mut wire = Wire::open(server, "OLD", "ocpp1.6").await;
    wire.call("BootNotification", json!({"chargePointVendor": "Maker", "chargePointModel": "Quick 50", "firmwareVersion": "1.2"})).await;
    wire.call(
        "StatusNotification",
        json!({"connectorId": 1, "errorCode": "NoError", "status": "Available"}),
    )
    .await;
    for tag in ["CARD1", "card1", "CARD3", "NOBODY"] {
        wire.call("Authorize", json!({"idTag": tag})).await;
    }
    let begun = start("CARD1", "2024-11-03T01:00:00Z", 100);
    let started = wire.call("StartTransaction", begun.clone()).await;
    let id = transaction(&started);
    let sampled = json!([{"value": "2600", "measurand": "Energy.Active.Import.Register", "unit": "Wh"},
        {"value": "43.5", "measurand": "Power.Active.Import", "unit": "kW"}, {"value": "57", "measurand": "SoC", "unit": "Percent"}]);
    let readings = json!({"connectorId": 1, "transactionId": id,
        "meterValue": [{"timestamp": "2024-11-03T01:10:00Z", "sampledValue": sampled}]});
    wire.call("MeterValues", readings.clone()).await;
    wire.call("MeterValues", readings).await;
    wire.call("StartTransaction", begun).await;
    wire.call("StopTransaction", stop(id, "2024-11-03T01:31:10Z", 12_445)).await;
    wire.call("StopTransaction", stop(id, "2024-11-03T01:31:10Z", 12_445)).await;
    wire.call("StopTransaction", stop(id, "2024-11-03T01:35:10Z", 12_445)).await;
    for (tag, from, until, wh) in [
        ("CARD1", "2024-11-30T14:30:00Z", "2024-11-30T15:50:00Z", 30_000),
        ("CARD2", "2024-11-10T02:00:00Z", "2024-11-10T02:14:59Z", 0),
        ("NOBODY", "2024-11-11T02:00:00Z", "2024-11-11T02:10:00Z", 5_000),
        ("CARD3", "2024-11-12T02:00:00Z", "2024-11-12T02:10:00Z", 5_000),
        ("CARD2", "1970-01-01T00:00:10Z", "1970-01-01T00:20:10Z", 4_000),
        ("CARD2", "2024-11-13T05:00:00Z", "2024-11-13T04:00:00Z", 4_000),
    ] {
        let started = wire.call("StartTransaction", start(tag, from, 0)).await;
        wire.call("StopTransaction", stop(transaction(&started), until, wh)).await;
    }
    wire.call("StopTransaction", stop(4_711, "2024-11-14T05:00:00Z", 900)).await;
    wire.call("DataTransfer", json!({"vendorId": "nobody", "data": "x"})).await;
    wire.call("NoSuchAction", json!({})).await;
    wire.answers
}

async fn newer_story(server: &TestServer) -> String {
    let token = |text: &str| json!({"idToken": {"idToken": text, "type": "ISO14443"}});
    let mut wire = Wire::open(server, "NEW", "ocpp2.0.1").await;
    let boot = json!({"reason": "PowerUp", "chargingStation": {"vendorName": "Maker", "model": "Quick 90"}});
    wire.call("BootNotification", boot).await;
    let status = json!({"timestamp": "2024-11-30T16:00:00Z", "connectorStatus": "Available", "evseId": 1, "connectorId": 1});
    wire.call("StatusNotification", status).await;
    for tag in ["04A2B3C4", "CARD3", "NOBODY"] {
        wire.call("Authorize", token(tag)).await;
    }
    let events = [
        event("Started", 0, "2024-11-20T01:00:00Z", "T-1", 1_000, &token("04A2B3C4")),
        event("Updated", 1, "2024-11-20T01:15:00Z", "T-1", 8_000, &json!({})),
        event("Updated", 1, "2024-11-20T01:15:00Z", "T-1", 8_000, &json!({})),
        event(
            "Ended",
            2,
            "2024-11-20T01:40:00Z",
            "T-1",
            19_000,
            &json!({"triggerReason": "EVDeparted"}),
        ),
        event("Ended", 1, "2024-11-21T03:40:00Z", "T-2", 6_000, &json!({})),
        event("Started", 0, "2024-11-21T03:00:00Z", "T-2", 0, &token("04A2B3C4")),
        event("Started", 0, "2024-11-22T01:00:00Z", "T-3", 0, &token("CARD3")),
        event("Started", 0, "2024-11-23T01:00:00Z", "T-4", 0, &json!({})),
    ];
    for event in events {
        wire.call("TransactionEvent", event).await;
    }
    wire.call("MeterValues", json!({"evseId": 1, "meterValue": [{"timestamp": "2024-11-24T00:00:00Z", "sampledValue": [{"value": 9.5}]}]}))
        .await;
    wire.call("TransactionEvent", json!({"eventType": "Started"})).await;
    wire.answers
}

async fn views(server: &TestServer, members: &[String], until: &str) -> String {
    let mut told = String::new();
    for member in members {
        for month in ["2024-11", "2024-12"] {
            for view in ["bills", "usage"] {
                let path = format!("/members/{member}/{view}/{month}");
                let answered = server.request("GET", &path, None, &[]).await;
                told += &format!("{until} {path}: {} {}\n", answered.status, answered.text);
            }
        }
    }
    for path in ["/sessions?limit=500", "/invoices?limit=500"] {
        let answered = server.request("GET", path, None, &[]).await;
        told += &format!("{until} {path}: {} {}\n", answered.status, answered.text);
    }
    told
}

#[tokio::test]
async fn a_recorded_run_leaves_the_same_answers_views_and_rows() {
    // Both versions are in the story itself.
    if Newer::wanted() {
        return;
    }
    let mut server = TestServer::at("2024-11-01T00:00:00Z").await;
    for station in ["OLD", "NEW"] {
        server.station(station).await;
    }
    let mut members = Vec::new();
    for (plan, tag) in [
        ("premium_100", "CARD1"),
        ("simple", "CARD2"),
        ("simple", "04A2B3C4"),
        ("premium_100", "CARD3"),
    ] {
        members.push(server.member_with_card(plan, tag).await);
    }
    let lost =
        server.post(&format!("/cards/{}/suspend", members[3].1), &json!({"reason": "lost"})).await;
    assert_eq!(lost.status, 200, "{lost:?}");
    let members: Vec<String> = members.into_iter().map(|(member, _)| member).collect();
    server.clock("2024-11-30T16:00:00Z").await;
    held("recorded/1.6", &older_story(&server).await);
    held("recorded/2.0.1", &newer_story(&server).await);
    let mut told = views(&server, &members, "before the close").await;
    assert_eq!(server.post("/months/2024-11/close", &json!({})).await.status, 200);
    // What comes after the close is a line of the next invoice.
    let mut wire = Wire::open(&server, "OLD", "ocpp1.6").await;
    let late = wire.call("StartTransaction", start("CARD2", "2024-11-15T01:00:00Z", 0)).await;
    wire.call("StopTransaction", stop(transaction(&late), "2024-11-15T01:20:00Z", 9_000)).await;
    server.clock("2025-01-03T00:00:00Z").await;
    assert_eq!(server.post("/months/2024-12/close", &json!({})).await.status, 200);
    told += &views(&server, &members, "after both").await;
    held("recorded/views", &told);
    for format in ["csv", "jsonl", "ocpi-cdr", "collection"] {
        let export = server
            .request("GET", &format!("/months/2024-12/export?format={format}"), None, &[])
            .await;
        held(&format!("recorded/2024-12.{format}"), &export.text);
    }
    server.while_stopped(&[]).await;
    let engine = if is_postgres() { "postgres" } else { "sqlite" };
    held(&format!("recorded/rows-{engine}"), &server.database.rows(PASSING, DRAWN).await);
}
