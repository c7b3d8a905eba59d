//! Authorize: a token was shown (OCPP 2.0.1 C01). No contract certificates are known: whoever shows one is told so, and
//! judged by the token.

use serde_json::json;

use super::{Decoded, id_token};
use crate::ocpp::event::{Answer, StationEvent};
use crate::ocpp::fields::Fields;
use crate::ocpp::frame::{CallError, Payload};

pub(super) fn decode(payload: Payload<'_>) -> Result<Decoded, CallError> {
    let mut fields = Fields::of(payload);
    let mut token = fields.required_object("idToken");
    let shown = id_token::read(&mut token);
    let has_certificate = fields.has("certificate") || fields.has("iso15118CertificateHashData");
    fields.check()?;
    token.check()?;
    let encode = if has_certificate { with_certificate } else { encode };
    Ok(Decoded { event: StationEvent::Authorize(shown), encode })
}

fn encode(answer: &Answer) -> String {
    match answer {
        Answer::Authorize(tag) => json!({"idTokenInfo": id_token::info(tag)}).to_string(),
        other => unreachable!("Authorize is not answered by {other:?}"),
    }
}

fn with_certificate(answer: &Answer) -> String {
    match answer {
        Answer::Authorize(tag) => json!({"idTokenInfo": id_token::info(tag), "certificateStatus": "NoCertificateAvailable"}).to_string(),
        other => unreachable!("Authorize is not answered by {other:?}"),
    }
}
