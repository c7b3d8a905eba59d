//! Reads the tables of messages, which are compiled in. A faulty table panics, so that every test
//! fails.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Direction, Field, Kind, MessageSchema};

/// The bounds of a whole number if the table has none: signed 32 bits.
const INTEGER: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

/// The named kinds of a table. Each is resolved once.
struct Names<'a> {
    lines: BTreeMap<&'a str, (&'a str, &'a str)>,
    known: BTreeMap<&'a str, Kind>,
}

/// All messages of a table.
pub fn read(text: &str) -> BTreeMap<String, MessageSchema> {
    let entries = entries(text);
    let entry = |line: &str| -> (String, String, String) {
        let (head, body) = line.split_once('=').unwrap_or_else(|| panic!("no `=` in: {line}"));
        let (word, name) =
            head.trim().split_once(' ').unwrap_or_else(|| panic!("no name in: {line}"));
        (word.to_owned(), name.to_owned(), body.trim().to_owned())
    };
    let entries: Vec<(String, String, String)> = entries.iter().map(|line| entry(line)).collect();
    let is_named = |word: &str| word == "enum" || word == "type";
    let lines = entries
        .iter()
        .filter(|(word, ..)| is_named(word))
        .map(|(word, name, body)| (name.as_str(), (word.as_str(), body.as_str())));
    let mut names = Names { lines: lines.collect(), known: BTreeMap::new() };
    let mut messages: BTreeMap<String, MessageSchema> = BTreeMap::new();
    for (word, name, body) in entries.iter().filter(|(word, ..)| !is_named(word)) {
        let fields = names.fields(body);
        let direction = match word.as_str() {
            "up" => Direction::Up,
            "down" => Direction::Down,
            "both" => Direction::Both,
            "reply" => {
                messages
                    .get_mut(name)
                    .unwrap_or_else(|| panic!("a reply to no call: {name}"))
                    .reply = fields;
                continue;
            }
            other => panic!("{other} begins no entry"),
        };
        messages
            .insert(name.clone(), MessageSchema { direction, call: fields, reply: Arc::new([]) });
    }
    messages
}

/// The entries of a table, with continuation lines joined.
fn entries(text: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match entries.last_mut() {
            Some(entry) if line.starts_with(' ') => {
                entry.push(' ');
                entry.push_str(line.trim());
            }
            _ => entries.push(line.to_owned()),
        }
    }
    entries
}

fn words(text: &str) -> Kind {
    Kind::OneOf(text.split('|').map(|word| word.trim().to_owned()).collect())
}

impl<'a> Names<'a> {
    fn fields(&mut self, body: &'a str) -> Arc<[Field]> {
        body.split(',')
            .map(str::trim)
            .filter(|field| !field.is_empty())
            .map(|field| self.field(field))
            .collect()
    }

    fn field(&mut self, text: &'a str) -> Field {
        let (name, kind) = text.split_once(": ").unwrap_or_else(|| panic!("no kind in: {text}"));
        let required = !name.ends_with('?');
        Field {
            name: name.trim_end_matches('?').to_owned(),
            required,
            kind: self.kind(kind.trim()),
        }
    }

    fn kind(&mut self, text: &'a str) -> Kind {
        if let Some(list) = text.strip_prefix('[') {
            let (bounds, of) =
                list.split_once(']').unwrap_or_else(|| panic!("no end of the bounds in: {text}"));
            let (least, most) =
                bounds.split_once("..").unwrap_or_else(|| panic!("no bounds in: {text}"));
            let number = |text: &str, default: usize| {
                if text.is_empty() { default } else { text.parse().expect("a bound is a number") }
            };
            return Kind::List(
                number(least, 0),
                number(most, usize::MAX),
                Box::new(self.kind(of.trim())),
            );
        }
        if let Some(inner) = text.strip_prefix('(') {
            return words(inner.trim_end_matches(')'));
        }
        match text.split_once(' ').unwrap_or((text, "")) {
            ("int", "") => Kind::Integer(INTEGER.0, INTEGER.1),
            ("int", bounds) => {
                let (low, high) =
                    bounds.split_once("..").unwrap_or_else(|| panic!("no bounds in: {text}"));
                let number = |text: &str, default: i64| {
                    if text.is_empty() {
                        default
                    } else {
                        text.parse().expect("a bound is a number")
                    }
                };
                Kind::Integer(number(low, INTEGER.0), number(high, INTEGER.1))
            }
            ("number", _) => Kind::Number,
            ("tenths", _) => Kind::Tenths,
            ("text", "") => Kind::Text(usize::MAX),
            ("text", max) => Kind::Text(max.parse().expect("a length is a number")),
            ("instant", _) => Kind::Instant,
            ("bool", _) => Kind::Flag,
            ("any", _) => Kind::Any,
            (name, _) => self.named(name),
        }
    }

    fn named(&mut self, name: &'a str) -> Kind {
        if let Some(kind) = self.known.get(name) {
            return kind.clone();
        }
        let (word, body) = *self.lines.get(name).unwrap_or_else(|| panic!("{name} is no kind"));
        let kind = if word == "enum" { words(body) } else { Kind::Object(self.fields(body)) };
        self.known.insert(name, kind.clone());
        kind
    }
}
