//! StatusNotification: a connector's state (OCPP 2.0.1 G01). It is stored as the state of its EVSE,
//! because sites, transactions and prices refer to EVSEs.

use crate::event::{StationEvent, StatusReport};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::reports::NO_ERROR;
use crate::timestamp;
use juden_domain::instant::Reported;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    if fields.has("errorCode") && !fields.has("connectorStatus") {
        return Err(super::of_older_version("StatusNotification"));
    }
    let report = StatusReport {
        connector_id: fields.required_integer("evseId").unwrap_or_default(),
        status: fields.required_text("connectorStatus").unwrap_or_default(),
        error_code: NO_ERROR.to_owned(),
        info: None,
        vendor_error_code: None,
        reported: fields
            .text("timestamp")
            .map_or(Reported::missing(), |text| timestamp::read(&text)),
        told_at: None,
        plug: fields.integer("connectorId"),
    };
    fields.check()?;
    Ok(StationEvent::Status(report))
}
