//! Encodes commands for OCPP 2.0.1.

use serde_json::{Map, Value, json};

use super::id_token::{self, READER_TYPES};
use crate::event::{ListEntry, ListStanding, StationCommand};
use crate::protocol::CredentialsSet;
use crate::secrets::is_password_variable;

/// The connector that a command names where our command has an EVSE only.
const FIRST_CONNECTOR: i64 = 1;

/// The settings that Juden reads from a station: those of its authorization cache and list, of the
/// start and stop of transactions, and of the length of its messages.
pub const SETTINGS_ASKED: &[&str] = &[
    "LocalAuthListCtrlr.Enabled",
    "LocalAuthListCtrlr.ItemsPerMessage",
    "AuthCacheCtrlr.Enabled",
    "AuthCtrlr.LocalPreAuthorize",
    "AuthCtrlr.LocalAuthorizeOffline",
    "AuthCtrlr.OfflineTxForUnknownIdEnabled",
    "TariffCostCtrlr.Enabled(Cost)",
    "TxCtrlr.TxStartPoint",
    "TxCtrlr.TxStopPoint",
];

/// Requests for the device model, in the order in which they are tried: FullInventory, then
/// ConfigurationInventory for a station that does not support FullInventory (B07).
pub fn inventory(request_id: u32) -> Vec<(&'static str, Value)> {
    let asked =
        |base: &str| ("GetBaseReport", json!({"requestId": request_id, "reportBase": base}));
    vec![asked("FullInventory"), asked("ConfigurationInventory")]
}

/// The credentials that a command sets: a password as text (A01.FR.10), a security profile with its
/// network profile.
pub fn credentials_set(action: &str, payload: &Map<String, Value>) -> CredentialsSet {
    let mut set = CredentialsSet::default();
    match action {
        "SetVariables" => {
            for data in
                payload.get("setVariableData").and_then(Value::as_array).into_iter().flatten()
            {
                if data["variable"]["name"].as_str().is_some_and(is_password_variable) {
                    set.password =
                        data["attributeValue"].as_str().map(|text| text.as_bytes().to_vec());
                }
            }
        }
        "SetNetworkProfile" => {
            let profile = payload
                .get("connectionData")
                .and_then(|data| data.get("securityProfile"))
                .and_then(Value::as_i64);
            set.security_profile = profile.map(|profile| u8::try_from(profile).unwrap_or(u8::MAX));
        }
        _ => {}
    }
    set
}

/// The settings in an answer to GetVariables that the station returned as Accepted.
pub fn settings_told(answer: &Value) -> Option<Vec<(String, Option<String>)>> {
    let results = answer.get("getVariableResult")?.as_array()?;
    let part = |of: &Value| {
        let name = of.get("name")?.as_str()?;
        Some(
            of.get("instance")
                .and_then(Value::as_str)
                .map_or_else(|| name.to_owned(), |instance| format!("{name}({instance})")),
        )
    };
    let told = |result: &Value| {
        let name =
            format!("{}.{}", part(result.get("component")?)?, part(result.get("variable")?)?);
        let value = result.get("attributeValue").and_then(crate::v16::commands::setting_text);
        (result["attributeStatus"] == "Accepted").then_some((name, value))
    };
    Some(results.iter().filter_map(told).collect())
}

/// Splits a setting's name into component and variable: `Component.Variable`, either with an
/// instance as in `Component(Main).Variable(X)`.
fn variable(key: &str) -> (Value, Value) {
    let part = |text: &str| match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        Some((name, instance)) => json!({"name": name, "instance": instance}),
        None => json!({"name": text}),
    };
    let (component, variable) = key.split_once('.').unwrap_or(("", key));
    (part(component), part(variable))
}

/// A command's action and payload in OCPP 2.0.1. Values that break the standard are found by the
/// schema check before sending.
pub fn encode(command: &StationCommand) -> (&'static str, Value) {
    match command {
        StationCommand::RemoteStart { id_tag, connector_id } => {
            // A random number, so that none is soon repeated. The transaction's events report it
            // (F01.FR.25).
            let number = uuid::Uuid::new_v4().as_u128() % 2_147_483_647 + 1;
            let number = i64::try_from(number).unwrap_or(1);
            let token = json!({"idToken": id_tag, "type": READER_TYPES[0]});
            let mut payload = json!({"remoteStartId": number, "idToken": token});
            if let Some(evse) = connector_id {
                payload["evseId"] = json!(evse);
            }
            ("RequestStartTransaction", payload)
        }
        StationCommand::RemoteStop { session, transaction } => {
            let name = transaction.clone().unwrap_or_else(|| session.0.to_string());
            ("RequestStopTransaction", json!({"transactionId": name}))
        }
        StationCommand::Reset { hard } => {
            ("Reset", json!({"type": if *hard { "Immediate" } else { "OnIdle" }}))
        }
        StationCommand::UnlockConnector { connector_id } => {
            ("UnlockConnector", json!({"evseId": connector_id, "connectorId": FIRST_CONNECTOR}))
        }
        StationCommand::ClearCache => ("ClearCache", json!({})),
        StationCommand::GetListVersion => ("GetLocalListVersion", json!({})),
        StationCommand::UpdateList { version, full, entries } => {
            let update = if *full { "Full" } else { "Differential" };
            let mut payload = json!({"versionNumber": version, "updateType": update});
            // An empty list is omitted: the schema requires at least one entry.
            if !entries.is_empty() {
                payload["localAuthorizationList"] =
                    Value::Array(entries.iter().map(entry).collect());
            }
            ("SendLocalList", payload)
        }
        StationCommand::TriggerMessage { requested_message, connector_id } => {
            let mut payload = json!({"requestedMessage": requested_message});
            if let Some(evse) = connector_id {
                payload["evse"] = json!({"id": evse});
                // F06.FR.13: a StatusNotification is about a connector, so the trigger must name
                // one.
                if requested_message == "StatusNotification" {
                    payload["evse"]["connectorId"] = json!(FIRST_CONNECTOR);
                }
            }
            ("TriggerMessage", payload)
        }
        StationCommand::ChangeAvailability { connector_id, operative } => {
            let mut payload =
                json!({"operationalStatus": if *operative { "Operative" } else { "Inoperative" }});
            if *connector_id != 0 {
                payload["evse"] = json!({"id": connector_id});
            }
            ("ChangeAvailability", payload)
        }
        StationCommand::GetConfiguration { keys } => {
            let wanted = |key: &String| {
                let (component, variable) = variable(key);
                json!({"component": component, "variable": variable})
            };
            (
                "GetVariables",
                json!({"getVariableData": keys.iter().map(wanted).collect::<Vec<_>>()}),
            )
        }
        StationCommand::ChangeConfiguration { key, value } => {
            let (component, variable) = variable(key);
            let data =
                json!({"component": component, "variable": variable, "attributeValue": value});
            ("SetVariables", json!({"setVariableData": [data]}))
        }
        StationCommand::Further(command) => command.in_v201(),
        StationCommand::DataTransfer { vendor_id, message_id, data } => {
            let mut payload = json!({"vendorId": vendor_id});
            for (name, value) in [("messageId", message_id), ("data", data)] {
                if let Some(value) = value {
                    payload[name] = json!(value);
                }
            }
            ("DataTransfer", payload)
        }
    }
}

/// An entry of the local list.
fn entry(one: &ListEntry) -> Value {
    let token = json!({"idToken": one.id_tag, "type": one.kind.unwrap_or(READER_TYPES[0])});
    match &one.standing {
        ListStanding::Accepted(answer) => {
            json!({"idToken": token, "idTokenInfo": id_token::info(answer)})
        }
        ListStanding::Blocked => json!({"idToken": token, "idTokenInfo": {"status": "Blocked"}}),
        ListStanding::Absent => json!({"idToken": token}),
    }
}
