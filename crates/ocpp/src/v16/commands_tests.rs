use super::*;
use crate::protocol::Protocol;
use crate::schema::Violation;
use juden_domain::ids::SessionId;

#[test]
fn settings_are_read_whatever_json_type_tells_them() {
    let told = serde_json::json!({"configurationKey": [
        {"key": "AllowOfflineTxForUnknownId", "readonly": false, "value": false}, {"key": "LocalAuthListEnabled", "value": true},
        {"key": "ConnectionTimeOut", "value": 90}, {"key": "MeterValueSampleInterval", "value": "60"},
        {"key": "Odd", "value": {"x": 1}}, {"key": "None", "value": null}, {"key": "Hidden"}, {"value": "nameless"}]});
    let expected = [
        ("AllowOfflineTxForUnknownId", Some("false")),
        ("LocalAuthListEnabled", Some("true")),
        ("ConnectionTimeOut", Some("90")),
        ("MeterValueSampleInterval", Some("60")),
        ("Odd", None),
        ("None", None),
        ("Hidden", None),
    ];
    assert_eq!(
        settings_told(&told).unwrap(),
        expected.map(|(key, value)| (key.to_owned(), value.map(str::to_owned)))
    );
    let component = |name: &str, value: Value| serde_json::json!({"component": {"name": "AuthCtrlr"}, "variable": {"name": name}, "attributeStatus": "Accepted", "attributeValue": value});
    let newer = serde_json::json!({"getVariableResult": [component("Enabled", true.into()), component("Size", 9.into())]});
    let expected = [("AuthCtrlr.Enabled", "true"), ("AuthCtrlr.Size", "9")]
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())));
    assert_eq!(crate::v201::commands::settings_told(&newer).unwrap(), expected);
}

fn check(action: &str, payload: &Value) -> Option<Result<(), Violation>> {
    Protocol::V16.check_command(action, payload.as_object().unwrap())
}

#[test]
fn every_command_is_written_as_its_own_schema_allows() {
    for command in [
        StationCommand::RemoteStart { id_tag: "TAG".into(), connector_id: Some(1) },
        StationCommand::RemoteStop { session: SessionId(7), transaction: None },
        StationCommand::Reset { hard: true },
        StationCommand::UnlockConnector { connector_id: 1 },
        StationCommand::ClearCache,
        StationCommand::GetListVersion,
        StationCommand::UpdateList {
            version: 1,
            full: false,
            entries: vec![
                ListEntry { id_tag: "A".into(), kind: None, standing: ListStanding::Blocked },
                ListEntry { id_tag: "B".into(), kind: None, standing: ListStanding::Absent },
            ],
        },
        StationCommand::TriggerMessage {
            requested_message: "Heartbeat".into(),
            connector_id: None,
        },
        StationCommand::ChangeAvailability { connector_id: 0, operative: false },
        StationCommand::GetConfiguration { keys: vec![] },
        StationCommand::GetConfiguration { keys: vec!["HeartbeatInterval".into()] },
        StationCommand::ChangeConfiguration { key: "k".into(), value: "v".into() },
        StationCommand::DataTransfer { vendor_id: "v".into(), message_id: None, data: None },
    ] {
        let (action, payload) = encode(&command).unwrap();
        assert_eq!(check(action, &payload), Some(Ok(())), "{command:?}");
    }
}

#[test]
fn what_the_standard_forbids_is_refused_by_field() {
    for (action, payload, field) in [
        ("Reset", json!({"type": "Medium"}), "type"),
        ("Reset", json!({}), "type"),
        ("Reset", json!({"type": "Hard", "extra": 1}), "extra"),
        ("UnlockConnector", json!({"connectorId": 0}), "connectorId"),
        ("UnlockConnector", json!({"connectorId": -1}), "connectorId"),
        ("UnlockConnector", json!({"connectorId": "1"}), "connectorId"),
        ("RemoteStartTransaction", json!({"idTag": "123456789012345678901"}), "idTag"),
        ("ChangeConfiguration", json!({"key": "k", "value": "v".repeat(501)}), "value"),
        ("GetConfiguration", json!({"key": ["a", 5]}), "key[1]"),
        ("RemoteStopTransaction", json!({"transactionId": 2_147_483_648_i64}), "transactionId"),
        (
            "RemoteStartTransaction",
            json!({"idTag": "T", "chargingProfile": {"chargingProfileId": 1}}),
            "chargingProfile.stackLevel",
        ),
    ] {
        let violation = check(action, &payload).unwrap().unwrap_err();
        assert_eq!(violation.field, field, "{action}");
    }
    assert!(check("BootNotification", &json!({})).is_none(), "only stations send it");
}

#[test]
fn limits_hold_at_the_limit() {
    assert_eq!(
        check("ChangeConfiguration", &json!({"key": "k".repeat(50), "value": "v".repeat(500)})),
        Some(Ok(()))
    );
    assert_eq!(check("RemoteStartTransaction", &json!({"idTag": "T".repeat(20)})), Some(Ok(())));
}
