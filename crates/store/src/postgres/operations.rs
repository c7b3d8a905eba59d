//! Named values, commands, stored API answers and turns in PostgreSQL.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, Row};

use super::rows::{ms, text};
use super::{PostgresStore, locks, retried};
use crate::exchanges::COMMANDS_KEPT;
use crate::{
    KeptAnswer, KeptCommand, Once, OperationStore, SHOWN_CARDS_KEPT, SentCommand, StoreError,
    Stored, Turn,
};
use juden_domain::month::BillingMonth;

/// The longest wait in ping(). After it, the server counts as not answering.
const PING_WITHIN: Duration = Duration::from_secs(5);

/// Removes a station's oldest commands beyond [`COMMANDS_KEPT`], once in [`FORGET_COMMANDS_EVERY`]
/// commands.
const FORGET_COMMANDS: &str = "
    DELETE FROM commands WHERE station_id = $1 AND command_no <= (
        SELECT command_no FROM commands WHERE station_id = $1 ORDER BY command_no DESC LIMIT 1 OFFSET $2)";
const FORGET_COMMANDS_EVERY: i64 = 16;

/// Removes stored answers and done requests that are too old for repeats. Rows that another node is
/// removing are skipped.
const FORGET_ANSWERS: &str = "
    DELETE FROM idempotency_keys WHERE (key, request) IN (SELECT key, request FROM idempotency_keys WHERE at < $1 FOR UPDATE SKIP LOCKED)";
const FORGET_CHANGES: &str = "
    DELETE FROM idempotent_changes WHERE (key, request) IN (SELECT key, request FROM idempotent_changes WHERE at < $1 FOR UPDATE SKIP LOCKED)";

#[async_trait]
impl OperationStore for PostgresStore {
    async fn meta(&self, name: &str) -> Stored<Option<String>> {
        Ok(sqlx::query_scalar("SELECT value FROM meta WHERE name = $1")
            .bind(text(name))
            .fetch_optional(&self.api)
            .await?)
    }

    async fn meta_or_set(&self, name: &str, value: &str) -> Stored<String> {
        Ok(sqlx::query_scalar(
            "INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = meta.value RETURNING value",
        )
        .bind(text(name))
        .bind(text(value))
        .fetch_one(&self.api)
        .await?)
    }

    async fn set_meta(&self, name: &str, value: &str) -> Stored<()> {
        sqlx::query("INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value")
            .bind(text(name))
            .bind(text(value))
            .execute(&self.api)
            .await?;
        Ok(())
    }

    async fn save_command(&self, command: &KeptCommand) -> Stored<i64> {
        let mut write = self.begin().await?;
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO commands (station_id, sent_by, message_id, action, payload, sent_at) VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING command_no",
        )
        .bind(command.station_id.as_str())
        .bind(text(&command.sent_by))
        .bind(text(&command.message_id))
        .bind(text(&command.action))
        .bind(text(&command.payload))
        .bind(ms(command.sent_at))
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
            "UPDATE commands SET outcome = $2, answer = $3, answered_at = $4 WHERE command_no = $1",
        )
        .bind(number)
        .bind(text(outcome))
        .bind(text(answer))
        .bind(ms(at))
        .execute(&self.api)
        .await?;
        Ok(())
    }

    async fn undo_once(&self, once: &Once) -> Stored<()> {
        retried!(self.try_undo_once(once))
    }

    async fn done_once(&self, key: &str, request: &str) -> Stored<Option<(String, String)>> {
        self.done(key, request).await
    }

    async fn command(&self, number: i64) -> Stored<Option<SentCommand>> {
        self.command_by_number(number).await
    }

    async fn kept_answer(&self, key: &str, request: &str) -> Stored<Option<KeptAnswer>> {
        let row = sqlx::query("SELECT body_sha256, status, content_type, answer FROM idempotency_keys WHERE key = $1 AND request = $2")
            .bind(text(key))
            .bind(text(request))
            .fetch_optional(&self.api)
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
        retried!(self.try_keep_answer(key, request, answer, at, forget_before))
    }

    async fn turns(&self, names: &[&str]) -> Stored<Turn> {
        let mut names = names.to_vec();
        names.sort_unstable();
        // One connection holds all turns. A caller that waited for a second connection while it has
        // a first could wait for ever.
        let mut turn = turn_connection(&self.turns).await?;
        for name in names {
            sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, $2))")
                .bind(text(name))
                .bind(locks::TURN_SEED)
                .execute(&mut *turn)
                .await?;
        }
        Ok(Box::new(turn))
    }

    async fn try_turn(&self, name: &str) -> Stored<Option<Turn>> {
        let mut turn = turn_connection(&self.tries).await?;
        let taken: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, $2))")
                .bind(text(name))
                .bind(locks::TURN_SEED)
                .fetch_one(&mut *turn)
                .await?;
        Ok(taken.then(|| Box::new(turn) as Turn))
    }

    async fn ping(&self) -> Stored<()> {
        let asked = sqlx::query_scalar(
            "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean",
        );
        let is_read_only =
            locks::within(PING_WITHIN, async { Ok(asked.fetch_one(&self.api).await?) }).await?;
        if is_read_only {
            let cause = std::io::Error::other(
                "the database server takes no writes: it is a standby, or read only",
            );
            return Err(StoreError::Failed(sqlx::Error::Io(cause)));
        }
        Ok(())
    }

    async fn newest_instant(&self) -> Stored<Option<DateTime<Utc>>> {
        let newest = sqlx::query_scalar(
            "SELECT max(at) FROM (SELECT at FROM (SELECT at FROM events ORDER BY seq DESC LIMIT 1000) newest
                UNION ALL SELECT max(last_seen_at) FROM stations) of_all",
        );
        Ok(newest.fetch_one(&self.api).await?)
    }

    async fn make_room(&self, now: DateTime<Utc>) -> Stored<()> {
        let forget = "DELETE FROM authorizations WHERE number IN (SELECT number FROM authorizations WHERE at < $1 ORDER BY at LIMIT 10000)";
        sqlx::query(forget).bind(now - SHOWN_CARDS_KEPT).execute(&self.api).await?;
        self.make_parts(now).await
    }

    async fn forget_before(&self, month: BillingMonth) -> Stored<u64> {
        Ok(self.drop_parts(month).await? + self.remove_rows(month).await?)
    }
}

impl PostgresStore {
    async fn try_undo_once(&self, once: &Once) -> Stored<()> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        let forget = sqlx::query("DELETE FROM idempotent_changes WHERE key = $1 AND request = $2");
        forget.bind(text(&once.key)).bind(text(&once.request)).execute(&mut *write).await?;
        write.commit().await?;
        Ok(())
    }

    async fn try_keep_answer(
        &self,
        key: &str,
        request: &str,
        answer: &KeptAnswer,
        at: DateTime<Utc>,
        forget_before: DateTime<Utc>,
    ) -> Stored<()> {
        let mut write = self.begin().await?;
        for table in [FORGET_ANSWERS, FORGET_CHANGES] {
            sqlx::query(table).bind(ms(forget_before)).execute(&mut *write).await?;
        }
        sqlx::query(
            "INSERT INTO idempotency_keys (key, request, body_sha256, status, content_type, answer, at) VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (key, request) DO NOTHING",
        )
        .bind(text(key))
        .bind(text(request))
        .bind(&answer.body_sha256)
        .bind(i64::from(answer.status))
        .bind(&answer.content_type)
        .bind(text(&answer.answer))
        .bind(ms(at))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(())
    }
}

/// A turn's own connection, which is closed with the turn, so that no lock can outlive it.
async fn turn_connection(pool: &PgPool) -> Stored<PoolConnection<Postgres>> {
    let mut connection = pool.acquire().await?;
    connection.close_on_drop();
    Ok(connection)
}
