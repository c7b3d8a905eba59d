//! What an operator said is otherwise at a station: its messages are read, and its commands worded, as it means them.

use rust_decimal::Decimal;

use juden_domain::ids::IdTag;
use juden_domain::station::Quirk;
use juden_domain::units::{Register, WattHours};
use juden_ocpp::event::{
    Further, PresentedToken, Reading, StationCommand, StationEvent, TransactionMessage,
};
use juden_store::StationRecord;

/// Watt-hours in a kilowatt-hour.
const WH_OF_KWH: i64 = 1_000;

/// An event as the station means it.
pub fn event_without_quirks(station: &StationRecord, mut event: StationEvent) -> StationEvent {
    if station.quirks.contains(&Quirk::ReversedIdTags) {
        turn(&mut event);
    }
    if station.quirks.contains(&Quirk::EnergyInKwh)
        && let StationEvent::Transaction(event) = &mut event
    {
        scale(event);
    }
    event
}

/// A command as the station understands it.
pub fn understood(station: &StationRecord, mut command: StationCommand) -> StationCommand {
    if !station.quirks.contains(&Quirk::ReversedIdTags) {
        return command;
    }
    match &mut command {
        StationCommand::RemoteStart { id_tag, .. }
        | StationCommand::Further(Further::Reserve { id_tag, .. }) => *id_tag = reversed(id_tag),
        StationCommand::UpdateList { entries, .. } => {
            for entry in entries.iter_mut() {
                entry.id_tag = reversed(&entry.id_tag);
            }
        }
        _ => {}
    }
    command
}

/// The card that a station means by a text.
pub fn card_told(station: &StationRecord, text: &str) -> IdTag {
    if station.quirks.contains(&Quirk::ReversedIdTags) {
        IdTag::new(&reversed(text))
    } else {
        IdTag::new(text)
    }
}

/// The hex digits of a card with its bytes in reverse order. What is no sequence of bytes stays.
fn reversed(text: &str) -> String {
    let digits: Vec<char> = text.chars().filter(|c| !matches!(c, ':' | '-' | ' ')).collect();
    if digits.is_empty() || digits.len() % 2 == 1 || digits.iter().any(|c| !c.is_ascii_hexdigit()) {
        return text.to_owned();
    }
    digits.rchunks_exact(2).flatten().collect()
}

fn turn(event: &mut StationEvent) {
    let tag = |id_tag: &IdTag| IdTag::new(&reversed(id_tag.as_sent()));
    match event {
        StationEvent::Authorize(PresentedToken { id_tag, .. })
        | StationEvent::Contract(PresentedToken { id_tag, .. }) => *id_tag = tag(id_tag),
        StationEvent::Transaction(TransactionMessage::Start(report)) => {
            report.id_tag = tag(&report.id_tag);
        }
        StationEvent::Transaction(TransactionMessage::Stop(report)) => {
            report.id_tag = report.id_tag.as_ref().map(tag);
        }
        StationEvent::Transaction(TransactionMessage::Event(report)) => {
            if let Some(shown) = &mut report.shown {
                shown.id_tag = tag(&shown.id_tag);
            }
        }
        _ => {}
    }
}

fn scale(event: &mut TransactionMessage) {
    let meter = |meter: &mut Option<Register>| {
        if let Some(register) =
            meter.as_mut().filter(|register| register.watt_hours() != WattHours::UNKNOWN)
        {
            register.0 = register.0.saturating_mul(Decimal::from(WH_OF_KWH));
        }
    };
    let readings = match event {
        TransactionMessage::Start(report) => return meter(&mut report.meter_start),
        TransactionMessage::Stop(report) => {
            meter(&mut report.meter_stop);
            &mut report.readings
        }
        TransactionMessage::Meter(report) => &mut report.readings,
        TransactionMessage::Event(report) => &mut report.readings,
    };
    readings.iter_mut().for_each(scale_reading);
}

fn scale_reading(reading: &mut Reading) {
    if reading.unit == "Wh"
        && let Ok(value) = reading.value.parse::<Decimal>()
        && let Some(scaled) = value.checked_mul(Decimal::from(WH_OF_KWH))
    {
        reading.value = scaled.normalize().to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_a_sequence_of_bytes_is_turned_and_twice_is_as_before() {
        for (text, expected) in [
            ("04A2B3C4", "C4B3A204"),
            ("04:a2:b3:c4", "c4b3a204"),
            ("04A2B3C", "04A2B3C"),
            ("CARD4711", "CARD4711"),
            ("", ""),
            ("充電", "充電"),
        ] {
            assert_eq!(reversed(text), expected);
        }
        assert_eq!(reversed(&reversed("04A2B3C4D5E680")), "04A2B3C4D5E680");
    }
}
