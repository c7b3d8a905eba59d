//! BootNotification: a station started up (OCPP 1.6 section 4.2).

use rust_ocpp::v1_6::messages::boot_notification::BootNotificationResponse;
use rust_ocpp::v1_6::types::RegistrationStatus;

use super::{Decoded, json};
use crate::event::{Answer, BootReport, Registration, StationEvent};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
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
    Ok(Decoded { event: StationEvent::Boot(report), encode })
}

fn encode(answer: &Answer) -> String {
    match answer {
        Answer::Boot { registration, now, interval_s } => json(&BootNotificationResponse {
            current_time: *now,
            interval: *interval_s,
            status: match registration {
                Registration::Accepted => RegistrationStatus::Accepted,
                Registration::Pending => RegistrationStatus::Pending,
                Registration::Rejected => RegistrationStatus::Rejected,
            },
        }),
        other => unreachable!("BootNotification is not answered by {other:?}"),
    }
}
