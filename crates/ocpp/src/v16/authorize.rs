//! Authorize: a card was shown (OCPP 1.6 section 4.1).

use rust_ocpp::v1_6::messages::authorize::AuthorizeResponse;

use super::{json, tag_info};
use crate::event::{PresentedToken, StationEvent, TagAnswer};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};
use juden_domain::ids::IdTag;

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let id_tag = IdTag::new(&fields.required_text("idTag").unwrap_or_default());
    fields.check()?;
    Ok(StationEvent::Authorize(PresentedToken::card(id_tag)))
}

/// The payload of the answer.
pub fn reply(tag: &TagAnswer) -> String {
    json(&AuthorizeResponse { id_tag_info: tag_info::encode(tag) })
}
