//! Encodes commands for OCPP 1.6.

use rust_ocpp::v1_6::messages::{
    change_availability::ChangeAvailabilityRequest,
    change_configuration::ChangeConfigurationRequest, clear_cache::ClearCacheRequest,
    data_transfer::DataTransferRequest, get_configuration::GetConfigurationRequest,
    remote_start_transaction::RemoteStartTransactionRequest,
    remote_stop_transaction::RemoteStopTransactionRequest, reset::ResetRequest,
    unlock_connector::UnlockConnectorRequest,
};
use rust_ocpp::v1_6::types::{AvailabilityType, ResetRequestStatus};
use serde_json::{Map, Value, json};

use super::tag_info;
use crate::event::{ListEntry, ListStanding, StationCommand};
use crate::protocol::CredentialsSet;
use crate::secrets::is_password_setting;

/// The longest id tag (OCPP 1.6 section 7.28).
pub const ID_TAG_MAX: usize = 20;

/// A command's action and payload in OCPP 1.6. `None`: 1.6 has no such command. Values that break
/// the standard are found by the schema check before sending.
pub fn encode(command: &StationCommand) -> Option<(&'static str, Value)> {
    let id = |number: &i64| u32::try_from(*number);
    Some(match command {
        StationCommand::RemoteStart { id_tag, connector_id } => {
            match connector_id.as_ref().map(id).transpose() {
                Ok(connector_id) => written(
                    "RemoteStartTransaction",
                    &RemoteStartTransactionRequest {
                        connector_id,
                        id_tag: id_tag.clone(),
                        charging_profile: None,
                    },
                ),
                Err(_) => (
                    "RemoteStartTransaction",
                    json!({"idTag": id_tag, "connectorId": connector_id}),
                ),
            }
        }
        StationCommand::RemoteStop { session, .. } => written(
            "RemoteStopTransaction",
            &RemoteStopTransactionRequest {
                transaction_id: i32::try_from(session.0)
                    .expect("session ids are allotted within 31 bits"),
            },
        ),
        StationCommand::Reset { hard } => {
            let kind = if *hard { ResetRequestStatus::Hard } else { ResetRequestStatus::Soft };
            written("Reset", &ResetRequest { kind })
        }
        StationCommand::UnlockConnector { connector_id } => match id(connector_id) {
            Ok(connector_id) => {
                written("UnlockConnector", &UnlockConnectorRequest { connector_id })
            }
            Err(_) => ("UnlockConnector", json!({"connectorId": connector_id})),
        },
        StationCommand::ClearCache => written("ClearCache", &ClearCacheRequest {}),
        StationCommand::GetListVersion => ("GetLocalListVersion", json!({})),
        StationCommand::UpdateList { version, full, entries } => {
            let entry = |one: &ListEntry| match &one.standing {
                ListStanding::Accepted(answer) => {
                    json!({"idTag": one.id_tag, "idTagInfo": tag_info::encode(answer)})
                }
                ListStanding::Blocked => {
                    json!({"idTag": one.id_tag, "idTagInfo": {"status": "Blocked"}})
                }
                ListStanding::Absent => json!({"idTag": one.id_tag}),
            };
            let list: Vec<Value> = entries.iter().map(entry).collect();
            let update = if *full { "Full" } else { "Differential" };
            (
                "SendLocalList",
                json!({"listVersion": version, "updateType": update, "localAuthorizationList": list}),
            )
        }
        StationCommand::TriggerMessage { requested_message, connector_id } => {
            // The library's enum has the standard's words only, but unknown words must reach the
            // schema check.
            let mut payload = json!({"requestedMessage": requested_message});
            if let Some(connector_id) = connector_id {
                payload["connectorId"] = json!(connector_id);
            }
            ("TriggerMessage", payload)
        }
        StationCommand::ChangeAvailability { connector_id, operative } => match id(connector_id) {
            Ok(connector_id) => {
                let kind = if *operative {
                    AvailabilityType::Operative
                } else {
                    AvailabilityType::Inoperative
                };
                written("ChangeAvailability", &ChangeAvailabilityRequest { connector_id, kind })
            }
            Err(_) => {
                ("ChangeAvailability", json!({"connectorId": connector_id, "type": "Operative"}))
            }
        },
        StationCommand::GetConfiguration { keys } => {
            let key = (!keys.is_empty()).then(|| keys.clone());
            written("GetConfiguration", &GetConfigurationRequest { key })
        }
        StationCommand::ChangeConfiguration { key, value } => written(
            "ChangeConfiguration",
            &ChangeConfigurationRequest { key: key.clone(), value: value.clone() },
        ),
        StationCommand::Further(command) => return command.in_v16(),
        StationCommand::DataTransfer { vendor_id, message_id, data } => written(
            "DataTransfer",
            &DataTransferRequest {
                vendor_string: vendor_id.clone(),
                message_id: message_id.clone(),
                data: data.clone(),
            },
        ),
    })
}

/// The credentials that a command sets. AuthorizationKey is set as hex digits, and the station
/// sends their bytes as its password (security whitepaper section 7.2, A00.FR.205).
pub fn credentials_set(action: &str, payload: &Map<String, Value>) -> CredentialsSet {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).unwrap_or_default();
    match (action, text("key").trim().to_ascii_lowercase().as_str()) {
        ("ChangeConfiguration", key) if is_password_setting(key) => {
            let password = juden_domain::hex::decode(text("value"))
                .unwrap_or_else(|| text("value").as_bytes().to_vec());
            CredentialsSet { password: Some(password), security_profile: None }
        }
        ("ChangeConfiguration", "securityprofile") => {
            // A value that is not a number becomes a profile that does not exist, and is refused as
            // such.
            CredentialsSet {
                password: None,
                security_profile: Some(text("value").trim().parse().unwrap_or(u8::MAX)),
            }
        }
        _ => CredentialsSet::default(),
    }
}

/// The settings in an answer to GetConfiguration. `None`: the answer has no configurationKey.
pub fn settings_told(answer: &Value) -> Option<Vec<(String, Option<String>)>> {
    let keys = answer.get("configurationKey")?.as_array()?;
    let told = |key: &Value| {
        Some((key.get("key")?.as_str()?.to_owned(), key.get("value").and_then(setting_text)))
    };
    Some(keys.iter().filter_map(told).collect())
}

/// A setting's value as text, even if it is sent as a number, `true` or `false`.
pub(crate) fn setting_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn written<T: serde::Serialize>(action: &'static str, request: &T) -> (&'static str, Value) {
    (action, serde_json::to_value(request).expect("OCPP messages have no maps with odd keys"))
}

#[cfg(test)]
#[path = "commands_tests.rs"]
mod tests;
