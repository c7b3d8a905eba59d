//! Events of transactions in SQLite: reads those that were answered before, and writes a batch's.

use serde_json::{Value, json};
use sqlx::SqliteConnection;

use super::SqliteStore;
use crate::Stored;
use crate::ledger::{Batch, EventRow, Wanted};
use crate::mapping;

const WANTED: &str = "
    SELECT t.session_id, t.step, t.step_key, t.answer FROM json_each(?1) w
    JOIN sessions s ON s.station_id = w.value->>0 AND s.start_key = w.value->>1
    JOIN transaction_steps t ON t.session_id = s.session_id AND t.step = w.value->>2";

const WRITE: &str = "
    INSERT OR IGNORE INTO transaction_steps (session_id, step, step_key, answer)
    SELECT r.value->>0, r.value->>1, r.value->>2, r.value->>3 FROM json_each(?1) r";

const RECHECK_LEFT: &str = "
    INSERT INTO rechecks (member_id, usage_month)
    SELECT r.value->>0, r.value->>1 FROM json_each(?1) r WHERE EXISTS (SELECT 1 FROM runs WHERE month >= r.value->>1)";

impl SqliteStore {
    /// The wanted events that were answered before.
    pub(super) async fn wanted_events(&self, wanted: &Wanted) -> Stored<Vec<EventRow>> {
        if wanted.events.is_empty() {
            return Ok(Vec::new());
        }
        let events: Vec<Value> = wanted
            .events
            .iter()
            .map(|(station, key, event)| json!([station.as_str(), key, event]))
            .collect();
        let rows = sqlx::query(WANTED)
            .bind(Value::Array(events).to_string())
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::event).collect()
    }
}

/// Writes a batch's events, and the rechecks of months that sessions were moved out of.
pub async fn write_events_and_rechecks(write: &mut SqliteConnection, batch: &Batch) -> Stored<()> {
    if !batch.events.is_empty() {
        let rows: Vec<Value> = batch
            .events
            .iter()
            .map(|event| json!([event.session_id.0, event.order, event.key, event.answer]))
            .collect();
        sqlx::query(WRITE).bind(Value::Array(rows).to_string()).execute(&mut *write).await?;
    }
    if !batch.left.is_empty() {
        let rows: Vec<Value> = batch
            .left
            .iter()
            .map(|(member, month)| json!([member.as_str(), month.to_string()]))
            .collect();
        sqlx::query(RECHECK_LEFT).bind(Value::Array(rows).to_string()).execute(&mut *write).await?;
    }
    Ok(())
}
