use serde_json::json;

use super::*;

#[test]
fn a_secret_that_is_sent_or_told_is_not_kept() {
    let variable = json!({"name": " basicauthpassword"});
    for document in [
        json!({"key": "authorizationkey ", "value": "00112233"}),
        json!({"configurationKey": [{"key": "AuthorizationKey", "readonly": false, "value": "00112233"}]}),
        json!({"setVariableData": [{"component": {"name": "SecurityCtrlr"}, "variable": variable, "attributeValue": "00112233"}]}),
        json!({"getVariableResult": [{"variable": variable, "attributeValue": "00112233"}]}),
        json!({"reportData": [{"variable": variable, "variableAttribute": [{"type": "Actual", "value": "00112233"}]}]}),
        json!({"eventData": [{"variable": variable, "actualValue": "00112233"}]}),
        json!({"connectionData": {"vpn": {"password": "00112233", "key": "00112233"}, "apn": {"apnPassword": "00112233", "simPin": 112_233}}}),
        json!({"location": "ftp://user:00112233@host:21/a@b"}),
    ] {
        let (kept, _) = redacted(document.as_object().unwrap());
        assert!(!kept.contains("112233"), "{kept}");
    }
}

#[test]
fn what_is_no_secret_stays_as_it_is() {
    for document in [
        json!({"key": "HeartbeatInterval", "value": "300"}),
        json!({"location": "https://host/a@b", "user": "a@b", "said": "https://host is down, tell a@b"}),
        json!({"variable": {"name": "Enabled"}, "attributeValue": "true"}),
    ] {
        assert_eq!(redacted(document.as_object().unwrap()), (document.to_string(), Vec::new()));
        assert_eq!(scrubbed(&document.to_string()), document.to_string());
    }
}

#[test]
fn an_error_that_repeats_a_password_is_kept_without_it() {
    let (_, secrets) =
        redacted(json!({"key": "AuthorizationKey", "value": "00112233"}).as_object().unwrap());
    let mut answer = json!({"error": "PropertyConstraintViolation", "description": "value 00112233 is too short", "details": {"v": ["00112233"]}});
    scrub_echoes(&mut answer, &secrets);
    assert!(!answer.to_string().contains("00112233"), "{answer}");
}
