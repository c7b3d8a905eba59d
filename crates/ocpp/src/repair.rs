//! Reads fields out of broken JSON in one pass over the text. The time is linear in the text's
//! length for any input.

use std::collections::HashSet;

/// The longest text that is repaired, in bytes. Firmware that omits values writes short messages.
pub const REPAIRED_MAX: usize = 64 * 1024;

/// The longest field name, action, message id and text value that are read out of broken JSON, in
/// bytes.
const NAME_MAX: usize = 40;
const ACTION_MAX: usize = 64;
const ID_MAX: usize = 255;
const VALUE_MAX: usize = 512;

/// Digits before and after the point of a number that is read out of broken JSON.
const DIGITS_MAX: usize = 25;
const DECIMALS_MAX: usize = 20;

/// Fields that are read out of one broken text at most.
const FIELDS_MAX: usize = 1_000;

/// Inserts `null` where a field has no value, as some firmware sends it: `"transactionId":,`.
/// Strings are not changed. `None`: no value is missing, or the text exceeds [`REPAIRED_MAX`].
pub fn with_missing_values(text: &str) -> Option<String> {
    if text.len() > REPAIRED_MAX {
        return None;
    }
    let bytes = text.as_bytes();
    let mut filled = String::new();
    let (mut copied, mut place) = (0, 0);
    while place < bytes.len() {
        match bytes[place] {
            b'"' => place = string_end(bytes, place, usize::MAX).unwrap_or(bytes.len()),
            b':' => {
                place += 1;
                let next = skip_blanks(bytes, place);
                if matches!(bytes.get(next), Some(b',' | b'}' | b']')) {
                    filled.push_str(&text[copied..place]);
                    filled.push_str("null");
                    copied = place;
                }
                place = next;
            }
            _ => place += 1,
        }
    }
    (copied > 0).then(|| filled + &text[copied..])
}

/// The message id (as JSON) and the action of a CALL whose rest is broken: `[2,"id","Action"`.
pub fn call_beginning(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let expect = |place: usize, byte: u8| (bytes.get(place) == Some(&byte)).then_some(place + 1);
    let place = skip_blanks(bytes, expect(0, b'[')?);
    let place = skip_blanks(bytes, expect(place, b'2')?);
    let id_begins = skip_blanks(bytes, expect(place, b',')?);
    let id_ends = match bytes.get(id_begins) {
        Some(b'"') => string_end(bytes, id_begins, ID_MAX)?,
        _ => integer_end(bytes, id_begins, DECIMALS_MAX)?,
    };
    let place = skip_blanks(bytes, id_ends);
    let action_begins = expect(skip_blanks(bytes, expect(place, b',')?), b'"')?;
    let action_ends = action_begins + letters(&bytes[action_begins..], ACTION_MAX);
    (action_ends > action_begins && bytes.get(action_ends) == Some(&b'"'))
        .then(|| (&text[id_begins..id_ends], &text[action_begins..action_ends]))
}

/// The first text or number of each name, anywhere in broken JSON: pairs of the name and the
/// value's JSON text.
pub fn scalars(text: &str) -> Vec<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut known = HashSet::new();
    let mut place = 0;
    while place < bytes.len() && found.len() < FIELDS_MAX {
        if bytes[place] != b'"' {
            place += 1;
            continue;
        }
        match field(bytes, place) {
            Ok((name, value)) => {
                let value_ends = value.end;
                if known.insert(&text[name.clone()]) {
                    found.push((&text[name], &text[value]));
                }
                place = value_ends;
            }
            Err(next) => place = next,
        }
    }
    found
}

type Span = std::ops::Range<usize>;

/// Reads the field whose name's opening quote stands at `quote`: the spans of name and value. The
/// error is the place at which to search on.
fn field(bytes: &[u8], quote: usize) -> Result<(Span, Span), usize> {
    let name = quote + 1..quote + 1 + letters(&bytes[quote + 1..], NAME_MAX);
    if name.is_empty() || bytes.get(name.end) != Some(&b'"') {
        return Err(quote + 1);
    }
    let colon = skip_blanks(bytes, name.end + 1);
    if bytes.get(colon) != Some(&b':') {
        // This string is not a name. Its closing quote may be the opening quote of a name.
        return Err(name.end);
    }
    let begins = skip_blanks(bytes, colon + 1);
    let ends = match bytes.get(begins) {
        Some(b'"') => string_end(bytes, begins, VALUE_MAX),
        _ => number_end(bytes, begins),
    };
    ends.map(|ends| (name, begins..ends)).ok_or(begins)
}

/// The place after the closing quote of the string that opens at `quote`, if it closes within
/// `length_max` bytes.
fn string_end(bytes: &[u8], quote: usize, length_max: usize) -> Option<usize> {
    let last =
        quote.saturating_add(1).saturating_add(length_max).min(bytes.len().saturating_sub(1));
    let mut place = quote + 1;
    while place <= last {
        match bytes[place] {
            b'"' => return Some(place + 1),
            b'\\' => place += 2,
            _ => place += 1,
        }
    }
    None
}

fn integer_end(bytes: &[u8], begins: usize, digits_max: usize) -> Option<usize> {
    let begins = begins + usize::from(bytes.get(begins) == Some(&b'-'));
    let digits = digits(&bytes[begins.min(bytes.len())..], digits_max);
    (digits > 0).then_some(begins + digits)
}

fn number_end(bytes: &[u8], begins: usize) -> Option<usize> {
    let whole = integer_end(bytes, begins, DIGITS_MAX)?;
    let decimals =
        if bytes.get(whole) == Some(&b'.') { digits(&bytes[whole + 1..], DECIMALS_MAX) } else { 0 };
    Some(if decimals > 0 { whole + 1 + decimals } else { whole })
}

fn digits(bytes: &[u8], most: usize) -> usize {
    bytes.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count()
}

fn letters(bytes: &[u8], most: usize) -> usize {
    bytes.iter().take(most).take_while(|byte| byte.is_ascii_alphabetic()).count()
}

fn skip_blanks(bytes: &[u8], mut place: usize) -> usize {
    while bytes.get(place).is_some_and(u8::is_ascii_whitespace) {
        place += 1;
    }
    place
}

#[cfg(test)]
#[path = "repair_tests.rs"]
mod tests;
