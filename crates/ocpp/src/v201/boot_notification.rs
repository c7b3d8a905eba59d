//! BootNotification: a station started up (OCPP 2.0.1 B01).

use serde_json::json;

use super::instant;
use crate::event::{BootReport, Registration, StationEvent};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::reply::BootReply;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    // Some firmware sends 1.6 messages over a connection that it opened for 2.0.1.
    if fields.has("chargePointVendor") && !fields.has("chargingStation") {
        return Err(super::of_older_version("BootNotification"));
    }
    let mut station = fields.required_object("chargingStation");
    let report = BootReport {
        vendor: station.required_text("vendorName").unwrap_or_default(),
        model: station.required_text("model").unwrap_or_default(),
        serial: station.text("serialNumber"),
        firmware: station.text("firmwareVersion"),
    };
    fields.check()?;
    station.check()?;
    Ok(StationEvent::Boot(report))
}

/// The payload of the answer.
pub fn reply(reply: &BootReply) -> String {
    let status = match reply.registration {
        Registration::Accepted => "Accepted",
        Registration::Pending => "Pending",
        Registration::Rejected => "Rejected",
    };
    json!({"currentTime": instant(reply.now), "interval": reply.interval_s, "status": status})
        .to_string()
}
