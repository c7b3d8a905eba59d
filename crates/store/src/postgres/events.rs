//! Events of transactions in PostgreSQL: reads those that were answered before, and writes a
//! batch's.

use sqlx::PgConnection;

use super::rows::{column, text};
use crate::Stored;
use crate::ledger::{Batch, EventRow, Wanted};
use crate::mapping;
use juden_domain::ids::MemberId;

// Each look-up follows one index, as the look-ups of sessions do.
const WANTED: &str = "
    SELECT t.session_id, t.step, t.step_key, t.answer
    FROM unnest($1::text[], $2::text[], $3::bigint[]) w (station, key, step) CROSS JOIN LATERAL (
        SELECT s.session_id FROM sessions s WHERE s.station_id = w.station AND s.start_key = w.key
        ORDER BY s.start_ordinal OFFSET 0) s
    CROSS JOIN LATERAL (
        SELECT * FROM transaction_steps t WHERE t.session_id = s.session_id AND t.step = w.step ORDER BY t.step OFFSET 0) t";

const WRITE: &str = "
    INSERT INTO transaction_steps (session_id, step, step_key, answer)
    SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) ON CONFLICT DO NOTHING";

const RECHECK_LEFT: &str = "
    INSERT INTO rechecks (member_id, usage_month)
    SELECT r.member_id, r.usage_month FROM unnest($1::text[], $2::text[]) r (member_id, usage_month)
    WHERE EXISTS (SELECT 1 FROM runs WHERE month >= r.usage_month)";

/// The wanted events that were answered before.
pub async fn wanted(read: &mut PgConnection, wanted: &Wanted) -> Stored<Vec<EventRow>> {
    if wanted.events.is_empty() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(WANTED)
        .bind(column(&wanted.events, |(station, _, _)| station.as_str()))
        .bind(column(&wanted.events, |(_, key, _)| text(key)))
        .bind(column(&wanted.events, |(_, _, event)| *event))
        .fetch_all(read)
        .await?;
    rows.iter().map(mapping::event).collect()
}

/// Writes a batch's events, and the rechecks of months that sessions were moved out of.
pub async fn write_events_and_rechecks(write: &mut PgConnection, batch: &Batch) -> Stored<()> {
    if !batch.events.is_empty() {
        sqlx::query(WRITE)
            .bind(column(&batch.events, |event| event.session_id.0))
            .bind(column(&batch.events, |event| event.order))
            .bind(column(&batch.events, |event| text(&event.key)))
            .bind(column(&batch.events, |event| text(&event.answer)))
            .execute(&mut *write)
            .await?;
    }
    if !batch.left.is_empty() {
        sqlx::query(RECHECK_LEFT)
            .bind(column(&batch.left, |(member, _)| MemberId::as_str(member)))
            .bind(column(&batch.left, |(_, month)| month.to_string()))
            .execute(&mut *write)
            .await?;
    }
    Ok(())
}
