//! The partitions of journal and readings: one for each month, in UTC.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, Row};

use super::{PostgresStore, locks};
use crate::{StoreError, Stored};
use juden_domain::month::BillingMonth;

/// The partitioned tables. The names also begin the names of their partitions.
const TABLES: [&str; 2] = ["journal", "readings"];

/// Months after the current one for which partitions are created in advance.
const MONTHS_AHEAD: u32 = 2;

/// Rows that one transaction removes, so that stations' messages do not wait long.
const REMOVED_AT_ONCE: i64 = 10_000;

/// The time limits for creating and dropping partitions. The lock timeout is short, because a
/// table's other users queue behind the waiting statement.
const BRIEFLY: &str = "SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10min'";

/// SQLSTATE check_violation: the default partition already holds rows of the month. They stay
/// there, and so do later ones.
const ROWS_IN_DEFAULT: &str = "23514";

const PARTS: &str = "
    SELECT p.relname::text AS part FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhrelid
    WHERE i.inhparent = to_regclass($1) ORDER BY p.relname";

const FORGET_JOURNAL: &str = "
    DELETE FROM journal WHERE received_at < $1 AND (seq, received_at) IN
        (SELECT seq, received_at FROM journal WHERE received_at < $1 LIMIT $2)";

const FORGET_READINGS: &str = "
    DELETE FROM readings WHERE sampled_at < $1
        AND (session_id, station_id, connector_id, sampled_at, measurand, phase, location, context) IN
            (SELECT session_id, station_id, connector_id, sampled_at, measurand, phase, location, context FROM readings
             WHERE sampled_at < $1 LIMIT $2)";

fn part(table: &str, first: NaiveDate) -> String {
    format!("{table}_{:04}_{:02}", first.year(), first.month())
}

/// The first day after a partition's month, from the partition's name.
fn end(part: &str, table: &str) -> Option<NaiveDate> {
    let (year, month) = part.strip_prefix(table)?.strip_prefix('_')?.split_once('_')?;
    NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?
        .checked_add_months(chrono::Months::new(1))
}

impl PostgresStore {
    /// Creates the missing partitions of the current and the next months.
    pub(super) async fn make_parts(&self, now: DateTime<Utc>) -> Stored<()> {
        let first = now.date_naive().with_day(1).unwrap_or_default();
        for table in TABLES {
            let known = self.parts(table).await?;
            for ahead in 0..=MONTHS_AHEAD {
                let Some(month) = first.checked_add_months(chrono::Months::new(ahead)) else {
                    continue;
                };
                if !known.contains(&part(table, month)) {
                    self.make_part(table, month).await?;
                }
            }
        }
        Ok(())
    }

    async fn parts(&self, table: &str) -> Stored<Vec<String>> {
        Ok(sqlx::query_scalar(PARTS).bind(table).fetch_all(&self.api).await?)
    }

    /// Creates a partition as a separate table and attaches it, so that writers of the table are
    /// locked out only briefly.
    async fn make_part(&self, table: &str, first: NaiveDate) -> Stored<()> {
        let Some(next) = first.checked_add_months(chrono::Months::new(1)) else { return Ok(()) };
        let part = part(table, first);
        let mut write = self.begin().await?;
        locks::alone(&mut write, locks::ROOM).await?;
        sqlx::raw_sql(BRIEFLY).execute(&mut *write).await?;
        let is_there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(&part)
            .fetch_one(&mut *write)
            .await?;
        if is_there {
            return Ok(());
        }
        let made = format!(
            "CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS INCLUDING INDEXES INCLUDING CONSTRAINTS);
             ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ('{first} 00:00:00+00') TO ('{next} 00:00:00+00')"
        );
        match sqlx::raw_sql(AssertSqlSafe(made)).execute(&mut *write).await {
            Ok(_) => Ok(write.commit().await?),
            Err(sqlx::Error::Database(fault))
                if fault.code().as_deref() == Some(ROWS_IN_DEFAULT) =>
            {
                Ok(())
            }
            Err(cause) => Err(StoreError::Failed(cause)),
        }
    }

    /// Drops the partitions that end by a month's beginning in Japan, and returns the number of
    /// their rows.
    pub(super) async fn drop_parts(&self, month: BillingMonth) -> Stored<u64> {
        let mut removed = 0;
        for table in TABLES {
            for part in self.parts(table).await? {
                let until = end(&part, table)
                    .and_then(|end| end.and_hms_opt(0, 0, 0))
                    .map(|end| end.and_utc());
                if until.is_some_and(|until| until <= month.start()) {
                    removed += self.drop_part(&part).await?;
                }
            }
        }
        Ok(removed)
    }

    async fn drop_part(&self, part: &str) -> Stored<u64> {
        let mut write = self.begin().await?;
        locks::alone(&mut write, locks::ROOM).await?;
        sqlx::raw_sql(BRIEFLY).execute(&mut *write).await?;
        let is_there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(part)
            .fetch_one(&mut *write)
            .await?;
        if !is_there {
            return Ok(0);
        }
        let count = format!("SELECT count(*) AS rows FROM {part}");
        let rows: i64 =
            sqlx::query(AssertSqlSafe(count)).fetch_one(&mut *write).await?.try_get("rows")?;
        sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {part}"))).execute(&mut *write).await?;
        write.commit().await?;
        Ok(u64::try_from(rows).unwrap_or(0))
    }

    /// Removes rows of before a month from the remaining partitions.
    pub(super) async fn remove_rows(&self, month: BillingMonth) -> Stored<u64> {
        let mut removed = 0;
        for statement in [FORGET_JOURNAL, FORGET_READINGS] {
            loop {
                let rows = sqlx::query(statement)
                    .bind(month.start())
                    .bind(REMOVED_AT_ONCE)
                    .execute(&self.api)
                    .await?
                    .rows_affected();
                removed += rows;
                if rows == 0 {
                    break;
                }
            }
        }
        Ok(removed)
    }
}

#[cfg(test)]
#[path = "partitions_tests.rs"]
mod tests;
