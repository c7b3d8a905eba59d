//! BootNotification: a station started up (OCPP 1.6 section 4.2).

use rust_ocpp::v1_6::messages::boot_notification::BootNotificationResponse;
use rust_ocpp::v1_6::types::RegistrationStatus;

use super::json;
use crate::event::{BootReport, Registration, StationEvent};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::reply::BootReply;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let report = BootReport {
        vendor: fields.required_text("chargePointVendor").unwrap_or_default(),
        model: fields.required_text("chargePointModel").unwrap_or_default(),
        serial: fields
            .text("chargePointSerialNumber")
            .or_else(|| fields.text("chargeBoxSerialNumber")),
        firmware: fields.text("firmwareVersion"),
    };
    fields.check()?;
    Ok(StationEvent::Boot(report))
}

/// The payload of the answer.
pub fn reply(reply: &BootReply) -> String {
    json(&BootNotificationResponse {
        current_time: reply.now,
        interval: reply.interval_s,
        status: match reply.registration {
            Registration::Accepted => RegistrationStatus::Accepted,
            Registration::Pending => RegistrationStatus::Pending,
            Registration::Rejected => RegistrationStatus::Rejected,
        },
    })
}
