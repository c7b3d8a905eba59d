//! API requests that are done only once: they are stored with their change.

use sqlx::{PgConnection, Row};

use super::PostgresStore;
use super::rows::{ms, text};
use crate::{Once, Stored};

/// Stores that a request was done, in the transaction of its change. `subject` names what it made.
pub async fn keep(write: &mut PgConnection, once: Option<&Once>, subject: &str) -> Stored<()> {
    let Some(once) = once else { return Ok(()) };
    sqlx::query(
        "INSERT INTO idempotent_changes (key, request, body_sha256, subject, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
    )
    .bind(text(&once.key))
    .bind(text(&once.request))
    .bind(&once.body_sha256)
    .bind(subject)
    .bind(ms(once.at))
    .execute(write)
    .await?;
    Ok(())
}

impl PostgresStore {
    /// Of a request that was done: the hash of its body, and the name of what it made.
    pub(super) async fn done(&self, key: &str, request: &str) -> Stored<Option<(String, String)>> {
        let find = sqlx::query(
            "SELECT body_sha256, subject FROM idempotent_changes WHERE key = $1 AND request = $2",
        );
        let row = find.bind(text(key)).bind(text(request)).fetch_optional(&self.api).await?;
        row.map(|row| Ok((row.try_get("body_sha256")?, row.try_get("subject")?))).transpose()
    }
}
