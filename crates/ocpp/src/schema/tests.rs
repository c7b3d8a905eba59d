use serde_json::json;

use super::*;

fn checked(schema: &Schema, action: &str, payload: &Value) -> Result<(), String> {
    let message = schema.message(action).unwrap();
    schema.check(&message.call, payload.as_object().unwrap()).map_err(|violation| violation.field)
}

#[test]
fn every_message_of_both_versions_is_known_with_its_direction() {
    let count = |schema: &Schema, direction| {
        schema.messages().filter(|(_, message)| message.direction == direction).count()
    };
    assert_eq!(
        [count(&V16, Direction::Up), count(&V16, Direction::Down), count(&V16, Direction::Both)],
        [13, 25, 1]
    );
    assert_eq!(
        [count(&V201, Direction::Up), count(&V201, Direction::Down), count(&V201, Direction::Both)],
        [24, 39, 1]
    );
}

#[test]
fn custom_data_may_stand_in_every_object_of_the_newer_version_alone() {
    let custom = json!({"vendorId": "V", "more": [1]});
    assert_eq!(checked(&V201, "ClearCache", &json!({"customData": custom})), Ok(()));
    assert_eq!(checked(&V201, "ClearCache", &json!({"customData": {}})), Err("customData".into()));
    assert_eq!(
        checked(&V16, "ClearCache", &json!({"customData": custom})),
        Err("customData".into())
    );
    let trigger = json!({"requestedMessage": "Heartbeat", "evse": {"id": 1, "customData": custom}});
    assert_eq!(checked(&V201, "TriggerMessage", &trigger), Ok(()));
}

#[test]
fn limits_of_lists_texts_and_numbers_hold_at_the_limit() {
    let profile = |periods: usize| {
        let period = json!({"startPeriod": 0, "limit": 6.25});
        json!({"evseId": 1, "chargingProfile": {"id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative", "chargingSchedule": [{"id": 1, "chargingRateUnit": "A",
                "chargingSchedulePeriod": vec![period; periods]}]}})
    };
    let periods = Err("chargingProfile.chargingSchedule[0].chargingSchedulePeriod".to_owned());
    assert_eq!(checked(&V201, "SetChargingProfile", &profile(1024)), Ok(()));
    assert_eq!(checked(&V201, "SetChargingProfile", &profile(1025)), periods);
    assert_eq!(checked(&V201, "SetChargingProfile", &profile(0)), periods);
    assert_eq!(checked(&V201, "SetMonitoringLevel", &json!({"severity": 9})), Ok(()));
    assert_eq!(
        checked(&V201, "SetMonitoringLevel", &json!({"severity": 10})),
        Err("severity".into())
    );
    assert_eq!(
        checked(&V201, "RequestStopTransaction", &json!({"transactionId": "充".repeat(36)})),
        Ok(())
    );
    assert_eq!(
        checked(&V201, "RequestStopTransaction", &json!({"transactionId": "x".repeat(37)})),
        Err("transactionId".into())
    );
}
