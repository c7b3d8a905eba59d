//! The programme's history and the audit trail in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::SqliteStore;
use crate::documents::programme::{programme_event, read_programme_event};
use crate::mapping;
use crate::records::{AuditEntry, RecordStore};
use crate::{KeptEvent, Once, Page, Stored};
use juden_domain::card::Dated;
use juden_domain::month::BillingMonth;
use juden_domain::programme::ProgrammeEvent;

const PROGRAMME_EVENTS: &str =
    "SELECT seq, at, NULL AS card_number, kind, detail FROM programme_events ORDER BY seq";

const AUDIT: &str = "SELECT * FROM audit WHERE entry < ?1 ORDER BY entry DESC LIMIT ?2";

const AUDIT_OF: &str = "
    SELECT * FROM (SELECT * FROM audit WHERE subject = ?3 AND entry < ?1 ORDER BY entry DESC LIMIT ?2)
    UNION SELECT * FROM (SELECT * FROM audit WHERE also = ?3 AND entry < ?1 ORDER BY entry DESC LIMIT ?2)
    ORDER BY entry DESC LIMIT ?2";

#[async_trait]
impl RecordStore for SqliteStore {
    async fn programme_events(&self) -> Stored<Vec<Dated<ProgrammeEvent>>> {
        let kept = self.programme_history().await?;
        kept.iter()
            .map(|kept| {
                Ok(Dated {
                    seq: kept.seq,
                    at: kept.at,
                    event: read_programme_event(&kept.kind, &kept.detail)?,
                })
            })
            .collect()
    }

    async fn programme_history(&self) -> Stored<Vec<KeptEvent>> {
        sqlx::query(PROGRAMME_EVENTS)
            .fetch_all(&self.read)
            .await?
            .iter()
            .map(mapping::kept_event)
            .collect()
    }

    async fn append_programme_event(
        &self,
        event: &ProgrammeEvent,
        at: DateTime<Utc>,
        recheck: Option<BillingMonth>,
        once: Option<&Once>,
    ) -> Stored<i64> {
        let (kind, detail) = programme_event(event);
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let seq: i64 = sqlx::query_scalar(
            "INSERT INTO programme_events (at, kind, detail) VALUES (?1, ?2, ?3) RETURNING seq",
        )
        .bind(at.timestamp_millis())
        .bind(kind)
        .bind(detail)
        .fetch_one(&mut *write)
        .await?;
        if let Some(month) = recheck {
            super::months::mark_for_recheck(&mut write, None, month).await?;
        }
        super::once::keep(&mut write, once, &seq.to_string()).await?;
        write.commit().await?;
        Ok(seq)
    }

    async fn save_audit(&self, entry: &AuditEntry) -> Stored<i64> {
        Ok(sqlx::query_scalar(
            "INSERT INTO audit (at, actor, peer, action, subject, also, reason, detail, outcome)
             VALUES (?1, ?2, ?3, ?4, ?5, ?9, ?6, ?7, ?8) RETURNING entry",
        )
        .bind(entry.at.timestamp_millis())
        .bind(&entry.actor)
        .bind(&entry.peer)
        .bind(&entry.action)
        .bind(&entry.subject)
        .bind(&entry.reason)
        .bind(&entry.detail)
        .bind(&entry.outcome)
        .bind(&entry.also)
        .fetch_one(&self.write)
        .await?)
    }

    async fn save_audit_outcome(&self, number: i64, outcome: &str) -> Stored<()> {
        sqlx::query("UPDATE audit SET outcome = ?2 WHERE entry = ?1")
            .bind(number)
            .bind(outcome)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn audit(&self, subject: Option<&str>, page: &Page) -> Stored<Vec<(i64, AuditEntry)>> {
        let before = page.after.as_deref().and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
        let query = sqlx::query(if subject.is_some() { AUDIT_OF } else { AUDIT })
            .bind(before)
            .bind(page.limit);
        let rows = match subject {
            Some(subject) => query.bind(subject).fetch_all(&self.read).await?,
            None => query.fetch_all(&self.read).await?,
        };
        rows.iter().map(mapping::audit_entry).collect()
    }
}
