//! Authorize: a card was shown (OCPP 1.6 section 4.1).

use rust_ocpp::v1_6::messages::authorize::AuthorizeResponse;

use super::{Decoded, json, tag_info};
use crate::event::{Answer, PresentedToken, StationEvent};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use juden_domain::ids::IdTag;

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let id_tag = IdTag::new(&fields.required_text("idTag").unwrap_or_default());
    fields.check()?;
    Ok(Decoded { event: StationEvent::Authorize(PresentedToken::card(id_tag)), encode })
}

fn encode(answer: &Answer) -> String {
    match answer {
        Answer::Authorize(tag) => json(&AuthorizeResponse { id_tag_info: tag_info::encode(tag) }),
        other => unreachable!("Authorize is not answered by {other:?}"),
    }
}
