//! Stored messages of stations, and commands, in PostgreSQL.

use std::collections::BTreeSet;

use async_trait::async_trait;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::PostgresStore;
use super::rows::{column, ms, optional, text};
use crate::exchanges::{
    COMMANDS_SEARCHED, ExchangeStore, KeptReport, KeptVariable, REPORTS_KEPT, ReportFilter,
    SentCommand, VARIABLES_KEPT, variable_after,
};
use crate::ledger::{ReportRow, StationNote, StationNoteRow};
use crate::mapping;
use crate::{Page, Stored};
use juden_domain::ids::StationId;
use juden_domain::station::VariableReport;

const WRITE: &str = "
    INSERT INTO station_reports (station_id, action, request_id, seq_no, more, payload, at)
    SELECT r.station_id, r.action, r.request_id, r.seq_no, r.more, r.payload, r.at
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::boolean[], $6::text[], $7::timestamptz[])
        WITH ORDINALITY r (station_id, action, request_id, seq_no, more, payload, at, place)
    ORDER BY r.place";

const MAKE_ROOM: &str = "
    DELETE FROM station_reports r USING unnest($1::text[]) w (station_id)
    WHERE r.station_id = w.station_id AND r.report_no <= (
        SELECT o.report_no FROM station_reports o WHERE o.station_id = w.station_id ORDER BY o.report_no DESC LIMIT 1 OFFSET $2)";

const READ: &str = "
    SELECT * FROM station_reports
    WHERE station_id = $1 AND report_no < $2 AND ($4::text IS NULL OR action = $4) AND ($5::bigint IS NULL OR request_id = $5)
    ORDER BY report_no DESC LIMIT $3";

// Answers may be long, so only those of the wanted actions are read.
const COMMANDS_OF: &str = "
    SELECT * FROM commands WHERE command_no IN (
        SELECT command_no FROM (SELECT command_no, action FROM commands WHERE station_id = $1 ORDER BY command_no DESC LIMIT $3) newest
        WHERE action = ANY($2) ORDER BY command_no DESC LIMIT $4)
    ORDER BY command_no DESC";

const COMMANDS: &str = "SELECT * FROM commands WHERE station_id = $1 AND command_no < $2 ORDER BY command_no DESC LIMIT $3";

/// Stores the stations' messages among a batch's notes.
pub async fn write(write: &mut PgConnection, notes: &[StationNoteRow]) -> Stored<()> {
    let reports: Vec<(&StationNoteRow, &ReportRow)> = notes
        .iter()
        .filter_map(|note| match &note.note {
            StationNote::Report(report) => Some((note, report)),
            _ => None,
        })
        .collect();
    if reports.is_empty() {
        return Ok(());
    }
    sqlx::query(WRITE)
        .bind(column(&reports, |(note, _)| note.station_id.as_str()))
        .bind(column(&reports, |(_, report)| text(&report.action)))
        .bind(column(&reports, |(_, report)| report.request_id))
        .bind(column(&reports, |(_, report)| report.seq_no))
        .bind(column(&reports, |(_, report)| report.more))
        .bind(column(&reports, |(_, report)| text(&report.payload)))
        .bind(column(&reports, |(note, _)| ms(note.at)))
        .execute(&mut *write)
        .await?;
    let stations: BTreeSet<&str> =
        reports.iter().map(|(note, _)| note.station_id.as_str()).collect();
    sqlx::query(MAKE_ROOM)
        .bind(stations.into_iter().collect::<Vec<_>>())
        .bind(REPORTS_KEPT)
        .execute(write)
        .await?;
    Ok(())
}

// If a batch reports a variable twice, the last report is stored.
const WRITE_VARIABLES: &str = "
    WITH kept AS (
        SELECT s.station_id, (SELECT count(*) FROM device_variables d WHERE d.station_id = s.station_id) AS variables
        FROM (SELECT DISTINCT unnest($1::text[]) AS station_id) s)
    INSERT INTO device_variables (station_id, component, variable, document, at)
    SELECT DISTINCT ON (r.station_id, r.component, r.variable) r.station_id, r.component, r.variable, r.document, r.at
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
        WITH ORDINALITY r (station_id, component, variable, document, at, place)
    JOIN kept ON kept.station_id = r.station_id
    WHERE kept.variables < $6 OR EXISTS (
        SELECT 1 FROM device_variables d WHERE (d.station_id, d.component, d.variable) = (r.station_id, r.component, r.variable))
    ORDER BY r.station_id, r.component, r.variable, r.place DESC
    ON CONFLICT (station_id, component, variable) DO UPDATE SET document = excluded.document, at = excluded.at";

const VARIABLES: &str = "
    SELECT * FROM device_variables
    WHERE station_id = $1 AND (component, variable) > ($2, $3) ORDER BY component, variable LIMIT $4";

/// Stores the variables of stations' device models among a batch's notes.
pub async fn write_variables(write: &mut PgConnection, notes: &[StationNoteRow]) -> Stored<()> {
    let mut told: Vec<(&StationNoteRow, &VariableReport)> = Vec::new();
    for note in notes {
        if let StationNote::Variables(variables) = &note.note {
            told.extend(variables.iter().map(|variable| (note, variable)));
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    sqlx::query(WRITE_VARIABLES)
        .bind(column(&told, |(note, _)| note.station_id.as_str()))
        .bind(column(&told, |(_, variable)| text(&variable.component)))
        .bind(column(&told, |(_, variable)| text(&variable.variable)))
        .bind(column(&told, |(_, variable)| text(&variable.document)))
        .bind(column(&told, |(note, _)| ms(note.at)))
        .bind(VARIABLES_KEPT)
        .execute(write)
        .await?;
    Ok(())
}

fn before(page: &Page) -> i64 {
    page.after.as_deref().and_then(|text| text.parse().ok()).unwrap_or(i64::MAX)
}

#[async_trait]
impl ExchangeStore for PostgresStore {
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
            .bind(filter.action.as_deref().map(text))
            .bind(filter.request_id)
            .fetch_all(&self.api)
            .await?;
        let report = |row: &PgRow| {
            let kept = ReportRow {
                action: row.try_get("action")?,
                request_id: optional(row, "request_id")?,
                seq_no: optional(row, "seq_no")?,
                more: row.try_get("more")?,
                payload: row.try_get("payload")?,
            };
            Ok(KeptReport { number: row.try_get("report_no")?, at: row.try_get("at")?, row: kept })
        };
        rows.iter().map(report).collect()
    }

    async fn variables(&self, station: &StationId, page: &Page) -> Stored<Vec<KeptVariable>> {
        let (component, variable) = variable_after(page);
        let read = sqlx::query(VARIABLES)
            .bind(station.as_str())
            .bind(text(component))
            .bind(text(variable))
            .bind(page.limit);
        let rows = read.fetch_all(&self.api).await?;
        let kept = |row: &PgRow| {
            let (component, variable, document) =
                (row.try_get("component")?, row.try_get("variable")?, row.try_get("document")?);
            Ok(KeptVariable {
                report: VariableReport { component, variable, document },
                at: row.try_get("at")?,
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
            .bind(actions)
            .bind(COMMANDS_SEARCHED)
            .bind(limit);
        find.fetch_all(&self.api).await?.iter().map(mapping::sent_command).collect()
    }

    async fn commands(&self, station: &StationId, page: &Page) -> Stored<Vec<SentCommand>> {
        let list = sqlx::query(COMMANDS).bind(station.as_str()).bind(before(page)).bind(page.limit);
        list.fetch_all(&self.api).await?.iter().map(mapping::sent_command).collect()
    }
}

impl PostgresStore {
    /// A command by its number.
    pub(super) async fn command_by_number(&self, number: i64) -> Stored<Option<SentCommand>> {
        let find = sqlx::query("SELECT * FROM commands WHERE command_no = $1").bind(number);
        find.fetch_optional(&self.api).await?.as_ref().map(mapping::sent_command).transpose()
    }
}
