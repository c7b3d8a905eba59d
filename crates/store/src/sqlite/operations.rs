//! Named values, commands and stored API answers in SQLite.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;

use super::SqliteStore;
use crate::exchanges::COMMANDS_KEPT;
use crate::{
    KeptAnswer, KeptCommand, Once, OperationStore, SHOWN_CARDS_KEPT, SentCommand, StoreError,
    Stored, Turn,
};
use juden_domain::month::{BillingMonth, japan_midnight};

/// The longest time that the test write of ping() may take before the store counts as not writable.
const MARK_WITHIN: Duration = Duration::from_secs(5);

/// Rows that one transaction removes, so that stations' messages do not wait long.
const REMOVED_AT_ONCE: i64 = 10_000;

const FORGET_JOURNAL: &str =
    "DELETE FROM journal WHERE seq IN (SELECT seq FROM journal WHERE received_at < ?1 LIMIT ?2)";

const FORGET_READINGS: &str = "
    DELETE FROM readings WHERE (session_id, station_id, connector_id, sampled_at, measurand, phase, location, context) IN
        (SELECT session_id, station_id, connector_id, sampled_at, measurand, phase, location, context FROM readings
         WHERE sampled_at < ?1 LIMIT ?2)";

/// Removes a station's oldest commands beyond [`COMMANDS_KEPT`], once in [`FORGET_COMMANDS_EVERY`]
/// commands.
const FORGET_COMMANDS: &str = "
    DELETE FROM commands WHERE station_id = ?1 AND command_no <= (
        SELECT command_no FROM commands WHERE station_id = ?1 ORDER BY command_no DESC LIMIT 1 OFFSET ?2)";
const FORGET_COMMANDS_EVERY: i64 = 16;

#[async_trait]
impl OperationStore for SqliteStore {
    async fn meta(&self, name: &str) -> Stored<Option<String>> {
        Ok(sqlx::query_scalar("SELECT value FROM meta WHERE name = ?1")
            .bind(name)
            .fetch_optional(&self.read)
            .await?)
    }

    async fn meta_or_set(&self, name: &str, value: &str) -> Stored<String> {
        Ok(sqlx::query_scalar(
            "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = value RETURNING value",
        )
        .bind(name)
        .bind(value)
        .fetch_one(&self.write)
        .await?)
    }

    async fn set_meta(&self, name: &str, value: &str) -> Stored<()> {
        sqlx::query("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")
            .bind(name)
            .bind(value)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn save_command(&self, command: &KeptCommand) -> Stored<i64> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO commands (station_id, sent_by, message_id, action, payload, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING command_no",
        )
        .bind(command.station_id.as_str())
        .bind(&command.sent_by)
        .bind(&command.message_id)
        .bind(&command.action)
        .bind(&command.payload)
        .bind(command.sent_at.timestamp_millis())
        .fetch_one(&mut *write)
        .await?;
        super::once::keep(&mut write, command.once.as_ref(), &number.to_string()).await?;
        if number % FORGET_COMMANDS_EVERY == 0 {
            sqlx::query(FORGET_COMMANDS)
                .bind(command.station_id.as_str())
                .bind(COMMANDS_KEPT)
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        Ok(number)
    }

    async fn save_command_outcome(
        &self,
        number: i64,
        outcome: &str,
        answer: &str,
        at: DateTime<Utc>,
    ) -> Stored<()> {
        sqlx::query(
            "UPDATE commands SET outcome = ?2, answer = ?3, answered_at = ?4 WHERE command_no = ?1",
        )
        .bind(number)
        .bind(outcome)
        .bind(answer)
        .bind(at.timestamp_millis())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn undo_once(&self, once: &Once) -> Stored<()> {
        let forget = sqlx::query("DELETE FROM idempotent_changes WHERE key = ?1 AND request = ?2");
        forget.bind(&once.key).bind(&once.request).execute(&self.write).await?;
        Ok(())
    }

    async fn done_once(&self, key: &str, request: &str) -> Stored<Option<(String, String)>> {
        self.done(key, request).await
    }

    async fn command(&self, number: i64) -> Stored<Option<SentCommand>> {
        self.command_by_number(number).await
    }

    async fn kept_answer(&self, key: &str, request: &str) -> Stored<Option<KeptAnswer>> {
        let row = sqlx::query("SELECT * FROM idempotency_keys WHERE key = ?1 AND request = ?2")
            .bind(key)
            .bind(request)
            .fetch_optional(&self.read)
            .await?;
        row.map(|row| {
            Ok(KeptAnswer {
                body_sha256: row.try_get("body_sha256")?,
                status: u16::try_from(row.try_get::<i64, _>("status")?)
                    .map_err(|_| StoreError::Unreadable("kept answer"))?,
                content_type: row.try_get("content_type")?,
                answer: row.try_get("answer")?,
            })
        })
        .transpose()
    }

    async fn keep_answer(
        &self,
        key: &str,
        request: &str,
        answer: &KeptAnswer,
        at: DateTime<Utc>,
        forget_before: DateTime<Utc>,
    ) -> Stored<()> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        for table in [
            "DELETE FROM idempotency_keys WHERE at < ?1",
            "DELETE FROM idempotent_changes WHERE at < ?1",
        ] {
            sqlx::query(table).bind(forget_before.timestamp_millis()).execute(&mut *write).await?;
        }
        sqlx::query(
            "INSERT INTO idempotency_keys (key, request, body_sha256, status, content_type, answer, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (key, request) DO NOTHING",
        )
        .bind(key)
        .bind(request)
        .bind(&answer.body_sha256)
        .bind(i64::from(answer.status))
        .bind(&answer.content_type)
        .bind(&answer.answer)
        .bind(at.timestamp_millis())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }

    /// Only one process uses the file, and its tasks take turns among themselves.
    async fn turns(&self, _names: &[&str]) -> Stored<Turn> {
        Ok(Box::new(()))
    }

    async fn try_turn(&self, _name: &str) -> Stored<Option<Turn>> {
        Ok(Some(Box::new(())))
    }

    /// Reads, and makes a test write, which fails on a full disk or a read-only file.
    async fn ping(&self) -> Stored<()> {
        self.room.keep();
        if !self.room.is_enough() {
            return Err(StoreError::NoRoom);
        }
        sqlx::query("SELECT 1").execute(&self.read).await?;
        let mark = sqlx::query(
            "INSERT INTO meta (name, value) VALUES ('marked', '') ON CONFLICT (name) DO UPDATE SET value = ''",
        );
        match tokio::time::timeout(MARK_WITHIN, mark.execute(&self.write)).await {
            Ok(marked) => Ok(marked.map(|_| ())?),
            Err(_) => Err(StoreError::Failed(sqlx::Error::PoolTimedOut)),
        }
    }

    async fn newest_instant(&self) -> Stored<Option<DateTime<Utc>>> {
        let newest: Option<i64> = sqlx::query_scalar(
            "SELECT max(at) FROM (SELECT at FROM (SELECT at FROM events ORDER BY seq DESC LIMIT 1000)
                UNION ALL SELECT max(last_seen_at) FROM stations)",
        )
        .fetch_one(&self.read)
        .await?;
        Ok(newest.map(super::rows::instant))
    }

    async fn make_room(&self, now: DateTime<Utc>) -> Stored<()> {
        let until = (now - SHOWN_CARDS_KEPT).timestamp_millis();
        let forget = "DELETE FROM authorizations WHERE number IN (SELECT number FROM authorizations WHERE at < ?1 ORDER BY at LIMIT ?2)";
        sqlx::query(forget).bind(until).bind(REMOVED_AT_ONCE).execute(&self.write).await?;
        Ok(())
    }

    async fn forget_before(&self, month: BillingMonth) -> Stored<u64> {
        let until = japan_midnight(month.first_day()).timestamp_millis();
        let mut removed = 0;
        for statement in [FORGET_JOURNAL, FORGET_READINGS] {
            loop {
                let rows = sqlx::query(statement)
                    .bind(until)
                    .bind(REMOVED_AT_ONCE)
                    .execute(&self.write)
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
