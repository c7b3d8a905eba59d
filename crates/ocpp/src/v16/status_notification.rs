//! StatusNotification: a connector's state (OCPP 1.6 section 4.9). Unknown states and error codes
//! are kept as the station words them.

use crate::event::{StationEvent, StatusReport};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::reports::NO_ERROR;
use crate::timestamp;
use juden_domain::instant::Reported;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let report = StatusReport {
        connector_id: fields.required_integer("connectorId").unwrap_or_default(),
        status: fields.required_text("status").unwrap_or_default(),
        // Some stations omit errorCode when there is no error.
        error_code: fields.text("errorCode").unwrap_or_else(|| NO_ERROR.to_owned()),
        info: fields.text("info"),
        vendor_error_code: fields.text("vendorErrorCode"),
        reported: fields
            .text("timestamp")
            .map_or(Reported::missing(), |text| timestamp::read(&text)),
        told_at: None,
        plug: None,
    };
    fields.check()?;
    Ok(StationEvent::Status(report))
}
