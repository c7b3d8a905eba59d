//! The fields of each message, for both versions, read from the tables beside this file. Messages
//! that we send are checked strictly, so that none breaks the standard, whoever requested it.

mod grammar;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

/// A field's kind.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A whole number within these bounds, both included.
    Integer(i64, i64),
    /// A number.
    Number,
    /// A number with at most one decimal (`multipleOf: 0.1`).
    Tenths,
    /// A string of at most this many characters.
    Text(usize),
    /// An RFC 3339 instant.
    Instant,
    /// `true` or `false`.
    Flag,
    /// Any JSON value.
    Any,
    /// One of these words.
    OneOf(Arc<[String]>),
    /// A list with its least and greatest length.
    List(usize, usize, Box<Kind>),
    /// An object.
    Object(Arc<[Field]>),
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// The values that it may hold.
    pub kind: Kind,
}

/// The sender of a CALL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The station.
    Up,
    /// The central system.
    Down,
    /// Either side.
    Both,
}

/// A message: a CALL and its CALLRESULT.
#[derive(Debug)]
pub struct MessageSchema {
    /// The sender of the CALL.
    pub direction: Direction,
    /// The call's fields.
    pub call: Arc<[Field]>,
    /// The reply's fields.
    pub reply: Arc<[Field]>,
}

impl MessageSchema {
    /// Whether the server may send the CALL.
    pub fn is_command(&self) -> bool {
        self.direction != Direction::Up
    }

    /// Whether a station may send the CALL.
    pub fn is_from_station(&self) -> bool {
        self.direction != Direction::Down
    }
}

/// All messages of a version.
#[derive(Debug)]
pub struct Schema {
    messages: BTreeMap<String, MessageSchema>,
    /// Whether every object may carry `customData` (OCPP 2.0.1 part 4 section 9).
    custom_data: bool,
}

/// The messages of OCPP 1.6 with its security extension.
pub static V16: LazyLock<Schema> = LazyLock::new(|| Schema::read(include_str!("v16.txt"), false));

/// The messages of OCPP 2.0.1.
pub static V201: LazyLock<Schema> = LazyLock::new(|| Schema::read(include_str!("v201.txt"), true));

/// A fault of a payload: the field's path and the values allowed there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The field's path, such as `chargingProfile.stackLevel`.
    pub field: String,
    /// The allowed values in words.
    pub allowed: String,
}

impl Schema {
    fn read(text: &str, custom_data: bool) -> Self {
        Self { messages: grammar::read(text), custom_data }
    }

    /// A message by its action.
    pub fn message(&self, action: &str) -> Option<&MessageSchema> {
        self.messages.get(action)
    }

    /// Every message, by action.
    pub fn messages(&self) -> impl Iterator<Item = (&str, &MessageSchema)> {
        self.messages.iter().map(|(action, message)| (action.as_str(), message))
    }

    /// Checks an object against its fields. Unknown fields are refused.
    pub fn check(&self, fields: &[Field], payload: &Map<String, Value>) -> Result<(), Violation> {
        self.check_object(fields, payload, "")
    }

    fn check_object(
        &self,
        fields: &[Field],
        object: &Map<String, Value>,
        path: &str,
    ) -> Result<(), Violation> {
        let at = |name: &str| {
            if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
        };
        let is_custom = |key: &String, value: &Value| {
            self.custom_data && key == "customData" && value["vendorId"].is_string()
        };
        let unknown = object.iter().find(|(key, value)| {
            !is_custom(key, value) && !fields.iter().any(|field| field.name == **key)
        });
        if let Some((unknown, _)) = unknown {
            let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let allowed = if names.is_empty() {
                "no fields".to_owned()
            } else {
                format!("one of: {}", names.join(", "))
            };
            return Err(Violation { field: at(unknown), allowed });
        }
        for field in fields {
            match object.get(&field.name) {
                Some(value) => self.check_value(&field.kind, value, &at(&field.name))?,
                None if field.required => {
                    return Err(Violation {
                        field: at(&field.name),
                        allowed: format!("required: {}", describe(&field.kind)),
                    });
                }
                None => {}
            }
        }
        Ok(())
    }

    fn check_value(&self, kind: &Kind, value: &Value, path: &str) -> Result<(), Violation> {
        let fits = match (kind, value) {
            (Kind::Any, _) | (Kind::Number, Value::Number(_)) | (Kind::Flag, Value::Bool(_)) => {
                true
            }
            (Kind::Integer(low, high), Value::Number(number)) => {
                number.as_i64().is_some_and(|n| (*low..=*high).contains(&n))
            }
            (Kind::Tenths, Value::Number(number)) => is_tenths(&number.to_string()),
            (Kind::Text(max), Value::String(text)) => text.chars().count() <= *max,
            (Kind::Instant, Value::String(text)) => {
                chrono::DateTime::parse_from_rfc3339(text).is_ok()
            }
            (Kind::OneOf(words), Value::String(text)) => words.contains(text),
            (Kind::Object(fields), Value::Object(object)) => {
                return self.check_object(fields, object, path);
            }
            (Kind::List(least, most, of), Value::Array(items))
                if (*least..=*most).contains(&items.len()) =>
            {
                return items
                    .iter()
                    .enumerate()
                    .try_for_each(|(n, item)| self.check_value(of, item, &format!("{path}[{n}]")));
            }
            _ => false,
        };
        if fits {
            Ok(())
        } else {
            Err(Violation { field: path.to_owned(), allowed: describe(kind) })
        }
    }
}

fn is_tenths(number: &str) -> bool {
    number.parse::<rust_decimal::Decimal>().is_ok_and(|decimal| decimal.normalize().scale() <= 1)
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Integer(low, high) => format!("a whole number from {low} to {high}"),
        Kind::Number => "a number".to_owned(),
        Kind::Tenths => "a number with at most one decimal".to_owned(),
        Kind::Text(usize::MAX) => "a string".to_owned(),
        Kind::Text(max) => format!("a string of at most {max} characters"),
        Kind::Instant => "an RFC 3339 instant".to_owned(),
        Kind::Flag => "true or false".to_owned(),
        Kind::Any => "anything".to_owned(),
        Kind::OneOf(words) => format!("one of: {}", words.join(", ")),
        Kind::List(least, usize::MAX, of) => {
            format!("a list of at least {least}, each {}", describe(of))
        }
        Kind::List(least, most, of) => {
            format!("a list of {least} to {most}, each {}", describe(of))
        }
        Kind::Object(_) => "an object".to_owned(),
    }
}

#[cfg(test)]
mod tests;
