//! `idToken` and `idTokenInfo`: the token that was shown, and the answer to the station about it
//! (OCPP 2.0.1 C01).

use serde_json::{Map, Value, json};

use super::instant;
use crate::event::{PresentedToken, TagAnswer};
use crate::fields::Fields;
use juden_domain::ids::IdTag;
use juden_domain::refusal::Reason;

/// The longest token of the schema.
pub const ID_TOKEN_MAX: usize = 36;

/// The types with which card readers report a card's id tag. The standard has none for FeliCa, and
/// makers use one of these. So a card is matched by its id tag alone.
pub const READER_TYPES: [&str; 3] = ["ISO14443", "ISO15693", "Local"];

/// The same types for the local list, which holds a card once with each.
pub const LIST_TYPES: [Option<&str>; 3] =
    [Some(READER_TYPES[0]), Some(READER_TYPES[1]), Some(READER_TYPES[2])];

/// The type of tokens that the server makes.
const CENTRAL: &str = "Central";

/// Reads a token. Types that are not a card reader's never match a card: a text of type eMAID or
/// MacAddress gets the type as prefix, and a PIN (KeyCode) is not stored at all (C04).
pub fn read(fields: &mut Fields<'_>) -> PresentedToken {
    let kind = fields.text("type").unwrap_or_default();
    let text = fields.required_text("idToken").unwrap_or_default();
    match kind.as_str() {
        "NoAuthorization" => PresentedToken { id_tag: IdTag::new(""), nobody: true },
        "KeyCode" => PresentedToken::card(IdTag::new("KeyCode:*")),
        "eMAID" | "MacAddress" => PresentedToken::card(IdTag::new(&format!("{kind}:{text}"))),
        _ => PresentedToken::card(IdTag::new(&text)),
    }
}

/// Rule R4.2's table of statuses.
const fn status(refusal: Option<Reason>) -> &'static str {
    match refusal {
        None => "Accepted",
        Some(
            Reason::Replaced
            | Reason::Deactivated
            | Reason::SuspendedLost
            | Reason::SuspendedOperator,
        ) => "Blocked",
        Some(Reason::MembershipEnded | Reason::ServiceEnded) => "Expired",
        Some(Reason::ServiceSuspended) => "NotAtThisTime",
        Some(Reason::OffNetwork | Reason::ChargerUnavailable) => "NotAtThisLocation",
        Some(Reason::Concurrent) => "ConcurrentTx",
        Some(Reason::UnknownCard) => "Unknown",
        Some(
            Reason::NotActivated
            | Reason::PrimaryExists
            | Reason::AdditionalLimit
            | Reason::DeadCard
            | Reason::DeadReplaced
            | Reason::NotAdditional
            | Reason::BadCode
            | Reason::TermClosed
            | Reason::TooEarly
            | Reason::AlreadyEffective
            | Reason::ReadOnly
            | Reason::NoticeTooShort
            | Reason::PurposeRefused
            | Reason::GroundKnown
            | Reason::NotApplied
            | Reason::NotInStock
            | Reason::CardNotDead
            | Reason::NothingPending,
        ) => "Invalid",
    }
}

/// Writes idTokenInfo. Only an acceptance, or a refusal that passes by itself, has a
/// cacheExpiryDateTime. groupIdToken is the member id.
pub fn info(answer: &TagAnswer) -> Value {
    let mut info = Map::new();
    info.insert("status".into(), json!(status(answer.verdict.refusal)));
    if let Some(until) =
        answer.cache_until.filter(|_| answer.verdict.refusal.is_none_or(Reason::is_passing))
    {
        info.insert("cacheExpiryDateTime".into(), json!(instant(until)));
    }
    if let Some(group) =
        answer.verdict.group.as_ref().filter(|group| group.as_str().len() <= ID_TOKEN_MAX)
    {
        info.insert("groupIdToken".into(), json!({"idToken": group.as_str(), "type": CENTRAL}));
    }
    Value::Object(info)
}
