//! The ledger in SQLite. A batch's facts are read with a few statements, and sessions, journal and
//! readings are written with one statement each, whatever the batch's size. Rows are passed as one
//! JSON text, so that each statement is prepared once.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::disk_reserve::DiskReserve;
use super::rows::{optional, optional_instant, session_values};
use crate::ledger::{
    Batch, BatchName, Facts, IN_USE, InUse, LOOKED_BACK, LedgerRow, LedgerStore, OF_ONE_NAME,
    OPEN_AT_CONNECTOR, OPEN_OF_CARD, OPEN_OF_STATION, OpenBatch, OpenRow, StationNote,
    StationNoteRow, StationOwner, UNKNOWN_READINGS, Wanted,
};
use crate::mapping;
use crate::{NodeRun, StoreError, Stored};
use juden_domain::ids::{CardNumber, MemberId, StationId};
use juden_domain::refusal::Reason;

/// The name of the meta value that holds the next session number.
const NEXT_SESSION: &str = "next_session_id";

// The indexes are named, because without statistics SQLite prefers a wider one and reads all rows
// that a station ever had.
const WANTED_ROWS: &str = "
    SELECT * FROM sessions WHERE session_id IN (
        SELECT o.session_id FROM json_each(?1) w CROSS JOIN sessions o ON o.session_id IN (
            SELECT s.session_id FROM sessions s WHERE s.station_id = w.value->>0 AND s.start_key = w.value->>1
            ORDER BY s.start_ordinal DESC LIMIT ?10)
        UNION SELECT s.session_id FROM json_each(?2) w JOIN sessions s ON s.station_id = w.value->>0 AND s.stop_key = w.value->>1
        UNION SELECT s.session_id FROM json_each(?2) w JOIN sessions s ON s.station_id = w.value->>0 AND s.guess_key = w.value->>1
        UNION SELECT o.session_id FROM json_each(?11) w CROSS JOIN sessions o ON o.session_id IN (
            SELECT s.session_id FROM sessions s INDEXED BY sessions_estimated_by_station
            WHERE s.station_id = w.value AND s.stop_basis = 'estimated' ORDER BY s.started_at DESC LIMIT ?7)
        UNION SELECT o.session_id FROM json_each(?5) w CROSS JOIN sessions o ON o.session_id IN (
            SELECT s.session_id FROM sessions s INDEXED BY sessions_estimated_by_tag
            WHERE s.id_tag_matched = w.value AND s.stop_basis = 'estimated' ORDER BY s.started_at DESC LIMIT ?9)
        UNION SELECT o.session_id FROM json_each(?2) w CROSS JOIN sessions o ON o.session_id IN (
            SELECT s.session_id FROM sessions s INDEXED BY sessions_open_by_station
            WHERE s.station_id = w.value->>0 AND s.stopped_at IS NULL ORDER BY s.started_at DESC LIMIT ?7)
            WHERE NOT EXISTS (SELECT 1 FROM sessions n WHERE n.session_id = w.value->>2 AND n.station_id = w.value->>0)
        UNION SELECT value FROM json_each(?3)
        UNION SELECT o.session_id FROM json_each(?4) w CROSS JOIN sessions o ON o.session_id IN (
            SELECT s.session_id FROM sessions s INDEXED BY sessions_open_newest
            WHERE s.station_id = w.value->>0 AND s.connector_id = w.value->>1 AND s.stopped_at IS NULL AND instr(s.flags, 'superseded') = 0
            ORDER BY s.started_at DESC LIMIT ?8)
        UNION SELECT o.session_id FROM json_each(?5) w CROSS JOIN sessions o ON o.session_id IN (
            SELECT s.session_id FROM sessions s INDEXED BY sessions_busy_by_tag
            WHERE s.id_tag_matched = w.value AND s.stopped_at IS NULL AND s.refusal IS NULL
                AND instr(s.flags, 'superseded') = 0 AND instr(' ' || s.flags, ' concurrent') = 0
            ORDER BY s.started_at DESC LIMIT ?9)
        UNION SELECT (SELECT s.session_id FROM sessions s
                      WHERE s.station_id = w.value->>0 AND s.connector_id = w.value->>1 AND s.started_at <= w.value->>2
                      ORDER BY s.started_at DESC LIMIT 1)
              FROM json_each(?6) w
        UNION SELECT (SELECT s.session_id FROM sessions s
                      WHERE s.station_id = w.value->>0 AND s.connector_id = w.value->>1 AND s.started_at > w.value->>2
                      ORDER BY s.started_at LIMIT 1)
              FROM json_each(?12) w)
    ORDER BY session_id";

const WRITE_SESSIONS: &str = "
    INSERT INTO sessions (session_id, station_id, connector_id, charger_class, power_w, session_cap_min,
        id_tag, id_tag_matched, card_number, member_id, refusal, start_key, start_ordinal, start_reported,
        start_received_at, started_at, usage_month, start_meter_wh, start_answer, stop_key, stop_reported,
        stop_received_at, stopped_at, stop_meter_wh, stop_reason, stop_id_tag, energy_wh, stop_answer,
        last_reading_wh, flags, repeats, start_said_at, stop_said_at, reference, site, transaction_name, evidence, shown_at,
        stop_basis, guess_key, trail, corrections, measured)
    SELECT r.value->>0, r.value->>1, r.value->>2, r.value->>3, r.value->>4, r.value->>5, r.value->>6, r.value->>7,
        r.value->>8, r.value->>9, r.value->>10, r.value->>11, r.value->>12, r.value->>13, r.value->>14, r.value->>15,
        r.value->>16, r.value->>17, r.value->>18, r.value->>19, r.value->>20, r.value->>21, r.value->>22, r.value->>23,
        r.value->>24, r.value->>25, r.value->>26, r.value->>27, r.value->>28, r.value->>29, r.value->>30, r.value->>31, r.value->>32,
        r.value->>33, r.value->>34, r.value->>35, r.value->>36, r.value->>37,
        r.value->>38, r.value->>39, r.value->>40, r.value->>41, r.value->>42
    FROM json_each(?1) r WHERE true
    ON CONFLICT (session_id) DO UPDATE SET connector_id = excluded.connector_id, charger_class = excluded.charger_class, power_w = excluded.power_w,
        session_cap_min = excluded.session_cap_min, id_tag = excluded.id_tag, id_tag_matched = excluded.id_tag_matched,
        card_number = excluded.card_number, member_id = excluded.member_id, refusal = excluded.refusal,
        start_reported = excluded.start_reported, start_said_at = excluded.start_said_at, start_received_at = excluded.start_received_at,
        started_at = excluded.started_at, usage_month = excluded.usage_month, start_meter_wh = excluded.start_meter_wh,
        site = excluded.site, evidence = excluded.evidence, shown_at = excluded.shown_at, stop_key = excluded.stop_key, stop_said_at = excluded.stop_said_at, stop_reported = excluded.stop_reported,
        stop_received_at = excluded.stop_received_at, stopped_at = excluded.stopped_at,
        stop_meter_wh = excluded.stop_meter_wh, stop_reason = excluded.stop_reason,
        stop_id_tag = excluded.stop_id_tag, energy_wh = excluded.energy_wh, stop_answer = excluded.stop_answer,
        last_reading_wh = excluded.last_reading_wh, flags = excluded.flags, repeats = excluded.repeats,
        stop_basis = excluded.stop_basis, guess_key = excluded.guess_key, trail = excluded.trail, corrections = excluded.corrections,
        measured = excluded.measured";

/// A written session of a month whose close has begun is rated again by the next close. So is the
/// member's session of an earlier month that overlaps it, because both are then held for review. A
/// session longer than a day (`LONG_SESSION_HOURS`) is held in any case, so only ends within a day
/// are searched.
const RECHECK: &str = "
    INSERT INTO rechecks (member_id, usage_month)
    SELECT r.value->>9, r.value->>16 FROM json_each(?1) r
    WHERE r.value->>9 IS NOT NULL AND EXISTS (SELECT 1 FROM runs WHERE month >= r.value->>16)
    UNION
    SELECT s.member_id, s.usage_month FROM json_each(?1) r CROSS JOIN sessions s INDEXED BY sessions_by_member_stop
        ON s.member_id = r.value->>9 AND s.stopped_at > r.value->>15 AND s.stopped_at <= (r.value->>15) + 86400000
    WHERE r.value->>22 IS NOT NULL AND s.started_at < r.value->>22 AND s.usage_month < r.value->>16
        AND EXISTS (SELECT 1 FROM runs WHERE month >= s.usage_month)";

const WRITE_JOURNAL: &str = "
    INSERT INTO journal (station_id, session_id, action, message_id, payload, answer, effect, received_at, connected_since,
        clock_offset_ms, clock_since)
    SELECT r.value->>0, r.value->>1, r.value->>2, r.value->>3, r.value->>4, r.value->>5, r.value->>6, r.value->>7, r.value->>8,
        r.value->>9, r.value->>10
    FROM json_each(?1) r";

const WRITE_READINGS: &str = "
    INSERT OR IGNORE INTO readings (station_id, connector_id, session_id, sampled_at, measurand, phase, location, context, unit, value)
    SELECT r.value->>0, r.value->>1, r.value->>2, r.value->>3, r.value->>4, r.value->>5, r.value->>6, r.value->>7, r.value->>8, r.value->>9
    FROM json_each(?1) r";

#[async_trait]
impl LedgerStore for SqliteStore {
    async fn reserve_session_ids(&self, count: i64) -> Stored<i64> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let next: Option<String> = sqlx::query_scalar("SELECT value FROM meta WHERE name = ?1")
            .bind(NEXT_SESSION)
            .fetch_optional(&mut *write)
            .await?;
        let first: i64 = next
            .map_or(Ok(1), |next| next.parse())
            .map_err(|_| StoreError::Unreadable("session counter"))?;
        sqlx::query("INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2")
            .bind(NEXT_SESSION)
            .bind((first + count).to_string())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(first)
    }

    async fn open_batch(
        &self,
        _name: &BatchName,
        wanted: &Wanted,
    ) -> Stored<(Facts, Box<dyn OpenBatch>)> {
        let rows = self.ledger_rows(wanted).await?;
        let events = self.wanted_events(wanted).await?;
        let holds = self.holds(wanted, &rows).await?;
        Ok((
            Facts { rows, events, holds, change: 0 },
            Box::new(SqliteBatch(self.write.clone(), self.room.clone())),
        ))
    }

    async fn in_use(&self, stations: &[StationId]) -> Stored<HashMap<StationId, InUse>> {
        let names = json!(stations.iter().map(StationId::as_str).collect::<Vec<_>>()).to_string();
        let mut found: HashMap<StationId, InUse> = HashMap::new();
        let station = |row: &SqliteRow| {
            StationId::parse(row.try_get("station_id")?)
                .map_err(|_| StoreError::Unreadable("station id"))
        };
        let connectors = "SELECT station_id, connector_id FROM connectors
             WHERE station_id IN (SELECT value FROM json_each(?1)) AND status IN (SELECT value FROM json_each(?2))";
        for row in sqlx::query(connectors)
            .bind(&names)
            .bind(json!(IN_USE).to_string())
            .fetch_all(&self.read)
            .await?
        {
            found.entry(station(&row)?).or_default().connectors.push(row.try_get("connector_id")?);
        }
        let readings = "SELECT w.value AS station_id, (
                SELECT max(j.received_at) FROM (SELECT * FROM journal WHERE station_id = w.value ORDER BY seq DESC LIMIT ?3) j
                WHERE j.session_id IS NULL AND j.effect = ?2) AS at
             FROM json_each(?1) w";
        for row in sqlx::query(readings)
            .bind(&names)
            .bind(UNKNOWN_READINGS)
            .bind(LOOKED_BACK)
            .fetch_all(&self.read)
            .await?
        {
            found.entry(station(&row)?).or_default().unknown_readings_at =
                optional_instant(&row, "at")?;
        }
        Ok(found)
    }

    /// In SQLite a failed commit leaves nothing.
    async fn is_committed(&self, _name: &BatchName) -> Stored<bool> {
        Ok(false)
    }
}

impl SqliteStore {
    async fn ledger_rows(&self, wanted: &Wanted) -> Stored<Vec<LedgerRow>> {
        let pairs = |keys: &[(StationId, String)]| -> String {
            json!(
                keys.iter()
                    .map(|(station, key)| json!([station.as_str(), key]))
                    .collect::<Vec<_>>()
            )
            .to_string()
        };
        let stops: Vec<Value> = wanted
            .stops
            .iter()
            .map(|(station, key, number)| json!([station.as_str(), key, number]))
            .collect();
        let open_at: Vec<Value> = wanted
            .open_at
            .iter()
            .map(|(station, connector)| json!([station.as_str(), connector]))
            .collect();
        let places = |places: &[(StationId, i64, DateTime<Utc>)]| -> String {
            json!(
                places
                    .iter()
                    .map(|(station, connector, at)| json!([
                        station.as_str(),
                        connector,
                        at.timestamp_millis()
                    ]))
                    .collect::<Vec<_>>()
            )
            .to_string()
        };
        let rows = sqlx::query(WANTED_ROWS)
            .bind(pairs(&wanted.start_keys))
            .bind(Value::Array(stops).to_string())
            .bind(json!(wanted.sessions).to_string())
            .bind(Value::Array(open_at).to_string())
            .bind(json!(wanted.tags).to_string())
            .bind(places(&wanted.connectors))
            .bind(OPEN_OF_STATION)
            .bind(OPEN_AT_CONNECTOR)
            .bind(OPEN_OF_CARD)
            .bind(OF_ONE_NAME)
            .bind(
                json!(wanted.estimated_at.iter().map(StationId::as_str).collect::<Vec<_>>())
                    .to_string(),
            )
            .bind(places(&wanted.followed))
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::ledger_row).collect()
    }

    /// The owners of the wanted stations and of the sessions' stations.
    async fn holds(&self, wanted: &Wanted, rows: &[LedgerRow]) -> Stored<Vec<StationOwner>> {
        let of_rows = rows.iter().map(|row| &row.session.station_id);
        let ids: BTreeSet<&str> =
            wanted.stations.iter().chain(of_rows).map(StationId::as_str).collect();
        let rows = sqlx::query(
            "SELECT station_id, fence, connected_node, last_seen_at FROM stations WHERE station_id IN (SELECT value FROM json_each(?1))",
        )
        .bind(json!(ids).to_string())
        .fetch_all(&self.read)
        .await?;
        let hold = |row: &SqliteRow| {
            Ok(StationOwner {
                station_id: StationId::parse(row.try_get("station_id")?)
                    .map_err(|_| StoreError::Unreadable("station id"))?,
                fence: row.try_get("fence")?,
                node: optional(row, "connected_node")?.map(NodeRun),
                last_seen_at: optional_instant(row, "last_seen_at")?,
            })
        };
        rows.iter().map(hold).collect()
    }
}

/// An open batch. The node has a single writer, so nothing is locked.
struct SqliteBatch(SqlitePool, DiskReserve);

#[async_trait]
impl OpenBatch for SqliteBatch {
    async fn commit(self: Box<Self>, batch: &Batch) -> Stored<()> {
        let sessions: Vec<Value> = batch.sessions.iter().map(session_values).collect();
        let journal: Vec<Value> = batch
            .journal
            .iter()
            .map(|row| {
                json!([
                    row.station_id.as_str(),
                    row.session_id.map(|id| id.0),
                    row.action,
                    row.message_id,
                    row.payload,
                    row.answer,
                    row.effect,
                    row.received_at.timestamp_millis(),
                    row.connected_since.timestamp_millis(),
                    row.clock.map(|clock| clock.offset.num_milliseconds()),
                    row.clock.map(|clock| clock.since.timestamp_millis())
                ])
            })
            .collect();
        let readings: Vec<Value> = batch
            .readings
            .iter()
            .map(|row| {
                json!([
                    row.station_id.as_str(),
                    row.connector_id,
                    row.session_id.map_or(0, |id| id.0),
                    row.sampled_at.timestamp_millis(),
                    row.measurand,
                    row.phase,
                    row.location,
                    row.context,
                    row.unit,
                    row.value
                ])
            })
            .collect();
        // The rest of a disk that fills up is reserved for suspensions of cards.
        if !self.1.is_enough() {
            return Err(StoreError::NoRoom);
        }
        let mut write = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let texts = [sessions, journal, readings]
            .map(|rows| (!rows.is_empty()).then(|| Value::Array(rows).to_string()));
        let [sessions, journal, readings] = &texts;
        let statements = [
            (WRITE_SESSIONS, sessions),
            (RECHECK, sessions),
            (WRITE_JOURNAL, journal),
            (WRITE_READINGS, readings),
        ];
        for (statement, rows) in statements {
            if let Some(rows) = rows {
                sqlx::query(statement).bind(rows).execute(&mut *write).await?;
            }
        }
        super::events::write_events_and_rechecks(&mut write, batch).await?;
        for open in &batch.opened {
            write_open(&mut write, open).await?;
        }
        for note in &batch.notes {
            write_note(&mut write, note).await?;
        }
        for once in &batch.once {
            super::once::keep(&mut write, Some(once), "").await?;
        }
        write.commit().await?;
        Ok(())
    }
}

async fn write_open(write: &mut SqliteConnection, open: &OpenRow) -> Stored<()> {
    sqlx::query(
        "UPDATE stations SET fence = ?2, connected_node = ?3, connected_protocol = ?4, connected_since = ?5, last_seen_at = ?5
         WHERE station_id = ?1 AND fence < ?2",
    )
    .bind(open.station_id.as_str())
    .bind(open.fence)
    .bind(&open.node.0)
    .bind(open.protocol)
    .bind(open.since.timestamp_millis())
    .execute(write)
    .await?;
    Ok(())
}

async fn write_note(write: &mut SqliteConnection, row: &StationNoteRow) -> Stored<()> {
    let at = row.at.timestamp_millis();
    let station = row.station_id.as_str();
    let query = match &row.note {
        StationNote::Boot(boot) => sqlx::query(
            "UPDATE stations SET vendor = ?3, model = ?4, serial = ?5, firmware = ?6, booted_at = ?2, last_seen_at = ?2 WHERE station_id = ?1",
        )
        .bind(station)
        .bind(at)
        .bind(&boot.vendor)
        .bind(&boot.model)
        .bind(&boot.serial)
        .bind(&boot.firmware),
        StationNote::Status(status) if status.connector_id == 0 => sqlx::query(
            "UPDATE stations SET status = ?3, error_code = ?4, info = ?5, vendor_error_code = ?6, last_seen_at = ?2 WHERE station_id = ?1",
        )
        .bind(station)
        .bind(at)
        .bind(&status.status)
        .bind(&status.error_code)
        .bind(&status.info)
        .bind(&status.vendor_error_code),
        StationNote::Status(status) => sqlx::query(
            "UPDATE connectors SET status = ?3, error_code = ?4, status_at = ?2, info = ?6, vendor_error_code = ?7
             WHERE station_id = ?1 AND connector_id = ?5",
        )
        .bind(station)
        .bind(at)
        .bind(&status.status)
        .bind(&status.error_code)
        .bind(status.connector_id)
        .bind(&status.info)
        .bind(&status.vendor_error_code),
        StationNote::Seen => sqlx::query("UPDATE stations SET last_seen_at = ?2 WHERE station_id = ?1").bind(station).bind(at),
        StationNote::Closed(fence) => {
            sqlx::query("UPDATE stations SET connected_node = NULL, last_seen_at = ?2 WHERE station_id = ?1 AND fence = ?3").bind(station).bind(at).bind(fence)
        }
        StationNote::Exposed(card) => sqlx::query(
            "INSERT INTO card_exposures (card_number, station_id, at) VALUES (?3, ?1, ?2) ON CONFLICT (card_number, station_id) DO UPDATE SET at = ?2",
        )
        .bind(station)
        .bind(at)
        .bind(card.as_str()),
        StationNote::Shown(shown) => sqlx::query(
            "INSERT INTO authorizations (at, station_id, id_tag_hint, id_tag_hash, card_number, member_id, reason, occasion)
             VALUES (?2, ?1, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(station)
        .bind(at)
        .bind(&shown.hint)
        .bind(&shown.id_tag_hash)
        .bind(shown.card.as_ref().map(CardNumber::as_str))
        .bind(shown.member.as_ref().map(MemberId::as_str))
        .bind(shown.refusal.map(Reason::code))
        .bind(shown.occasion.name()),
        StationNote::Variables(variables) => return super::reports::write_variables(write, row, variables).await,
        StationNote::Report(report) => return super::reports::write(write, row, report).await,
        StationNote::FirmwareStatus(status) => {
            sqlx::query("UPDATE stations SET firmware_status = ?3, last_seen_at = ?2 WHERE station_id = ?1").bind(station).bind(at).bind(status)
        }
        StationNote::DiagnosticsStatus(status) => {
            sqlx::query("UPDATE stations SET diagnostics_status = ?3, last_seen_at = ?2 WHERE station_id = ?1").bind(station).bind(at).bind(status)
        }
    };
    query.execute(write).await?;
    Ok(())
}
