//! Heartbeat: a station lives, and asks for the time (OCPP 1.6 section 4.6).

use rust_ocpp::v1_6::messages::heart_beat::HeartbeatResponse;

use super::{Decoded, json};
use crate::event::{Answer, StationEvent};
use crate::frame::{CallError, Payload};

pub(super) fn decode(_: Payload<'_>) -> Result<Decoded, CallError> {
    Ok(Decoded { event: StationEvent::Heartbeat, encode })
}

fn encode(answer: &Answer) -> String {
    match answer {
        Answer::Heartbeat { now } => json(&HeartbeatResponse { current_time: *now }),
        other => unreachable!("Heartbeat is not answered by {other:?}"),
    }
}
