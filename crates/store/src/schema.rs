//! Whether a program and a schema go together. A newer schema names the oldest version that a program must
//! know to work with it: so a schema can be widened first, and programs replaced one by one.

use sqlx::migrate::Migrator;

/// A program's schema, and that of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The newest version that the program knows.
    pub known: i64,
    /// The version of the database; `None`: it has none yet.
    pub at: Option<i64>,
    /// What a program must know to work with versions beyond `known`, as far as the database tells.
    pub needs: Option<i64>,
}

/// Why they do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaError {
    /// The database's is older.
    Outdated,
    /// The database's is too new: its version, and what a program must know for it.
    Newer(i64, i64),
}

impl Schema {
    /// The newest of a program's versions.
    pub fn newest(migrations: &Migrator) -> i64 {
        migrations.iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    /// Whether the program may bring the schema up to date: whether it is not too new already.
    pub fn may_migrate(self) -> Result<(), SchemaError> {
        match self.at {
            Some(at) if at > self.known => match self.needs.unwrap_or(at) {
                needs if needs <= self.known => Ok(()),
                needs => Err(SchemaError::Newer(at, needs)),
            },
            Some(_) | None => Ok(()),
        }
    }

    /// Whether the program can work with the schema as it is.
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
