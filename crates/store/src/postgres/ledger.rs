//! The ledger in PostgreSQL. A batch locks the stations and id tags that it decides on until it is
//! committed, so that no other node decides on them meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Postgres, Row, Transaction};

use super::rows::{SESSION, column, ms, optional, text};
use super::{PostgresStore, begun, locks, write};
use crate::ledger::{
    Batch, BatchName, Facts, IN_USE, InUse, LOOKED_BACK, LedgerRow, LedgerStore, OF_ONE_NAME,
    OPEN_AT_CONNECTOR, OPEN_OF_CARD, OPEN_OF_STATION, OpenBatch, StationOwner, UNKNOWN_READINGS,
    Wanted,
};
use crate::mapping;
use crate::{NodeRun, Stored};
use juden_domain::ids::StationId;

/// The longest time to open or commit a batch. After it, the server counts as not answering.
const WITHIN: Duration = Duration::from_secs(12);

const RESERVE: &str = "
    INSERT INTO meta (name, value) VALUES ('next_session_id', (1 + $1)::text)
    ON CONFLICT (name) DO UPDATE SET value = (meta.value::bigint + $1)::text
    RETURNING value::bigint - $1";

/// The batch's mark is written first, in the same transaction. The locks are taken in the order of
/// their keys, so that two batches cannot wait for each other.
const LOCK: &str = "
    WITH mark AS (
        INSERT INTO ledger_marks (run, number, at) VALUES ($1, $2, clock_timestamp())
        ON CONFLICT (run) DO UPDATE SET number = excluded.number, at = excluded.at)
    SELECT pg_advisory_xact_lock_shared($5)::text
    UNION ALL SELECT pg_advisory_xact_lock(k.key)::text FROM (
        SELECT DISTINCT hashtextextended(name, $4) AS key FROM unnest($3::text[]) name ORDER BY key) k";

/// One look-up for each wanted key. `OFFSET 0` keeps the server from joining in another order, and
/// each look-up follows one index. So the cost does not depend on the tables' statistics.
///
/// The rows are locked in order of session id, because another station's message may name the same
/// session.
fn wanted_rows() -> String {
    format!(
        "SELECT {SESSION} FROM (
             SELECT l.session_id FROM unnest($1::text[], $2::text[]) w (station, key) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s WHERE s.station_id = w.station AND s.start_key = w.key
                 ORDER BY s.start_ordinal DESC LIMIT {OF_ONE_NAME}) l
             UNION SELECT l.session_id FROM unnest($3::text[], $4::text[]) w (station, key) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s WHERE s.station_id = w.station AND s.stop_key = w.key
                 ORDER BY s.stopped_at OFFSET 0) l
             UNION SELECT l.session_id FROM unnest($3::text[], $4::text[]) w (station, key) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s WHERE s.station_id = w.station AND s.guess_key = w.key
                 ORDER BY s.started_at OFFSET 0) l
             UNION SELECT l.session_id FROM unnest($13::text[]) w (station) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s WHERE s.station_id = w.station AND s.stop_basis = 'estimated'
                 ORDER BY s.started_at DESC LIMIT {OPEN_OF_STATION}) l
             UNION SELECT l.session_id FROM unnest($7::text[]) w (tag) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s WHERE s.id_tag_matched = w.tag AND s.stop_basis = 'estimated'
                 ORDER BY s.started_at DESC LIMIT {OPEN_OF_CARD}) l
             UNION SELECT l.session_id FROM unnest($3::text[], $11::bigint[]) w (station, number) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s WHERE s.station_id = w.station AND s.stopped_at IS NULL
                     AND NOT EXISTS (
                         SELECT 1 FROM sessions n WHERE n.session_id BETWEEN w.number AND w.number AND n.station_id = w.station)
                 ORDER BY s.started_at DESC LIMIT {OPEN_OF_STATION}) l
             UNION SELECT unnest($5::bigint[])
             UNION SELECT l.session_id FROM unnest($6::text[], $12::bigint[]) w (station, connector) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s
                 WHERE s.station_id = w.station AND s.connector_id = w.connector AND s.stopped_at IS NULL
                     AND strpos(s.flags, 'superseded') = 0
                 ORDER BY s.started_at DESC LIMIT {OPEN_AT_CONNECTOR}) l
             UNION SELECT l.session_id FROM unnest($7::text[]) w (tag) CROSS JOIN LATERAL (
                 SELECT s.session_id FROM sessions s
                 WHERE s.id_tag_matched = w.tag AND s.stopped_at IS NULL AND s.refusal IS NULL
                     AND strpos(s.flags, 'superseded') = 0 AND strpos(' ' || s.flags, ' concurrent') = 0
                 ORDER BY s.started_at DESC LIMIT {OPEN_OF_CARD}) l
             UNION SELECT l.session_id FROM unnest($8::text[], $9::bigint[], $10::timestamptz[]) w (station, connector, at)
                 CROSS JOIN LATERAL (
                     SELECT s.session_id FROM sessions s
                     WHERE s.station_id = w.station AND s.connector_id = w.connector AND s.started_at <= w.at
                     ORDER BY s.started_at DESC LIMIT 1) l
             UNION SELECT l.session_id FROM unnest($14::text[], $15::bigint[], $16::timestamptz[]) w (station, connector, at)
                 CROSS JOIN LATERAL (
                     SELECT s.session_id FROM sessions s
                     WHERE s.station_id = w.station AND s.connector_id = w.connector AND s.started_at > w.at
                     ORDER BY s.started_at LIMIT 1) l
             ORDER BY session_id OFFSET 0) w (session_id)
         CROSS JOIN LATERAL (
             SELECT * FROM sessions s WHERE s.session_id BETWEEN w.session_id AND w.session_id
             ORDER BY s.session_id FOR NO KEY UPDATE) s"
    )
}

/// At least one row, which holds the last change even if no station is known.
const HOLDS: &str = "
    SELECT c.seq, h.station_id, h.fence, h.connected_node, h.last_seen_at
    FROM (SELECT coalesce(max(seq), 0) AS seq FROM changes) c
    LEFT JOIN (SELECT station_id, fence, connected_node, last_seen_at FROM stations WHERE station_id = ANY($1)) h ON true";

#[async_trait]
impl LedgerStore for PostgresStore {
    async fn reserve_session_ids(&self, count: i64) -> Stored<i64> {
        locks::within(WITHIN, async {
            Ok(sqlx::query_scalar(RESERVE).bind(count).fetch_one(&self.write).await?)
        })
        .await
    }

    async fn open_batch(
        &self,
        name: &BatchName,
        wanted: &Wanted,
    ) -> Stored<(Facts, Box<dyn OpenBatch>)> {
        locks::within(WITHIN, async {
            let mut transaction = begun(&self.write, "BEGIN").await?;
            lock(&mut transaction, name, wanted).await?;
            let rows = ledger_rows(&mut transaction, wanted).await?;
            let events = super::events::wanted(&mut transaction, wanted).await?;
            let (holds, change) = holds(&mut transaction, wanted, &rows).await?;
            let batch: Box<dyn OpenBatch> = Box::new(PostgresBatch(transaction));
            Ok((Facts { rows, events, holds, change }, batch))
        })
        .await
    }

    async fn in_use(&self, stations: &[StationId]) -> Stored<HashMap<StationId, InUse>> {
        let names: Vec<&str> = stations.iter().map(StationId::as_str).collect();
        let connectors = sqlx::query(
            "SELECT station_id, connector_id FROM connectors WHERE station_id = ANY($1) AND status = ANY($2)",
        );
        let readings = format!(
            "SELECT w.station_id, (
                SELECT max(j.received_at) FROM (SELECT * FROM journal j WHERE j.station_id = w.station_id ORDER BY j.seq DESC LIMIT {LOOKED_BACK}) j
                WHERE j.session_id IS NULL AND j.effect = $2) AS at
             FROM unnest($1::text[]) w (station_id)"
        );
        locks::within(WITHIN, async {
            let mut found: HashMap<StationId, InUse> = HashMap::new();
            for row in connectors.bind(&names).bind(&IN_USE[..]).fetch_all(&self.write).await? {
                found
                    .entry(mapping::station_id(&row)?)
                    .or_default()
                    .connectors
                    .push(row.try_get("connector_id")?);
            }
            for row in sqlx::query(AssertSqlSafe(readings))
                .bind(&names)
                .bind(UNKNOWN_READINGS)
                .fetch_all(&self.write)
                .await?
            {
                found.entry(mapping::station_id(&row)?).or_default().unknown_readings_at =
                    optional(&row, "at")?;
            }
            Ok(found)
        })
        .await
    }

    async fn is_committed(&self, name: &BatchName) -> Stored<bool> {
        let asked = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM ledger_marks WHERE run = $1 AND number >= $2)",
        );
        let asked = asked.bind(&name.node.0).bind(name.number);
        locks::within(WITHIN, async { Ok(asked.fetch_one(&self.write).await?) }).await
    }
}

async fn lock(transaction: &mut PgConnection, name: &BatchName, wanted: &Wanted) -> Stored<()> {
    let stations = wanted.stations.iter().map(|station| format!("station:{station}"));
    let tags = wanted.tags.iter().map(|tag| format!("tag:{}", text(tag)));
    sqlx::query(LOCK)
        .bind(&name.node.0)
        .bind(name.number)
        .bind(stations.chain(tags).collect::<Vec<_>>())
        .bind(locks::NAME_SEED)
        .bind(locks::CLOSING)
        .execute(transaction)
        .await?;
    Ok(())
}

async fn ledger_rows(transaction: &mut PgConnection, wanted: &Wanted) -> Stored<Vec<LedgerRow>> {
    if wanted.is_without_sessions() {
        return Ok(Vec::new());
    }
    let rows = sqlx::query(AssertSqlSafe(wanted_rows()))
        .bind(column(&wanted.start_keys, |(station, _)| station.as_str()))
        .bind(column(&wanted.start_keys, |(_, key)| text(key)))
        .bind(column(&wanted.stops, |(station, _, _)| station.as_str()))
        .bind(column(&wanted.stops, |(_, key, _)| text(key)))
        .bind(&wanted.sessions)
        .bind(column(&wanted.open_at, |(station, _)| station.as_str()))
        .bind(column(&wanted.tags, |tag| text(tag)))
        .bind(column(&wanted.connectors, |(station, _, _)| station.as_str()))
        .bind(column(&wanted.connectors, |(_, connector, _)| *connector))
        .bind(column(&wanted.connectors, |(_, _, at)| ms(*at)))
        .bind(column(&wanted.stops, |(_, _, number)| *number))
        .bind(column(&wanted.open_at, |(_, connector)| *connector))
        .bind(column(&wanted.estimated_at, juden_domain::ids::StationId::as_str))
        .bind(column(&wanted.followed, |(station, _, _)| station.as_str()))
        .bind(column(&wanted.followed, |(_, connector, _)| *connector))
        .bind(column(&wanted.followed, |(_, _, at)| ms(*at)))
        .fetch_all(transaction)
        .await?;
    rows.iter().map(mapping::ledger_row).collect()
}

/// The owners of the wanted stations and of the sessions' stations, and the number of the last
/// change.
async fn holds(
    transaction: &mut PgConnection,
    wanted: &Wanted,
    rows: &[LedgerRow],
) -> Stored<(Vec<StationOwner>, i64)> {
    let of_rows = rows.iter().map(|row| &row.session.station_id);
    let ids: BTreeSet<&str> =
        wanted.stations.iter().chain(of_rows).map(StationId::as_str).collect();
    let rows =
        sqlx::query(HOLDS).bind(ids.into_iter().collect::<Vec<_>>()).fetch_all(transaction).await?;
    let change = rows.first().map_or(Ok(0), |row| row.try_get("seq"))?;
    let known = rows
        .iter()
        .map(|row| Ok(optional::<&str>(row, "station_id")?.map(|_| row)))
        .collect::<Stored<Vec<_>>>()?;
    let hold = |row: &PgRow| {
        Ok(StationOwner {
            station_id: mapping::station_id(row)?,
            fence: row.try_get("fence")?,
            node: optional(row, "connected_node")?.map(NodeRun),
            last_seen_at: optional(row, "last_seen_at")?,
        })
    };
    Ok((known.into_iter().flatten().map(hold).collect::<Stored<_>>()?, change))
}

/// An open transaction that holds the batch's locks. It is rolled back when dropped.
struct PostgresBatch(Transaction<'static, Postgres>);

#[async_trait]
impl OpenBatch for PostgresBatch {
    async fn commit(self: Box<Self>, batch: &Batch) -> Stored<()> {
        let mut transaction = self.0;
        locks::within(WITHIN, async {
            write::batch(&mut transaction, batch).await?;
            transaction.commit().await?;
            Ok(())
        })
        .await
    }
}
