//! Closed months and invoices in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::rows::instant;
use crate::billing::{BilledPart, BillingStore, ClosedMonth, InvoiceCursor, MemberPart, Run};
use crate::columns;
use crate::documents::invoices::{billed, invoice};
use crate::mapping;
use crate::{StoreError, Stored};
use juden_domain::ids::MemberId;
use juden_domain::invoice::Invoice;
use juden_domain::month::BillingMonth;

/// The member column's value in `rechecks` for a change that concerns all members.
pub const EVERYBODY: &str = "*";

const SAVE_INVOICES: &str = "
    INSERT INTO invoices (month, member_id, invoice_id, run, kind, issued_at, total_hundredths, document, left_over_hundredths)
    SELECT ?1, r.value->>0, r.value->>1, ?2, r.value->>2, r.value->>3, r.value->>4, r.value->>5, r.value->>6 FROM json_each(?3) r";

const SAVE_BILLED: &str = "
    INSERT INTO billed_sessions (month, member_id, part, run, document)
    SELECT ?1, r.value->>0,
        (SELECT coalesce(max(b.part), 0) + 1 FROM billed_sessions b WHERE b.month = ?1 AND b.member_id = r.value->>0), ?2, r.value->>1
    FROM json_each(?3) r";

/// Rows of an incomplete run that one transaction removes.
const REMOVED_AT_ONCE: u32 = 2_000;

/// The condition that a row counts: its run is complete, or it was issued without a run, as a final
/// invoice is.
const COUNTS: &str =
    "(run IS NULL OR run IN (SELECT r.run FROM runs r WHERE r.completed_at IS NOT NULL))";

#[async_trait]
impl BillingStore for SqliteStore {
    async fn closed_month(&self, month: BillingMonth) -> Stored<Option<ClosedMonth>> {
        let row = sqlx::query("SELECT * FROM months WHERE month = ?1")
            .bind(month.to_string())
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| mapping::closed_month(&row, month)).transpose()
    }

    async fn last_closed_month(&self) -> Stored<Option<BillingMonth>> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT max(month) FROM months").fetch_one(&self.read).await?;
        columns::month(text.as_deref())
    }

    async fn first_month(&self) -> Stored<Option<BillingMonth>> {
        let at: Option<i64> =
            sqlx::query_scalar("SELECT at FROM events WHERE kind = 'admitted' ORDER BY at LIMIT 1")
                .fetch_optional(&self.read)
                .await?;
        Ok(at.map(|at| BillingMonth::of(instant(at))))
    }

    async fn begin_run(&self, month: BillingMonth, at: DateTime<Utc>) -> Stored<Run> {
        for (table, key) in [
            ("invoices", "month, member_id, invoice_id"),
            ("billed_sessions", "month, member_id, part"),
        ] {
            self.remove_left(table, key).await?;
        }
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("DELETE FROM runs WHERE completed_at IS NULL").execute(&mut *write).await?;
        let number = sqlx::query_scalar(
            "INSERT INTO runs (month, started_at) VALUES (?1, ?2) RETURNING run",
        )
        .bind(month.to_string())
        .bind(at.timestamp_millis())
        .fetch_one(&mut *write)
        .await?;
        let recheck_until = sqlx::query_scalar("SELECT coalesce(max(recheck), 0) FROM rechecks")
            .fetch_one(&mut *write)
            .await?;
        write.commit().await?;
        Ok(Run { number, recheck_until })
    }

    async fn rechecks(&self, until: i64) -> Stored<Vec<(Option<MemberId>, BillingMonth)>> {
        let rows = sqlx::query("SELECT member_id, min(usage_month) AS month FROM rechecks WHERE recheck <= ?1 GROUP BY member_id")
            .bind(until)
            .fetch_all(&self.read)
            .await?;
        let read = |row: &SqliteRow| {
            let member: String = row.try_get("member_id")?;
            let month = BillingMonth::parse(row.try_get("month")?)
                .ok_or(StoreError::Unreadable("recheck"))?;
            if member == EVERYBODY {
                Ok((None, month))
            } else {
                Ok((Some(mapping::member_id(&member)?), month))
            }
        };
        rows.iter().map(read).collect()
    }

    async fn save_parts(&self, run: &Run, month: BillingMonth, parts: &[MemberPart]) -> Stored<()> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        save(&mut write, Some(run.number), month, parts).await?;
        write.commit().await?;
        Ok(())
    }

    async fn complete_run(&self, run: &Run, closed: &ClosedMonth) -> Stored<bool> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let inserted = sqlx::query(
            "INSERT INTO months (month, closed_at, members, sessions, total_hundredths, sha256, layout) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (month) DO NOTHING",
        )
        .bind(closed.month.to_string())
        .bind(closed.closed_at.timestamp_millis())
        .bind(closed.members)
        .bind(closed.sessions)
        .bind(closed.total.hundredths())
        .bind(&closed.sha256)
        .bind(closed.layout)
        .execute(&mut *write)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("UPDATE runs SET completed_at = ?2 WHERE run = ?1")
            .bind(run.number)
            .bind(closed.closed_at.timestamp_millis())
            .execute(&mut *write)
            .await?;
        sqlx::query("DELETE FROM rechecks WHERE recheck <= ?1 AND usage_month <= ?2")
            .bind(run.recheck_until)
            .bind(closed.month.to_string())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(true)
    }

    async fn invoices(
        &self,
        month: BillingMonth,
        run: Option<&Run>,
        after: &InvoiceCursor,
        limit: i64,
    ) -> Stored<Vec<Invoice>> {
        let list = format!(
            "SELECT * FROM invoices WHERE month = ?1 AND (member_id, invoice_id) > (?2, ?3) AND ({COUNTS} OR run = ?4)
             ORDER BY member_id, invoice_id LIMIT ?5"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(list))
            .bind(month.to_string())
            .bind(&after.member)
            .bind(&after.number)
            .bind(run.map(|run| run.number))
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::invoice).collect()
    }

    async fn invoices_of_members(&self, members: &[&MemberId]) -> Stored<Vec<Invoice>> {
        let list = format!(
            "SELECT * FROM invoices WHERE member_id IN (SELECT value FROM json_each(?1)) AND {COUNTS}
             ORDER BY member_id, issued_at, invoice_id"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(list))
            .bind(names(members))
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::invoice).collect()
    }

    async fn invoice(&self, id: &str) -> Stored<Option<Invoice>> {
        let find = format!("SELECT * FROM invoices WHERE invoice_id = ?1 AND {COUNTS}");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(find)).bind(id).fetch_optional(&self.read).await?;
        row.map(|row| mapping::invoice(&row)).transpose()
    }

    async fn billed_of_month(
        &self,
        month: BillingMonth,
        after: Option<&BilledPart>,
        limit: i64,
    ) -> Stored<Vec<BilledPart>> {
        let list = format!(
            "SELECT * FROM billed_sessions WHERE month = ?1 AND (member_id, part) > (?2, ?3) AND {COUNTS}
             ORDER BY member_id, part LIMIT ?4"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(list))
            .bind(month.to_string())
            .bind(after.map_or("", |after| after.member.as_str()))
            .bind(after.map_or(0, |after| after.part))
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::billed_part).collect()
    }

    async fn billed_of_members(&self, members: &[&MemberId]) -> Stored<Vec<BilledPart>> {
        let list = format!(
            "SELECT * FROM billed_sessions WHERE member_id IN (SELECT value FROM json_each(?1)) AND {COUNTS}
             ORDER BY member_id, month, part"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(list))
            .bind(names(members))
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::billed_part).collect()
    }

    async fn members_with_final(&self) -> Stored<Vec<MemberId>> {
        let ids: Vec<String> =
            sqlx::query_scalar("SELECT DISTINCT member_id FROM invoices WHERE kind = 'final'")
                .fetch_all(&self.read)
                .await?;
        ids.iter().map(|id| mapping::member_id(id)).collect()
    }

    async fn members_with_credit(&self) -> Stored<Vec<MemberId>> {
        let list = format!(
            "SELECT member_id FROM invoices WHERE left_over_hundredths <> 0 AND {COUNTS}
             GROUP BY member_id HAVING sum(left_over_hundredths) <> 0"
        );
        let ids: Vec<String> =
            sqlx::query_scalar(sqlx::AssertSqlSafe(list)).fetch_all(&self.read).await?;
        ids.iter().map(|id| mapping::member_id(id)).collect()
    }

    async fn next_ending(&self) -> Stored<Option<(MemberId, DateTime<Utc>)>> {
        let row =
            sqlx::query("SELECT member_id, due_at FROM endings ORDER BY due_at, member_id LIMIT 1")
                .fetch_optional(&self.read)
                .await?;
        row.map(|row| {
            Ok((mapping::member_id(row.try_get("member_id")?)?, instant(row.try_get("due_at")?)))
        })
        .transpose()
    }

    async fn issue_final(&self, month: BillingMonth, part: &MemberPart) -> Stored<()> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let waited = sqlx::query("DELETE FROM endings WHERE member_id = ?1")
            .bind(part.member.as_str())
            .execute(&mut *write)
            .await?;
        if waited.rows_affected() > 0 {
            save(&mut write, None, month, std::slice::from_ref(part)).await?;
        }
        write.commit().await?;
        Ok(())
    }
}

impl SqliteStore {
    /// Removes the rows of incomplete runs from a table, some in each transaction, so that
    /// stations' messages do not wait long.
    async fn remove_left(&self, table: &str, key: &str) -> Stored<()> {
        let remove = format!(
            "DELETE FROM {table} WHERE ({key}) IN
                (SELECT {key} FROM {table} WHERE run IN (SELECT run FROM runs WHERE completed_at IS NULL) LIMIT {REMOVED_AT_ONCE})"
        );
        while sqlx::query(sqlx::AssertSqlSafe(remove.as_str()))
            .execute(&self.write)
            .await?
            .rows_affected()
            > 0
        {}
        Ok(())
    }
}

async fn save(
    write: &mut SqliteConnection,
    run: Option<i64>,
    month: BillingMonth,
    parts: &[MemberPart],
) -> Stored<()> {
    let invoices: Vec<Value> = parts
        .iter()
        .flat_map(|part| &part.invoices)
        .map(|one| {
            let left_over = one.left_over().hundredths();
            json!([
                one.member.as_str(),
                one.id,
                one.kind.name(),
                one.issued_at.timestamp_millis(),
                one.total().hundredths(),
                invoice(one),
                left_over
            ])
        })
        .collect();
    let records: Vec<Value> = parts
        .iter()
        .filter(|part| !part.billed.is_empty())
        .map(|part| json!([part.member.as_str(), billed(&part.billed)]))
        .collect();
    for (statement, rows) in [(SAVE_INVOICES, invoices), (SAVE_BILLED, records)] {
        if !rows.is_empty() {
            let rows = Value::Array(rows).to_string();
            sqlx::query(statement)
                .bind(month.to_string())
                .bind(run)
                .bind(rows)
                .execute(&mut *write)
                .await?;
        }
    }
    Ok(())
}

fn names(members: &[&MemberId]) -> String {
    json!(members.iter().map(|member| member.as_str()).collect::<Vec<_>>()).to_string()
}

/// Marks a month of one member, or of all, to be rated again, if a run for it or a later month has
/// begun.
pub async fn mark_for_recheck(
    write: &mut SqliteConnection,
    member: Option<&MemberId>,
    month: BillingMonth,
) -> Stored<()> {
    sqlx::query(
        "INSERT INTO rechecks (member_id, usage_month) SELECT ?1, ?2
         WHERE EXISTS (SELECT 1 FROM runs WHERE month >= ?2)",
    )
    .bind(member.map_or(EVERYBODY, MemberId::as_str))
    .bind(month.to_string())
    .execute(write)
    .await?;
    Ok(())
}
