//! Checks whether a program can work with a schema. A newer schema names the oldest version that a
//! program must know to work with it. So a schema can be extended first, and the programs replaced
//! one by one.

use sqlx::migrate::Migrator;

/// The schema versions of a program and of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The newest version that the program knows.
    pub known: i64,
    /// The version of the database; `None`: it has no schema yet.
    pub at: Option<i64>,
    /// The version that a program must know to work with versions beyond `known`, if the database
    /// names one.
    pub needs: Option<i64>,
}

/// The reason why a program cannot work with a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaError {
    /// The database's schema is older.
    Outdated,
    /// The database's schema is too new: its version, and the version that a program must know.
    Newer(i64, i64),
}

impl Schema {
    /// The newest version among a program's migrations.
    pub fn newest(migrations: &Migrator) -> i64 {
        migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    /// Checks that the program may bring the schema up to date: it must not be too new already.
    pub fn may_migrate(self) -> Result<(), SchemaError> {
        match self.at {
            Some(at) if at > self.known => match self.needs.unwrap_or(at) {
                needs if needs <= self.known => Ok(()),
                needs => Err(SchemaError::Newer(at, needs)),
            },
            Some(_) | None => Ok(()),
        }
    }

    /// Checks that the program can work with the schema as it is.
    pub fn is_readable(self) -> Result<(), SchemaError> {
        match self.at {
            Some(at) if at >= self.known => self.may_migrate(),
            Some(_) | None => Err(SchemaError::Outdated),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_worked_with_only_where_it_says_so() {
        let schema = |at, needs| Schema { known: 3, at, needs };
        assert_eq!(schema(Some(3), None).is_readable(), Ok(()));
        assert_eq!(schema(Some(5), Some(3)).is_readable(), Ok(()));
        assert_eq!(schema(Some(5), Some(4)).is_readable(), Err(SchemaError::Newer(5, 4)));
        assert_eq!(schema(Some(5), None).is_readable(), Err(SchemaError::Newer(5, 5)));
        assert_eq!(schema(Some(5), None).may_migrate(), Err(SchemaError::Newer(5, 5)));
        for older in [None, Some(2)] {
            assert_eq!(schema(older, None).is_readable(), Err(SchemaError::Outdated));
            assert_eq!(schema(older, None).may_migrate(), Ok(()));
        }
    }
}
