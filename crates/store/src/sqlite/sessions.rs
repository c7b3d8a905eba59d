//! Reads sessions and the journal in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::mapping;
use crate::{JournalEntry, JournalFilter, Page, SessionFilter, SessionStore, Stored};
use juden_domain::ids::{CardNumber, MemberId, SessionId, SessionRef, StationId};
use juden_domain::month::BillingMonth;
use juden_domain::session::Session;

/// The statement for a list of sessions. It names only the columns that the filter has, so that
/// their indexes are used.
fn list(filter: &SessionFilter) -> String {
    let mut wanted = String::from("session_id > ?1");
    let conditions = [
        (filter.month.is_some(), " AND usage_month = ?2"),
        (filter.member.is_some(), " AND member_id = ?3"),
        (filter.station.is_some(), " AND station_id = ?4"),
        (filter.card.is_some(), " AND card_number = ?5"),
        (filter.running, " AND stopped_at IS NULL"),
    ];
    wanted.extend(conditions.iter().filter(|(asked, _)| *asked).map(|(_, condition)| *condition));
    format!("SELECT * FROM sessions WHERE {wanted} ORDER BY session_id LIMIT ?6")
}

const OF_MEMBERS: &str = "
    SELECT s.* FROM json_each(?1) m CROSS JOIN sessions s INDEXED BY sessions_by_member
        ON s.member_id = m.value AND s.usage_month BETWEEN ?2 AND ?3
    UNION ALL
    SELECT s.* FROM json_each(?1) m CROSS JOIN sessions s INDEXED BY sessions_by_member_stop
        ON s.member_id = m.value AND s.stopped_at > ?4 WHERE s.usage_month < ?2";

fn sessions(rows: &[SqliteRow]) -> Stored<Vec<Session>> {
    rows.iter().map(mapping::counted).collect()
}

#[async_trait]
impl SessionStore for SqliteStore {
    async fn session(&self, id: SessionId) -> Stored<Option<Session>> {
        let row = sqlx::query("SELECT * FROM sessions WHERE session_id = ?1")
            .bind(id.0)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(mapping::counted).transpose()
    }

    async fn measured_session(&self, id: SessionId) -> Stored<Option<Session>> {
        let row = sqlx::query("SELECT * FROM sessions WHERE session_id = ?1")
            .bind(id.0)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(mapping::measured).transpose()
    }

    async fn session_by_reference(&self, reference: &SessionRef) -> Stored<Option<Session>> {
        Ok(self.sessions_by_reference(std::slice::from_ref(reference)).await?.pop())
    }

    async fn sessions_by_reference(&self, references: &[SessionRef]) -> Stored<Vec<Session>> {
        let names: Vec<&str> = references.iter().map(SessionRef::as_str).collect();
        let rows =
            sqlx::query("SELECT * FROM sessions WHERE reference IN (SELECT value FROM json_each(?1)) ORDER BY started_at, reference")
                .bind(serde_json::json!(names).to_string())
                .fetch_all(&self.read)
                .await?;
        sessions(&rows)
    }

    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Stored<Vec<Session>> {
        let after =
            page.after.as_deref().and_then(|text| SessionId::parse(text).ok()).map_or(0, |id| id.0);
        let rows = sqlx::query(sqlx::AssertSqlSafe(list(filter)))
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

    async fn sessions_of_members(
        &self,
        members: &[&MemberId],
        first: BillingMonth,
        last: BillingMonth,
    ) -> Stored<Vec<Session>> {
        let names: Vec<&str> = members.iter().map(|member| member.as_str()).collect();
        let rows = sqlx::query(OF_MEMBERS)
            .bind(serde_json::json!(names).to_string())
            .bind(first.to_string())
            .bind(last.to_string())
            .bind(first.start().timestamp_millis())
            .fetch_all(&self.read)
            .await?;
        sessions(&rows)
    }

    async fn first_session_since(
        &self,
        member: &MemberId,
        since: DateTime<Utc>,
    ) -> Stored<Option<Session>> {
        let row = sqlx::query(
            "SELECT * FROM sessions WHERE member_id = ?1 AND usage_month >= ?2 AND started_at >= ?3
             ORDER BY usage_month, started_at, reference LIMIT 1",
        )
        .bind(member.as_str())
        .bind(BillingMonth::of(since).to_string())
        .bind(since.timestamp_millis())
        .fetch_optional(&self.read)
        .await?;
        row.as_ref().map(mapping::counted).transpose()
    }

    async fn ended_sessions_of_card(
        &self,
        card: &CardNumber,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Stored<Vec<Session>> {
        let rows = sqlx::query("SELECT * FROM sessions WHERE card_number = ?1 AND started_at < ?3 AND stopped_at > ?2 ORDER BY session_id")
            .bind(card.as_str())
            .bind(from.timestamp_millis())
            .bind(to.timestamp_millis())
            .fetch_all(&self.read)
            .await?;
        sessions(&rows)
    }

    async fn sessions_started_at(
        &self,
        station: &StationId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: i64,
    ) -> Stored<Vec<Session>> {
        let find = "SELECT * FROM sessions WHERE station_id = ?1 AND started_at >= ?2 AND started_at <= ?3 ORDER BY started_at, session_id LIMIT ?4";
        let rows = sqlx::query(find)
            .bind(station.as_str())
            .bind(from.timestamp_millis())
            .bind(to.timestamp_millis())
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        sessions(&rows)
    }

    async fn newest_session_by_start_key(
        &self,
        station: &StationId,
        start_key: &str,
    ) -> Stored<Option<Session>> {
        let find = "SELECT * FROM sessions WHERE station_id = ?1 AND start_key = ?2 ORDER BY start_ordinal DESC LIMIT 1";
        let rows =
            sqlx::query(find).bind(station.as_str()).bind(start_key).fetch_all(&self.read).await?;
        Ok(sessions(&rows)?.pop())
    }

    async fn messages(&self, id: SessionId, limit: i64) -> Stored<Vec<JournalEntry>> {
        let rows = sqlx::query("SELECT * FROM journal WHERE session_id = ?1 ORDER BY seq LIMIT ?2")
            .bind(id.0)
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::journal_entry).collect()
    }

    async fn journal(&self, after: i64, limit: i64) -> Stored<Vec<JournalEntry>> {
        let rows = sqlx::query("SELECT * FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2")
            .bind(after)
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::journal_entry).collect()
    }

    async fn journal_entry(&self, seq: i64) -> Stored<Option<JournalEntry>> {
        let row = sqlx::query("SELECT * FROM journal WHERE seq = ?1")
            .bind(seq)
            .fetch_optional(&self.read)
            .await?;
        row.as_ref().map(mapping::journal_entry).transpose()
    }

    async fn station_journal(
        &self,
        station: &StationId,
        filter: &JournalFilter,
        after: i64,
        limit: i64,
    ) -> Stored<Vec<JournalEntry>> {
        let rows = sqlx::query(
            "SELECT * FROM journal WHERE station_id = ?1 AND seq > ?2 AND received_at >= coalesce(?3, received_at)
                AND (?4 IS NULL OR received_at < ?4) AND (?5 IS NULL OR action = ?5) AND (?6 = 0 OR session_id IS NULL)
             ORDER BY seq LIMIT ?7",
        )
        .bind(station.as_str())
        .bind(after)
        .bind(filter.from.map(|at| at.timestamp_millis()))
        .bind(filter.to.map(|at| at.timestamp_millis()))
        .bind(filter.action.as_deref())
        .bind(i64::from(filter.unmatched))
        .bind(limit)
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(mapping::journal_entry).collect()
    }

    async fn running_sessions(&self, after: SessionId, limit: i64) -> Stored<Vec<Session>> {
        let find = "SELECT * FROM sessions WHERE stopped_at IS NULL AND session_id > ?1 ORDER BY session_id LIMIT ?2";
        sessions(&sqlx::query(find).bind(after.0).bind(limit).fetch_all(&self.read).await?)
    }
}
