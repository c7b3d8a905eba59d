//! DataTransfer from a station. No vendor's messages are known, which the standard has an answer for
//! (OCPP 1.6 section 4.3).

use rust_ocpp::v1_6::messages::data_transfer::DataTransferResponse;
use rust_ocpp::v1_6::types::DataTransferStatus;

use super::{Decoded, json};
use crate::event::{Answer, StationEvent};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let vendor_id = fields.required_text("vendorId").unwrap_or_default();
    fields.check()?;
    Ok(Decoded { event: StationEvent::DataTransfer { vendor_id }, encode })
}

fn encode(_: &Answer) -> String {
    json(&DataTransferResponse { status: DataTransferStatus::UnknownVendorId, data: None })
}
