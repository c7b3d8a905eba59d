//! TransactionEvent: an event of a transaction (OCPP 2.0.1 E). It is stored and answered even if
//! fields are missing: after an error the station would repeat or drop it.

use serde_json::json;

use super::id_token;
use crate::event::{
    EventType, StationEvent, TagAnswer, TransactionEventReport, TransactionMessage,
};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use crate::readings::readings;
use crate::timestamp;
use juden_domain::instant::Reported;

/// Characters that are kept of a state, a reason, or a transaction's name.
const WORD_MAX: usize = 64;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let mut info = fields.required_object("transactionInfo");
    let mut word =
        |name: &str| info.text(name).map(|text| text.chars().take(WORD_MAX).collect::<String>());
    let (transaction, charging_state, stopped_reason) =
        (word("transactionId"), word("chargingState"), word("stoppedReason"));
    let (remote_start_id, charged_s) =
        (info.integer("remoteStartId"), info.integer("timeSpentCharging"));
    // Fields that are read out of broken JSON are all on one level.
    let transaction = transaction
        .or_else(|| fields.text("transactionId"))
        .or_else(|| info.required_text("transactionId"));
    let kind = match fields.required_text("eventType").as_deref() {
        Some("Started") => EventType::Started,
        Some("Ended") => EventType::Ended,
        _ => EventType::Updated,
    };
    let shown = fields.object("idToken").map(|mut token| {
        let shown = id_token::read(&mut token);
        fields.take_faults(token);
        shown
    });
    let timestamp = fields
        .required_text("timestamp")
        .map_or(Reported::missing(), |text| timestamp::read(&text));
    let report = TransactionEventReport {
        kind,
        transaction: transaction.unwrap_or_default(),
        seq_no: fields.required_integer("seqNo"),
        timestamp,
        offline: fields.flag("offline").unwrap_or_default(),
        evse_id: fields.object("evse").and_then(|mut evse| evse.integer("id")),
        shown,
        charging_state,
        trigger: fields.text("triggerReason"),
        stopped_reason,
        charged_s,
        remote_start_id,
        readings: readings(&mut fields, "meterValue"),
        faults: {
            fields.take_faults(info);
            fields.faults()
        },
    };
    Ok(StationEvent::Transaction(TransactionMessage::Event(Box::new(report))))
}

/// The payload of the answer.
pub fn reply(tag: Option<&TagAnswer>) -> String {
    match tag {
        None => "{}".to_owned(),
        Some(tag) => json!({"idTokenInfo": id_token::info(tag)}).to_string(),
    }
}
