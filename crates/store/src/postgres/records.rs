//! The programme's history and the audit trail in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::rows::{ms, text};
use super::{PostgresStore, locks, nodes, retried};
use crate::documents::programme::{programme_event, read_programme_event};
use crate::mapping;
use crate::records::{AuditEntry, RecordStore};
use crate::{KeptEvent, Once, Page, Stored};
use juden_domain::card::Dated;
use juden_domain::month::BillingMonth;
use juden_domain::programme::ProgrammeEvent;

const PROGRAMME_EVENTS: &str =
    "SELECT seq, at, NULL::text AS card_number, kind, detail FROM programme_events ORDER BY seq";

const AUDIT: &str = "
    SELECT entry, at, actor, peer, action, subject, also, reason, detail, outcome FROM audit WHERE entry < $1 ORDER BY entry DESC LIMIT $2";

const AUDIT_OF: &str = "
    SELECT entry, at, actor, peer, action, subject, also, reason, detail, outcome FROM audit WHERE entry IN (
        (SELECT entry FROM audit WHERE subject = $3 AND entry < $1 ORDER BY entry DESC LIMIT $2)
        UNION (SELECT entry FROM audit WHERE also = $3 AND entry < $1 ORDER BY entry DESC LIMIT $2))
    ORDER BY entry DESC LIMIT $2";

#[async_trait]
impl RecordStore for PostgresStore {
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
            .fetch_all(&self.api)
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
        retried!(self.try_append_programme_event(event, at, recheck, once))
    }

    async fn save_audit(&self, entry: &AuditEntry) -> Stored<i64> {
        Ok(sqlx::query_scalar(
            "INSERT INTO audit (at, actor, peer, action, subject, also, reason, detail, outcome)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING entry",
        )
        .bind(ms(entry.at))
        .bind(text(&entry.actor))
        .bind(text(&entry.peer))
        .bind(text(&entry.action))
        .bind(text(&entry.subject))
        .bind(entry.also.as_deref().map(text))
        .bind(text(&entry.reason))
        .bind(text(&entry.detail))
        .bind(entry.outcome.as_deref().map(text))
        .fetch_one(&self.api)
        .await?)
    }

    async fn save_audit_outcome(&self, number: i64, outcome: &str) -> Stored<()> {
        sqlx::query("UPDATE audit SET outcome = $2 WHERE entry = $1")
            .bind(number)
            .bind(text(outcome))
            .execute(&self.api)
            .await?;
        Ok(())
    }

    async fn audit(&self, subject: Option<&str>, page: &Page) -> Stored<Vec<(i64, AuditEntry)>> {
        let before = page.after.as_deref().and_then(|text| text.parse().ok()).unwrap_or(i64::MAX);
        let query = sqlx::query(if subject.is_some() { AUDIT_OF } else { AUDIT })
            .bind(before)
            .bind(page.limit);
        let rows = match subject {
            Some(subject) => query.bind(text(subject)).fetch_all(&self.api).await?,
            None => query.fetch_all(&self.api).await?,
        };
        rows.iter().map(mapping::audit_entry).collect()
    }
}

impl PostgresStore {
    async fn try_append_programme_event(
        &self,
        event: &ProgrammeEvent,
        at: DateTime<Utc>,
        recheck: Option<BillingMonth>,
        once: Option<&Once>,
    ) -> Stored<i64> {
        let (kind, detail) = programme_event(event);
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        let seq: i64 = sqlx::query_scalar(
            "INSERT INTO programme_events (at, kind, detail) VALUES ($1, $2, $3) RETURNING seq",
        )
        .bind(ms(at))
        .bind(kind)
        .bind(text(&detail))
        .fetch_one(&mut *write)
        .await?;
        if let Some(month) = recheck {
            super::months::mark_for_recheck(&mut write, None, month).await?;
        }
        nodes::programme_changed(&mut write, at).await?;
        super::once::keep(&mut write, once, &seq.to_string()).await?;
        write.commit().await?;
        Ok(seq)
    }
}
