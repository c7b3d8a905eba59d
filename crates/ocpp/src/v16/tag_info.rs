//! `idTagInfo`: the answer to a station about a card (OCPP 1.6 section 7.27).

use rust_ocpp::v1_6::types::{AuthorizationStatus, IdTagInfo};

use crate::event::TagAnswer;
use juden_domain::refusal::Reason;

/// The longest `parentIdTag` of the schema.
const PARENT_MAX: usize = 20;

/// Rule R4.2's table of statuses.
const fn status(refusal: Option<Reason>) -> AuthorizationStatus {
    match refusal {
        None => AuthorizationStatus::Accepted,
        Some(
            Reason::Replaced
            | Reason::Deactivated
            | Reason::SuspendedLost
            | Reason::SuspendedOperator
            | Reason::ServiceSuspended,
        ) => AuthorizationStatus::Blocked,
        Some(Reason::MembershipEnded | Reason::ServiceEnded) => AuthorizationStatus::Expired,
        Some(Reason::Concurrent) => AuthorizationStatus::ConcurrentTx,
        Some(
            Reason::UnknownCard
            | Reason::NotActivated
            | Reason::OffNetwork
            | Reason::ChargerUnavailable
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
        ) => AuthorizationStatus::Invalid,
    }
}

/// Writes idTagInfo. expiryDate is the time until which the station's cache may keep the answer.
/// Only an acceptance, or a refusal that passes by itself, has one.
pub fn encode(answer: &TagAnswer) -> IdTagInfo {
    let group = answer.verdict.group.as_ref().map(|member| member.as_str().to_owned());
    IdTagInfo {
        expiry_date: answer
            .cache_until
            .filter(|_| answer.verdict.refusal.is_none_or(Reason::is_passing)),
        parent_id_tag: group.filter(|group| group.len() <= PARENT_MAX),
        status: status(answer.verdict.refusal),
    }
}
