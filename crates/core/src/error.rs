//! Errors by audience: a rule's refusal, a caller's mistake, our fault.

use chrono::{DateTime, Utc};

use juden_domain::ids::BadId;
use juden_domain::refusal::Reason;
use juden_domain::tariff::NoPrice;
use juden_store::StoreError;

/// What a use case answers.
pub type Done<T> = Result<T, AppError>;

/// Why a use case was not done.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is no such thing.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// Station, member, card, session, month.
        what: &'static str,
        /// The name that was asked for.
        id: String,
    },
    /// A rule of the programme refuses.
    #[error("{}", .0.sentence())]
    Refused(Reason),
    /// A rule refuses for now.
    #[error("{}", .reason.sentence())]
    RefusedUntil {
        /// Which.
        reason: Reason,
        /// The first instant at which it does not.
        not_before: DateTime<Utc>,
    },
    /// The state of things does not allow it.
    #[error("{sentence}")]
    Conflict {
        /// The code.
        reason: &'static str,
        /// What stands against it, and what to do.
        sentence: String,
    },
    /// It was changed since it was read.
    #[error("it was changed since it was read: read it again, and repeat with its ETag")]
    Changed,
    /// A field is not what is allowed.
    #[error("{field} must be {allowed}")]
    Invalid {
        /// Which.
        field: String,
        /// What is allowed.
        allowed: String,
    },
    /// Too many tries.
    #[error("{sentence}")]
    TooMany {
        /// What was tried too often.
        sentence: String,
        /// When to try again.
        retry_after_s: u64,
    },
    /// It cannot be done right now.
    #[error("{0}")]
    Busy(&'static str),
    /// The store holds what this version cannot read.
    #[error(transparent)]
    Unreadable(StoreError),
    /// The store has no room.
    #[error(transparent)]
    NoRoom(StoreError),
    /// The store failed.
    #[error(transparent)]
    Store(StoreError),
}

impl AppError {
    /// A field that is not what is allowed.
    pub fn invalid(field: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self::Invalid { field: field.into(), allowed: allowed.into() }
    }

    /// Something that does not exist.
    pub fn not_found(what: &'static str, id: impl ToString) -> Self {
        Self::NotFound { what, id: id.to_string() }
    }

    /// A conflict with a code.
    pub fn conflict(reason: &'static str, sentence: impl Into<String>) -> Self {
        Self::Conflict { reason, sentence: sentence.into() }
    }
}

impl From<StoreError> for AppError {
    fn from(cause: StoreError) -> Self {
        match cause {
            StoreError::Conflict(what) => Self::conflict(
                "conflict",
                format!(
                    "{what} is taken or was changed by another request: read it again and repeat"
                ),
            ),
            unreadable @ StoreError::Unreadable(_) => Self::Unreadable(unreadable),
            no_room @ StoreError::NoRoom => Self::NoRoom(no_room),
            other => Self::Store(other),
        }
    }
}

impl From<Reason> for AppError {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl From<BadId> for AppError {
    fn from(bad: BadId) -> Self {
        Self::invalid(bad.what, bad.allowed)
    }
}

impl From<NoPrice> for AppError {
    fn from(missing: NoPrice) -> Self {
        Self::conflict("no_tariff", missing.to_string())
    }
}
