//! MeterValues (OCPP 1.6 section 4.7).

use crate::event::{MeterReport, StationEvent, TransactionMessage};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::readings::readings;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let report = MeterReport {
        connector_id: fields.required_integer("connectorId"),
        transaction_id: fields.integer("transactionId"),
        readings: readings(&mut fields, "meterValue"),
        faults: fields.faults(),
    };
    Ok(StationEvent::Transaction(TransactionMessage::Meter(report)))
}
