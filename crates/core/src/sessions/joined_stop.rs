//! A stop that came elsewhere, read from the journal, to be joined to its session by a person (rule B11).

use juden_domain::event::EventType;
use juden_domain::ids::IdTag;
use juden_domain::instant::{Heard, Reported, Zone};
use juden_domain::recording::{self, EndFacts};
use juden_domain::session::{Session, Stop, StopBasis};
use juden_domain::units::{Register, WattHours};
use juden_ocpp::event::{StationEvent, TransactionMessage};
use juden_ocpp::frame::Payload;
use juden_ocpp::protocol::Protocol;
use juden_store::JournalEntry;

/// A stop as a message of either version tells it.
pub(crate) struct ToldStop {
    reported: Reported,
    meter: Option<WattHours>,
    reason: String,
    id_tag: Option<IdTag>,
}

impl ToldStop {
    /// What it makes of a session.
    pub(crate) fn stop(&self, session: &Session, zone: Option<Zone>, heard: Heard) -> Stop {
        let closing = EndFacts {
            zone,
            reported: &self.reported,
            heard,
            meter: self.meter,
            reason: &self.reason,
            id_tag: self.id_tag.clone(),
            malformed: false,
            basis: StopBasis::Told,
        };
        recording::stop_of(&mut session.clone(), &closing)
    }
}

pub(crate) fn told_stop(entry: &JournalEntry) -> Option<ToldStop> {
    let protocol = Protocol::of_transaction_message(&entry.action);
    let payload = if serde_json::from_str::<serde_json::Value>(&entry.payload).is_ok() {
        Payload::Json(&entry.payload)
    } else {
        Payload::Broken(&entry.payload)
    };
    let StationEvent::Transaction(event) = protocol.decode(&entry.action, payload).ok()? else {
        return None;
    };
    match event {
        TransactionMessage::Stop(report) => Some(ToldStop {
            reported: report.timestamp,
            meter: report.meter_stop.map(Register::watt_hours),
            reason: report.reason,
            id_tag: report.id_tag,
        }),
        TransactionMessage::Event(event) if event.kind == EventType::Ended => Some(ToldStop {
            meter: crate::ledger::last_register(&event.readings),
            reported: event.timestamp,
            reason: event.stopped_reason.unwrap_or_else(|| "Local".to_owned()),
            id_tag: event.shown.map(|shown| shown.id_tag),
        }),
        _ => None,
    }
}
