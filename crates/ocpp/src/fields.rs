//! Reads a payload's fields as leniently as stations need: unknown fields are ignored, `null`
//! counts as absent, whole numbers come as `1`, `1.0` or `"1"`. A field that is missing or of the
//! wrong type is recorded as a fault, with the standard's error code.

use std::borrow::Cow;
use std::fmt;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::frame::{CallError, ErrorCode, Payload};
use super::repair;

/// Characters of one field that are kept at most.
pub const TEXT_MAX: usize = 4096;

/// The longest text that is read as a decimal number; plain integers may be longer.
const DECIMAL_MAX: usize = 40;

/// Faults that are recorded of one object. A list has no such limit of its own.
const FAULTS_MAX: usize = 16;

/// An object's fields, and the faults found while reading them.
pub struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, &'a RawValue)>,
    faults: Vec<CallError>,
}

struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// A field's name, borrowed from the text unless it holds escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;
        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((Key(key), value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor)
    }
}

impl<'a> Fields<'a> {
    /// The fields of a payload. A payload that is not an object has no fields and one fault.
    pub fn of(payload: Payload<'a>) -> Self {
        match payload {
            Payload::Json(text) => Self::of_json(text),
            Payload::Broken(text) => Self::salvaged(text),
        }
    }

    fn of_json(text: &'a str) -> Self {
        if text == "null" {
            return Self { entries: Vec::new(), faults: Vec::new() };
        }
        if let Ok(Entries(entries)) = serde_json::from_str::<Entries<'a>>(text) {
            Self { entries, faults: Vec::new() }
        } else {
            let fault =
                CallError::new(ErrorCode::FormationViolation, "the payload must be a JSON object");
            Self { entries: Vec::new(), faults: vec![fault] }
        }
    }

    /// The fields that can still be read out of broken JSON: the first text or number of each name.
    fn salvaged(text: &'a str) -> Self {
        let read = |(name, value)| {
            Some((Cow::Borrowed(name), serde_json::from_str::<&RawValue>(value).ok()?))
        };
        let entries = repair::scalars(text).into_iter().filter_map(read).collect();
        let fault = CallError::new(ErrorCode::FormationViolation, "the frame is not valid JSON");
        Self { entries, faults: vec![fault] }
    }

    fn raw(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.entries.iter().find(|(key, _)| key == name)?;
        (value.get() != "null").then_some(value.get())
    }

    /// Whether the field is present and not `null`.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    fn fault(&mut self, code: ErrorCode, description: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(CallError::new(code, description));
        }
    }

    fn mistyped<T>(&mut self, name: &str, wanted: &str) -> Option<T> {
        self.fault(ErrorCode::TypeConstraintViolation, format!("{name} must be {wanted}"));
        None
    }

    fn missing<T>(&mut self, name: &str) -> Option<T> {
        self.fault(ErrorCode::OccurenceConstraintViolation, format!("{name} is missing"));
        None
    }

    /// A text, cut to [`TEXT_MAX`] characters. A number, `true` or `false` is read as its text,
    /// because some stations send serial numbers, versions and id tags that way.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let raw = self.raw(name)?;
        match serde_json::from_str::<Cow<'_, str>>(raw) {
            Ok(text) if text.len() > TEXT_MAX => Some(text.chars().take(TEXT_MAX).collect()),
            Ok(text) => Some(text.into_owned()),
            Err(_) if raw.starts_with(['{', '[', '"']) => self.mistyped(name, "a string"),
            Err(_) => Some(raw.chars().take(TEXT_MAX).collect()),
        }
    }

    /// A text field. Its absence is a fault.
    pub fn required_text(&mut self, name: &str) -> Option<String> {
        if self.raw(name).is_none() { self.missing(name) } else { self.text(name) }
    }

    /// A text or a number, as text. Neither absence nor a wrong type is a fault.
    pub fn scalar(&self, name: &str) -> Option<String> {
        let raw = self.raw(name)?;
        match serde_json::from_str::<Cow<'_, str>>(raw) {
            Ok(text) => Some(text.chars().take(TEXT_MAX).collect()),
            Err(_) if raw.starts_with(['{', '[']) || raw.len() > TEXT_MAX => None,
            Err(_) => Some(raw.to_owned()),
        }
    }

    /// A whole number of 64 bits. A wrong type is a fault.
    pub fn integer(&mut self, name: &str) -> Option<i64> {
        let raw = self.raw(name)?;
        let unquoted = serde_json::from_str::<Cow<'_, str>>(raw).unwrap_or(Cow::Borrowed(raw));
        match whole_number(unquoted.trim()) {
            Some(number) => Some(number),
            None => self.mistyped(name, "an integer"),
        }
    }

    /// A boolean, also as a string or as 1 and 0.
    pub fn flag(&mut self, name: &str) -> Option<bool> {
        match self.raw(name)? {
            "true" | "\"true\"" | "1" | "\"1\"" => Some(true),
            "false" | "\"false\"" | "0" | "\"0\"" => Some(false),
            _ => self.mistyped(name, "true or false"),
        }
    }

    /// An object field. A wrong type is a fault.
    pub fn object(&mut self, name: &str) -> Option<Fields<'a>> {
        let fields = Fields::of_json(self.raw(name)?);
        if fields.faults.is_empty() { Some(fields) } else { self.mistyped(name, "an object") }
    }

    /// An object field. If it is missing or no object, a fault is recorded and an empty object is
    /// returned.
    pub fn required_object(&mut self, name: &str) -> Fields<'a> {
        let found = if self.raw(name).is_none() { self.missing(name) } else { self.object(name) };
        found.unwrap_or(Fields { entries: Vec::new(), faults: Vec::new() })
    }

    /// Adds the faults of a nested object to those of this one.
    pub fn take_faults(&mut self, of: Fields<'_>) {
        self.faults.extend(of.faults.into_iter().take(FAULTS_MAX));
    }

    /// A whole number of 64 bits. Its absence is a fault.
    pub fn required_integer(&mut self, name: &str) -> Option<i64> {
        if self.raw(name).is_none() { self.missing(name) } else { self.integer(name) }
    }

    /// A meter's register. A missing or unreadable register is no fault: the session is still
    /// measured in minutes, and flagged.
    pub fn register(&mut self, name: &str) -> Option<Decimal> {
        let raw = self.raw(name)?;
        let text = serde_json::from_str::<Cow<'_, str>>(raw).unwrap_or(Cow::Borrowed(raw));
        let text = text.trim();
        let told = whole_number(text)
            .map(Decimal::from)
            .or_else(|| text.parse().ok().filter(|_| text.len() <= DECIMAL_MAX));
        told.filter(|value| i64::try_from(value.trunc()).is_ok())
    }

    /// A list of objects. A single object is read as a list of one. An item that is not an object
    /// is skipped and recorded as a fault.
    pub fn objects(&mut self, name: &str) -> Vec<Fields<'a>> {
        let Some(raw) = self.raw(name) else {
            return Vec::new();
        };
        let items: Vec<&'a RawValue> = match serde_json::from_str(raw) {
            Ok(items) => items,
            Err(_) => match serde_json::from_str::<&'a RawValue>(raw) {
                Ok(single) => vec![single],
                Err(_) => Vec::new(),
            },
        };
        let mut objects = Vec::with_capacity(items.len());
        for item in items {
            let fields = Fields::of_json(item.get());
            if fields.faults.is_empty() {
                objects.push(fields);
            } else {
                self.mistyped::<()>(name, "a list of objects");
            }
        }
        objects
    }

    /// The JSON texts of a list's items.
    pub fn items(&self, name: &str) -> Vec<&'a str> {
        let items =
            self.raw(name).and_then(|raw| serde_json::from_str::<Vec<&'a RawValue>>(raw).ok());
        items.unwrap_or_default().into_iter().map(RawValue::get).collect()
    }

    /// Returns the first fault as an error, for messages that are then answered by a CALLERROR.
    pub fn check(self) -> Result<(), CallError> {
        self.faults.into_iter().next().map_or(Ok(()), Err)
    }

    /// The descriptions of all faults, for messages that are kept in spite of them.
    pub fn faults(self) -> Vec<String> {
        self.faults.into_iter().map(|fault| fault.description).collect()
    }
}

/// Reads a whole number that fits 64 bits, also as `1.0` or `1e3`.
fn whole_number(text: &str) -> Option<i64> {
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    if text.len() > DECIMAL_MAX {
        return None;
    }
    let decimal = Decimal::from_scientific(text).or_else(|_| text.parse()).ok()?;
    if decimal.is_integer() { i64::try_from(decimal).ok() } else { None }
}

#[cfg(test)]
#[path = "fields_tests.rs"]
mod tests;
