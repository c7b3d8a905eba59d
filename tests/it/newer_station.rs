//! What a station of OCPP 2.0.1 may say and be asked beside its transactions, over real sockets.

use serde_json::{Value, json};

use crate::both_versions::{CARD, NOW, newer, whole};
use crate::harness::TestServer;

#[tokio::test]
async fn what_is_no_frame_has_the_newer_versions_errors_and_the_connection_lives() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    for (sent, id, code) in [
        ("hello", "-1", "RpcFrameworkError"),
        ("{}", "-1", "RpcFrameworkError"),
        ("[2]", "-1", "RpcFrameworkError"),
        (r#"[9,"x",{}]"#, "x", "MessageTypeNotSupported"),
        (r#"[2,"x","Nonsense",{}]"#, "x", "NotImplemented"),
        (r#"[2,"x","Reset",{}]"#, "x", "NotSupported"),
        (r#"[2,"x","StatusNotification",{}]"#, "x", "OccurrenceConstraintViolation"),
        (r#"[2,"x","StatusNotification",{"evseId":"?"}]"#, "x", "TypeConstraintViolation"),
        (r#"[2,"x","Heartbeat",[]]"#, "x", ""),
        (r#"[2,"x","BootNotification",[]]"#, "x", "FormatViolation"),
        (
            r#"[2,"x","BootNotification",{"chargePointVendor":"V","chargePointModel":"M"}]"#,
            "x",
            "NotSupported",
        ),
        (
            r#"[2,"x","BootNotification",{"reason":"PowerUp","chargingStation":{"model":"M"}}]"#,
            "x",
            "OccurrenceConstraintViolation",
        ),
    ] {
        socket.send(sent).await;
        let answer = socket.next().await.unwrap();
        let told = if answer[0] == 4 { answer[2].as_str().unwrap() } else { "" };
        assert_eq!((answer[1].as_str().unwrap(), told), (id, code), "{sent}: {answer}");
    }
    for broken in [
        r#"[2,"t","TransactionEvent",{}]"#,
        r#"[2,"t","TransactionEvent",null]"#,
        r#"[2,"t","TransactionEvent",{"transactionInfo":{"transactionId":"T"},"eventType":"Ended","seqNo":-5,"timestamp":"1970-01-01"}]"#,
        r#"[2,"t","TransactionEvent",{"transactionInfo":{"transactionId":"T"},"eventType":7,"seqNo":9223372036854775807}]"#,
        r#"[2,"t","TransactionEvent",{"transactionInfo":"T","eventType":"Started","seqNo":1,"idToken":{"idToken":"A","#,
        r#"[2,"t","MeterValues",{"evseId":1,"meterValue":[{"sampledValue":[{"value":"x"}]}]}]"#,
    ] {
        socket.send(broken).await;
        let answer = socket.next().await.unwrap();
        assert_eq!((&answer[0], &answer[1]), (&json!(3), &json!("t")), "{broken}: {answer}");
    }
    socket.lives().await;
}

#[tokio::test]
async fn a_number_typed_at_a_key_pad_is_not_the_card_with_that_number() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("simple", "4711").await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    for (kind, status) in [
        ("ISO14443", "Accepted"),
        ("Local", "Accepted"),
        ("KeyCode", "Unknown"),
        ("eMAID", "Unknown"),
        ("MacAddress", "Unknown"),
    ] {
        let answer =
            socket.call("Authorize", json!({"idToken": {"idToken": "4711", "type": kind}})).await;
        assert_eq!(answer[2]["idTokenInfo"]["status"], status, "{kind}");
    }
}

#[tokio::test]
async fn a_report_of_the_device_model_is_kept_and_belongs_to_the_command_that_asked_for_it() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let asking = async {
        server
            .post(
                "/stations/CP1/ocpp/GetBaseReport",
                &json!({"requestId": 7, "reportBase": "FullInventory"}),
            )
            .await
    };
    let answering = async {
        let command = socket.next().await.unwrap();
        assert_eq!(command[2], "GetBaseReport");
        socket.send(&json!([3, command[1], {"status": "Accepted"}]).to_string()).await;
    };
    let (asked, ()) = tokio::join!(asking, answering);
    assert_eq!(asked.json()["outcome"], "accepted");
    let part = |seq: i64, more: bool, name: &str, value: &str| {
        json!({"requestId": 7, "generatedAt": NOW, "seqNo": seq, "tbc": more, "reportData": [{"component": {"name": "EVSE", "evse": {"id": 1}},
            "variable": {"name": name}, "variableAttribute": [{"value": value}]}]})
    };
    // Parts may come out of order.
    for part in [part(1, false, "Power", "50000"), part(0, true, "Available", "true")] {
        assert_eq!(socket.call("NotifyReport", part).await[2], json!({}));
    }
    let commands = server.get("/stations/CP1/commands").await;
    let id = commands["items"][0]["command_id"].as_i64().unwrap();
    let detail = server.get(&format!("/stations/CP1/commands/{id}")).await;
    let parts: Vec<i64> = detail["reports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["seq_no"].as_i64().unwrap())
        .collect();
    assert_eq!((parts, &detail["complete"]), (vec![0, 1], &json!(true)));
    let model = server.get("/stations/CP1/device-model?limit=1").await;
    assert_eq!(
        (&model["items"][0]["component"], &model["items"][0]["variable"]),
        (&json!("EVSE@1"), &json!("Available"))
    );
    let cursor = model["next_cursor"].as_str().unwrap();
    let rest = server
        .get(&format!(
            "/stations/CP1/device-model?cursor={}",
            cursor.replace('|', "%7C").replace('@', "%40")
        ))
        .await;
    assert_eq!(
        (rest["items"].as_array().unwrap().len(), &rest["items"][0]["variable"]),
        (1, &json!("Power"))
    );
    assert_eq!(rest["items"][0]["report"]["variableAttribute"][0]["value"], "50000");
}

#[tokio::test]
async fn a_session_is_stopped_by_the_name_that_its_station_gave_it() {
    let server = TestServer::at(NOW).await;
    server.member_with_card("simple", CARD).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    for event in whole().into_iter().take(3) {
        socket.call("TransactionEvent", event).await;
    }
    let session = server.sessions_at("CP1").await.pop().unwrap();
    for body in [
        json!({"command": "remote_stop", "session_id": session["session_id"]}),
        json!({"command": "remote_stop", "transaction_id": session["transaction_id"]}),
        json!({"command": "remote_stop", "transaction_id": "T-1"}),
    ] {
        let asking = async { server.post("/stations/CP1/commands", &body).await };
        let answering = async {
            let command = socket.next().await.unwrap();
            assert_eq!(
                (&command[2], &command[3]),
                (&json!("RequestStopTransaction"), &json!({"transactionId": "T-1"}))
            );
            socket.send(&json!([3, command[1], {"status": "Accepted"}]).to_string()).await;
        };
        let (asked, ()) = tokio::join!(asking, answering);
        assert_eq!(asked.json()["outcome"], "accepted", "{body}");
    }
}

#[tokio::test]
async fn a_newer_station_is_asked_for_its_settings_and_its_device_model_after_it_booted() {
    let server = TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await;
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let boot = json!({"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V", "firmwareVersion": "1"}});
    socket.send(&json!([2, "boot", "BootNotification", boot]).to_string()).await;
    let mut asked = Vec::new();
    while asked.last().is_none_or(|last| last != "ConfigurationInventory") {
        let frame = socket.next().await.unwrap();
        if frame[0] != 2 {
            continue;
        }
        let told = |data: &Value| json!({"component": data["component"], "variable": data["variable"], "attributeStatus": "Accepted", "attributeValue": "true"});
        let answer = match (frame[2].as_str().unwrap(), frame[3]["reportBase"].as_str()) {
            ("GetVariables", _) => {
                json!({"getVariableResult": frame[3]["getVariableData"].as_array().unwrap().iter().map(told).collect::<Vec<_>>()})
            }
            ("GetBaseReport", Some("FullInventory")) => json!({"status": "NotSupported"}),
            ("GetBaseReport", _) => json!({"status": "Accepted"}),
            (other, _) => panic!("{other} was not to be asked"),
        };
        asked.push(frame[3]["reportBase"].as_str().unwrap_or("settings").to_owned());
        socket.send(&json!([3, frame[1], answer]).to_string()).await;
    }
    // Its settings in parts: how much it takes at once is told in the first at the earliest.
    assert_eq!(asked, ["settings", "settings", "FullInventory", "ConfigurationInventory"]);
}
