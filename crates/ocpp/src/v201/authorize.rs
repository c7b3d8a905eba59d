//! Authorize: a token was shown (OCPP 2.0.1 C01), perhaps with a vehicle's contract certificate
//! (C07). If the certificate is not checked, the answer says NoCertificateAvailable, and the token
//! alone decides.

use serde_json::json;

use super::id_token;
use crate::event::{StationEvent, TagAnswer};
use crate::fields::Fields;
use crate::frame::{CallError, Payload};

/// The status of a valid certificate, and of an accepted token.
const GOOD: &str = "Accepted";

/// The certificateStatus values of the standard.
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

/// The payload of the answer to a contract certificate. `certificate` is its certificateStatus.
pub fn contract_reply(tag: &TagAnswer, certificate: Option<&str>) -> String {
    let mut info = id_token::info(tag);
    // A token is refused if the certificate shown with it is invalid (C07.FR.16).
    if certificate.is_some_and(|word| word != GOOD) && info["status"] == GOOD {
        info = json!({"status": "Invalid"});
    }
    let status =
        certificate.filter(|word| WORDS.contains(word)).unwrap_or("NoCertificateAvailable");
    json!({"idTokenInfo": info, "certificateStatus": status}).to_string()
}
