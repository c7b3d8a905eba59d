//! Secrets in messages to and from stations. They are transmitted, but never stored or shown.

use serde_json::{Map, Value};

/// The text that replaces a secret.
const REDACTED: &str = "(redacted)";

/// The names of a station's password: the setting of OCPP 1.6 and the variable of OCPP 2.0.1.
const PASSWORD_SETTING: &str = "AuthorizationKey";
const PASSWORD_VARIABLE: &str = "BasicAuthPassword";

/// Fields whose value is always a secret, and those that are secrets within `vpn` (OCPP 2.0.1
/// SetNetworkProfile).
const FIELDS: [&str; 2] = ["apnPassword", "simPin"];
const FIELDS_OF_VPN: [&str; 2] = ["password", "key"];

/// The shortest secret in bytes that is searched for in answers. A shorter one would match
/// unrelated text.
const LOOKED_FOR_MIN: usize = 6;

/// Whether a setting of 1.6 is a station's password.
pub fn is_password_setting(key: &str) -> bool {
    key.trim().eq_ignore_ascii_case(PASSWORD_SETTING)
}

/// Whether a variable of 2.0.1 is a station's password.
pub fn is_password_variable(name: &str) -> bool {
    name.trim().eq_ignore_ascii_case(PASSWORD_VARIABLE)
}

/// A command's payload without its secrets, to be stored, and the secrets that were removed.
pub fn redacted(payload: &Map<String, Value>) -> (String, Vec<String>) {
    let mut payload = Value::Object(payload.clone());
    let secrets = scrub(&mut payload);
    (payload.to_string(), secrets)
}

/// A message without its secrets, to be stored. If it mentions a password and is not valid JSON,
/// none of it is stored.
pub fn scrubbed(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let speaks_of_one = [PASSWORD_SETTING, PASSWORD_VARIABLE]
        .iter()
        .any(|name| lower.contains(&name.to_ascii_lowercase()));
    if !speaks_of_one {
        return text.to_owned();
    }
    let mut value: Value = serde_json::from_str(text).unwrap_or_else(|_| REDACTED.into());
    scrub(&mut value);
    value.to_string()
}

/// Removes the secrets from a document and returns them.
pub fn scrub(document: &mut Value) -> Vec<String> {
    let mut found = Vec::new();
    scrub_into(document, &mut found);
    found
}

/// Removes known secrets from any text of a document, such as an error that repeats the command's
/// payload.
pub fn scrub_echoes(document: &mut Value, secrets: &[String]) {
    match document {
        Value::String(text) => {
            for secret in secrets.iter().filter(|secret| secret.len() >= LOOKED_FOR_MIN) {
                *text = text.replace(secret.as_str(), REDACTED);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| scrub_echoes(item, secrets)),
        Value::Object(fields) => fields.values_mut().for_each(|field| scrub_echoes(field, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn scrub_into(value: &mut Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            scrub_named(fields, found);
            fields.values_mut().for_each(|field| scrub_into(field, found));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| scrub_into(item, found)),
        Value::String(text) => scrub_address(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Removes the secrets that an object's field names identify.
fn scrub_named(fields: &mut Map<String, Value>, found: &mut Vec<String>) {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut secret: Vec<&str> = FIELDS.to_vec();
    if is_password_setting(&text(fields.get("key"))) {
        secret.push("value");
    }
    let is_password = is_password_variable(&text(
        fields.get("variable").and_then(|variable| variable.get("name")),
    ));
    if is_password {
        secret.extend(["attributeValue", "actualValue"]);
    }
    for name in secret {
        if let Some(value) = fields.get_mut(name) {
            take(value, found);
        }
    }
    let attributes =
        fields.get_mut("variableAttribute").filter(|_| is_password).and_then(Value::as_array_mut);
    for value in attributes.into_iter().flatten().filter_map(|attribute| attribute.get_mut("value"))
    {
        take(value, found);
    }
    if let Some(vpn) = fields.get_mut("vpn").and_then(Value::as_object_mut) {
        for name in FIELDS_OF_VPN {
            if let Some(value) = vpn.get_mut(name) {
                take(value, found);
            }
        }
    }
}

fn take(value: &mut Value, found: &mut Vec<String>) {
    if let Some(text) = value.as_str().filter(|text| *text != REDACTED) {
        found.push(text.to_owned());
    }
    if !value.is_null() {
        *value = REDACTED.into();
    }
}

/// Removes user name and password from an address, such as `ftp://user:password@host/`.
fn scrub_address(text: &mut String) {
    let Some((scheme, rest)) = text.split_once("://") else { return };
    let end = rest.find(['/', '?', '#', ' ']).unwrap_or(rest.len());
    if let Some(at) = rest[..end].rfind('@') {
        *text = format!("{scheme}://{REDACTED}{}", &rest[at..]);
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
