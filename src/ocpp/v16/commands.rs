//! Commands to a 1.6 station: the nine of the Core profile, the local list's two, and TriggerMessage.

use rust_ocpp::v1_6::messages::{
    change_availability::ChangeAvailabilityRequest, change_configuration::ChangeConfigurationRequest, clear_cache::ClearCacheRequest,
    data_transfer::DataTransferRequest, get_configuration::GetConfigurationRequest,
    remote_start_transaction::RemoteStartTransactionRequest, remote_stop_transaction::RemoteStopTransactionRequest, reset::ResetRequest,
    unlock_connector::UnlockConnectorRequest,
};
use rust_ocpp::v1_6::types::{AvailabilityType, ResetRequestStatus};
use serde_json::{Map, Value, json};

use super::schema::{self, Field, Kind, Violation, optional, required};
use crate::ocpp::event::{ListEntry, StationCommand};

/// The longest id tag (OCPP 1.6 section 7.28).
pub const ID_TAG_MAX: usize = 20;

/// The largest number that a station's signed 32 bits hold.
const MAX: i64 = 2_147_483_647;

const PERIOD: Kind = Kind::Object(&[
    required("startPeriod", Kind::Integer(0, MAX)),
    required("limit", Kind::Tenths),
    optional("numberPhases", Kind::Integer(1, 3)),
]);

const SCHEDULE: Kind = Kind::Object(&[
    optional("duration", Kind::Integer(0, MAX)),
    optional("startSchedule", Kind::Instant),
    required("chargingRateUnit", Kind::OneOf(&["A", "W"])),
    required("chargingSchedulePeriod", Kind::List(1, &PERIOD)),
    optional("minChargingRate", Kind::Tenths),
]);

/// The profile that a remote start may carry: a TxProfile without a transaction id.
const START_PROFILE: Kind = Kind::Object(&[
    required("chargingProfileId", Kind::Integer(1, MAX)),
    required("stackLevel", Kind::Integer(0, MAX)),
    required("chargingProfilePurpose", Kind::OneOf(&["TxProfile"])),
    required("chargingProfileKind", Kind::OneOf(&["Absolute", "Recurring", "Relative"])),
    optional("recurrencyKind", Kind::OneOf(&["Daily", "Weekly"])),
    optional("validFrom", Kind::Instant),
    optional("validTo", Kind::Instant),
    required("chargingSchedule", SCHEDULE),
]);

/// A card in a local list; without idTagInfo it is taken out.
const LIST_ENTRY: Kind = Kind::Object(&[
    required("idTag", Kind::Text(ID_TAG_MAX)),
    optional(
        "idTagInfo",
        Kind::Object(&[
            required("status", Kind::OneOf(&["Accepted", "Blocked", "ConcurrentTx", "Expired", "Invalid"])),
            optional("expiryDate", Kind::Instant),
            optional("parentIdTag", Kind::Text(ID_TAG_MAX)),
        ]),
    ),
]);

/// What TriggerMessage may ask for.
const TRIGGERS: &[&str] =
    &["BootNotification", "DiagnosticsStatusNotification", "FirmwareStatusNotification", "Heartbeat", "MeterValues", "StatusNotification"];

/// Every command that is offered, with what it may carry (OCPP 1.6 section 5).
const COMMANDS: &[(&str, &[Field])] = &[
    ("ChangeAvailability", &[required("connectorId", Kind::Integer(0, MAX)), required("type", Kind::OneOf(&["Inoperative", "Operative"]))]),
    ("ChangeConfiguration", &[required("key", Kind::Text(50)), required("value", Kind::Text(500))]),
    ("ClearCache", &[]),
    (
        "DataTransfer",
        &[required("vendorId", Kind::Text(255)), optional("messageId", Kind::Text(50)), optional("data", Kind::Text(usize::MAX))],
    ),
    ("GetConfiguration", &[optional("key", Kind::List(0, &Kind::Text(50)))]),
    (
        "RemoteStartTransaction",
        &[required("idTag", Kind::Text(20)), optional("connectorId", Kind::Integer(1, MAX)), optional("chargingProfile", START_PROFILE)],
    ),
    ("GetLocalListVersion", &[]),
    ("RemoteStopTransaction", &[required("transactionId", Kind::Integer(1, MAX))]),
    ("Reset", &[required("type", Kind::OneOf(&["Hard", "Soft"]))]),
    (
        "SendLocalList",
        &[
            required("listVersion", Kind::Integer(1, MAX)),
            required("updateType", Kind::OneOf(&["Differential", "Full"])),
            optional("localAuthorizationList", Kind::List(0, &LIST_ENTRY)),
        ],
    ),
    ("TriggerMessage", &[required("requestedMessage", Kind::OneOf(TRIGGERS)), optional("connectorId", Kind::Integer(1, MAX))]),
    ("UnlockConnector", &[required("connectorId", Kind::Integer(1, MAX))]),
];

/// The names of the commands that are offered.
pub fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|(name, _)| *name)
}

/// Whether a name is one of them.
pub fn is_known(action: &str) -> bool {
    names().any(|name| name == action)
}

/// Checks a command against the standard. `None`: no command of that name is offered.
pub fn check(action: &str, payload: &Map<String, Value>) -> Option<Result<(), Violation>> {
    let (_, fields) = COMMANDS.iter().find(|(name, _)| *name == action)?;
    Some(schema::check(fields, payload))
}

/// A command as 1.6 words it: the action and its payload. A value that does not fit the standard
/// is found by [`check`], which every payload passes before it is sent.
pub fn encode(command: &StationCommand) -> (&'static str, Value) {
    let id = |number: &i64| u32::try_from(*number);
    match command {
        StationCommand::RemoteStart { id_tag, connector_id } => match connector_id.as_ref().map(id).transpose() {
            Ok(connector_id) => written(
                "RemoteStartTransaction",
                &RemoteStartTransactionRequest { connector_id, id_tag: id_tag.clone(), charging_profile: None },
            ),
            Err(_) => ("RemoteStartTransaction", json!({"idTag": id_tag, "connectorId": connector_id})),
        },
        StationCommand::RemoteStop { session } => written(
            "RemoteStopTransaction",
            &RemoteStopTransactionRequest { transaction_id: i32::try_from(session.0).expect("session ids are allotted within 31 bits") },
        ),
        StationCommand::Reset { hard } => {
            let kind = if *hard { ResetRequestStatus::Hard } else { ResetRequestStatus::Soft };
            written("Reset", &ResetRequest { kind })
        }
        StationCommand::UnlockConnector { connector_id } => match id(connector_id) {
            Ok(connector_id) => written("UnlockConnector", &UnlockConnectorRequest { connector_id }),
            Err(_) => ("UnlockConnector", json!({"connectorId": connector_id})),
        },
        StationCommand::ClearCache => written("ClearCache", &ClearCacheRequest {}),
        StationCommand::GetListVersion => ("GetLocalListVersion", json!({})),
        StationCommand::UpdateList { version, full, entries } => {
            let entry = |one: &ListEntry| match one.blocked {
                true => json!({"idTag": one.id_tag, "idTagInfo": {"status": "Blocked"}}),
                false => json!({"idTag": one.id_tag}),
            };
            let list: Vec<Value> = entries.iter().map(entry).collect();
            let update = if *full { "Full" } else { "Differential" };
            ("SendLocalList", json!({"listVersion": version, "updateType": update, "localAuthorizationList": list}))
        }
        StationCommand::TriggerMessage { requested_message, connector_id } => {
            // The library's enum knows no other words; unknown ones must reach the check.
            let mut payload = json!({"requestedMessage": requested_message});
            if let Some(connector_id) = connector_id {
                payload["connectorId"] = json!(connector_id);
            }
            ("TriggerMessage", payload)
        }
        StationCommand::ChangeAvailability { connector_id, operative } => match id(connector_id) {
            Ok(connector_id) => {
                let kind = if *operative { AvailabilityType::Operative } else { AvailabilityType::Inoperative };
                written("ChangeAvailability", &ChangeAvailabilityRequest { connector_id, kind })
            }
            Err(_) => ("ChangeAvailability", json!({"connectorId": connector_id, "type": "Operative"})),
        },
        StationCommand::GetConfiguration { keys } => {
            let key = (!keys.is_empty()).then(|| keys.clone());
            written("GetConfiguration", &GetConfigurationRequest { key })
        }
        StationCommand::ChangeConfiguration { key, value } => {
            written("ChangeConfiguration", &ChangeConfigurationRequest { key: key.clone(), value: value.clone() })
        }
        StationCommand::DataTransfer { vendor_id, message_id, data } => written(
            "DataTransfer",
            &DataTransferRequest { vendor_string: vendor_id.clone(), message_id: message_id.clone(), data: data.clone() },
        ),
    }
}

fn written<T: serde::Serialize>(action: &'static str, request: &T) -> (&'static str, Value) {
    (action, serde_json::to_value(request).expect("OCPP messages have no maps with odd keys"))
}

/// What a station's answer comes to, in the API's words: its status in lower case, `accepted`
/// where the answer has none.
pub fn outcome(answer: &Value) -> String {
    let Some(status) = answer.get("status").and_then(Value::as_str) else {
        return "accepted".to_owned();
    };
    let mut words = String::new();
    for (place, letter) in status.chars().take(64).enumerate() {
        if letter.is_ascii_uppercase() && place > 0 {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::SessionId;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn every_command_is_written_as_its_own_schema_allows() {
        for command in [
            StationCommand::RemoteStart { id_tag: "TAG".into(), connector_id: Some(1) },
            StationCommand::RemoteStop { session: SessionId(7) },
            StationCommand::Reset { hard: true },
            StationCommand::UnlockConnector { connector_id: 1 },
            StationCommand::ClearCache,
            StationCommand::GetListVersion,
            StationCommand::UpdateList {
                version: 1,
                full: false,
                entries: vec![ListEntry { id_tag: "A".into(), blocked: true }, ListEntry { id_tag: "B".into(), blocked: false }],
            },
            StationCommand::TriggerMessage { requested_message: "Heartbeat".into(), connector_id: None },
            StationCommand::ChangeAvailability { connector_id: 0, operative: false },
            StationCommand::GetConfiguration { keys: vec![] },
            StationCommand::GetConfiguration { keys: vec!["HeartbeatInterval".into()] },
            StationCommand::ChangeConfiguration { key: "k".into(), value: "v".into() },
            StationCommand::DataTransfer { vendor_id: "v".into(), message_id: None, data: None },
        ] {
            let (action, payload) = encode(&command);
            assert_eq!(check(action, &object(payload)), Some(Ok(())), "{command:?}");
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
            ("RemoteStartTransaction", json!({"idTag": "T", "chargingProfile": {"chargingProfileId": 1}}), "chargingProfile.stackLevel"),
        ] {
            let violation = check(action, &object(payload)).unwrap().unwrap_err();
            assert_eq!(violation.field, field, "{action}");
        }
        assert!(check("ReserveNow", &Map::new()).is_none());
    }

    #[test]
    fn limits_hold_at_the_limit() {
        assert_eq!(check("ChangeConfiguration", &object(json!({"key": "k".repeat(50), "value": "v".repeat(500)}))), Some(Ok(())));
        assert_eq!(check("RemoteStartTransaction", &object(json!({"idTag": "T".repeat(20)}))), Some(Ok(())));
    }

    #[test]
    fn an_outcome_is_the_status_in_the_apis_words() {
        assert_eq!(outcome(&json!({"status": "Accepted"})), "accepted");
        assert_eq!(outcome(&json!({"status": "RebootRequired"})), "reboot_required");
        assert_eq!(outcome(&json!({"configurationKey": []})), "accepted");
    }
}
