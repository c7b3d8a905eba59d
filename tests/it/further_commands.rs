//! Reservations, firmware, logs and messages, worded for stations of either version, and what stations say they take.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::both_versions::newer;
use crate::harness::{Answered, Socket, TestServer};

const NOW: &str = "2024-06-10T00:00:00Z";
const LATER: &str = "2024-06-11T00:00:00Z";

/// Sends a command that a bare station accepts: the call it got, and what the API said.
async fn told(server: &Arc<TestServer>, socket: &mut Socket, body: Value) -> (Value, Answered) {
    let asking = tokio::spawn({
        let server = server.clone();
        async move { server.post("/stations/CP1/commands", &body).await }
    });
    let frame = socket.next().await.unwrap();
    let answer = if frame[2] == "GetTransactionStatus" {
        json!({"messagesInQueue": false})
    } else {
        json!({"status": "Accepted"})
    };
    let answer = if frame[2] == "UpdateFirmware" && frame[3].get("requestId").is_none() {
        json!({})
    } else {
        answer
    };
    socket.send(&json!([3, frame[1], answer]).to_string()).await;
    (frame, asking.await.unwrap())
}

/// A call as a station gets it: action and payload.
type Call = (&'static str, Value);

/// Commands, and how each version words them.
fn commands() -> Vec<(Value, [Option<Call>; 2])> {
    let at = "2024-06-11T00:00:00.000Z";
    let token = json!({"idToken": "TAG", "type": "ISO14443"});
    vec![
        (
            json!({"command": "reserve_now", "id_tag": "TAG", "expires_at": LATER, "connector_id": 1, "reservation_id": 7}),
            [
                Some((
                    "ReserveNow",
                    json!({"reservationId": 7, "idTag": "TAG", "connectorId": 1, "expiryDate": at}),
                )),
                Some((
                    "ReserveNow",
                    json!({"id": 7, "idToken": token, "evseId": 1, "expiryDateTime": at}),
                )),
            ],
        ),
        (
            json!({"command": "cancel_reservation", "reservation_id": 7}),
            [0, 1].map(|_| Some(("CancelReservation", json!({"reservationId": 7})))),
        ),
        (
            json!({"command": "renew_certificate"}),
            [
                Some((
                    "ExtendedTriggerMessage",
                    json!({"requestedMessage": "SignChargePointCertificate"}),
                )),
                Some((
                    "TriggerMessage",
                    json!({"requestedMessage": "SignChargingStationCertificate"}),
                )),
            ],
        ),
        (
            json!({"command": "clear_message", "display_id": 3}),
            [None, Some(("ClearDisplayMessage", json!({"id": 3})))],
        ),
        (
            json!({"command": "transaction_status"}),
            [None, Some(("GetTransactionStatus", json!({})))],
        ),
        (
            json!({"command": "transaction_status", "transaction_id": "T-1"}),
            [None, Some(("GetTransactionStatus", json!({"transactionId": "T-1"})))],
        ),
        (
            json!({"command": "show_message", "text": "休止中", "language": "ja", "display_id": 3, "until": LATER}),
            [
                None,
                Some((
                    "SetDisplayMessage",
                    json!({"message": {"id": 3, "priority": "NormalCycle", "endDateTime": at,
                        "message": {"format": "UTF8", "language": "ja", "content": "休止中"}}}),
                )),
            ],
        ),
    ]
}

#[tokio::test]
async fn one_command_is_worded_for_either_version_and_refused_where_it_is_not_in_it() {
    for (place, is_newer) in [false, true].into_iter().enumerate() {
        let server = Arc::new(TestServer::at(NOW).await);
        server.station("CP1").await;
        let mut socket = if is_newer {
            newer(&server, "CP1").await
        } else {
            Socket::open(&format!("{}/CP1", server.ocpp_url()), Some("ocpp1.6"), None)
                .await
                .unwrap()
        };
        for (body, expected) in commands() {
            let Some((action, payload)) = &expected[place] else {
                let refused = server.post("/stations/CP1/commands", &body).await;
                assert_eq!(
                    (refused.status, refused.json()["reason"].as_str()),
                    (409, Some("not_in_version")),
                    "{body}"
                );
                continue;
            };
            let (frame, answered) = told(&server, &mut socket, body.clone()).await;
            assert_eq!((frame[2].as_str().unwrap(), &frame[3]), (*action, payload), "{body}");
            assert_eq!(
                (answered.status, answered.json()["outcome"].as_str()),
                (200, Some("accepted")),
                "{answered:?}"
            );
            let kept = &server.get("/stations/CP1/commands").await["items"][0];
            assert_eq!(
                (&kept["action"], &kept["payload"]),
                (&json!(action), payload),
                "it is kept as it was sent"
            );
        }
    }
}

#[tokio::test]
async fn firmware_and_logs_carry_a_number_under_which_the_station_tells_how_they_go() {
    let server = Arc::new(TestServer::at(NOW).await);
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    for (body, action, news) in [
        (
            json!({"command": "update_firmware", "location": "https://x/f", "signing_certificate": "C", "signature": "S"}),
            "UpdateFirmware",
            "FirmwareStatusNotification",
        ),
        (
            json!({"command": "get_log", "location": "https://x/up", "log_type": "security", "from": NOW}),
            "GetLog",
            "LogStatusNotification",
        ),
    ] {
        let (frame, answered) = told(&server, &mut socket, body).await;
        assert_eq!(frame[2], action);
        let number = frame[3]["requestId"].as_i64().unwrap();
        assert!((1..=i64::from(i32::MAX)).contains(&number));
        assert_eq!(
            socket.call(news, json!({"status": "Downloading", "requestId": number})).await[2],
            json!({})
        );
        let place = answered.location.expect("where it is kept").replace("/api/v1", "");
        let kept = server.get(&place).await;
        assert_eq!(
            (&kept["command"]["action"], &kept["reports"][0]["action"]),
            (&json!(action), &json!(news)),
            "{kept}"
        );
    }
}

#[tokio::test]
async fn what_a_command_lacks_is_told() {
    let server = TestServer::at(NOW).await;
    server.station("CP1").await;
    for (body, field) in [
        (json!({"command": "reserve_now", "id_tag": "TAG"}), "expires_at"),
        (
            json!({"command": "reserve_now", "id_tag": "TAG", "expires_at": "2020-01-01T00:00:00Z"}),
            "expires_at",
        ),
        (json!({"command": "reserve_now", "expires_at": LATER}), "id_tag"),
        (json!({"command": "cancel_reservation"}), "reservation_id"),
        (json!({"command": "update_firmware"}), "location"),
        (
            json!({"command": "update_firmware", "location": "x", "signature": "S"}),
            "signing_certificate",
        ),
        (json!({"command": "get_log", "location": "x", "log_type": "both"}), "log_type"),
        (json!({"command": "show_message"}), "text"),
        (json!({"command": "clear_message"}), "display_id"),
    ] {
        let answered = server.post("/stations/CP1/commands", &body).await;
        assert_eq!(
            (answered.status, answered.json()["field"].as_str()),
            (422, Some(field)),
            "{body}: {answered:?}"
        );
    }
}

#[tokio::test]
async fn a_station_is_sent_no_more_than_it_says_it_takes() {
    let server = Arc::new(TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await);
    server.station("CP1").await;
    let mut socket =
        Socket::open(&format!("{}/CP1", server.ocpp_url()), Some("ocpp1.6"), None).await.unwrap();
    socket.send(&json!([2, "b", "BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"}]).to_string()).await;
    let asked = loop {
        let frame = socket.next().await.unwrap();
        if frame[2] == "GetConfiguration" {
            break frame;
        }
    };
    let key = |name: &str, value: &str| json!({"key": name, "readonly": true, "value": value});
    let keys = [key("GetConfigurationMaxKeys", "2"), key("ChargeProfileMaxStackLevel", "3")];
    socket.send(&json!([3, asked[1], {"configurationKey": keys}]).to_string()).await;
    // What it told is kept once it is shown.
    while server.get("/stations/CP1").await["configuration"].is_null() {
        tokio::task::yield_now().await;
    }
    let refused =
        server.post("/stations/CP1/ocpp/GetConfiguration", &json!({"key": ["A", "B", "C"]})).await;
    assert_eq!(
        (refused.status, refused.json()["field"].as_str()),
        (422, Some("key")),
        "{refused:?}"
    );
    assert!(
        refused.text.contains("at most 2") && refused.text.contains("GetConfigurationMaxKeys"),
        "{refused:?}"
    );
    let schedule = json!({"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]});
    let profile = json!({"connectorId": 1, "csChargingProfiles": {"chargingProfileId": 1, "stackLevel": 4, "chargingProfileKind": "Relative",
        "chargingProfilePurpose": "TxDefaultProfile", "chargingSchedule": schedule}});
    let refused = server.post("/stations/CP1/ocpp/SetChargingProfile", &profile).await;
    assert_eq!(refused.json()["field"], "csChargingProfiles.stackLevel", "{refused:?}");
}

#[tokio::test]
async fn a_newer_station_is_sent_no_more_than_it_says_it_takes() {
    let server = Arc::new(TestServer::with(NOW, &[("onboarding-delay-s", "0")]).await);
    server.station("CP1").await;
    let mut socket = newer(&server, "CP1").await;
    let boot = json!({"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}});
    socket.send(&json!([2, "b", "BootNotification", boot]).to_string()).await;
    let mut inventory = false;
    while !inventory {
        let frame = socket.next().await.unwrap();
        if frame[2] == "GetVariables" {
            let told = |data: &Value| json!({"component": data["component"], "variable": data["variable"], "attributeStatus": "Accepted", "attributeValue": "2"});
            let results: Vec<Value> =
                frame[3]["getVariableData"].as_array().unwrap().iter().map(told).collect();
            socket.send(&json!([3, frame[1], {"getVariableResult": results}]).to_string()).await;
        }
        // Its settings are kept before it is asked for its device model.
        inventory = frame[2] == "GetBaseReport";
    }
    let variable = json!({"component": {"name": "C"}, "variable": {"name": "V"}});
    let list = [1, 2, 3]
        .map(|number| json!({"idToken": {"idToken": number.to_string(), "type": "Local"}}));
    let many = |count: usize| json!({"getVariableData": vec![variable.clone(); count]});
    for (action, payload, field) in [
        ("GetVariables", many(3), "getVariableData"),
        ("ClearVariableMonitoring", json!({"id": [1, 2, 3]}), "id"),
        (
            "SendLocalList",
            json!({"versionNumber": 1, "updateType": "Differential", "localAuthorizationList": list}),
            "localAuthorizationList",
        ),
    ] {
        let refused = server.post(&format!("/stations/CP1/ocpp/{action}"), &payload).await;
        assert_eq!(
            (refused.status, refused.json()["field"].as_str()),
            (422, Some(field)),
            "{action}: {refused:?}"
        );
        assert!(refused.text.contains("at most 2"), "{refused:?}");
    }
}
