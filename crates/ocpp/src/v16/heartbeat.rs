//! Heartbeat: a station shows that it is alive and requests the time (OCPP 1.6 section 4.6).

use chrono::{DateTime, Utc};
use rust_ocpp::v1_6::messages::heart_beat::HeartbeatResponse;

use super::json;
use crate::event::StationEvent;
use crate::frame::{CallError, Payload};

pub(super) fn decode(_: Payload<'_>) -> Result<StationEvent, CallError> {
    Ok(StationEvent::Heartbeat)
}

/// The payload of the answer.
pub fn reply(now: DateTime<Utc>) -> String {
    json(&HeartbeatResponse { current_time: now })
}
