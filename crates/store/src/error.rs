//! Errors of the store.

use sqlx::postgres::PgDatabaseError;

/// The error of a store's call.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another change came first, or a name is taken. The value names the subject.
    #[error("{0} was changed or taken by another request")]
    Conflict(&'static str),
    /// The engine returned an error.
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// The disk is almost full. The rest is reserved for suspensions of cards.
    #[error("the disk is almost full: make room on it; stations' messages wait until then")]
    NoRoom,
    /// A stored value cannot be read.
    #[error("the store holds an unreadable {0}")]
    Unreadable(&'static str),
}

/// SQLSTATE classes of errors that a repeat would get again: unsupported, bad data, a broken
/// constraint, no such object, too large. Any other error may pass.
const REFUSED_FOR_GOOD: [&str; 5] = ["0A", "22", "23", "42", "54"];

/// SQLSTATE check_violation. It is raised for a check constraint, which is named, and for a row
/// that belongs in another partition, where no constraint is named.
const BEYOND_A_CHECK: &str = "23514";

/// SQLite's result codes of errors that a repeat would get again: a text beyond its limit, a value
/// of the wrong type, a parameter out of range, an error in the statement such as a missing table.
const SQLITE_REFUSES: [i32; 4] = [18, 20, 25, 1];

/// Whether SQLite would refuse a repeat, too. The lower byte of a result code names the kind of
/// error.
fn is_refused_by_sqlite(code: Option<&str>) -> bool {
    code.and_then(|code| code.parse::<i32>().ok())
        .is_some_and(|code| SQLITE_REFUSES.contains(&(code & 0xff)))
}

impl StoreError {
    /// Whether the store took too long. A smaller request may still succeed.
    pub fn is_too_slow(&self) -> bool {
        match self {
            // query_canceled: the statement timed out.
            Self::Failed(sqlx::Error::Database(fault)) => fault.code().as_deref() == Some("57014"),
            Self::Failed(sqlx::Error::Io(cause)) => cause.kind() == std::io::ErrorKind::TimedOut,
            Self::Failed(_) | Self::Conflict(_) | Self::NoRoom | Self::Unreadable(_) => false,
        }
    }

    /// Whether a repeat may succeed. Otherwise the engine works, but refuses these rows.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed(sqlx::Error::Database(fault)) => match fault
                .try_downcast_ref::<PgDatabaseError>()
            {
                // While a partition is being created, a row may still go to the default partition,
                // which no longer accepts it. A repeat finds the new partition.
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
            // sqlx reports a connection that breaks during its TLS request this way.
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

/// The result of a store's call.
pub type Stored<T> = Result<T, StoreError>;
