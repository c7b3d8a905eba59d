//! Closed months and invoices in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::rows::{column, ms, text};
use super::{PostgresStore, locks, retried};
use crate::billing::{BilledPart, BillingStore, ClosedMonth, InvoiceCursor, MemberPart, Run};
use crate::columns;
use crate::documents::invoices::{billed, invoice};
use crate::mapping;
use crate::{StoreError, Stored};
use juden_domain::ids::MemberId;
use juden_domain::invoice::Invoice;
use juden_domain::month::BillingMonth;

/// The member column's value in `rechecks` for a change that concerns all members.
const EVERYBODY: &str = "*";

const SAVE_INVOICES: &str = "
    INSERT INTO invoices (month, member_id, invoice_id, run, kind, issued_at, total_hundredths, document, left_over_hundredths)
    SELECT $1, i.member_id, i.invoice_id, $2, i.kind, i.issued_at, i.total, i.document, i.left_over
    FROM unnest($3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[], $8::text[], $9::bigint[])
        i (member_id, invoice_id, kind, issued_at, total, document, left_over)";

const SAVE_BILLED: &str = "
    INSERT INTO billed_sessions (month, member_id, part, run, document)
    SELECT $1, r.member_id,
        (SELECT coalesce(max(b.part), 0) + 1 FROM billed_sessions b WHERE b.month = $1 AND b.member_id = r.member_id), $2, r.document
    FROM unnest($3::text[], $4::text[]) r (member_id, document)";

/// Rows of an abandoned run that one transaction removes.
const REMOVED_AT_ONCE: u32 = 2_000;

/// The condition that a row counts: its run is complete, or it was issued without a run, as a final
/// invoice is.
const COUNTS: &str =
    "(run IS NULL OR run IN (SELECT r.run FROM runs r WHERE r.completed_at IS NOT NULL))";

const INVOICE: &str = "invoice_id, kind, month, member_id, issued_at, document";

const RECORDS: &str = "member_id, month, part, document";

#[async_trait]
impl BillingStore for PostgresStore {
    async fn closed_month(&self, month: BillingMonth) -> Stored<Option<ClosedMonth>> {
        let row = sqlx::query("SELECT closed_at, members, sessions, total_hundredths, sha256, layout FROM months WHERE month = $1")
            .bind(month.to_string())
            .fetch_optional(&self.api)
            .await?;
        row.map(|row| mapping::closed_month(&row, month)).transpose()
    }

    async fn last_closed_month(&self) -> Stored<Option<BillingMonth>> {
        let text: Option<String> =
            sqlx::query_scalar("SELECT max(month) FROM months").fetch_one(&self.api).await?;
        columns::month(text.as_deref())
    }

    async fn first_month(&self) -> Stored<Option<BillingMonth>> {
        let at: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT at FROM events WHERE kind = 'admitted' ORDER BY at LIMIT 1")
                .fetch_optional(&self.api)
                .await?;
        Ok(at.map(BillingMonth::of))
    }

    /// The new run first marks other incomplete runs as abandoned. A node that still writes one
    /// gets a conflict from then on and cannot complete it. Then its rows are removed.
    async fn begin_run(&self, month: BillingMonth, at: DateTime<Utc>) -> Stored<Run> {
        let run = retried!(self.try_begin_run(month, at))?;
        for (table, key) in [
            ("invoices", "month, member_id, invoice_id"),
            ("billed_sessions", "month, member_id, part"),
        ] {
            self.remove_left(table, key).await?;
        }
        sqlx::query("DELETE FROM runs WHERE is_abandoned").execute(&self.api).await?;
        Ok(run)
    }

    async fn rechecks(&self, until: i64) -> Stored<Vec<(Option<MemberId>, BillingMonth)>> {
        let rows =
            sqlx::query("SELECT member_id, min(usage_month) AS month FROM rechecks WHERE recheck <= $1 GROUP BY member_id ORDER BY 1")
                .bind(until)
                .fetch_all(&self.api)
                .await?;
        let read = |row: &PgRow| {
            let member: &str = row.try_get("member_id")?;
            let month = BillingMonth::parse(row.try_get("month")?)
                .ok_or(StoreError::Unreadable("recheck"))?;
            if member == EVERYBODY {
                Ok((None, month))
            } else {
                Ok((Some(mapping::member_id(member)?), month))
            }
        };
        rows.iter().map(read).collect()
    }

    async fn save_parts(&self, run: &Run, month: BillingMonth, parts: &[MemberPart]) -> Stored<()> {
        retried!(self.try_save_parts(run, month, parts))
    }

    async fn complete_run(&self, run: &Run, closed: &ClosedMonth) -> Stored<bool> {
        retried!(self.try_complete_run(run, closed))
    }

    async fn invoices(
        &self,
        month: BillingMonth,
        run: Option<&Run>,
        after: &InvoiceCursor,
        limit: i64,
    ) -> Stored<Vec<Invoice>> {
        let list = format!(
            "SELECT {INVOICE} FROM invoices WHERE month = $1 AND (member_id, invoice_id) > ($2, $3) AND ({COUNTS} OR run = $4)
             ORDER BY member_id, invoice_id LIMIT $5"
        );
        let rows = sqlx::query(AssertSqlSafe(list))
            .bind(month.to_string())
            .bind(text(&after.member))
            .bind(text(&after.number))
            .bind(run.map(|run| run.number))
            .bind(limit)
            .fetch_all(&self.api)
            .await?;
        rows.iter().map(mapping::invoice).collect()
    }

    async fn invoices_of_members(&self, members: &[&MemberId]) -> Stored<Vec<Invoice>> {
        let list = format!(
            "SELECT {INVOICE} FROM invoices WHERE member_id = ANY($1) AND {COUNTS} ORDER BY member_id, issued_at, invoice_id"
        );
        let rows = sqlx::query(AssertSqlSafe(list))
            .bind(column(members, |member| member.as_str()))
            .fetch_all(&self.api)
            .await?;
        rows.iter().map(mapping::invoice).collect()
    }

    async fn invoice(&self, id: &str) -> Stored<Option<Invoice>> {
        let find = format!("SELECT {INVOICE} FROM invoices WHERE invoice_id = $1 AND {COUNTS}");
        let row = sqlx::query(AssertSqlSafe(find)).bind(text(id)).fetch_optional(&self.api).await?;
        row.as_ref().map(mapping::invoice).transpose()
    }

    async fn billed_of_month(
        &self,
        month: BillingMonth,
        after: Option<&BilledPart>,
        limit: i64,
    ) -> Stored<Vec<BilledPart>> {
        let list = format!(
            "SELECT {RECORDS} FROM billed_sessions WHERE month = $1 AND (member_id, part) > ($2, $3) AND {COUNTS}
             ORDER BY member_id, part LIMIT $4"
        );
        let rows = sqlx::query(AssertSqlSafe(list))
            .bind(month.to_string())
            .bind(after.map_or("", |after| after.member.as_str()))
            .bind(after.map_or(0, |after| after.part))
            .bind(limit)
            .fetch_all(&self.api)
            .await?;
        rows.iter().map(mapping::billed_part).collect()
    }

    async fn billed_of_members(&self, members: &[&MemberId]) -> Stored<Vec<BilledPart>> {
        let list = format!(
            "SELECT {RECORDS} FROM billed_sessions WHERE member_id = ANY($1) AND {COUNTS} ORDER BY member_id, month, part"
        );
        let rows = sqlx::query(AssertSqlSafe(list))
            .bind(column(members, |member| member.as_str()))
            .fetch_all(&self.api)
            .await?;
        rows.iter().map(mapping::billed_part).collect()
    }

    async fn members_with_final(&self) -> Stored<Vec<MemberId>> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT member_id FROM invoices WHERE kind = 'final' ORDER BY 1",
        )
        .fetch_all(&self.api)
        .await?;
        ids.iter().map(|id| mapping::member_id(id)).collect()
    }

    async fn members_with_credit(&self) -> Stored<Vec<MemberId>> {
        let list = format!(
            "SELECT member_id FROM invoices WHERE left_over_hundredths <> 0 AND {COUNTS}
             GROUP BY member_id HAVING sum(left_over_hundredths) <> 0 ORDER BY 1"
        );
        let ids: Vec<String> = sqlx::query_scalar(AssertSqlSafe(list)).fetch_all(&self.api).await?;
        ids.iter().map(|id| mapping::member_id(id)).collect()
    }

    async fn next_ending(&self) -> Stored<Option<(MemberId, DateTime<Utc>)>> {
        let row =
            sqlx::query("SELECT member_id, due_at FROM endings ORDER BY due_at, member_id LIMIT 1")
                .fetch_optional(&self.api)
                .await?;
        row.map(|row| Ok((mapping::member_id(row.try_get("member_id")?)?, row.try_get("due_at")?)))
            .transpose()
    }

    async fn issue_final(&self, month: BillingMonth, part: &MemberPart) -> Stored<()> {
        retried!(self.try_issue_final(month, part))
    }
}

impl PostgresStore {
    async fn try_begin_run(&self, month: BillingMonth, at: DateTime<Utc>) -> Stored<Run> {
        let mut write = self.begin().await?;
        locks::alone(&mut write, locks::CLOSING).await?;
        sqlx::query("UPDATE runs SET is_abandoned = true WHERE completed_at IS NULL")
            .execute(&mut *write)
            .await?;
        let number = sqlx::query_scalar(
            "INSERT INTO runs (month, started_at) VALUES ($1, $2) RETURNING run",
        )
        .bind(month.to_string())
        .bind(ms(at))
        .fetch_one(&mut *write)
        .await?;
        let recheck_until = sqlx::query_scalar("SELECT coalesce(max(recheck), 0) FROM rechecks")
            .fetch_one(&mut *write)
            .await?;
        write.commit().await?;
        Ok(Run { number, recheck_until })
    }

    async fn try_save_parts(
        &self,
        run: &Run,
        month: BillingMonth,
        parts: &[MemberPart],
    ) -> Stored<()> {
        let mut write = self.begin().await?;
        let runs = sqlx::query(
            "SELECT 1 FROM runs WHERE run = $1 AND completed_at IS NULL AND NOT is_abandoned FOR SHARE",
        );
        if runs.bind(run.number).fetch_optional(&mut *write).await?.is_none() {
            return Err(StoreError::Conflict("the month's close"));
        }
        save(&mut write, Some(run.number), month, parts).await?;
        write.commit().await?;
        Ok(())
    }

    async fn try_complete_run(&self, run: &Run, closed: &ClosedMonth) -> Stored<bool> {
        let mut write = self.begin().await?;
        let inserted = sqlx::query(
            "INSERT INTO months (month, closed_at, members, sessions, total_hundredths, sha256, layout) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (month) DO NOTHING",
        )
        .bind(closed.month.to_string())
        .bind(ms(closed.closed_at))
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
        let completed = sqlx::query(
            "UPDATE runs SET completed_at = $2 WHERE run = $1 AND completed_at IS NULL AND NOT is_abandoned",
        );
        if completed
            .bind(run.number)
            .bind(ms(closed.closed_at))
            .execute(&mut *write)
            .await?
            .rows_affected()
            == 0
        {
            return Err(StoreError::Conflict("the month's close"));
        }
        sqlx::query("DELETE FROM rechecks WHERE recheck <= $1 AND usage_month <= $2")
            .bind(run.recheck_until)
            .bind(closed.month.to_string())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(true)
    }

    async fn try_issue_final(&self, month: BillingMonth, part: &MemberPart) -> Stored<()> {
        let mut write = self.begin().await?;
        let waited = sqlx::query("DELETE FROM endings WHERE member_id = $1")
            .bind(part.member.as_str())
            .execute(&mut *write)
            .await?;
        if waited.rows_affected() > 0 {
            save(&mut write, None, month, std::slice::from_ref(part)).await?;
        }
        write.commit().await?;
        Ok(())
    }

    /// Removes the rows of abandoned runs from a table, some in each transaction.
    async fn remove_left(&self, table: &str, key: &str) -> Stored<()> {
        let remove = format!(
            "DELETE FROM {table} WHERE ({key}) IN
                (SELECT {key} FROM {table} WHERE run IN (SELECT run FROM runs WHERE is_abandoned) LIMIT {REMOVED_AT_ONCE})"
        );
        while sqlx::query(AssertSqlSafe(remove.as_str())).execute(&self.api).await?.rows_affected()
            > 0
        {}
        Ok(())
    }
}

async fn save(
    write: &mut PgConnection,
    run: Option<i64>,
    month: BillingMonth,
    parts: &[MemberPart],
) -> Stored<()> {
    let invoices: Vec<&Invoice> = parts.iter().flat_map(|part| &part.invoices).collect();
    if !invoices.is_empty() {
        sqlx::query(SAVE_INVOICES)
            .bind(month.to_string())
            .bind(run)
            .bind(column(&invoices, |one| one.member.as_str()))
            .bind(column(&invoices, |one| one.id.as_str()))
            .bind(column(&invoices, |one| one.kind.name()))
            .bind(column(&invoices, |one| ms(one.issued_at)))
            .bind(column(&invoices, |one| one.total().hundredths()))
            .bind(column(&invoices, |one| invoice(one)))
            .bind(column(&invoices, |one| one.left_over().hundredths()))
            .execute(&mut *write)
            .await?;
    }
    let records: Vec<&MemberPart> = parts.iter().filter(|part| !part.billed.is_empty()).collect();
    if !records.is_empty() {
        sqlx::query(SAVE_BILLED)
            .bind(month.to_string())
            .bind(run)
            .bind(column(&records, |part| part.member.as_str()))
            .bind(column(&records, |part| billed(&part.billed)))
            .execute(&mut *write)
            .await?;
    }
    Ok(())
}

/// Marks a month of one member, or of all, to be rated again, if a run for it or a later month has
/// begun. The caller shares the lock of closing.
pub async fn mark_for_recheck(
    write: &mut PgConnection,
    member: Option<&MemberId>,
    month: BillingMonth,
) -> Stored<()> {
    sqlx::query("INSERT INTO rechecks (member_id, usage_month) SELECT $1, $2 WHERE EXISTS (SELECT 1 FROM runs WHERE month >= $2)")
        .bind(member.map_or(EVERYBODY, MemberId::as_str))
        .bind(month.to_string())
        .execute(write)
        .await?;
    Ok(())
}
