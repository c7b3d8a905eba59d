//! What drivers are shown at chargers of OCPP 2.0.1: costs, and the free minutes left of the month.

use serde_json::{Value, json};

use crate::both_versions::{CARD, NOW, newer};
use crate::harness::{Socket, TestServer};

/// When sessions start: the card is active by then.
const START: &str = "2024-06-10T00:01:00Z";

fn token() -> Value {
    json!({"idToken": CARD, "type": "ISO14443"})
}

fn event(kind: &str, at: &str, seq: i64, more: &Value) -> Value {
    let mut event = json!({"eventType": kind, "timestamp": at, "triggerReason": "MeterValuePeriodic", "seqNo": seq,
        "transactionInfo": {"transactionId": "T-1", "chargingState": "Charging"}, "evse": {"id": 1, "connectorId": 1}});
    for (key, value) in more.as_object().unwrap() {
        event[key] = value.clone();
    }
    event
}

fn register(at: &str, wh: i64) -> Value {
    json!([{"timestamp": at, "sampledValue": [{"value": wh, "context": "Sample.Periodic"}]}])
}

async fn told(socket: &mut Socket, event: Value) -> Value {
    let answer = socket.call("TransactionEvent", event).await;
    assert_eq!(answer[0], 3, "{answer}");
    answer[2].clone()
}

async fn charging(server: &TestServer, socket: &mut Socket) {
    let started = event(
        "Started",
        START,
        0,
        &json!({"idToken": token(), "meterValue": register(START, 1_000)}),
    );
    server.clock(START).await;
    let started = told(socket, started).await;
    assert_eq!(started["idTokenInfo"]["status"], "Accepted");
    assert_eq!(started["totalCost"], 0, "nothing is used yet");
}

#[tokio::test]
async fn a_driver_is_shown_the_free_minutes_left_and_what_the_session_costs() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("premium_100", CARD).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let authorized = socket.call("Authorize", json!({"idToken": token()})).await;
    let message = authorized[2]["idTokenInfo"]["personalMessage"].clone();
    assert_eq!(
        (&message["format"], &message["language"]),
        (&json!("UTF8"), &json!("ja")),
        "{authorized}"
    );
    let text = "急速充電の今月の無料分は残り100分、その後1分ごとに44円（税込）です。\n\
        Quick charging: 100 free minutes left this month, then 44 yen per 1 min, tax included.";
    assert_eq!(message["content"], text);
    charging(&server, &mut socket).await;
    server.clock("2024-06-10T01:01:00Z").await;
    let updated = event(
        "Updated",
        "2024-06-10T01:01:00Z",
        1,
        &json!({"meterValue": register("2024-06-10T01:01:00Z", 20_000)}),
    );
    assert_eq!(
        told(&mut socket, updated.clone()).await,
        json!({"totalCost": 0}),
        "60 of 100 free minutes"
    );
    server.clock("2024-06-10T02:00:30Z").await;
    assert_eq!(
        told(&mut socket, updated).await,
        json!({"totalCost": 0}),
        "a repeat has the first answer"
    );
    let next = event(
        "Updated",
        "2024-06-10T02:00:30Z",
        2,
        &json!({"meterValue": register("2024-06-10T02:00:30Z", 29_000)}),
    );
    assert_eq!(told(&mut socket, next).await, json!({"totalCost": 20 * 44}));
    let more = json!({"idToken": token(), "triggerReason": "StopAuthorized", "meterValue": register("2024-06-10T02:01:00Z", 30_000)});
    let ended = told(&mut socket, event("Ended", "2024-06-10T02:01:00Z", 3, &more)).await;
    assert_eq!(ended["totalCost"], 20 * 44, "{ended}");
    assert!(
        ended["idTokenInfo"]["personalMessage"]["content"]
            .as_str()
            .unwrap()
            .contains("Quick charging: 44 yen per 1 min"),
        "{ended}"
    );
    let member = server.sessions_at("CP1").await[0]["member_id"].as_str().unwrap().to_owned();
    let bill = server.get(&format!("/members/{member}/bills/2024-06")).await;
    let metered = bill["lines"]
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["code"] == "metered_quick")
        .unwrap();
    assert_eq!(metered["amount_yen"], "880", "the bill says the same");
}

#[tokio::test]
async fn a_refused_card_an_unknown_charger_and_a_server_set_so_show_nothing() {
    let server = TestServer::with(NOW, &[("display-language", "none")]).await;
    server.member_with_card("premium_100", CARD).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let authorized = socket.call("Authorize", json!({"idToken": token()})).await;
    assert!(authorized[2]["idTokenInfo"].get("personalMessage").is_none(), "{authorized}");
    let started = told(&mut socket, event("Started", NOW, 0, &json!({"idToken": token()}))).await;
    assert!(started.get("totalCost").is_none(), "{started}");
    let server = TestServer::with(NOW, &[("display-language", "en")]).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let unknown = socket.call("Authorize", json!({"idToken": token()})).await;
    assert_eq!(unknown[2]["idTokenInfo"].as_object().unwrap().get("personalMessage"), None);
    let started = told(&mut socket, event("Started", NOW, 0, &json!({"idToken": token()}))).await;
    assert!(started.get("totalCost").is_none(), "nobody's session has no price: {started}");
}

#[tokio::test]
async fn a_charger_that_shows_costs_is_told_them_while_it_charges() {
    let server =
        TestServer::with(NOW, &[("cost-update-s", "1"), ("onboarding-delay-s", "0")]).await;
    server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let boot = json!({"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}});
    assert_eq!(socket.call("BootNotification", boot).await[2]["status"], "Accepted");
    // The charger tells that it shows costs when it is asked for its settings.
    let asked = loop {
        let frame = socket.next().await.unwrap();
        if frame[2] == "GetVariables" {
            break frame;
        }
        socket.send(&json!([4, frame[1], "NotSupported", "", {}]).to_string()).await;
    };
    let wanted = asked[3]["getVariableData"].as_array().unwrap();
    let cost = wanted.iter().find(|one| one["component"]["name"] == "TariffCostCtrlr").unwrap();
    assert_eq!(cost["variable"], json!({"name": "Enabled", "instance": "Cost"}));
    let result = json!({"attributeStatus": "Accepted", "attributeValue": "true", "component": cost["component"], "variable": cost["variable"]});
    socket.send(&json!([3, asked[1], {"getVariableResult": [result]}]).to_string()).await;
    let started = event(
        "Started",
        START,
        0,
        &json!({"idToken": token(), "meterValue": register(START, 1_000)}),
    );
    server.clock(START).await;
    socket.send(&json!([2, "s", "TransactionEvent", started]).to_string()).await;
    let told = loop {
        let frame = socket.next().await.unwrap();
        match (frame[0].as_i64(), frame[2].as_str()) {
            (Some(2), Some("CostUpdated")) => break frame,
            (Some(2), _) => {
                socket.send(&json!([4, frame[1], "NotSupported", "", {}]).to_string()).await;
            }
            _ => {}
        }
    };
    assert_eq!(told[3], json!({"totalCost": 0, "transactionId": "T-1"}), "{told}");
    socket.send(&json!([3, told[1], {}]).to_string()).await;
    server.clock("2024-06-10T00:10:30Z").await;
    let moved = loop {
        let frame = socket.next().await.unwrap();
        if frame[2] == "CostUpdated" && frame[3]["totalCost"] != 0 {
            break frame;
        }
        if frame[0] == 2 {
            socket.send(&json!([3, frame[1], {}]).to_string()).await;
        }
    };
    assert_eq!(moved[3]["totalCost"], 990, "ten minutes at 99 yen");
}

#[tokio::test]
async fn a_free_opening_that_is_entered_while_a_session_runs_is_in_what_its_driver_is_shown() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    charging(&server, &mut socket).await;
    server.clock("2024-06-10T00:31:00Z").await;
    let after = |seq| {
        event(
            "Updated",
            "2024-06-10T00:31:00Z",
            seq,
            &json!({"meterValue": register("2024-06-10T00:31:00Z", 9_000)}),
        )
    };
    assert_ne!(told(&mut socket, after(1)).await["totalCost"], 0);
    let opened = server
        .post(
            "/free-openings",
            &json!({"note": "flood", "from": NOW, "to": "2024-06-11T00:00:00Z"}),
        )
        .await;
    assert_eq!(opened.status, 201, "{opened:?}");
    assert_eq!(told(&mut socket, after(2)).await["totalCost"], 0, "as the bill would have it now");
}
