//! Sessions in SQLite, for reading and deciding.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use super::rows::{instant, session};
use crate::domain::ids::{CardNumber, MemberId, SessionId, StationId};
use crate::domain::month::BillingMonth;
use crate::domain::session::{Decision, Session};
use crate::store::{JournalEntry, Page, SessionFilter, SessionStore, Stored};

const LIST: &str = "
    SELECT * FROM sessions
    WHERE session_id > ?1 AND (?2 IS NULL OR usage_month = ?2) AND (?3 IS NULL OR member_id = ?3)
        AND (?4 IS NULL OR station_id = ?4) AND (?5 IS NULL OR card_number = ?5)
    ORDER BY session_id LIMIT ?6";

const OF_MEMBER: &str = "
    SELECT * FROM sessions
    WHERE member_id = ?1 AND (usage_month BETWEEN ?2 AND ?3 OR (usage_month < ?2 AND stopped_at > ?4))
    ORDER BY session_id";

fn sessions(rows: &[SqliteRow]) -> Stored<Vec<Session>> {
    rows.iter().map(|row| Ok(session(row)?.session)).collect()
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn session(&self, id: SessionId) -> Stored<Option<Session>> {
        let row = sqlx::query("SELECT * FROM sessions WHERE session_id = ?1").bind(id.0).fetch_optional(&self.read).await?;
        row.map(|row| Ok(session(&row)?.session)).transpose()
    }

    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Stored<Vec<Session>> {
        let after = page.after.as_deref().and_then(|text| SessionId::parse(text).ok()).map_or(0, |id| id.0);
        let rows = sqlx::query(LIST)
            .bind(after)
            .bind(filter.month.map(|month| month.to_string()))
            .bind(filter.member.as_ref().map(MemberId::as_str))
            .bind(filter.station.as_ref().map(StationId::as_str))
            .bind(filter.card.as_ref().map(CardNumber::as_str))
            .bind(page.limit)
            .fetch_all(&self.read)
            .await?;
        sessions(&rows)
    }

    async fn sessions_of_member(&self, member: &MemberId, first: BillingMonth, last: BillingMonth) -> Stored<Vec<Session>> {
        let rows = sqlx::query(OF_MEMBER)
            .bind(member.as_str())
            .bind(first.to_string())
            .bind(last.to_string())
            .bind(first.start().timestamp_millis())
            .fetch_all(&self.read)
            .await?;
        sessions(&rows)
    }

    async fn sessions_of_card(&self, card: &CardNumber, from: DateTime<Utc>, to: DateTime<Utc>) -> Stored<Vec<Session>> {
        let rows = sqlx::query("SELECT * FROM sessions WHERE card_number = ?1 AND started_at < ?3 AND stopped_at > ?2 ORDER BY session_id")
            .bind(card.as_str())
            .bind(from.timestamp_millis())
            .bind(to.timestamp_millis())
            .fetch_all(&self.read)
            .await?;
        sessions(&rows)
    }

    async fn messages(&self, id: SessionId, limit: i64) -> Stored<Vec<JournalEntry>> {
        let rows = sqlx::query("SELECT * FROM journal WHERE session_id = ?1 ORDER BY seq LIMIT ?2")
            .bind(id.0)
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(entry).collect()
    }

    async fn journal(&self, after: i64, limit: i64) -> Stored<Vec<JournalEntry>> {
        let rows =
            sqlx::query("SELECT * FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2").bind(after).bind(limit).fetch_all(&self.read).await?;
        rows.iter().map(entry).collect()
    }

    async fn decide(&self, id: SessionId, decision: Decision, note: &str, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query("UPDATE sessions SET decision = ?2, decision_note = ?3, decided_at = ?4 WHERE session_id = ?1")
            .bind(id.0)
            .bind(decision.name())
            .bind(note)
            .bind(at.timestamp_millis())
            .execute(&self.write)
            .await?;
        Ok(())
    }
}

fn entry(row: &SqliteRow) -> Stored<JournalEntry> {
    Ok(JournalEntry {
        seq: row.try_get("seq")?,
        station_id: row.try_get("station_id")?,
        action: row.try_get("action")?,
        message_id: row.try_get("message_id")?,
        payload: row.try_get("payload")?,
        answer: row.try_get("answer")?,
        effect: row.try_get("effect")?,
        received_at: instant(row.try_get("received_at")?),
        connected_since: instant(row.try_get("connected_since")?),
    })
}
