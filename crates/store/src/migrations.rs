//! The migrations of both engines, as files under `migrations`. They are listed by hand, because
//! the sqlx macro that reads a folder would compile both engines a second time, for the build.

use std::borrow::Cow;

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// A migration: its file name without ending, such as `0001_first`, and its text.
type Version = (&'static str, &'static str);

/// The migrations for SQLite.
pub const SQLITE: &[Version] = &[
    ("0001_first", include_str!("../../../migrations/sqlite/0001_first.sql")),
    ("0002_programme", include_str!("../../../migrations/sqlite/0002_programme.sql")),
    ("0003_cluster", include_str!("../../../migrations/sqlite/0003_cluster.sql")),
    ("0004_lookups", include_str!("../../../migrations/sqlite/0004_lookups.sql")),
    ("0005_steps", include_str!("../../../migrations/sqlite/0005_steps.sql")),
    ("0006_sites", include_str!("../../../migrations/sqlite/0006_sites.sql")),
    ("0007_bounds", include_str!("../../../migrations/sqlite/0007_bounds.sql")),
    ("0008_settled", include_str!("../../../migrations/sqlite/0008_settled.sql")),
];

/// The migrations for PostgreSQL.
pub const POSTGRES: &[Version] = &[
    ("0001_first", include_str!("../../../migrations/postgres/0001_first.sql")),
    ("0002_programme", include_str!("../../../migrations/postgres/0002_programme.sql")),
    ("0003_cluster", include_str!("../../../migrations/postgres/0003_cluster.sql")),
    ("0004_lookups", include_str!("../../../migrations/postgres/0004_lookups.sql")),
    ("0005_steps", include_str!("../../../migrations/postgres/0005_steps.sql")),
    ("0006_sites", include_str!("../../../migrations/postgres/0006_sites.sql")),
    ("0007_bounds", include_str!("../../../migrations/postgres/0007_bounds.sql")),
    ("0008_settled", include_str!("../../../migrations/postgres/0008_settled.sql")),
];

/// The migrator of a schema. Versions in the database that only a newer program knows are ignored
/// here: [`Schema`] decides on them.
///
/// [`Schema`]: crate::schema::Schema
pub fn migrator(versions: &[Version]) -> Migrator {
    let migrations = (1..).zip(versions).map(|(number, (name, text))| {
        let description = name.split_once('_').map_or(*name, |(_, words)| words).replace('_', " ");
        Migration::new(
            number,
            Cow::Owned(description),
            MigrationType::Simple,
            text.into_sql_str(),
            false,
        )
    });
    let mut migrator = Migrator::with_migrations(migrations.collect());
    migrator.set_ignore_missing(true);
    migrator
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_listed_under_its_number() {
        for (engine, versions) in [("sqlite", SQLITE), ("postgres", POSTGRES)] {
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
            let files = std::fs::read_dir(format!("{folder}/{engine}")).unwrap();
            let mut names: Vec<String> =
                files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            assert_eq!(
                names,
                versions.iter().map(|(name, _)| format!("{name}.sql")).collect::<Vec<_>>()
            );
            for (number, name) in (1..).zip(&names) {
                assert!(
                    name.starts_with(&format!("{number:04}_")),
                    "{engine}/{name} is not number {number}"
                );
            }
        }
    }
}
