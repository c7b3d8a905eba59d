//! What makes a message the same message: its content, never its id. Stations repeat under new ids
//! and restart their counters.

use crate::domain::ids::IdTag;
use crate::hex;
use crate::ocpp::event::{StartReport, StopReport};

/// Hex digits of a content's hash that are kept: 128 bits.
const KEY_DIGITS: usize = 32;

fn hash(text: &str) -> String {
    let mut key = hex::sha256(text.as_bytes());
    key.truncate(KEY_DIGITS);
    key
}

/// What follows the frame's head, where the payload is all of a broken frame: its message id is no content.
fn content(payload: &str) -> &str {
    payload.find('{').map_or(payload, |place| &payload[place..])
}

/// A start's content: connector, card, station's time, meter. What could not be read is told apart by
/// the payload itself.
pub fn start(report: &StartReport, payload: &str) -> String {
    if !report.faults.is_empty() {
        return hash(&format!("malformed|{}", content(payload)));
    }
    let connector = report.connector_id.unwrap_or_default();
    let meter = report.meter_start.unwrap_or_default().0;
    let instant = report.timestamp.instant(None).map_or_else(|| report.timestamp.text.clone(), |at| at.timestamp_millis().to_string());
    hash(&format!("{connector}|{}|{instant}|{meter}", IdTag::new(&report.id_tag).matched()))
}

/// A stop's content: transaction, station's time, meter, reason, card.
pub fn stop(report: &StopReport, payload: &str) -> String {
    if !report.faults.is_empty() {
        return hash(&format!("malformed|{}", content(payload)));
    }
    let transaction = report.transaction_id.unwrap_or_default();
    let meter = report.meter_stop.unwrap_or_default().0;
    let instant = report.timestamp.instant(None).map_or_else(|| report.timestamp.text.clone(), |at| at.timestamp_millis().to_string());
    let card = report.id_tag.as_ref().map_or("", IdTag::matched);
    hash(&format!("{transaction}|{instant}|{meter}|{}|{card}", report.reason))
}
