use serde_json::json;

use super::*;
use crate::protocol::Protocol;

/// A good SetChargingProfile of each version, changed in one place: the field that is found at fault.
fn fault(protocol: Protocol, connector: i64, changes: &[(&str, Value)]) -> Option<String> {
    let mut schedule = json!({"chargingRateUnit": "A", "startSchedule": "2024-04-03T00:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}, {"startPeriod": 60, "limit": 8}]});
    let mut profile = json!({"stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile", "chargingProfileKind": "Absolute"});
    for (path, value) in changes {
        match path.strip_prefix("schedule.") {
            Some(field) if value.is_null() => drop(schedule.as_object_mut().unwrap().remove(field)),
            Some(field) => schedule[field] = value.clone(),
            None => profile[*path] = value.clone(),
        }
    }
    let (action, payload) = match protocol {
        Protocol::V16 => {
            profile["chargingProfileId"] = json!(1);
            profile["chargingSchedule"] = schedule;
            ("SetChargingProfile", json!({"connectorId": connector, "csChargingProfiles": profile}))
        }
        Protocol::V201 => {
            (profile["id"], schedule["id"]) = (json!(1), json!(1));
            profile["chargingSchedule"] = json!([schedule]);
            if let Some(id) = profile.get_mut("transactionId") {
                *id = json!(id.to_string());
            }
            ("SetChargingProfile", json!({"evseId": connector, "chargingProfile": profile}))
        }
    };
    let checked = protocol.check_command(action, payload.as_object().unwrap()).unwrap();
    checked.err().map(|violation| {
        violation
            .field
            .split_once('.')
            .map_or(violation.field.clone(), |(_, field)| field.to_owned())
    })
}

#[test]
fn a_profile_is_held_to_the_standards_text_in_both_versions() {
    for protocol in Protocol::ALL {
        let most = if protocol == Protocol::V16 {
            "ChargePointMaxProfile"
        } else {
            "ChargingStationMaxProfile"
        };
        let relative =
            [("chargingProfileKind", json!("Relative")), ("schedule.startSchedule", Value::Null)];
        let of = |connector: i64, changes: &[(&str, Value)]| fault(protocol, connector, changes);
        assert_eq!(of(1, &[]), None);
        assert_eq!(of(1, &relative), None);
        assert_eq!(
            of(1, &[("chargingProfilePurpose", json!("TxProfile")), ("transactionId", json!(7))]),
            None
        );
        assert_eq!(of(0, &[("chargingProfilePurpose", json!(most))]), None);
        assert_eq!(
            of(
                1,
                &[("chargingProfileKind", json!("Recurring")), ("recurrencyKind", json!("Daily"))]
            ),
            None
        );
        let found = |field: &str| Some(field.to_owned());
        assert_eq!(
            of(1, &[("chargingProfilePurpose", json!("TxProfile"))]),
            found("transactionId")
        );
        assert_eq!(
            of(0, &[("chargingProfilePurpose", json!("TxProfile")), ("transactionId", json!(7))]),
            found("chargingProfilePurpose")
        );
        assert_eq!(
            of(1, &[("chargingProfilePurpose", json!(most))]),
            found("chargingProfilePurpose")
        );
        let mut whole = relative.to_vec();
        whole.push(("chargingProfilePurpose", json!(most)));
        assert_eq!(of(0, &whole), found("chargingProfileKind"));
        assert_eq!(of(1, &[("chargingProfileKind", json!("Recurring"))]), found("recurrencyKind"));
        assert_eq!(of(1, &[("recurrencyKind", json!("Daily"))]), found("recurrencyKind"));
        assert_eq!(
            of(1, &[("chargingProfileKind", json!("Relative"))]),
            found("chargingSchedule.startSchedule")
        );
        assert_eq!(
            of(1, &[("schedule.startSchedule", Value::Null)]),
            found("chargingSchedule.startSchedule")
        );
        let late = json!([{"startPeriod": 1, "limit": 1}]);
        assert_eq!(
            of(1, &[("schedule.chargingSchedulePeriod", late)]),
            found("chargingSchedule.chargingSchedulePeriod[0].startPeriod")
        );
        let twice = json!([{"startPeriod": 0, "limit": 1}, {"startPeriod": 0, "limit": 2}]);
        assert_eq!(
            of(1, &[("schedule.chargingSchedulePeriod", twice)]),
            found("chargingSchedule.chargingSchedulePeriod")
        );
        let backwards = [
            ("validFrom", json!("2024-04-03T00:00:00Z")),
            ("validTo", json!("2024-04-03T00:00:00Z")),
        ];
        assert_eq!(of(1, &backwards), found("validTo"));
    }
    let external = [("chargingProfilePurpose", json!("ChargingStationExternalConstraints"))];
    assert_eq!(fault(Protocol::V201, 1, &external), Some("chargingProfilePurpose".to_owned()));
}

#[test]
fn a_remote_start_carries_a_profile_for_the_transaction_that_it_starts() {
    let start = |changes: &[(&str, Value)]| {
        let mut profile = json!({"chargingProfileId": 1, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Relative",
            "chargingSchedule": {"chargingRateUnit": "W", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 11000.5}]}});
        for (field, value) in changes {
            profile[*field] = value.clone();
        }
        let payload = json!({"idTag": "TAG", "chargingProfile": profile});
        Protocol::V16
            .check_command("RemoteStartTransaction", payload.as_object().unwrap())
            .unwrap()
            .map_err(|violation| violation.field)
    };
    assert_eq!(start(&[]), Ok(()));
    assert_eq!(
        start(&[("transactionId", json!(1))]),
        Err("chargingProfile.transactionId".to_owned())
    );
    assert_eq!(
        start(&[("chargingProfilePurpose", json!("TxDefaultProfile"))]),
        Err("chargingProfile.chargingProfilePurpose".to_owned())
    );
}
