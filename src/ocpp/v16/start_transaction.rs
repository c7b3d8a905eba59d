//! StartTransaction (OCPP 1.6 section 4.8). Whatever it lacks, it is kept and answered: an error
//! would make the station repeat or drop it.

use rust_ocpp::v1_6::messages::start_transaction::StartTransactionResponse;

use super::{Decoded, json, tag_info};
use crate::domain::instant::Reported;
use crate::domain::units::WattHours;
use crate::ocpp::event::{Answer, StartReport, StationEvent, TransactionEvent};
use crate::ocpp::fields::Fields;
use crate::ocpp::frame::{CallError, Payload};
use crate::ocpp::timestamp;

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let report = StartReport {
        connector_id: fields.required_integer("connectorId"),
        id_tag: fields.required_text("idTag").unwrap_or_default(),
        timestamp: fields.required_text("timestamp").map_or(Reported::missing(), |text| timestamp::read(&text)),
        meter_start: fields.required_integer("meterStart").map(WattHours),
        faults: fields.faults(),
    };
    Ok(Decoded { event: StationEvent::Transaction(TransactionEvent::Start(report)), encode })
}

fn encode(answer: &Answer) -> String {
    match answer {
        Answer::Started { session, tag } => json(&StartTransactionResponse {
            id_tag_info: tag_info::encode(tag),
            transaction_id: i32::try_from(session.0).expect("session ids are allotted within 31 bits"),
        }),
        other => unreachable!("StartTransaction is not answered by {other:?}"),
    }
}

/// The number that an answer gave.
pub(super) fn session_started(answer: &str) -> Option<i64> {
    let answer: StartTransactionResponse = serde_json::from_str(answer).ok()?;
    Some(i64::from(answer.transaction_id))
}
