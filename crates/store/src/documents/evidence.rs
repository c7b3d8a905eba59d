//! The stored text of a transaction's events (OCPP 2.0.1), a column of its session.

use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::text;
use crate::{StoreError, Stored, columns};
use juden_domain::event::{EventType, Evidence, Register, Registers, TransactionEvent};
use juden_domain::instant::{Heard, Moment, Reported};
use juden_domain::units::WattHours;

#[derive(Serialize, Deserialize)]
struct EvidenceText {
    #[serde(rename = "steps")]
    events: Vec<EventText>,
    seen: Vec<(i64, i64)>,
    #[serde(default, skip_serializing_if = "is_false")]
    tells_charging: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    tells_charged: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    ended_twice: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    numbers_repeated: bool,
}

#[derive(Serialize, Deserialize)]
struct EventText {
    order: i64,
    kind: String,
    /// The reported time as the station sent it.
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    local: Option<NaiveDateTime>,
    received_ms: i64,
    connected_ms: i64,
    /// The measured clock of the station: its difference in milliseconds, and the instant from
    /// which that holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    clock: Option<(i64, i64)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_tag: Option<String>,
    #[serde(default, skip_serializing_if = "is_false")]
    accepted: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    evse: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    charging: Option<bool>,
    #[serde(default, skip_serializing_if = "is_false")]
    changed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The begin, end, first and last register, each as milliseconds and watt-hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    registers: Option<[Option<(i64, i64)>; 4]>,
    #[serde(default, skip_serializing_if = "is_false")]
    malformed: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde asks for it")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The stored text of a transaction's events.
pub fn evidence(evidence: &Evidence) -> String {
    let event = |event: &TransactionEvent| {
        let (at_ms, local) = match event.reported.moment {
            Moment::At(at) => (Some(at.timestamp_millis()), None),
            Moment::Local(local) => (None, Some(local)),
            Moment::Missing | Moment::Unreadable => (None, None),
        };
        let registers = [
            event.registers.begin,
            event.registers.end,
            event.registers.first,
            event.registers.last,
        ];
        let registers = registers.map(|register| {
            register.map(|register| (register.at.timestamp_millis(), register.value.0))
        });
        EventText {
            order: event.order,
            kind: event.kind.name().to_owned(),
            text: event.reported.text.clone(),
            at_ms,
            local,
            received_ms: event.heard.received_at.timestamp_millis(),
            connected_ms: event.heard.connected_since.timestamp_millis(),
            clock: event
                .heard
                .clock
                .map(|clock| (clock.offset.num_milliseconds(), clock.since.timestamp_millis())),
            id_tag: event.id_tag.clone(),
            accepted: event.accepted,
            evse: event.evse_id,
            charging: event.charging,
            changed: event.changed,
            reason: event.reason.clone(),
            registers: registers.iter().any(Option::is_some).then_some(registers),
            malformed: event.malformed,
        }
    };
    text(&EvidenceText {
        events: evidence.events.iter().map(event).collect(),
        seen: evidence.seen.clone(),
        tells_charging: evidence.tells_charging,
        tells_charged: evidence.tells_charged,
        ended_twice: evidence.ended_twice,
        numbers_repeated: evidence.numbers_repeated,
    })
}

/// Reads what [`evidence`] wrote.
pub fn read_evidence(text: &str) -> Stored<Evidence> {
    let kept: EvidenceText =
        serde_json::from_str(text).map_err(|_| StoreError::Unreadable("a transaction's steps"))?;
    let events = kept.events.into_iter().map(read_event).collect::<Option<Vec<_>>>();
    Ok(Evidence {
        events: events.ok_or(StoreError::Unreadable("a transaction's step"))?,
        seen: kept.seen,
        tells_charging: kept.tells_charging,
        tells_charged: kept.tells_charged,
        ended_twice: kept.ended_twice,
        numbers_repeated: kept.numbers_repeated,
    })
}

fn instant(ms: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(ms)
}

fn read_event(kept: EventText) -> Option<TransactionEvent> {
    let moment = match (kept.at_ms, kept.local) {
        (Some(ms), _) => Moment::At(instant(ms)?),
        (None, Some(local)) => Moment::Local(local),
        (None, None) if kept.text.is_empty() => Moment::Missing,
        (None, None) => Moment::Unreadable,
    };
    let register = |kept: Option<(i64, i64)>| match kept {
        Some((ms, wh)) => Some(Some(Register { at: instant(ms)?, value: WattHours(wh) })),
        None => Some(None),
    };
    let [begin, end, first, last] = kept.registers.unwrap_or_default().map(register);
    let (begin, end, first, last) = (begin?, end?, first?, last?);
    Some(TransactionEvent {
        order: kept.order,
        kind: EventType::parse(&kept.kind)?,
        reported: Reported { text: kept.text, moment },
        heard: Heard {
            received_at: instant(kept.received_ms)?,
            connected_since: instant(kept.connected_ms)?,
            clock: kept
                .clock
                .and_then(|(offset_ms, since)| columns::clock(Some(offset_ms), instant(since))),
        },
        id_tag: kept.id_tag,
        accepted: kept.accepted,
        evse_id: kept.evse,
        charging: kept.charging,
        changed: kept.changed,
        reason: kept.reason,
        registers: Registers { begin, end, first, last },
        malformed: kept.malformed,
    })
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
