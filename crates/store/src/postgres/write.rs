//! Writes a batch in PostgreSQL: a fixed number of statements, whatever its size.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres};

use super::rows::{column, ms, text};
use super::{events, reports};
use crate::documents::evidence::evidence;
use crate::documents::settled::{self, Texts};
use crate::ledger::{
    Batch, JournalRow, LedgerRow, OpenRow, ReadingRow, ShownCard, StationNote, StationNoteRow,
};
use crate::{Stored, columns};
use juden_domain::ids::{CardNumber, IdTag, MemberId};
use juden_domain::refusal::Reason;
use juden_domain::session::{Edge, Stop};
use juden_domain::station::{BootReport, StatusReport};

/// Writes sessions, rechecks, readings and journal in one statement.
///
/// A written session of a month whose close has begun is rated again by the next close. So is the
/// member's session of an earlier month that overlaps it, because both are then held for review.
/// Earlier sessions in the batch itself count among the first. A session longer than a day
/// (`LONG_SESSION_HOURS`) is held in any case, so only ends within a day are searched.
const WRITE_MESSAGES: &str = "
    WITH written AS (
        INSERT INTO sessions (session_id, station_id, connector_id, charger_class, power_w, session_cap_min,
            id_tag, id_tag_matched, card_number, member_id, refusal, start_key, start_ordinal, start_reported,
            start_received_at, started_at, usage_month, start_meter_wh, start_answer, stop_key, stop_reported,
            stop_received_at, stopped_at, stop_meter_wh, stop_reason, stop_id_tag, energy_wh, stop_answer,
            last_reading_wh, flags, repeats, start_said_at, stop_said_at, reference, site, transaction_name, evidence, shown_at,
            stop_basis, guess_key, trail, corrections, measured)
        SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[],
            $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::text[],
            $15::timestamptz[], $16::timestamptz[], $17::text[], $18::bigint[], $19::text[], $20::text[], $21::text[],
            $22::timestamptz[], $23::timestamptz[], $24::bigint[], $25::text[], $26::text[], $27::bigint[], $28::text[],
            $29::bigint[], $30::text[], $31::bigint[], $32::timestamptz[], $33::timestamptz[], $34::text[], $35::text[],
            $55::text[], $56::text[], $57::timestamptz[], $58::text[], $59::text[], $60::text[], $61::text[], $62::text[])
        ON CONFLICT (session_id) DO UPDATE SET connector_id = excluded.connector_id, charger_class = excluded.charger_class, power_w = excluded.power_w,
            session_cap_min = excluded.session_cap_min, id_tag = excluded.id_tag, id_tag_matched = excluded.id_tag_matched,
            card_number = excluded.card_number, member_id = excluded.member_id, refusal = excluded.refusal,
            start_reported = excluded.start_reported, start_said_at = excluded.start_said_at, start_received_at = excluded.start_received_at,
            started_at = excluded.started_at, usage_month = excluded.usage_month, start_meter_wh = excluded.start_meter_wh,
            site = excluded.site, evidence = excluded.evidence, shown_at = excluded.shown_at, stop_key = excluded.stop_key, stop_said_at = excluded.stop_said_at,
            stop_reported = excluded.stop_reported, stop_received_at = excluded.stop_received_at,
            stopped_at = excluded.stopped_at, stop_meter_wh = excluded.stop_meter_wh, stop_reason = excluded.stop_reason,
            stop_id_tag = excluded.stop_id_tag, energy_wh = excluded.energy_wh, stop_answer = excluded.stop_answer,
            last_reading_wh = excluded.last_reading_wh, flags = excluded.flags, repeats = excluded.repeats,
            stop_basis = excluded.stop_basis, guess_key = excluded.guess_key, trail = excluded.trail, corrections = excluded.corrections,
            measured = excluded.measured),
    r AS (
        SELECT * FROM unnest($10::text[], $17::text[], $16::timestamptz[], $23::timestamptz[])
            r (member_id, usage_month, started_at, stopped_at)
        WHERE r.member_id IS NOT NULL),
    marked AS (
        INSERT INTO rechecks (member_id, usage_month)
        SELECT r.member_id, r.usage_month FROM r WHERE EXISTS (SELECT 1 FROM runs WHERE month >= r.usage_month)
        UNION
        SELECT r.member_id, l.usage_month FROM r CROSS JOIN LATERAL (
            SELECT s.usage_month FROM sessions s
            WHERE s.member_id = r.member_id AND s.stopped_at > r.started_at AND s.stopped_at <= r.started_at + interval '24 hours'
                AND s.started_at < r.stopped_at
                AND s.usage_month < r.usage_month
            ORDER BY s.stopped_at OFFSET 0) l
        WHERE EXISTS (SELECT 1 FROM runs WHERE month >= l.usage_month)),
    sampled AS (
        INSERT INTO readings (station_id, connector_id, session_id, sampled_at, measurand, phase, location, context, unit, value)
        SELECT * FROM unnest($36::text[], $37::bigint[], $38::bigint[], $39::timestamptz[], $40::text[], $41::text[],
            $42::text[], $43::text[], $44::text[], $45::text[])
        ON CONFLICT DO NOTHING)
    INSERT INTO journal (station_id, session_id, action, message_id, payload, answer, effect, received_at, connected_since,
        clock_offset_ms, clock_since)
    SELECT j.station_id, j.session_id, j.action, j.message_id, j.payload, j.answer, j.effect, j.received_at, j.connected_since,
        j.clock_offset_ms, j.clock_since
    FROM unnest($46::text[], $47::bigint[], $48::text[], $49::text[], $50::text[], $51::text[], $52::text[],
            $53::timestamptz[], $54::timestamptz[], $63::bigint[], $64::timestamptz[])
        WITH ORDINALITY j (station_id, session_id, action, message_id, payload, answer, effect, received_at, connected_since,
            clock_offset_ms, clock_since, place)
    ORDER BY j.place";

// The rows come in order of station, so that the batches of two nodes do not wait for each other.
const WRITE_STATIONS: &str = "
    UPDATE stations s SET
        fence = greatest(s.fence, n.fence),
        connected_node = CASE WHEN n.closed = greatest(s.fence, n.fence) THEN NULL WHEN n.fence > s.fence THEN n.node ELSE s.connected_node END,
        connected_protocol = CASE WHEN n.fence > s.fence THEN n.protocol ELSE s.connected_protocol END,
        connected_since = CASE WHEN n.fence > s.fence THEN n.since ELSE s.connected_since END,
        last_seen_at = coalesce(greatest(n.seen_at, CASE WHEN n.fence > s.fence THEN n.since END,
            CASE WHEN n.closed = greatest(s.fence, n.fence) THEN n.closed_at END), s.last_seen_at),
        vendor = CASE WHEN n.booted_at IS NULL THEN s.vendor ELSE n.vendor END,
        model = CASE WHEN n.booted_at IS NULL THEN s.model ELSE n.model END,
        serial = CASE WHEN n.booted_at IS NULL THEN s.serial ELSE n.serial END,
        firmware = CASE WHEN n.booted_at IS NULL THEN s.firmware ELSE n.firmware END,
        booted_at = coalesce(n.booted_at, s.booted_at),
        status = CASE WHEN n.told_status THEN n.status ELSE s.status END,
        error_code = CASE WHEN n.told_status THEN n.error_code ELSE s.error_code END,
        info = CASE WHEN n.told_status THEN n.info ELSE s.info END,
        vendor_error_code = CASE WHEN n.told_status THEN n.vendor_error_code ELSE s.vendor_error_code END,
        firmware_status = coalesce(n.firmware_status, s.firmware_status),
        diagnostics_status = coalesce(n.diagnostics_status, s.diagnostics_status)
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::bigint[], $7::timestamptz[],
        $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[], $13::text[], $14::boolean[], $15::text[],
        $16::text[], $17::text[], $18::text[], $19::text[], $20::text[])
        n (station_id, fence, node, protocol, since, closed, closed_at, seen_at, booted_at, vendor, model, serial, firmware,
            told_status, status, error_code, firmware_status, diagnostics_status, info, vendor_error_code)
    WHERE s.station_id = n.station_id";

const WRITE_CONNECTORS: &str = "
    UPDATE connectors c SET status = n.status, error_code = n.error_code, status_at = n.at, info = n.info,
        vendor_error_code = n.vendor_error_code
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[], $6::text[], $7::text[])
        n (station_id, connector_id, status, error_code, at, info, vendor_error_code)
    WHERE c.station_id = n.station_id AND c.connector_id = n.connector_id";

const WRITE_EXPOSURES: &str = "
    INSERT INTO card_exposures (card_number, station_id, at)
    SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[])
    ON CONFLICT (card_number, station_id) DO UPDATE SET at = excluded.at";

/// Writes all rows of a batch.
pub async fn batch(write: &mut PgConnection, batch: &Batch) -> Stored<()> {
    if !(batch.sessions.is_empty() && batch.journal.is_empty() && batch.readings.is_empty()) {
        let counted: Vec<LedgerRow> = batch.sessions.iter().map(LedgerRow::counted).collect();
        let texts: Vec<Texts> =
            batch.sessions.iter().map(|row| settled::texts(&row.session)).collect();
        let written = sessions(sqlx::query(WRITE_MESSAGES), &counted);
        let written = journal(readings(written, &batch.readings), &batch.journal);
        let written = settled(told_by_events(written, &counted), &counted, &texts);
        let written = written
            .bind(column(&batch.journal, |row| {
                row.clock.map(|clock| clock.offset.num_milliseconds())
            }))
            .bind(column(&batch.journal, |row| row.clock.map(|clock| ms(clock.since))));
        written.execute(&mut *write).await?;
    }
    events::write_events_and_rechecks(write, batch).await?;
    reports::write(write, &batch.notes).await?;
    reports::write_variables(write, &batch.notes).await?;
    shown_cards(write, &batch.notes).await?;
    let notes = Notes::of(&batch.opened, &batch.notes);
    if !notes.stations.is_empty() {
        stations(write, &notes).await?;
    }
    if !notes.connectors.is_empty() {
        connectors(write, &notes).await?;
    }
    if !notes.exposures.is_empty() {
        exposures(write, &notes).await?;
    }
    for once in &batch.once {
        super::once::keep(write, Some(once), "").await?;
    }
    Ok(())
}

/// A statement while its parameters are bound, in their order.
type Statement<'q> = Query<'q, Postgres, PgArguments>;

fn sessions<'q>(statement: Statement<'q>, rows: &'q [LedgerRow]) -> Statement<'q> {
    let stop =
        |row: &LedgerRow, of: fn(&Stop) -> Option<i64>| row.session.stop.as_ref().and_then(of);
    let edge = |row: &LedgerRow, of: fn(&Edge) -> Option<DateTime<Utc>>| {
        row.session.stop.as_ref().and_then(|stop| of(&stop.edge)).map(ms)
    };
    statement
        .bind(column(rows, |row| row.session.id.0))
        .bind(column(rows, |row| row.session.station_id.as_str()))
        .bind(column(rows, |row| row.session.connector_id))
        .bind(column(rows, |row| row.session.site.map(|site| site.charger_class.name())))
        .bind(column(rows, |row| row.session.site.and_then(|site| site.power_w)))
        .bind(column(rows, |row| row.session.site.and_then(|site| site.session_cap_min)))
        .bind(column(rows, |row| text(row.session.id_tag.as_sent())))
        .bind(column(rows, |row| text(row.session.id_tag.matched())))
        .bind(column(rows, |row| row.session.card.as_ref().map(CardNumber::as_str)))
        .bind(column(rows, |row| row.session.member.as_ref().map(MemberId::as_str)))
        .bind(column(rows, |row| row.session.refusal.map(Reason::code)))
        .bind(column(rows, |row| text(&row.start_key)))
        .bind(column(rows, |row| row.start_ordinal))
        .bind(column(rows, |row| text(&row.session.start.reported)))
        .bind(column(rows, |row| ms(row.session.start.received_at)))
        .bind(column(rows, |row| ms(row.session.start.at)))
        .bind(column(rows, |row| row.session.month().to_string()))
        .bind(column(rows, |row| row.session.start.meter.map(|register| register.0)))
        .bind(column(rows, |row| text(&row.start_answer)))
        .bind(column(rows, |row| row.stop_key.as_deref().map(text)))
        .bind(column(rows, |row| row.session.stop.as_ref().map(|stop| text(&stop.edge.reported))))
        .bind(column(rows, |row| edge(row, |edge| Some(edge.received_at))))
        .bind(column(rows, |row| edge(row, |edge| Some(edge.at))))
        .bind(column(rows, |row| stop(row, |stop| stop.edge.meter.map(|register| register.0))))
        .bind(column(rows, |row| row.session.stop.as_ref().map(|stop| text(&stop.reason))))
        .bind(column(rows, |row| {
            row.session
                .stop
                .as_ref()
                .and_then(|stop| stop.id_tag.as_ref())
                .map(|tag| text(IdTag::as_sent(tag)))
        }))
        .bind(column(rows, |row| stop(row, |stop| stop.energy.map(|energy| energy.0))))
        .bind(column(rows, |row| row.stop_answer.as_deref().map(text)))
        .bind(column(rows, |row| row.session.last_reading.map(|register| register.0)))
        .bind(column(rows, |row| columns::flags_text(&row.session.flags)))
        .bind(column(rows, |row| row.repeats))
        .bind(column(rows, |row| row.session.start.said.map(ms)))
        .bind(column(rows, |row| edge(row, |edge| edge.said)))
        .bind(column(rows, |row| row.session.reference.as_str()))
        .bind(column(rows, |row| text(&row.session.site_name)))
}

fn readings<'q>(statement: Statement<'q>, rows: &'q [ReadingRow]) -> Statement<'q> {
    statement
        .bind(column(rows, |row| row.station_id.as_str()))
        .bind(column(rows, |row| row.connector_id))
        .bind(column(rows, |row| row.session_id.map_or(0, |id| id.0)))
        .bind(column(rows, |row| ms(row.sampled_at)))
        .bind(column(rows, |row| text(&row.measurand)))
        .bind(column(rows, |row| text(&row.phase)))
        .bind(column(rows, |row| text(&row.location)))
        .bind(column(rows, |row| text(&row.context)))
        .bind(column(rows, |row| text(&row.unit)))
        .bind(column(rows, |row| text(&row.value)))
}

fn journal<'q>(statement: Statement<'q>, rows: &'q [JournalRow]) -> Statement<'q> {
    statement
        .bind(column(rows, |row| row.station_id.as_str()))
        .bind(column(rows, |row| row.session_id.map(|id| id.0)))
        .bind(column(rows, |row| text(&row.action)))
        .bind(column(rows, |row| text(&row.message_id)))
        .bind(column(rows, |row| text(&row.payload)))
        .bind(column(rows, |row| text(&row.answer)))
        .bind(column(rows, |row| row.effect))
        .bind(column(rows, |row| ms(row.received_at)))
        .bind(column(rows, |row| ms(row.connected_since)))
}

fn told_by_events<'q>(statement: Statement<'q>, rows: &'q [LedgerRow]) -> Statement<'q> {
    statement
        .bind(column(rows, |row| row.session.transaction.as_deref().map(text)))
        .bind(column(rows, |row| {
            row.evidence.as_ref().map(evidence).map(|kept| text(&kept).into_owned())
        }))
        .bind(column(rows, |row| row.session.shown_at.map(ms)))
}

fn settled<'q>(
    statement: Statement<'q>,
    counted: &'q [LedgerRow],
    texts: &'q [Texts],
) -> Statement<'q> {
    statement
        .bind(column(counted, |row| settled::basis(&row.session)))
        .bind(column(counted, |row| row.session.trail.guess.as_ref().map(|(key, _)| text(key))))
        .bind(column(texts, |kept| kept.trail.as_deref().map(text)))
        .bind(column(texts, |kept| kept.corrections.as_deref().map(text)))
        .bind(column(texts, |kept| kept.measured.as_deref().map(text)))
}

/// A batch's notes on one station: the last of each kind.
#[derive(Default)]
struct StationNotes<'a> {
    opened: Option<&'a OpenRow>,
    closed: Option<(i64, DateTime<Utc>)>,
    seen_at: Option<DateTime<Utc>>,
    boot: Option<(&'a BootReport, DateTime<Utc>)>,
    status: Option<&'a StatusReport>,
    firmware_status: Option<&'a str>,
    diagnostics_status: Option<&'a str>,
}

/// A batch's notes by the row that they change, each row once and in order.
#[derive(Default)]
struct Notes<'a> {
    stations: BTreeMap<&'a str, StationNotes<'a>>,
    connectors: BTreeMap<(&'a str, i64), (&'a StatusReport, DateTime<Utc>)>,
    exposures: BTreeMap<(&'a str, &'a str), DateTime<Utc>>,
}

impl<'a> Notes<'a> {
    fn of(opened: &'a [OpenRow], rows: &'a [StationNoteRow]) -> Self {
        let mut notes = Self::default();
        for open in opened {
            let known = &mut notes.stations.entry(open.station_id.as_str()).or_default().opened;
            if known.is_none_or(|known| known.fence < open.fence) {
                *known = Some(open);
            }
        }
        for row in rows {
            notes.add(row);
        }
        notes
    }

    fn add(&mut self, row: &'a StationNoteRow) {
        let (station, at) = (row.station_id.as_str(), ms(row.at));
        match &row.note {
            StationNote::Status(status) if status.connector_id != 0 => {
                self.connectors.insert((station, status.connector_id), (status, at));
            }
            StationNote::Exposed(card) => {
                self.exposures.insert((card.as_str(), station), at);
            }
            StationNote::Closed(fence) => {
                let closed = &mut self.stations.entry(station).or_default().closed;
                *closed = (*closed).max(Some((*fence, at)));
            }
            StationNote::Shown(_) => {}
            note => self.stations.entry(station).or_default().hear(note, at),
        }
    }
}

impl<'a> StationNotes<'a> {
    /// Adds a note, which also shows that the station was heard.
    fn hear(&mut self, note: &'a StationNote, at: DateTime<Utc>) {
        self.seen_at = Some(at);
        match note {
            StationNote::Boot(boot) => self.boot = Some((boot, at)),
            StationNote::Status(status) => self.status = Some(status),
            StationNote::FirmwareStatus(status) => self.firmware_status = Some(status),
            StationNote::DiagnosticsStatus(status) => self.diagnostics_status = Some(status),
            StationNote::Seen
            | StationNote::Closed(_)
            | StationNote::Exposed(_)
            | StationNote::Shown(_)
            | StationNote::Report(_)
            | StationNote::Variables(_) => {}
        }
    }
}

async fn stations(write: &mut PgConnection, notes: &Notes<'_>) -> Stored<()> {
    let names: Vec<&str> = notes.stations.keys().copied().collect();
    let rows: Vec<&StationNotes<'_>> = notes.stations.values().collect();
    sqlx::query(WRITE_STATIONS)
        .bind(names)
        .bind(column(&rows, |row| row.opened.map(|open| open.fence)))
        .bind(column(&rows, |row| row.opened.map(|open| open.node.0.as_str())))
        .bind(column(&rows, |row| row.opened.map(|open| open.protocol)))
        .bind(column(&rows, |row| row.opened.map(|open| ms(open.since))))
        .bind(column(&rows, |row| row.closed.map(|(fence, _)| fence)))
        .bind(column(&rows, |row| row.closed.map(|(_, at)| at)))
        .bind(column(&rows, |row| row.seen_at))
        .bind(column(&rows, |row| row.boot.map(|(_, at)| at)))
        .bind(column(&rows, |row| row.boot.map(|(boot, _)| text(&boot.vendor))))
        .bind(column(&rows, |row| row.boot.map(|(boot, _)| text(&boot.model))))
        .bind(column(&rows, |row| row.boot.and_then(|(boot, _)| boot.serial.as_deref()).map(text)))
        .bind(column(&rows, |row| {
            row.boot.and_then(|(boot, _)| boot.firmware.as_deref()).map(text)
        }))
        .bind(column(&rows, |row| row.status.is_some()))
        .bind(column(&rows, |row| row.status.map(|status| text(&status.status))))
        .bind(column(&rows, |row| row.status.map(|status| text(&status.error_code))))
        .bind(column(&rows, |row| row.firmware_status.map(text)))
        .bind(column(&rows, |row| row.diagnostics_status.map(text)))
        .bind(column(&rows, |row| row.status.and_then(|status| status.info.as_deref()).map(text)))
        .bind(column(&rows, |row| {
            row.status.and_then(|status| status.vendor_error_code.as_deref()).map(text)
        }))
        .execute(write)
        .await?;
    Ok(())
}

async fn connectors(write: &mut PgConnection, notes: &Notes<'_>) -> Stored<()> {
    let rows: Vec<_> = notes.connectors.iter().collect();
    sqlx::query(WRITE_CONNECTORS)
        .bind(column(&rows, |((station, _), _)| *station))
        .bind(column(&rows, |((_, connector), _)| *connector))
        .bind(column(&rows, |(_, (report, _))| text(&report.status)))
        .bind(column(&rows, |(_, (report, _))| text(&report.error_code)))
        .bind(column(&rows, |(_, (_, at))| *at))
        .bind(column(&rows, |(_, (report, _))| report.info.as_deref().map(text)))
        .bind(column(&rows, |(_, (report, _))| report.vendor_error_code.as_deref().map(text)))
        .execute(write)
        .await?;
    Ok(())
}

const WRITE_SHOWN: &str = "
    INSERT INTO authorizations (at, station_id, id_tag_hint, id_tag_hash, card_number, member_id, reason, occasion)
    SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])";

/// Stores the shown cards among a batch's notes.
async fn shown_cards(write: &mut PgConnection, notes: &[StationNoteRow]) -> Stored<()> {
    let mut rows: Vec<(&StationNoteRow, &ShownCard)> = Vec::new();
    for row in notes {
        if let StationNote::Shown(shown) = &row.note {
            rows.push((row, shown));
        }
    }
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query(WRITE_SHOWN)
        .bind(column(&rows, |(row, _)| ms(row.at)))
        .bind(column(&rows, |(row, _)| row.station_id.as_str()))
        .bind(column(&rows, |(_, shown)| text(&shown.hint)))
        .bind(column(&rows, |(_, shown)| shown.id_tag_hash.as_str()))
        .bind(column(&rows, |(_, shown)| shown.card.as_ref().map(CardNumber::as_str)))
        .bind(column(&rows, |(_, shown)| shown.member.as_ref().map(MemberId::as_str)))
        .bind(column(&rows, |(_, shown)| shown.refusal.map(Reason::code)))
        .bind(column(&rows, |(_, shown)| shown.occasion.name()))
        .execute(write)
        .await?;
    Ok(())
}

async fn exposures(write: &mut PgConnection, notes: &Notes<'_>) -> Stored<()> {
    let rows: Vec<_> = notes.exposures.iter().collect();
    sqlx::query(WRITE_EXPOSURES)
        .bind(column(&rows, |((card, _), _)| *card))
        .bind(column(&rows, |((_, station), _)| *station))
        .bind(column(&rows, |(_, at)| **at))
        .execute(write)
        .await?;
    Ok(())
}
