//! Authorize: a token was shown (OCPP 2.0.1 C01). A vehicle shows its contract certificate beside it (C07); where nobody
//! judges that, it is told so, and judged by the token alone.

use serde_json::json;

use super::id_token;
use crate::event::{StationEvent, TagAnswer};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};

/// The word for a certificate, and a token, that is good.
const GOOD: &str = "Accepted";

/// The standard's words for a contract certificate.
const WORDS: [&str; 7] = [
    GOOD,
    "SignatureError",
    "CertificateExpired",
    "CertificateRevoked",
    "NoCertificateAvailable",
    "CertChainError",
    "ContractCancelled",
];

pub(super) fn decode(payload: Payload<'_>) -> Result<StationEvent, CallError> {
    let mut fields = Fields::of(payload);
    let mut token = fields.required_object("idToken");
    let shown = id_token::read(&mut token);
    let has_certificate = fields.has("certificate") || fields.has("iso15118CertificateHashData");
    fields.check()?;
    token.check()?;
    Ok(if has_certificate { StationEvent::Contract(shown) } else { StationEvent::Authorize(shown) })
}

/// The payload of the answer.
pub fn reply(tag: &TagAnswer) -> String {
    json!({"idTokenInfo": id_token::info(tag)}).to_string()
}

/// The payload of the answer where a contract certificate was shown. `certificate` is the standard's word for it.
pub fn contract_reply(tag: &TagAnswer, certificate: Option<&str>) -> String {
    let mut info = id_token::info(tag);
    // Who shows a certificate that is not good is not let in by the number in it (C07.FR.16).
    if certificate.is_some_and(|word| word != GOOD) && info["status"] == GOOD {
        info = json!({"status": "Invalid"});
    }
    let status =
        certificate.filter(|word| WORDS.contains(word)).unwrap_or("NoCertificateAvailable");
    json!({"idTokenInfo": info, "certificateStatus": status}).to_string()
}
