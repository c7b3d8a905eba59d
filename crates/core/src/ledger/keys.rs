//! Keys by which a repeated message is recognised. A key is made of the message's content and never of its id,
//! because stations repeat messages under new ids and restart their counters.

use juden_domain::hex;
use juden_domain::ids::{IdTag, SessionRef, StationId};
use juden_ocpp::event::{StartReport, StopReport, TransactionEventReport, TransactionMessage};

/// Hex digits of a content's hash that are kept: 128 bits.
const KEY_DIGITS: usize = 32;

fn hash(text: &str) -> String {
    let mut key = hex::sha256(text.as_bytes());
    key.truncate(KEY_DIGITS);
    key
}

/// Letters of a session's name: none that is read for another.
const NAME_LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters in a session's name: 80 bits.
const NAME_LENGTH: usize = 16;

/// A session's name, made of what makes its start the same start: it does not depend on the order in
/// which messages arrive.
pub fn reference(station: &StationId, start_key: &str, ordinal: i64) -> SessionRef {
    let digest = hex::sha256(format!("{station}|{start_key}|{ordinal}").as_bytes());
    let bits: Vec<u8> = digest
        .bytes()
        .flat_map(|digit| {
            let value = char::from(digit).to_digit(16).unwrap_or(0);
            (0..4).rev().map(move |bit| u8::from(value >> bit & 1 == 1))
        })
        .collect();
    let letter = |five: &[u8]| {
        char::from(NAME_LETTERS[five.iter().fold(0, |value, bit| value * 2 + usize::from(*bit))])
    };
    let name: String = bits.chunks_exact(5).take(NAME_LENGTH).map(letter).collect();
    SessionRef::parse(&format!("S-{name}")).expect("these letters make a name")
}

/// What follows the frame's head, where the payload is all of a broken frame: its message id is no content.
fn content(payload: &str) -> &str {
    payload.find('{').map_or(payload, |place| &payload[place..])
}

/// A message's content, as the station sent it: what is registered of the station, and so what is made of its words, may
/// change before it repeats them.
pub fn content_of(sent: &TransactionMessage, payload: &str) -> String {
    match sent {
        TransactionMessage::Start(report) => start(report, payload),
        TransactionMessage::Stop(report) => stop(report, payload),
        TransactionMessage::Event(report) => event(report),
        TransactionMessage::Meter(_) => hash(content(payload)),
    }
}

/// A start's content: connector, card, station's time, meter. What could not be read is told apart by
/// the payload itself.
fn start(report: &StartReport, payload: &str) -> String {
    if !report.faults.is_empty() {
        return hash(&format!("malformed|{}", content(payload)));
    }
    let connector = report.connector_id.unwrap_or_default();
    let meter = report.meter_start.map_or(0, |register| register.watt_hours().0);
    let instant = report
        .timestamp
        .instant(None)
        .map_or_else(|| report.timestamp.text.clone(), |at| at.timestamp_millis().to_string());
    hash(&format!("{connector}|{}|{instant}|{meter}", report.id_tag.matched()))
}

/// A stop's content: transaction, station's time, meter, reason, card.
fn stop(report: &StopReport, payload: &str) -> String {
    if !report.faults.is_empty() {
        return hash(&format!("malformed|{}", content(payload)));
    }
    let transaction = report.transaction_id.unwrap_or_default();
    let meter = report.meter_stop.map_or(0, |register| register.watt_hours().0);
    let instant = report
        .timestamp
        .instant(None)
        .map_or_else(|| report.timestamp.text.clone(), |at| at.timestamp_millis().to_string());
    let card = report.id_tag.as_ref().map_or("", IdTag::matched);
    hash(&format!("{transaction}|{instant}|{meter}|{}|{card}", report.reason))
}

/// What makes events events of one transaction: the name that the station gave it.
pub fn transaction(name: &str) -> String {
    hash(&format!("transaction|{name}"))
}

/// An event's place in its transaction: its number, or else the station's time in milliseconds, which is beyond all
/// numbers. One that has neither goes by its content.
pub fn order(event: &TransactionEventReport, payload: &str) -> i64 {
    let by_time = || event.timestamp.instant(None).map(|at| at.timestamp_millis());
    event.seq_no.or_else(by_time).unwrap_or_else(|| place(content(payload)))
}

/// An event's place by its time, whatever number it has: some stations never count.
pub fn order_by_time(event: &TransactionEventReport, payload: &str) -> i64 {
    event
        .timestamp
        .instant(None)
        .map_or_else(|| place(content(payload)), |at| at.timestamp_millis())
}

/// The place of a start or an end whose number another event has: by its content, beyond all numbers and times.
pub fn second_order(content: &str) -> i64 {
    place(content)
}

fn place(content: &str) -> i64 {
    let digits = i64::from_str_radix(&hash(content)[..12], 16).unwrap_or_default();
    (1 << 50) + digits
}

/// A text out of which a key is made: each part with its length before it, so that no two messages have one text.
struct Canonical(String);

impl Canonical {
    fn part(mut self, part: &str) -> Self {
        self.0.push_str(&part.len().to_string());
        self.0.push(':');
        self.0.push_str(part);
        self
    }

    fn optional(mut self, part: Option<&str>) -> Self {
        if let Some(part) = part {
            self.part(part)
        } else {
            self.0.push('-');
            self
        }
    }
}

/// An event's content: everything that it says but whether it comes late, which a repeat may say otherwise.
fn event(event: &TransactionEventReport) -> String {
    let instant = event
        .timestamp
        .instant(None)
        .map_or_else(|| event.timestamp.text.clone(), |at| at.timestamp_millis().to_string());
    let evse = event.evse_id.map(|id| id.to_string());
    let said = Canonical("step".to_owned())
        .part(event.kind.name())
        .part(&instant)
        .optional(event.shown.as_ref().map(|shown| shown.id_tag.matched()))
        .optional(event.charging_state.as_deref())
        .optional(event.stopped_reason.as_deref())
        .optional(evse.as_deref());
    let readings = event.readings.iter().fold(said, |said, reading| {
        let of_reading = [
            &reading.sampled_at.text,
            &reading.measurand,
            &reading.phase,
            &reading.location,
            &reading.context,
            &reading.unit,
            &reading.value,
        ];
        of_reading.into_iter().fold(said, |said, part| said.part(part))
    });
    hash(&readings.0)
}

/// What these keys are is part of every store: a message that was kept before is known again by them alone.
#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;
