//! StartTransaction (OCPP 1.6 section 4.8). Whatever it lacks, it is kept and answered: an error
//! would make the station repeat or drop it.

use rust_ocpp::v1_6::messages::start_transaction::StartTransactionResponse;

use super::{Decoded, json, tag_info};
use crate::event::{Answer, StartReport, StationEvent, TransactionEvent};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::timestamp;
use juden_domain::instant::Reported;
use juden_domain::units::Register;

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let (connector_id, id_tag, timestamp) = (
        fields.required_integer("connectorId"),
        fields.required_text("idTag"),
        fields.required_text("timestamp"),
    );
    let meter_start = fields.register("meterStart").map(Register);
    // Of a message that was cut off behind what a session rests on, nothing is doubtful.
    let is_whole = connector_id.is_some() && id_tag.is_some() && timestamp.is_some();
    let report = StartReport {
        connector_id,
        id_tag: id_tag.unwrap_or_default(),
        meant: None,
        timestamp: timestamp.map_or(Reported::missing(), |text| timestamp::read(&text)),
        meter_start,
        faults: if is_whole { Vec::new() } else { fields.faults() },
    };
    Ok(Decoded { event: StationEvent::Transaction(TransactionEvent::Start(report)), encode })
}

fn encode(answer: &Answer) -> String {
    match answer {
        Answer::Started { session, tag } => json(&StartTransactionResponse {
            id_tag_info: tag_info::encode(tag),
            transaction_id: i32::try_from(session.0)
                .expect("session ids are allotted within 31 bits"),
        }),
        other => unreachable!("StartTransaction is not answered by {other:?}"),
    }
}

/// The number that an answer gave.
pub(super) fn session_started(answer: &str) -> Option<i64> {
    let answer: StartTransactionResponse = serde_json::from_str(answer).ok()?;
    Some(i64::from(answer.transaction_id))
}
