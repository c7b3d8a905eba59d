//! What a station remembers of cards, for when it cannot ask: its local authorization list, and the cache of the
//! answers that it was given (OCPP 1.6 sections 3.4 and 3.5), with the configuration keys that rule them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::version::{READER, Version};

/// The longest id tag.
const ID_TAG_MAX: usize = 20;

/// The longest token of 2.0.1.
const ID_TOKEN_MAX: usize = 36;

/// The keys as 2.0.1 names them: component and variable.
const VARIABLES: &[(&str, &str, &str)] = &[
    ("LocalAuthListCtrlr", "Enabled", "LocalAuthListEnabled"),
    ("LocalAuthListCtrlr", "ItemsPerMessage", "SendLocalListMaxLength"),
    ("AuthCacheCtrlr", "Enabled", "AuthorizationCacheEnabled"),
    ("AuthCtrlr", "LocalPreAuthorize", "LocalPreAuthorize"),
    ("AuthCtrlr", "LocalAuthorizeOffline", "LocalAuthorizeOffline"),
    ("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "AllowOfflineTxForUnknownId"),
];

/// The key that an item of GetVariables or SetVariables means.
fn variable(data: &Value) -> Option<&'static str> {
    let is_it = |(component, variable, _): &&(&str, &str, &str)| {
        data["component"]["name"] == *component && data["variable"]["name"] == *variable
    };
    VARIABLES.iter().find(is_it).map(|(_, _, key)| *key)
}

/// Keys that only tell.
const READ_ONLY: &[&str] =
    &["LocalAuthListMaxLength", "SendLocalListMaxLength", "SupportedFeatureProfiles"];

/// What is remembered of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    status: String,
    expires: Option<DateTime<Utc>>,
}

impl Entry {
    fn of(info: &Value) -> Option<Self> {
        let expires = info["expiryDate"]
            .as_str()
            .or_else(|| info["cacheExpiryDateTime"].as_str())
            .and_then(|text| text.parse().ok());
        Some(Self { status: info["status"].as_str()?.to_owned(), expires })
    }

    fn accepts(&self, now: DateTime<Utc>) -> bool {
        self.status == "Accepted" && self.expires.is_none_or(|expires| now < expires)
    }
}

/// What a station does to a command instead of obeying.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// It answers this.
    Answer(Value),
    /// It answers with an error of this code.
    Error(&'static str),
    /// It does what it is told, and the answer is lost.
    Deaf,
    /// It does not do what it is told, and says nothing.
    Silent,
    /// It ends the connection.
    HangUp,
}

/// A station's memory of cards.
#[derive(Debug, Default)]
pub struct CardMemory {
    keys: BTreeMap<&'static str, String>,
    /// What the station speaks.
    pub speaks: Version,
    has_list: bool,
    has_cache: bool,
    version: i64,
    list: BTreeMap<String, Entry>,
    cache: BTreeMap<String, Entry>,
    faults: VecDeque<(&'static str, Fault)>,
}

/// A memory that a station shares with its connections, and a test with both.
#[derive(Debug, Clone, Default)]
pub struct SharedMemory(Arc<Mutex<CardMemory>>);

impl SharedMemory {
    /// A memory with, or without, a list and a cache. What it has is in use.
    pub fn new(has_list: bool, has_cache: bool) -> Self {
        let memory = CardMemory { has_list, has_cache, ..CardMemory::default() };
        let shared = Self(Arc::new(Mutex::new(memory)));
        shared.set("LocalAuthorizeOffline", "true");
        if has_list {
            shared.set("LocalAuthListEnabled", "true");
            shared.set("LocalPreAuthorize", "true");
            shared.set("LocalAuthListMaxLength", "1000");
            shared.set("SendLocalListMaxLength", "50");
            shared.set("SupportedFeatureProfiles", "Core,LocalAuthListManagement");
        } else {
            shared.set("SupportedFeatureProfiles", "Core");
        }
        if has_cache {
            shared.set("AuthorizationCacheEnabled", "true");
        }
        shared
    }

    /// The memory itself.
    pub fn lock(&self) -> MutexGuard<'_, CardMemory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a configuration key, as whoever stands before the station could.
    pub fn set(&self, key: &'static str, value: &str) {
        self.lock().keys.insert(key, value.to_owned());
    }

    /// The next command of this name meets a fault.
    pub fn fail_next(&self, action: &'static str, fault: Fault) {
        self.lock().faults.push_back((action, fault));
    }
}

impl CardMemory {
    fn is_on(&self, key: &str) -> bool {
        self.keys.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    fn number(&self, key: &str) -> usize {
        self.keys.get(key).and_then(|value| value.parse().ok()).unwrap_or(usize::MAX)
    }

    fn uses_list(&self) -> bool {
        self.has_list && self.is_on("LocalAuthListEnabled")
    }

    fn uses_cache(&self) -> bool {
        self.has_cache && self.is_on("AuthorizationCacheEnabled")
    }

    /// Would this station, offline, let a card charge now? Its list is asked first, then its cache.
    pub fn lets_charge_offline(&self, id_tag: &str, now: DateTime<Utc>) -> bool {
        let name = id_tag.to_lowercase();
        let listed = self.list.get(&name).filter(|_| self.uses_list());
        let known = listed.or_else(|| self.cache.get(&name).filter(|_| self.uses_cache()));
        let lets = known
            .map_or_else(|| self.is_on("AllowOfflineTxForUnknownId"), |entry| entry.accepts(now));
        lets && self.is_on("LocalAuthorizeOffline")
    }

    /// The status that the list gives a card.
    pub fn listed(&self, id_tag: &str) -> Option<&str> {
        self.list.get(&id_tag.to_lowercase()).map(|entry| entry.status.as_str())
    }

    /// How many cards the list holds.
    pub fn list_length(&self) -> usize {
        self.list.len()
    }

    /// The list's version.
    pub const fn list_version(&self) -> i64 {
        self.version
    }

    /// Puts another list in the place of its own, as someone else could: empty, of this version.
    pub fn reset_list(&mut self, version: i64) {
        self.list.clear();
        self.version = version;
    }

    /// Remembers what an answer says of the card of a call.
    pub fn heard(&mut self, payload: &Value, answer: &Value) {
        let told = (self.speaks.card(payload), Entry::of(self.speaks.card_info(answer)));
        if let (true, (Some(id_tag), Some(entry))) = (self.uses_cache(), told) {
            self.cache.insert(id_tag.to_lowercase(), entry);
        }
    }

    /// The fault that a command meets.
    pub fn fault(&mut self, action: &str) -> Option<Fault> {
        let place = self.faults.iter().position(|(name, _)| *name == action)?;
        self.faults.remove(place).map(|(_, fault)| fault)
    }

    /// Does what a command says; its answer. `None`: it is not the memory's.
    pub fn command(&mut self, action: &str, payload: &Value) -> Option<Value> {
        match action {
            "GetLocalListVersion" if self.speaks == Version::V201 => {
                Some(json!({"versionNumber": if self.uses_list() { self.version } else { 0 }}))
            }
            "GetVariables" => Some(self.variables(payload)),
            "SetVariables" => Some(self.set_variables(payload)),
            "GetLocalListVersion" if self.has_list => {
                Some(json!({"listVersion": if self.uses_list() { self.version } else { -1 }}))
            }
            "SendLocalList" if self.has_list => Some(json!({"status": self.update_list(payload)})),
            "ClearCache" if self.uses_cache() => {
                self.cache.clear();
                Some(json!({"status": "Accepted"}))
            }
            "ClearCache" => Some(json!({"status": "Rejected"})),
            "GetConfiguration" => Some(self.configuration(&payload["key"])),
            "ChangeConfiguration" => Some(json!({"status": self.change_key(payload)})),
            _ => None,
        }
    }

    fn update_list(&mut self, payload: &Value) -> &'static str {
        if !self.uses_list() {
            return if self.speaks == Version::V16 { "NotSupported" } else { "Failed" };
        }
        let version = payload["listVersion"]
            .as_i64()
            .or_else(|| payload["versionNumber"].as_i64())
            .unwrap_or_default();
        let is_full = payload["updateType"] == "Full";
        if !is_full && version <= self.version {
            return "VersionMismatch";
        }
        let nothing = Vec::new();
        let entries = payload["localAuthorizationList"].as_array().unwrap_or(&nothing);
        let mut list = if is_full { BTreeMap::new() } else { self.list.clone() };
        let mut seen = Vec::new();
        for entry in entries {
            let Some(name) = self.list_name(entry).filter(|name| !seen.contains(name)) else {
                return "Failed";
            };
            match Entry::of(self.speaks.card_info(entry)) {
                Some(info) => list.insert(name.clone(), info),
                None if is_full => return "Failed",
                None => list.remove(&name),
            };
            seen.push(name);
        }
        if version <= 0
            || entries.len() > self.number("SendLocalListMaxLength")
            || list.len() > self.number("LocalAuthListMaxLength")
        {
            return "Failed";
        }
        (self.list, self.version) = (list, version);
        "Accepted"
    }

    /// The name of a card in the list: in 2.0.1 a card of another type than the reader's is another card.
    fn list_name(&self, entry: &Value) -> Option<String> {
        let name = self.speaks.card(entry)?.to_lowercase();
        let (most, kind) = match self.speaks {
            Version::V16 => (ID_TAG_MAX, READER),
            Version::V201 => (ID_TOKEN_MAX, entry["idToken"]["type"].as_str()?),
        };
        let fits = !name.is_empty() && name.chars().count() <= most;
        fits.then(|| if kind == READER { name } else { format!("{kind}:{name}") })
    }

    fn variables(&self, payload: &Value) -> Value {
        let nothing = Vec::new();
        let asked = payload["getVariableData"].as_array().unwrap_or(&nothing).iter().map(|data| {
            let mut result = data.clone();
            match variable(data).and_then(|key| self.keys.get(key)) {
                Some(value) => {
                    (result["attributeStatus"], result["attributeValue"]) =
                        (json!("Accepted"), json!(value));
                }
                None => result["attributeStatus"] = json!("UnknownVariable"),
            }
            result
        });
        json!({"getVariableResult": asked.collect::<Vec<_>>()})
    }

    fn set_variables(&mut self, payload: &Value) -> Value {
        let nothing = Vec::new();
        let mut results = Vec::new();
        for data in payload["setVariableData"].as_array().unwrap_or(&nothing) {
            let key = variable(data).unwrap_or_default();
            let status =
                match self.change_key(&json!({"key": key, "value": data["attributeValue"]})) {
                    "NotSupported" => "UnknownVariable",
                    status => status,
                };
            results.push(json!({"component": data["component"], "variable": data["variable"], "attributeStatus": status}));
        }
        json!({"setVariableResult": results})
    }

    fn configuration(&self, asked: &Value) -> Value {
        let asked: Option<Vec<&str>> =
            asked.as_array().map(|keys| keys.iter().filter_map(Value::as_str).collect());
        let wanted =
            |key: &str| asked.as_ref().is_none_or(|asked| asked.is_empty() || asked.contains(&key));
        let told = |(key, value): (&&str, &String)| json!({"key": key, "readonly": READ_ONLY.contains(key), "value": value});
        let known: Vec<Value> = self.keys.iter().filter(|(key, _)| wanted(key)).map(told).collect();
        let unknown: Vec<&str> = asked
            .unwrap_or_default()
            .into_iter()
            .filter(|key| !self.keys.contains_key(key))
            .collect();
        json!({"configurationKey": known, "unknownKey": unknown})
    }

    fn change_key(&mut self, payload: &Value) -> &'static str {
        let key = payload["key"].as_str().unwrap_or_default();
        match self.keys.iter_mut().find(|(known, _)| **known == key) {
            None => "NotSupported",
            Some((known, _)) if READ_ONLY.contains(known) => "Rejected",
            Some((_, value)) => {
                *value = payload["value"].as_str().unwrap_or_default().to_owned();
                "Accepted"
            }
        }
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
