//! `idTagInfo`: what a station is told of a card (OCPP 1.6 section 7.27).

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

/// Writes idTagInfo. The expiry is how long the station's cache may believe the answer: an acceptance, or a refusal that passes
/// by itself.
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
