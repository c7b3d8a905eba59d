//! Secrets that commands carry: they are sent, never kept.

use serde_json::{Map, Value, json};

/// What stands in the place of a secret.
const REDACTED: &str = "(redacted)";

/// The setting of OCPP 1.6 and the variable of 2.0.1 that hold a station's password.
const PASSWORD_SETTING: &str = "AuthorizationKey";
const PASSWORD_VARIABLE: &str = "BasicAuthPassword";

/// Whether a setting's value is a secret.
pub fn is_secret(key: &str) -> bool {
    key.trim().eq_ignore_ascii_case(PASSWORD_SETTING)
}

/// A command's payload as it may be kept.
pub fn redacted(action: &str, payload: &Map<String, Value>) -> String {
    let mut payload = payload.clone();
    if action == "ChangeConfiguration" && payload.get("key").and_then(Value::as_str).is_some_and(is_secret) {
        payload.insert("value".into(), json!(REDACTED));
    }
    for data in payload.get_mut("setVariableData").and_then(Value::as_array_mut).into_iter().flatten() {
        if data["variable"]["name"].as_str().is_some_and(|name| name.trim().eq_ignore_ascii_case(PASSWORD_VARIABLE)) {
            data["attributeValue"] = json!(REDACTED);
        }
    }
    for (part, secret) in [("apn", "apnPassword"), ("vpn", "password"), ("vpn", "key")] {
        if let Some(value) = payload.get_mut("connectionData").and_then(|data| data.get_mut(part)).and_then(|part| part.get_mut(secret)) {
            *value = json!(REDACTED);
        }
    }
    Value::Object(payload).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_sent_is_not_kept() {
        let payload = json!({"key": "authorizationkey", "value": "00112233"});
        assert!(!redacted("ChangeConfiguration", payload.as_object().unwrap()).contains("00112233"));
        let variable = json!({"setVariableData": [{"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": "00112233"}]});
        assert!(!redacted("SetVariables", variable.as_object().unwrap()).contains("00112233"));
        let profile = json!({"connectionData": {"vpn": {"password": "00112233", "key": "00112233"}, "apn": {"apnPassword": "00112233"}}});
        assert!(!redacted("SetNetworkProfile", profile.as_object().unwrap()).contains("00112233"));
        let other = json!({"key": "HeartbeatInterval", "value": "300"});
        assert!(redacted("ChangeConfiguration", other.as_object().unwrap()).contains("300"));
    }
}
