//! What each transaction message does, decided over the batch's book. Every message is answered and
//! kept; the rules of [`crate::domain::session`] say what it means.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::book::Book;
use super::meters::{add_readings, meter};
use super::registers::registers;
use super::{Acceptance, Submission, Told, keys, steps};
use crate::domain::authorization::{CardFile, Place, cache_for, judge_now};
use crate::domain::flag::Flag;
use crate::domain::ids::{CardNumber, IdTag, SessionId, StationId};
use crate::domain::instant::CLOCK_TOLERANCE_S;
use crate::domain::programme::Programme;
use crate::domain::recording::{self, Closing, Opening};
use crate::domain::refusal::Reason;
use crate::domain::session::{Message, Phase, Reaction, Session, Stop, react};
use crate::domain::station::ConnectorSite;
use crate::domain::units::{Register, WattHours};
use crate::ocpp::event::{Answer, StartReport, StopReport, TagAnswer, TransactionEvent};
use crate::store::ledger::{JournalRow, LedgerRow, NoteRow, Occasion, StationNote, TagHasher};

/// Repeats of one session's messages that the journal keeps; a station may repeat for ever.
pub const REPEATS_KEPT: i64 = 100;

/// What the decisions know beside the book.
pub struct Known<'a> {
    /// The files of the cards in the batch, by matched spelling.
    pub cards: &'a HashMap<String, Option<Arc<CardFile>>>,
    /// Since when stations are offline; those online are absent.
    pub offline_since: &'a HashMap<StationId, DateTime<Utc>>,
    /// How long a station may believe an acceptance.
    pub cache_for: TimeDelta,
    /// The programme's history.
    pub programme: &'a Programme,
    /// The next session number that is free.
    pub next_id: &'a mut i64,
    /// Hashes what readers read.
    pub hasher: &'a TagHasher,
    /// Cards that were shown, and what they were told.
    pub shown: Vec<NoteRow>,
    /// Cards that stations are told are accepted.
    pub exposed: Vec<(CardNumber, StationId, DateTime<Utc>)>,
    /// Whether the journal still takes repeats that belong to no session.
    pub keep_unmatched: &'a dyn Fn(&str) -> bool,
}

impl Known<'_> {
    pub(super) fn file(&self, id_tag: &IdTag) -> Option<&CardFile> {
        self.cards.get(id_tag.matched()).and_then(Option::as_deref)
    }

    pub(super) fn allot(&mut self) -> SessionId {
        let id = SessionId(*self.next_id);
        *self.next_id += 1;
        id
    }

    pub(super) fn tag_answer(
        &mut self,
        submission: &Submission,
        id_tag: &IdTag,
        place: Place,
        busy: bool,
        occasion: Occasion,
    ) -> TagAnswer {
        let now = submission.heard.received_at;
        let file = self.cards.get(id_tag.matched()).and_then(Option::as_deref);
        let verdict = judge_now(file, now, place, busy, self.programme);
        let note = StationNote::Shown(self.hasher.shown(id_tag, file, verdict.refusal, occasion));
        self.shown.push(NoteRow { station_id: submission.station.id.clone(), at: now, note });
        if let (None, Some(file)) = (verdict.refusal, file) {
            self.exposed.push((file.card.number.clone(), submission.station.id.clone(), now));
        }
        TagAnswer { cache_until: Some(now + cache_for(verdict.refusal, place, self.cache_for)), verdict }
    }
}

/// Decides one message: its answer.
pub fn decide(book: &mut Book, known: &mut Known<'_>, submission: &Submission) -> Told {
    match &submission.event {
        TransactionEvent::Start(report) => start(book, known, submission, report),
        TransactionEvent::Stop(report) => stop(book, known, submission, report),
        TransactionEvent::Step(report) => steps::step(book, known, submission, report),
        TransactionEvent::Meter(report) => Told { payload: meter(book, submission, report), session: None, acceptance: None },
    }
}

pub(super) fn keep(book: &mut Book, submission: &Submission, session_id: Option<SessionId>, effect: &'static str, answer: &str) {
    if submission.over_quota {
        return;
    }
    book.journal(JournalRow {
        station_id: submission.station.id.clone(),
        session_id,
        action: submission.action.clone(),
        message_id: submission.message_id.clone(),
        payload: submission.payload.clone(),
        answer: answer.to_owned(),
        effect,
        received_at: submission.heard.received_at,
        connected_since: submission.heard.connected_since,
    });
}

/// Keeps a repeat, or a differing stop, of a known session, up to the limit.
pub(super) fn keep_repeat(book: &mut Book, submission: &Submission, mut row: LedgerRow, effect: &'static str, answer: &str) {
    if row.repeats < REPEATS_KEPT {
        row.repeats += 1;
        keep(book, submission, Some(row.session.id), effect, answer);
        book.put(row);
    }
}

fn start(book: &mut Book, known: &mut Known<'_>, submission: &Submission, report: &StartReport) -> Told {
    let station = &submission.station;
    let start_key = submission.content.clone();
    let earlier = book.by_start(&station.id, &start_key).cloned();
    if let Some(row) = &earlier
        && !is_new_start_of_a_clockless_station(&row.session)
    {
        debug_assert_eq!(react(row.session.phase(), Message::SameStart), Reaction::ReplayStart);
        let answer = row.start_answer.clone();
        keep_repeat(book, submission, row.clone(), "repeated_start", &answer);
        return Told { payload: answer, session: None, acceptance: None };
    }
    let connector_id = report.connector_id.unwrap_or_default();
    let id_tag = IdTag::new(report.card());
    let site = station.connector_site(connector_id);
    let start_ordinal = earlier.map_or(0, |row| row.start_ordinal + 1);
    let mut session = recording::open(&Opening {
        id: known.allot(),
        reference: keys::reference(&station.id, &start_key, start_ordinal),
        station_id: &station.id,
        site_name: &station.site,
        zone: station.zone(),
        connector_id,
        site,
        id_tag_text: report.card(),
        shown_at: None,
        file: known.file(&id_tag),
        reported: &report.timestamp,
        heard: submission.heard,
        meter: report.meter_start.map(Register::watt_hours),
        malformed: !report.faults.is_empty(),
        programme: known.programme,
    });
    let busy = flag_concurrency(book, known, submission, &mut session);
    supersede(book, &session);
    let place = station.place(known.programme, submission.heard.received_at).listed(site.is_some());
    let mut tag = known.tag_answer(submission, &id_tag, place, busy, Occasion::Start);
    // Under a card that is told otherwise than it is, a station is to remember nothing: no block would find it there.
    if report.meant.is_some() {
        tag.cache_until = Some(submission.heard.received_at);
    }
    flag_refusal(submission, &mut session, &tag, place);
    let accepts = tag.verdict.refusal.is_none();
    let told = Answer::Started { session: session.id, tag };
    let answer = (submission.encode)(&told);
    keep(book, submission, Some(session.id), "started", &answer);
    book.put(LedgerRow {
        session,
        start_key,
        start_ordinal,
        start_answer: answer.clone(),
        stop_key: None,
        stop_answer: None,
        repeats: 0,
        evidence: None,
    });
    Told { payload: answer, session: None, acceptance: accepts.then_some(Acceptance { answer: told, id_tag, place }) }
}

/// A station whose clock stands still at each power-up sends the same content for different starts:
/// its content counts only while the first of them runs.
fn is_new_start_of_a_clockless_station(session: &Session) -> bool {
    let clockless = [Flag::ClockImplausible, Flag::TimeUnreadable].iter().any(|flag| session.flags.contains(flag));
    clockless && session.phase() == Phase::Stopped
}

/// Whether a start is heard as it happens, as near as a station's clock may be off.
fn is_live(submission: &Submission, session: &Session) -> bool {
    (submission.heard.received_at - session.start.at).abs() <= TimeDelta::seconds(CLOCK_TOLERANCE_S)
}

/// Names what the answer to a start that is heard as it happens says against it, where its own instant does
/// not: the station was told no, and may have charged all the same.
pub(super) fn flag_refusal(submission: &Submission, session: &mut Session, tag: &TagAnswer, place: Place) {
    if !is_live(submission, session) || session.refusal.is_some() {
        return;
    }
    match tag.verdict.refusal {
        None | Some(Reason::Concurrent | Reason::UnknownCard | Reason::OffNetwork) => {}
        Some(_) if place == Place::Unavailable => {
            session.flags.insert(Flag::ChargerUnavailable);
        }
        Some(_) => {
            session.flags.insert(Flag::RefusedWhenHeard);
        }
    }
}

/// Whether another running session keeps the card busy (row 8 of the ladder, rule B6).
pub(super) fn flag_concurrency(book: &Book, known: &Known<'_>, submission: &Submission, session: &mut Session) -> bool {
    let Some(card) = &session.card else { return false };
    let now = submission.heard.received_at;
    // What is heard as it happens is judged by our clock: the station's may be a little slow.
    let began = if is_live(submission, session) { now.max(session.start.at) } else { session.start.at };
    let here = |other: &Session| other.station_id == session.station_id && other.connector_id == session.connector_id;
    let others: Vec<&Session> = book
        .running_of(card)
        .map(|row| &row.session)
        .filter(|other| other.refusal.is_none())
        .filter(|other| !other.flags.contains(&Flag::Concurrent) && !other.flags.contains(&Flag::Superseded))
        .filter(|other| !here(other) && other.start.at <= began)
        .collect();
    let busy = others.iter().any(|other| other.keeps_card_busy(now, known.offline_since.get(&other.station_id).copied()));
    if busy {
        session.flags.insert(Flag::Concurrent);
    } else if !others.is_empty() {
        session.flags.insert(Flag::StaleConcurrent);
    }
    busy
}

/// Running sessions that a later start on their connector shows to be over.
pub(super) fn supersede(book: &mut Book, session: &Session) {
    let over: Vec<LedgerRow> = book
        .at_connector(&session.station_id, session.connector_id)
        .filter(|row| row.session.phase() == Phase::Running && row.session.start.at <= session.start.at && row.session.id != session.id)
        .cloned()
        .collect();
    for mut row in over {
        if row.session.flags.insert(Flag::Superseded) {
            book.put(row);
        }
    }
}

fn stop(book: &mut Book, known: &mut Known<'_>, submission: &Submission, report: &StopReport) -> Told {
    let id_tag = report.id_tag.as_ref().filter(|tag| !tag.is_empty());
    let tag = id_tag.map(|id_tag| known.tag_answer(submission, id_tag, Place::Open, false, Occasion::Stop));
    let now = Answer::Stopped { tag };
    let answer = (submission.encode)(&now);
    let payload = apply_stop(book, known, submission, report, answer.clone());
    let id_tag = id_tag.filter(|_| payload == answer);
    let acceptance = id_tag.map(|id_tag| Acceptance { answer: now, id_tag: id_tag.clone(), place: Place::Open });
    Told { payload, session: None, acceptance }
}

/// What a stop does; the answer's payload: `answer`, or that of an earlier one.
fn apply_stop(book: &mut Book, known: &mut Known<'_>, submission: &Submission, report: &StopReport, answer: String) -> String {
    let station = &submission.station.id;
    let stop_key = submission.content.clone();
    let id_tag = report.id_tag.as_ref().filter(|tag| !tag.is_empty());
    if let Some(row) = book.by_stop(station, &stop_key).cloned() {
        return stop_of_known(book, submission, row, report, Message::Stop, stop_key, answer);
    }
    let named = report.transaction_id.filter(|id| (1..=SessionId::MAX).contains(id)).and_then(|id| book.row(SessionId(id)));
    if let Some(row) = named.filter(|row| row.session.station_id == *station).cloned() {
        return stop_of_known(book, submission, row, report, Message::OtherStop, stop_key, answer);
    }
    let foreign = named.is_some();
    if let Some(mut row) = match_by_content(book, known, submission, report, foreign) {
        row.session.flags.insert(Flag::MatchedByContent);
        return stop_of_known(book, submission, row, report, Message::Stop, stop_key, answer);
    }
    if !foreign && (id_tag.is_some() || !report.readings.is_empty()) {
        return build_from_stop(book, known, submission, report, stop_key, answer);
    }
    if (known.keep_unmatched)(&format!("{station}|{stop_key}")) {
        keep(book, submission, None, if foreign { "foreign_stop" } else { "unmatched_stop" }, &answer);
    }
    answer
}

/// A stop for a session of this station.
fn stop_of_known(
    book: &mut Book,
    submission: &Submission,
    mut row: LedgerRow,
    report: &StopReport,
    message: Message,
    stop_key: String,
    answer: String,
) -> String {
    match react(row.session.phase(), message) {
        Reaction::Close => {
            close(book, submission, &mut row.session, report);
            row.stop_key = Some(stop_key);
            row.stop_answer = Some(answer.clone());
            keep(book, submission, Some(row.session.id), "stopped", &answer);
            book.put(row);
            answer
        }
        Reaction::ReplayStop | Reaction::ReplayStart | Reaction::AddReadings => {
            let first = row.stop_answer.clone().unwrap_or(answer);
            keep_repeat(book, submission, row, "repeated_stop", &first);
            first
        }
        Reaction::KeepAsEvidence => {
            let first = row.stop_answer.clone().unwrap_or(answer);
            if is_cut_off_stop_again(&row.session, submission, report) {
                keep_repeat(book, submission, row, "repeated_stop", &first);
                return first;
            }
            row.session.flags.insert(Flag::StopDiffers);
            keep_repeat(book, submission, row, "differing_stop", &first);
            first
        }
    }
}

/// Whether a stop says what one said that came cut off: all that a bill rests on.
fn is_cut_off_stop_again(session: &Session, submission: &Submission, report: &StopReport) -> bool {
    let same = |stop: &Stop| {
        stop.edge.said == report.timestamp.instant(submission.station.zone())
            && stop.edge.meter == report.meter_stop.map(Register::watt_hours)
    };
    session.flags.contains(&Flag::MalformedStop) && session.stop.as_ref().is_some_and(same)
}

/// A stop's report with how it was heard.
fn closing<'a>(submission: &Submission, report: &'a StopReport) -> Closing<'a> {
    Closing {
        zone: submission.station.zone(),
        reported: &report.timestamp,
        heard: submission.heard,
        meter: report.meter_stop.map(Register::watt_hours),
        reason: &report.reason,
        id_tag: report.id_tag.clone(),
        malformed: !report.faults.is_empty(),
    }
}

fn close(book: &mut Book, submission: &Submission, session: &mut Session, report: &StopReport) {
    let connector_id = session.connector_id;
    add_readings(book, submission, Some(session), connector_id, &report.readings);
    recording::close(session, &closing(submission, report));
}

/// The one running session of the station that a stop can mean although it does not name it: the
/// start's answer was lost, so the station never learnt its number. The card itself goes before its
/// member's other card, and a connector's newest session before older ones.
fn match_by_content(book: &Book, known: &Known<'_>, submission: &Submission, report: &StopReport, foreign: bool) -> Option<LedgerRow> {
    let id_tag = report.id_tag.as_ref().filter(|tag| !tag.is_empty());
    let member = id_tag.and_then(|tag| known.file(tag)).and_then(|file| file.member.as_ref()).map(|member| &member.id);
    let is_card = |session: &Session| id_tag.is_some_and(|tag| *tag == session.id_tag);
    let card_fits = |session: &Session| match id_tag {
        None => !foreign,
        Some(_) => is_card(session) || (member.is_some() && member == session.member.as_ref()),
    };
    let meter_fits = |session: &Session| match (session.start.meter, report.meter_stop.map(Register::watt_hours)) {
        (Some(start), Some(stop)) => stop == WattHours::UNKNOWN || start <= stop,
        _ => true,
    };
    let candidates: Vec<&LedgerRow> = book
        .running_at(&submission.station.id)
        .filter(|row| recording::stopped_at(&row.session, &closing(submission, report)).at >= row.session.start.at)
        .filter(|row| card_fits(&row.session) && meter_fits(&row.session))
        .collect();
    let is_newest = |session: &Session| !session.flags.contains(&Flag::Superseded);
    let ranks: [&dyn Fn(&Session) -> bool; 4] = [&|session| is_card(session) && is_newest(session), &is_card, &is_newest, &|_| true];
    let best = ranks.iter().find_map(|rank| {
        let of_rank: Vec<&LedgerRow> = candidates.iter().copied().filter(|row| rank(&row.session)).collect();
        (!of_rank.is_empty()).then_some(of_rank)
    })?;
    match best.as_slice() {
        [only] => Some((*only).clone()),
        _ => None,
    }
}

/// Only the stop ever arrived: a session is built from it and held for a person's decision.
fn build_from_stop(
    book: &mut Book,
    known: &mut Known<'_>,
    submission: &Submission,
    report: &StopReport,
    stop_key: String,
    answer: String,
) -> String {
    let station = &submission.station;
    let first = report.readings.iter().min_by_key(|reading| reading.sampled_at.instant(station.zone()));
    let (connector_id, site) = only_kind_of_connector(submission);
    let id_tag = report.id_tag.clone().unwrap_or_else(|| IdTag::new(""));
    let start_key = format!("stop|{stop_key}");
    let mut session = recording::open(&Opening {
        id: known.allot(),
        reference: keys::reference(&station.id, &start_key, 0),
        station_id: &station.id,
        site_name: &station.site,
        programme: known.programme,
        zone: station.zone(),
        connector_id,
        site,
        id_tag_text: id_tag.as_sent(),
        shown_at: None,
        file: known.file(&id_tag),
        reported: first.map_or(&report.timestamp, |reading| &reading.sampled_at),
        heard: submission.heard,
        meter: registers(&report.readings).into_iter().find(|(reading, _)| reading.context == "Transaction.Begin").map(|(_, value)| value),
        malformed: false,
    });
    session.flags.insert(Flag::StartMissing);
    close(book, submission, &mut session, report);
    keep(book, submission, Some(session.id), "built_from_stop", &answer);
    book.put(LedgerRow {
        session,
        start_key,
        start_ordinal: 0,
        start_answer: String::new(),
        stop_key: Some(stop_key),
        stop_answer: Some(answer.clone()),
        repeats: 0,
        evidence: None,
    });
    answer
}

/// The connector, where the station has one; its site data, where all of its connectors agree.
pub(super) fn only_kind_of_connector(submission: &Submission) -> (i64, Option<ConnectorSite>) {
    let connectors = &submission.station.connectors;
    let first = connectors.first();
    let agree = connectors.iter().all(|one| Some(one.site) == first.map(|first| first.site));
    let id = if connectors.len() == 1 { first.map_or(0, |first| first.connector_id) } else { 0 };
    (id, first.filter(|_| agree).map(|first| first.site))
}
