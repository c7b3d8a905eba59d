//! Why the store did not do what it was asked.

use sqlx::postgres::PgDatabaseError;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another change came first, or the name is taken; what it was about.
    #[error("{0} was changed or taken by another request")]
    Conflict(&'static str),
    /// The engine failed.
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// Little is left of the disk: it is kept for suspensions.
    #[error("the disk is almost full: make room on it; stations' messages wait until then")]
    NoRoom,
    /// A kept value cannot be read.
    #[error("the store holds an unreadable {0}")]
    Unreadable(&'static str),
}

/// SQLSTATE classes with which a server refuses what was asked for good: unsupported, bad data, a broken
/// constraint, no such thing, too large. Everything else may be otherwise the next time.
const REFUSED_FOR_GOOD: [&str; 5] = ["0A", "22", "23", "42", "54"];

/// What a row is told that is beyond a check (check_violation): of a constraint, which is named, or of the part of a table that it
/// was put into.
const BEYOND_A_CHECK: &str = "23514";

/// SQLite's codes for what it takes at no other time either: a text beyond its limit, a value of the wrong kind, a
/// parameter out of range, no such table.
const SQLITE_REFUSES: [i32; 4] = [18, 20, 25, 1];

/// Whether SQLite refuses what was asked for good. The lower byte of its code names the kind.
fn is_refused_by_sqlite(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| SQLITE_REFUSES.contains(&(code & 0xff)))
}

impl StoreError {
    /// Whether the store took longer than it may: it may manage a part of what it was asked.
    pub fn is_too_slow(&self) -> bool {
        match self {
            // query_canceled: a statement's time was over.
            Self::Failed(sqlx::Error::Database(fault)) => fault.code().as_deref() == Some("57014"),
            Self::Failed(sqlx::Error::Io(cause)) => cause.kind() == std::io::ErrorKind::TimedOut,
            Self::Failed(_) | Self::Conflict(_) | Self::NoRoom | Self::Unreadable(_) => false,
        }
    }

    /// Whether trying again may help. Otherwise the engine works, but refuses these rows.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed(sqlx::Error::Database(fault)) => match fault
                .try_downcast_ref::<PgDatabaseError>()
            {
                // A part that is being made takes rows from where they still go: the next try finds it.
                Some(fault) if fault.code() == BEYOND_A_CHECK && fault.constraint().is_none() => {
                    true
                }
                Some(fault) => {
                    !REFUSED_FOR_GOOD.iter().any(|class| fault.code().starts_with(class))
                }
                None => {
                    fault.kind() == sqlx::error::ErrorKind::Other
                        && !is_refused_by_sqlite(fault.code().as_deref())
                }
            },
            // What a connection that breaks while it is made is called.
            Self::Failed(sqlx::Error::Protocol(what)) if what.contains("SSLRequest") => true,
            Self::Failed(
                sqlx::Error::Protocol(_)
                | sqlx::Error::Encode(_)
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnDecode { .. },
            ) => false,
            Self::Unreadable(_) => false,
            Self::Failed(_) | Self::Conflict(_) | Self::NoRoom => true,
        }
    }
}

/// What the store's calls answer.
pub type Stored<T> = Result<T, StoreError>;
