//! DiagnosticsStatusNotification and FirmwareStatusNotification: how an upload or an update goes
//! (OCPP 1.6 sections 4.4 and 4.5). Any word is kept.

use super::{Decoded, empty};
use crate::ocpp::event::StationEvent;
use crate::ocpp::fields::Fields;
use crate::ocpp::frame::{CallError, Payload};

fn status(payload: Payload<'_>) -> Result<String, CallError> {
    let mut fields = Fields::of(payload);
    let status = fields.required_text("status").unwrap_or_default();
    fields.check().map(|()| status)
}

pub(super) fn decode_diagnostics(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let status = status(payload)?;
    Ok(Decoded { event: StationEvent::DiagnosticsStatus { status }, encode: empty })
}

pub(super) fn decode_firmware(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let status = status(payload)?;
    Ok(Decoded { event: StationEvent::FirmwareStatus { status }, encode: empty })
}
