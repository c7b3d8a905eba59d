//! Closed months in SQLite.

use async_trait::async_trait;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::rows::instant;
use super::{SqliteStore, documents};
use crate::domain::bill::Bill;
use crate::domain::ids::MemberId;
use crate::domain::month::BillingMonth;
use crate::domain::units::Yen;
use crate::store::{ClosedMonth, MonthStore, Stored};

#[async_trait]
impl MonthStore for SqliteStore {
    async fn closed_month(&self, month: BillingMonth) -> Stored<Option<ClosedMonth>> {
        let row = sqlx::query("SELECT * FROM months WHERE month = ?1").bind(month.to_string()).fetch_optional(&self.read).await?;
        row.map(|row| closed(&row, month)).transpose()
    }

    async fn first_month(&self) -> Stored<Option<BillingMonth>> {
        let at: Option<i64> = sqlx::query_scalar("SELECT min(at) FROM events WHERE card_number IS NULL AND kind = ?1")
            .bind(documents::ADMITTED)
            .fetch_one(&self.read)
            .await?;
        Ok(at.map(|at| BillingMonth::of(instant(at))))
    }

    async fn close_month(&self, closed: &ClosedMonth, bills: &[Bill]) -> Stored<bool> {
        let month = closed.month.to_string();
        let rows: Vec<_> = bills.iter().map(|bill| serde_json::json!([bill.member.as_str(), documents::bill(bill)])).collect();
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let inserted = sqlx::query(
            "INSERT INTO months (month, closed_at, members, sessions, total_hundredths, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (month) DO NOTHING",
        )
        .bind(&month)
        .bind(closed.closed_at.timestamp_millis())
        .bind(closed.members)
        .bind(closed.sessions)
        .bind(closed.total.hundredths())
        .bind(&closed.sha256)
        .execute(&mut *write)
        .await?;
        if inserted.rows_affected() == 0 {
            return Ok(false);
        }
        sqlx::query("INSERT INTO bills (month, member_id, bill) SELECT ?1, r.value->>0, r.value->>1 FROM json_each(?2) r")
            .bind(&month)
            .bind(serde_json::Value::Array(rows).to_string())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(true)
    }

    async fn bill(&self, month: BillingMonth, member: &MemberId) -> Stored<Option<Bill>> {
        let text: Option<String> = sqlx::query_scalar("SELECT bill FROM bills WHERE month = ?1 AND member_id = ?2")
            .bind(month.to_string())
            .bind(member.as_str())
            .fetch_optional(&self.read)
            .await?;
        text.map(|text| documents::read_bill(&text, member.as_str(), month)).transpose()
    }

    async fn bills(&self, month: BillingMonth) -> Stored<Vec<Bill>> {
        let rows = sqlx::query("SELECT member_id, bill FROM bills WHERE month = ?1 ORDER BY member_id")
            .bind(month.to_string())
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(|row| documents::read_bill(row.try_get("bill")?, row.try_get("member_id")?, month)).collect()
    }
}

fn closed(row: &SqliteRow, month: BillingMonth) -> Stored<ClosedMonth> {
    Ok(ClosedMonth {
        month,
        closed_at: instant(row.try_get("closed_at")?),
        members: row.try_get("members")?,
        sessions: row.try_get("sessions")?,
        total: Yen::from_hundredths(row.try_get("total_hundredths")?),
        sha256: row.try_get("sha256")?,
    })
}
