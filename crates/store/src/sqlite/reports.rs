//! Stored messages of stations, and commands, in SQLite.

use async_trait::async_trait;
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::rows::{instant, optional};
use crate::exchanges::{
    COMMANDS_SEARCHED, ExchangeStore, KeptReport, KeptVariable, REPORTS_KEPT, ReportFilter,
    SentCommand, VARIABLES_KEPT, variable_after,
};
use crate::ledger::{ReportRow, StationNoteRow};
use crate::mapping;
use crate::{Page, Stored};
use juden_domain::ids::StationId;
use juden_domain::station::VariableReport;

const WRITE: &str = "
    INSERT INTO station_reports (station_id, action, request_id, seq_no, more, payload, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const MAKE_ROOM: &str = "
    DELETE FROM station_reports WHERE station_id = ?1 AND report_no <= (
        SELECT report_no FROM station_reports WHERE station_id = ?1 ORDER BY report_no DESC LIMIT 1 OFFSET ?2)";

const READ: &str = "
    SELECT * FROM station_reports
    WHERE station_id = ?1 AND report_no < ?2 AND (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR request_id = ?5)
    ORDER BY report_no DESC LIMIT ?3";

// Answers may be long, so only those of the wanted actions are read.
const COMMANDS_OF: &str = "
    SELECT * FROM commands WHERE command_no IN (
        SELECT command_no FROM (SELECT command_no, action FROM commands WHERE station_id = ?1 ORDER BY command_no DESC LIMIT ?3) newest
        WHERE action IN (SELECT value FROM json_each(?2)) ORDER BY command_no DESC LIMIT ?4)
    ORDER BY command_no DESC";

const COMMANDS: &str = "SELECT * FROM commands WHERE station_id = ?1 AND command_no < ?2 ORDER BY command_no DESC LIMIT ?3";

/// Stores a message of a station.
pub async fn write(
    write: &mut SqliteConnection,
    note: &StationNoteRow,
    report: &ReportRow,
) -> Stored<()> {
    sqlx::query(WRITE)
        .bind(note.station_id.as_str())
        .bind(&report.action)
        .bind(report.request_id)
        .bind(report.seq_no)
        .bind(report.more)
        .bind(&report.payload)
        .bind(note.at.timestamp_millis())
        .execute(&mut *write)
        .await?;
    sqlx::query(MAKE_ROOM).bind(note.station_id.as_str()).bind(REPORTS_KEPT).execute(write).await?;
    Ok(())
}

const WRITE_VARIABLES: &str = "
    INSERT INTO device_variables (station_id, component, variable, document, at)
    SELECT ?1, r.value->>0, r.value->>1, r.value->>2, ?3 FROM json_each(?2) r
    WHERE (SELECT count(*) FROM device_variables WHERE station_id = ?1) < ?4 OR EXISTS (
        SELECT 1 FROM device_variables d WHERE d.station_id = ?1 AND d.component = r.value->>0 AND d.variable = r.value->>1)
    ON CONFLICT (station_id, component, variable) DO UPDATE SET document = excluded.document, at = excluded.at";

const VARIABLES: &str = "
    SELECT * FROM device_variables WHERE station_id = ?1 AND (component, variable) > (?2, ?3) ORDER BY component, variable LIMIT ?4";

/// Stores variables of a station's device model.
pub async fn write_variables(
    write: &mut SqliteConnection,
    note: &StationNoteRow,
    variables: &[VariableReport],
) -> Stored<()> {
    let rows: Vec<Value> =
        variables.iter().map(|one| json!([one.component, one.variable, one.document])).collect();
    sqlx::query(WRITE_VARIABLES)
        .bind(note.station_id.as_str())
        .bind(Value::Array(rows).to_string())
        .bind(note.at.timestamp_millis())
        .bind(VARIABLES_KEPT)
        .execute(write)
        .await?;
    Ok(())
}

fn before(page: &Page) -> i64 {
    page.after.as_deref().and_then(|text| text.parse().ok()).unwrap_or(i64::MAX)
}

#[async_trait]
impl ExchangeStore for SqliteStore {
    async fn reports(
        &self,
        station: &StationId,
        filter: &ReportFilter,
        page: &Page,
    ) -> Stored<Vec<KeptReport>> {
        let rows = sqlx::query(READ)
            .bind(station.as_str())
            .bind(before(page))
            .bind(page.limit)
            .bind(&filter.action)
            .bind(filter.request_id)
            .fetch_all(&self.read)
            .await?;
        let report = |row: &SqliteRow| {
            let kept = ReportRow {
                action: row.try_get("action")?,
                request_id: optional(row, "request_id")?,
                seq_no: optional(row, "seq_no")?,
                more: row.try_get("more")?,
                payload: row.try_get("payload")?,
            };
            Ok(KeptReport {
                number: row.try_get("report_no")?,
                at: instant(row.try_get("at")?),
                row: kept,
            })
        };
        rows.iter().map(report).collect()
    }

    async fn variables(&self, station: &StationId, page: &Page) -> Stored<Vec<KeptVariable>> {
        let (component, variable) = variable_after(page);
        let read = sqlx::query(VARIABLES)
            .bind(station.as_str())
            .bind(component)
            .bind(variable)
            .bind(page.limit);
        let rows = read.fetch_all(&self.read).await?;
        let kept = |row: &SqliteRow| {
            let (component, variable, document) =
                (row.try_get("component")?, row.try_get("variable")?, row.try_get("document")?);
            Ok(KeptVariable {
                report: VariableReport { component, variable, document },
                at: instant(row.try_get("at")?),
            })
        };
        rows.iter().map(kept).collect()
    }

    async fn commands_of(
        &self,
        station: &StationId,
        actions: &[&str],
        limit: i64,
    ) -> Stored<Vec<SentCommand>> {
        let find = sqlx::query(COMMANDS_OF)
            .bind(station.as_str())
            .bind(serde_json::json!(actions).to_string())
            .bind(COMMANDS_SEARCHED)
            .bind(limit);
        find.fetch_all(&self.read).await?.iter().map(mapping::sent_command).collect()
    }

    async fn commands(&self, station: &StationId, page: &Page) -> Stored<Vec<SentCommand>> {
        let list = sqlx::query(COMMANDS).bind(station.as_str()).bind(before(page)).bind(page.limit);
        list.fetch_all(&self.read).await?.iter().map(mapping::sent_command).collect()
    }
}

impl SqliteStore {
    /// A command by its number.
    pub(super) async fn command_by_number(&self, number: i64) -> Stored<Option<SentCommand>> {
        let find = sqlx::query("SELECT * FROM commands WHERE command_no = ?1").bind(number);
        find.fetch_optional(&self.read).await?.as_ref().map(mapping::sent_command).transpose()
    }
}
