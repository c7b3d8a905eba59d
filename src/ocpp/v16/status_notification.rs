//! StatusNotification: a connector's state (OCPP 1.6 section 4.9). Unknown states and error codes
//! are kept as the station words them.

use super::{Decoded, empty};
use crate::ocpp::event::{StationEvent, StatusReport};
use crate::ocpp::fields::Fields;
use crate::ocpp::frame::{CallError, Payload};

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let report = StatusReport {
        connector_id: fields.required_integer("connectorId").unwrap_or_default(),
        status: fields.required_text("status").unwrap_or_default(),
        error_code: fields.required_text("errorCode").unwrap_or_default(),
        info: fields.text("info"),
    };
    fields.check()?;
    Ok(Decoded { event: StationEvent::Status(report), encode: empty })
}
