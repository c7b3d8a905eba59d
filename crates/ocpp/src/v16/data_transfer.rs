//! DataTransfer from a station. No vendor's messages are supported, so the answer is
//! UnknownVendorId (OCPP 1.6 section 4.3).

use crate::event::StationEvent;
use crate::fields::Fields;
use crate::frame::{CallError, Payload};

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let vendor_id = fields.required_text("vendorId").unwrap_or_default();
    fields.check()?;
    Ok(StationEvent::DataTransfer { vendor_id })
}
