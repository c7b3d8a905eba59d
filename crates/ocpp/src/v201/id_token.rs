//! `idToken` and `idTokenInfo`: what was shown to a reader, and what the station is told of it (OCPP 2.0.1 C01).

use serde_json::{Map, Value, json};

use super::instant;
use crate::event::{PresentedToken, TagAnswer};
use crate::fields::Fields;
use juden_domain::ids::IdTag;
use juden_domain::refusal::Reason;

/// The longest token of the schema.
pub const ID_TOKEN_MAX: usize = 36;

/// The types under which card readers tell a card's number. The standard has none for FeliCa: makers send it as one of
/// these, so a card is matched by its number alone.
pub const READER_TYPES: [&str; 3] = ["ISO14443", "ISO15693", "Local"];

/// The same, as a list holds a card under each.
pub const LIST_TYPES: [Option<&str>; 3] =
    [Some(READER_TYPES[0]), Some(READER_TYPES[1]), Some(READER_TYPES[2])];

/// The type of tokens that the central system made.
const CENTRAL: &str = "Central";

/// Reads a token. A type that is no card reader's is no card: its text is marked with the type, so that a number typed
/// at a key pad is never taken for the card with that number. A PIN is not kept (C04).
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

/// Writes what is told of a token. The expiry goes with an acceptance, and with a refusal that passes; the member is
/// the group of its cards.
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
