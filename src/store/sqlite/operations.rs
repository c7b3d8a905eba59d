//! Named values, commands and kept answers in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;

use super::SqliteStore;
use crate::store::{KeptAnswer, KeptCommand, OperationStore, StoreError, Stored};

#[async_trait]
impl OperationStore for SqliteStore {
    async fn meta(&self, name: &str) -> Stored<Option<String>> {
        Ok(sqlx::query_scalar("SELECT value FROM meta WHERE name = ?1").bind(name).fetch_optional(&self.read).await?)
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
        Ok(sqlx::query_scalar(
            "INSERT INTO commands (station_id, sent_by, message_id, action, payload, sent_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING command_no",
        )
        .bind(command.station_id.as_str())
        .bind(&command.sent_by)
        .bind(&command.message_id)
        .bind(&command.action)
        .bind(&command.payload)
        .bind(command.sent_at.timestamp_millis())
        .fetch_one(&self.write)
        .await?)
    }

    async fn save_command_outcome(&self, number: i64, outcome: &str, answer: &str, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query("UPDATE commands SET outcome = ?2, answer = ?3, answered_at = ?4 WHERE command_no = ?1")
            .bind(number)
            .bind(outcome)
            .bind(answer)
            .bind(at.timestamp_millis())
            .execute(&self.write)
            .await?;
        Ok(())
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
                status: u16::try_from(row.try_get::<i64, _>("status")?).map_err(|_| StoreError::Unreadable("kept answer"))?,
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
        sqlx::query("DELETE FROM idempotency_keys WHERE at < ?1").bind(forget_before.timestamp_millis()).execute(&mut *write).await?;
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

    async fn ping(&self) -> Stored<()> {
        sqlx::query("SELECT 1").execute(&self.read).await?;
        Ok(())
    }
}
