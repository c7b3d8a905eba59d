//! MeterValues: readings outside transactions, and clock-aligned readings (OCPP 2.0.1 J01). EVSE 0
//! is the main meter.

use crate::event::{MeterReport, StationEvent, TransactionMessage};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::readings::readings;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let report = MeterReport {
        connector_id: fields.required_integer("evseId"),
        transaction_id: None,
        readings: readings(&mut fields, "meterValue"),
        faults: fields.faults(),
    };
    Ok(StationEvent::Transaction(TransactionMessage::Meter(report)))
}
