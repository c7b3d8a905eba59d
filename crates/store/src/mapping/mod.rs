//! Maps rows to records, once for both engines: columns are read by name through a common trait.

mod billing;
mod histories;
mod records;
mod sessions;
mod stations;

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

pub use billing::{billed_part, closed_month, invoice};
pub use histories::{card, card_event, delivery, kept_event, member_event};
pub use records::{audit_entry, event, journal_entry, sent_command};
pub use sessions::{counted, ledger_row, measured};
pub use stations::{connector, station};

use crate::{StoreError, Stored};
use juden_domain::ids::{CardNumber, MemberId, SessionRef, StationId};

/// A row of either engine. Integers have 64 bits in both; instants are milliseconds in SQLite and
/// `timestamptz` in PostgreSQL.
pub trait Columns {
    /// A text, or `None` for NULL.
    fn text(&self, name: &str) -> Stored<Option<String>>;
    /// An integer, or `None` for NULL.
    fn integer(&self, name: &str) -> Stored<Option<i64>>;
    /// An instant, or `None` for NULL.
    fn instant(&self, name: &str) -> Stored<Option<DateTime<Utc>>>;
    /// A boolean.
    fn flag(&self, name: &str) -> Stored<bool>;

    /// A column, read as the wanted type.
    fn of<T: FromColumn>(&self, name: &str) -> Stored<T>
    where
        Self: Sized,
    {
        T::read(self, name)
    }
}

/// A type that a column can be read as.
pub trait FromColumn: Sized {
    /// Reads the column of this name.
    fn read(row: &impl Columns, name: &str) -> Stored<Self>;
}

/// The value of a column that must not be NULL.
fn held<T>(value: Option<T>, name: &str) -> Stored<T> {
    value.ok_or_else(|| {
        let empty = format!("the column {name} is empty");
        StoreError::Failed(sqlx::Error::ColumnDecode {
            index: name.to_owned(),
            source: empty.into(),
        })
    })
}

macro_rules! read_as {
    ($type:ty, $read:ident) => {
        impl FromColumn for $type {
            fn read(row: &impl Columns, name: &str) -> Stored<Self> {
                held(row.$read(name)?, name)
            }
        }
        impl FromColumn for Option<$type> {
            fn read(row: &impl Columns, name: &str) -> Stored<Self> {
                row.$read(name)
            }
        }
    };
}

read_as!(String, text);
read_as!(i64, integer);
read_as!(DateTime<Utc>, instant);

impl FromColumn for bool {
    fn read(row: &impl Columns, name: &str) -> Stored<Self> {
        row.flag(name)
    }
}

impl Columns for SqliteRow {
    fn text(&self, name: &str) -> Stored<Option<String>> {
        Ok(self.try_get(name)?)
    }

    fn integer(&self, name: &str) -> Stored<Option<i64>> {
        Ok(self.try_get(name)?)
    }

    fn instant(&self, name: &str) -> Stored<Option<DateTime<Utc>>> {
        Ok(self.integer(name)?.map(crate::sqlite::rows::instant))
    }

    fn flag(&self, name: &str) -> Stored<bool> {
        Ok(self.try_get(name)?)
    }
}

impl Columns for PgRow {
    fn text(&self, name: &str) -> Stored<Option<String>> {
        Ok(self.try_get(name)?)
    }

    fn integer(&self, name: &str) -> Stored<Option<i64>> {
        Ok(self.try_get(name)?)
    }

    fn instant(&self, name: &str) -> Stored<Option<DateTime<Utc>>> {
        Ok(self.try_get(name)?)
    }

    fn flag(&self, name: &str) -> Stored<bool> {
        Ok(self.try_get(name)?)
    }
}

/// Turns a parse failure of an identifier into an error.
fn parsed<T, E>(parsed: Result<T, E>, what: &'static str) -> Stored<T> {
    parsed.map_err(|_| StoreError::Unreadable(what))
}

/// A station's identity.
pub fn station_id(row: &impl Columns) -> Stored<StationId> {
    parsed(StationId::parse(&row.of::<String>("station_id")?), "station id")
}

/// A member id.
pub fn member_id(text: &str) -> Stored<MemberId> {
    parsed(MemberId::parse(text), "member id")
}

/// A card number.
pub fn card_number(text: &str) -> Stored<CardNumber> {
    parsed(CardNumber::parse(text), "card number")
}

/// A session's reference.
pub fn reference(row: &impl Columns) -> Stored<SessionRef> {
    parsed(SessionRef::parse(&row.of::<String>("reference")?), "session name")
}
