//! StopTransaction (OCPP 1.6 section 4.10). It is always confirmed. The answer has idTagInfo only
//! if the station named a card.

use rust_ocpp::v1_6::messages::stop_transaction::StopTransactionResponse;

use super::{json, tag_info};
use crate::event::{StationEvent, StopReport, TagAnswer, TransactionMessage};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::readings::readings;
use crate::timestamp;
use juden_domain::ids::IdTag;
use juden_domain::instant::Reported;
use juden_domain::units::Register;

/// The standard's default for an absent reason.
const DEFAULT_REASON: &str = "Local";

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let report = StopReport {
        transaction_id: fields.required_integer("transactionId"),
        id_tag: fields.text("idTag").map(|text| IdTag::new(&text)),
        timestamp: fields
            .required_text("timestamp")
            .map_or(Reported::missing(), |text| timestamp::read(&text)),
        meter_stop: fields.register("meterStop").map(Register),
        reason: fields.text("reason").unwrap_or_else(|| DEFAULT_REASON.to_owned()),
        readings: readings(&mut fields, "transactionData"),
        faults: fields.faults(),
    };
    Ok(StationEvent::Transaction(TransactionMessage::Stop(report)))
}

/// The payload of the answer.
pub fn reply(tag: Option<&TagAnswer>) -> String {
    json(&StopTransactionResponse { id_tag_info: tag.map(tag_info::encode) })
}
