//! StartTransaction (OCPP 1.6 section 4.8). It is stored and answered even if fields are missing:
//! after an error the station would repeat or drop it.

use rust_ocpp::v1_6::messages::start_transaction::StartTransactionResponse;

use super::{json, tag_info};
use crate::event::{StartReport, StationEvent, TagAnswer, TransactionMessage};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::timestamp;
use juden_domain::ids::{IdTag, SessionId};
use juden_domain::instant::Reported;
use juden_domain::units::Register;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let (connector_id, id_tag, timestamp) = (
        fields.required_integer("connectorId"),
        fields.required_text("idTag"),
        fields.required_text("timestamp"),
    );
    let meter_start = fields.register("meterStart").map(Register);
    // If the fields that a session needs are there, a message whose rest was cut off has no faults.
    let is_whole = connector_id.is_some() && id_tag.is_some() && timestamp.is_some();
    let report = StartReport {
        connector_id,
        id_tag: IdTag::new(&id_tag.unwrap_or_default()),
        meant: None,
        timestamp: timestamp.map_or(Reported::missing(), |text| timestamp::read(&text)),
        meter_start,
        faults: if is_whole { Vec::new() } else { fields.faults() },
    };
    Ok(StationEvent::Transaction(TransactionMessage::Start(report)))
}

/// The payload of the answer.
pub fn reply(session: SessionId, tag: &TagAnswer) -> String {
    json(&StartTransactionResponse {
        id_tag_info: tag_info::encode(tag),
        transaction_id: i32::try_from(session.0).expect("session ids are allotted within 31 bits"),
    })
}

/// The transactionId in our answer.
pub(super) fn session_started(answer: &str) -> Option<i64> {
    let answer: StartTransactionResponse = serde_json::from_str(answer).ok()?;
    Some(i64::from(answer.transaction_id))
}
