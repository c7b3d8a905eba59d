//! Reads sessions and the journal in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgRow;

use super::PostgresStore;
use super::rows::{SESSION, ms};
use crate::mapping;
use crate::{JournalEntry, JournalFilter, Page, SessionFilter, SessionStore, Stored};
use juden_domain::ids::{CardNumber, MemberId, SessionId, SessionRef, StationId};
use juden_domain::month::BillingMonth;
use juden_domain::session::Session;

const ENTRY: &str =
    "seq, station_id, action, message_id, payload, answer, effect, received_at, connected_since, session_id, clock_offset_ms,
    clock_since";

/// The statement for a list of sessions. It names only the columns that the filter has, so that
/// their indexes are used.
fn list(filter: &SessionFilter) -> String {
    let mut wanted = String::from("s.session_id > $1");
    let conditions = [
        (filter.month.is_some(), " AND s.usage_month = $2"),
        (filter.member.is_some(), " AND s.member_id = $3"),
        (filter.station.is_some(), " AND s.station_id = $4"),
        (filter.card.is_some(), " AND s.card_number = $5"),
        (filter.running, " AND s.stopped_at IS NULL"),
    ];
    // Every parameter appears in `p`, because PostgreSQL refuses a parameter of unknown type.
    wanted.extend(conditions.iter().filter(|(asked, _)| *asked).map(|(_, condition)| *condition));
    format!(
        "WITH p AS (SELECT $2::text, $3::text, $4::text, $5::text)
         SELECT {SESSION} FROM sessions s WHERE {wanted} ORDER BY s.session_id LIMIT $6"
    )
}

fn of_members() -> String {
    format!(
        "SELECT {SESSION} FROM unnest($1::text[]) m (id) JOIN sessions s ON s.member_id = m.id AND s.usage_month BETWEEN $2 AND $3
         UNION ALL
         SELECT {SESSION} FROM unnest($1::text[]) m (id) JOIN sessions s ON s.member_id = m.id AND s.stopped_at > $4
         WHERE s.usage_month < $2"
    )
}

fn sessions(rows: &[PgRow]) -> Stored<Vec<Session>> {
    rows.iter().map(mapping::counted).collect()
}

#[async_trait]
impl SessionStore for PostgresStore {
    async fn session(&self, id: SessionId) -> Stored<Option<Session>> {
        let find = format!("SELECT {SESSION} FROM sessions s WHERE s.session_id = $1");
        let row = sqlx::query(AssertSqlSafe(find)).bind(id.0).fetch_optional(&self.api).await?;
        row.as_ref().map(mapping::counted).transpose()
    }

    async fn measured_session(&self, id: SessionId) -> Stored<Option<Session>> {
        let find = format!("SELECT {SESSION} FROM sessions s WHERE s.session_id = $1");
        let row = sqlx::query(AssertSqlSafe(find)).bind(id.0).fetch_optional(&self.api).await?;
        row.as_ref().map(mapping::measured).transpose()
    }

    async fn session_by_reference(&self, reference: &SessionRef) -> Stored<Option<Session>> {
        Ok(self.sessions_by_reference(std::slice::from_ref(reference)).await?.pop())
    }

    async fn sessions_by_reference(&self, references: &[SessionRef]) -> Stored<Vec<Session>> {
        let names: Vec<&str> = references.iter().map(SessionRef::as_str).collect();
        let find = format!(
            "SELECT {SESSION} FROM sessions s WHERE s.reference = ANY($1) ORDER BY s.started_at, s.reference"
        );
        sessions(&sqlx::query(AssertSqlSafe(find)).bind(names).fetch_all(&self.api).await?)
    }

    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Stored<Vec<Session>> {
        let after =
            page.after.as_deref().and_then(|text| SessionId::parse(text).ok()).map_or(0, |id| id.0);
        let rows = sqlx::query(AssertSqlSafe(list(filter)))
            .bind(after)
            .bind(filter.month.map(|month| month.to_string()))
            .bind(filter.member.as_ref().map(MemberId::as_str))
            .bind(filter.station.as_ref().map(StationId::as_str))
            .bind(filter.card.as_ref().map(CardNumber::as_str))
            .bind(page.limit)
            .fetch_all(&self.api)
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
        let rows = sqlx::query(AssertSqlSafe(of_members()))
            .bind(names)
            .bind(first.to_string())
            .bind(last.to_string())
            .bind(first.start())
            .fetch_all(&self.api)
            .await?;
        sessions(&rows)
    }

    async fn first_session_since(
        &self,
        member: &MemberId,
        since: DateTime<Utc>,
    ) -> Stored<Option<Session>> {
        let find = format!(
            "SELECT {SESSION} FROM sessions s WHERE s.member_id = $1 AND s.usage_month >= $2 AND s.started_at >= $3
             ORDER BY s.usage_month, s.started_at, s.reference LIMIT 1"
        );
        let row = sqlx::query(AssertSqlSafe(find))
            .bind(member.as_str())
            .bind(BillingMonth::of(since).to_string())
            .bind(ms(since))
            .fetch_optional(&self.api)
            .await?;
        row.as_ref().map(mapping::counted).transpose()
    }

    async fn ended_sessions_of_card(
        &self,
        card: &CardNumber,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Stored<Vec<Session>> {
        let find = format!(
            "SELECT {SESSION} FROM sessions s WHERE s.card_number = $1 AND s.started_at < $3 AND s.stopped_at > $2 ORDER BY s.session_id"
        );
        sessions(
            &sqlx::query(AssertSqlSafe(find))
                .bind(card.as_str())
                .bind(ms(from))
                .bind(ms(to))
                .fetch_all(&self.api)
                .await?,
        )
    }

    async fn sessions_started_at(
        &self,
        station: &StationId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: i64,
    ) -> Stored<Vec<Session>> {
        let find = format!(
            "SELECT {SESSION} FROM sessions s WHERE s.station_id = $1 AND s.started_at >= $2 AND s.started_at <= $3
             ORDER BY s.started_at, s.session_id LIMIT $4"
        );
        let find = sqlx::query(AssertSqlSafe(find))
            .bind(station.as_str())
            .bind(ms(from))
            .bind(ms(to))
            .bind(limit);
        sessions(&find.fetch_all(&self.api).await?)
    }

    async fn newest_session_by_start_key(
        &self,
        station: &StationId,
        start_key: &str,
    ) -> Stored<Option<Session>> {
        let find = format!(
            "SELECT {SESSION} FROM sessions s WHERE s.station_id = $1 AND s.start_key = $2 ORDER BY s.start_ordinal DESC LIMIT 1"
        );
        let rows = sqlx::query(AssertSqlSafe(find))
            .bind(station.as_str())
            .bind(start_key)
            .fetch_all(&self.api)
            .await?;
        Ok(sessions(&rows)?.pop())
    }

    async fn messages(&self, id: SessionId, limit: i64) -> Stored<Vec<JournalEntry>> {
        let find =
            format!("SELECT {ENTRY} FROM journal WHERE session_id = $1 ORDER BY seq LIMIT $2");
        sqlx::query(AssertSqlSafe(find))
            .bind(id.0)
            .bind(limit)
            .fetch_all(&self.api)
            .await?
            .iter()
            .map(mapping::journal_entry)
            .collect()
    }

    async fn journal(&self, after: i64, limit: i64) -> Stored<Vec<JournalEntry>> {
        let find = format!("SELECT {ENTRY} FROM journal WHERE seq > $1 ORDER BY seq LIMIT $2");
        sqlx::query(AssertSqlSafe(find))
            .bind(after)
            .bind(limit)
            .fetch_all(&self.api)
            .await?
            .iter()
            .map(mapping::journal_entry)
            .collect()
    }

    async fn journal_entry(&self, seq: i64) -> Stored<Option<JournalEntry>> {
        let find = format!("SELECT {ENTRY} FROM journal WHERE seq = $1");
        let row = sqlx::query(AssertSqlSafe(find)).bind(seq).fetch_optional(&self.api).await?;
        row.as_ref().map(mapping::journal_entry).transpose()
    }

    async fn station_journal(
        &self,
        station: &StationId,
        filter: &JournalFilter,
        after: i64,
        limit: i64,
    ) -> Stored<Vec<JournalEntry>> {
        let find = format!(
            "SELECT {ENTRY} FROM journal WHERE station_id = $1 AND seq > $2 AND ($3::timestamptz IS NULL OR received_at >= $3)
                AND ($4::timestamptz IS NULL OR received_at < $4) AND ($5::text IS NULL OR action = $5) AND (NOT $6 OR session_id IS NULL)
             ORDER BY seq LIMIT $7"
        );
        let rows = sqlx::query(AssertSqlSafe(find))
            .bind(station.as_str())
            .bind(after)
            .bind(filter.from.map(ms))
            .bind(filter.to.map(ms))
            .bind(filter.action.as_deref())
            .bind(filter.unmatched)
            .bind(limit)
            .fetch_all(&self.api)
            .await?;
        rows.iter().map(mapping::journal_entry).collect()
    }

    async fn running_sessions(&self, after: SessionId, limit: i64) -> Stored<Vec<Session>> {
        let find = format!(
            "SELECT {SESSION} FROM sessions s WHERE s.stopped_at IS NULL AND s.session_id > $1 ORDER BY s.session_id LIMIT $2"
        );
        sessions(
            &sqlx::query(AssertSqlSafe(find))
                .bind(after.0)
                .bind(limit)
                .fetch_all(&self.api)
                .await?,
        )
    }
}
