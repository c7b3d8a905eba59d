//! What OCPP 1.6 lets us send: a small schema per command, held strictly. What goes out never
//! breaks the standard, whoever asked for it.

use serde_json::{Map, Value};

/// A field's kind.
#[derive(Debug)]
pub enum Kind {
    /// A whole number within these bounds, both included.
    Integer(i64, i64),
    /// A number with at most one decimal (`multipleOf: 0.1`).
    Tenths,
    /// A string of at most this many characters.
    Text(usize),
    /// An RFC 3339 instant.
    Instant,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of at least this many.
    List(usize, &'static Kind),
    /// An object.
    Object(&'static [Field]),
}

/// A field of an object.
#[derive(Debug)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it may hold.
    pub kind: Kind,
}

/// A field that must be there.
pub const fn required(name: &'static str, kind: Kind) -> Field {
    Field { name, required: true, kind }
}

/// A field that may be left out.
pub const fn optional(name: &'static str, kind: Kind) -> Field {
    Field { name, required: false, kind }
}

/// What is wrong with a payload: the field's path and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Such as `chargingProfile.stackLevel`.
    pub field: String,
    /// What is allowed there.
    pub allowed: String,
}

/// Checks an object against its fields; names that are not among them are refused.
pub fn check(fields: &[Field], payload: &Map<String, Value>) -> Result<(), Violation> {
    check_object(fields, payload, "")
}

fn check_object(fields: &[Field], object: &Map<String, Value>, path: &str) -> Result<(), Violation> {
    let at = |name: &str| {
        if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
    };
    if let Some(unknown) = object.keys().find(|key| !fields.iter().any(|field| field.name == key.as_str())) {
        let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
        let allowed = if names.is_empty() { "no fields".to_owned() } else { format!("one of: {}", names.join(", ")) };
        return Err(Violation { field: at(unknown), allowed });
    }
    for field in fields {
        match object.get(field.name) {
            Some(value) => check_value(&field.kind, value, &at(field.name))?,
            None if field.required => {
                return Err(Violation { field: at(field.name), allowed: format!("required: {}", describe(&field.kind)) });
            }
            None => {}
        }
    }
    Ok(())
}

fn check_value(kind: &Kind, value: &Value, path: &str) -> Result<(), Violation> {
    let fits = match (kind, value) {
        (Kind::Integer(low, high), Value::Number(number)) => number.as_i64().is_some_and(|n| (*low..=*high).contains(&n)),
        (Kind::Tenths, Value::Number(number)) => is_tenths(&number.to_string()),
        (Kind::Text(max), Value::String(text)) => text.chars().count() <= *max,
        (Kind::Instant, Value::String(text)) => chrono::DateTime::parse_from_rfc3339(text).is_ok(),
        (Kind::OneOf(words), Value::String(text)) => words.contains(&text.as_str()),
        (Kind::Object(fields), Value::Object(object)) => return check_object(fields, object, path),
        (Kind::List(least, of), Value::Array(items)) if items.len() >= *least => {
            return items.iter().enumerate().try_for_each(|(n, item)| check_value(of, item, &format!("{path}[{n}]")));
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(Violation { field: path.to_owned(), allowed: describe(kind) }) }
}

fn is_tenths(number: &str) -> bool {
    number.parse::<rust_decimal::Decimal>().is_ok_and(|decimal| decimal.normalize().scale() <= 1)
}

fn describe(kind: &Kind) -> String {
    match kind {
        Kind::Integer(low, high) => format!("a whole number from {low} to {high}"),
        Kind::Tenths => "a number with at most one decimal".to_owned(),
        Kind::Text(max) => format!("a string of at most {max} characters"),
        Kind::Instant => "an RFC 3339 instant".to_owned(),
        Kind::OneOf(words) => format!("one of: {}", words.join(", ")),
        Kind::List(least, of) => format!("a list of at least {least}, each {}", describe(of)),
        Kind::Object(_) => "an object".to_owned(),
    }
}
