//! What each transaction message does, decided over the batch's state. Every message is answered and
//! kept; the rules of [`juden_domain::session`] say what it means.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::batch_state::BatchState;
use super::meters::meter;
use super::{Acceptance, CommittedAnswer, TransactionJob, events, keys, stop};
use juden_domain::authorization::{CardFile, Place, cache_for, judge_now};
use juden_domain::flag::Flag;
use juden_domain::ids::{CardNumber, IdTag, SessionId, StationId};
use juden_domain::instant::CLOCK_TOLERANCE_S;
use juden_domain::programme::Programme;
use juden_domain::recording::{self, StartFacts};
use juden_domain::refusal::Reason;
use juden_domain::session::{Reaction, Session, SessionMessage, react};
use juden_domain::station::ConnectorSite;
use juden_domain::units::Register;
use juden_ocpp::event::{StartReport, TagAnswer, TransactionMessage};
use juden_ocpp::reply::CardReply;
use juden_store::ledger::{
    InUse, JournalRow, LedgerRow, Occasion, StationNote, StationNoteRow, TagHasher,
};

/// Repeats of one session's messages that the journal keeps; a station may repeat for ever.
pub const REPEATS_KEPT: i64 = 100;

/// The facts of a batch that decisions rest on, beside its sessions.
pub struct BatchFacts<'a> {
    /// The files of the cards in the batch, by matched spelling.
    pub cards: &'a HashMap<String, Option<Arc<CardFile>>>,
    /// Since when stations are offline; those online are absent.
    pub offline_since: &'a HashMap<StationId, DateTime<Utc>>,
    /// What is known of the stations' connectors, where a stop that names no session of ours is to be placed.
    pub in_use: &'a HashMap<StationId, InUse>,
    /// How long a station may believe an acceptance.
    pub cache_for: TimeDelta,
    /// The programme's history.
    pub programme: &'a Programme,
    /// The next session number that is free.
    pub next_id: &'a mut i64,
    /// Hashes what readers read.
    pub hasher: &'a TagHasher,
    /// Cards that were shown, and what they were told.
    pub shown: Vec<StationNoteRow>,
    /// Cards that stations are told are accepted.
    pub exposed: Vec<(CardNumber, StationId, DateTime<Utc>)>,
    /// Whether the journal still takes repeats that belong to no session.
    pub keep_unmatched: &'a dyn Fn(&str) -> bool,
}

impl BatchFacts<'_> {
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
        job: &TransactionJob,
        id_tag: &IdTag,
        place: Place,
        busy: bool,
        occasion: Occasion,
    ) -> TagAnswer {
        let now = job.call.heard.received_at;
        let file = self.cards.get(id_tag.matched()).and_then(Option::as_deref);
        let verdict = judge_now(file, now, place, busy, self.programme);
        let note = StationNote::Shown(self.hasher.shown(id_tag, file, verdict.refusal, occasion));
        self.shown.push(StationNoteRow { station_id: job.call.station.id.clone(), at: now, note });
        if let (None, Some(file)) = (verdict.refusal, file) {
            self.exposed.push((file.card.number.clone(), job.call.station.id.clone(), now));
        }
        TagAnswer {
            cache_until: Some(now + cache_for(verdict.refusal, place, self.cache_for)),
            verdict,
        }
    }
}

/// Decides one message: its answer.
pub fn decide(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
) -> CommittedAnswer {
    match &job.event {
        TransactionMessage::Start(report) => start(state, facts, job, report),
        TransactionMessage::Stop(report) => stop::stop(state, facts, job, report),
        TransactionMessage::Event(report) => events::event(state, facts, job, report),
        TransactionMessage::Meter(report) => {
            CommittedAnswer { payload: meter(state, job, report), session: None, acceptance: None }
        }
    }
}

pub(super) fn keep(
    state: &mut BatchState,
    job: &TransactionJob,
    session_id: Option<SessionId>,
    effect: &'static str,
    answer: &str,
) {
    if job.over_quota {
        return;
    }
    state.journal(JournalRow {
        station_id: job.call.station.id.clone(),
        session_id,
        action: job.call.action.clone(),
        message_id: job.call.message_id.clone(),
        payload: job.call.payload.clone(),
        answer: answer.to_owned(),
        effect,
        received_at: job.call.heard.received_at,
        connected_since: job.call.heard.connected_since,
        clock: job.call.heard.clock,
    });
}

/// Keeps a repeat, or a differing stop, of a known session, up to the limit.
pub(super) fn keep_repeat(
    state: &mut BatchState,
    job: &TransactionJob,
    mut row: LedgerRow,
    effect: &'static str,
    answer: &str,
) {
    if row.repeats < REPEATS_KEPT {
        row.repeats += 1;
        keep(state, job, Some(row.session.id), effect, answer);
        state.put(row);
    }
}

fn start(
    state: &mut BatchState,
    facts: &mut BatchFacts<'_>,
    job: &TransactionJob,
    report: &StartReport,
) -> CommittedAnswer {
    let station = &job.call.station;
    let start_key = job.content.clone();
    let earlier = state.by_start(&station.id, &start_key).cloned();
    if let Some(row) = &earlier
        && !is_new_start_of_a_clockless_station(&row.session)
    {
        debug_assert_eq!(
            react(row.session.phase(), SessionMessage::SameStart),
            Reaction::ReplayStart
        );
        let (answer, session, id_tag) =
            (row.start_answer.clone(), row.session.id, row.session.id_tag.clone());
        keep_repeat(state, job, row.clone(), "repeated_start", &answer);
        let place = station.place(facts.programme, job.call.heard.received_at);
        let acceptance = judged_now(id_tag, place, CardReply::Started(session));
        return CommittedAnswer { payload: answer, session: None, acceptance };
    }
    let connector_id = station.connector_meant(report.connector_id.unwrap_or_default());
    let id_tag = report.card();
    let site = station.connector_site(connector_id);
    let start_ordinal = earlier.map_or(0, |row| row.start_ordinal + 1);
    let mut session = recording::open(&StartFacts {
        id: facts.allot(),
        reference: keys::reference(&station.id, &start_key, start_ordinal),
        station_id: &station.id,
        site_name: &station.site,
        zone: station.zone(),
        connector_id,
        site,
        id_tag,
        shown_at: None,
        file: facts.file(id_tag),
        reported: &report.timestamp,
        heard: job.call.heard,
        meter: report.meter_start.map(Register::watt_hours),
        malformed: !report.faults.is_empty(),
        programme: facts.programme,
    });
    let busy = flag_concurrency(state, facts, job, &mut session);
    supersede(state, &mut session);
    let place = station.place(facts.programme, job.call.heard.received_at).listed(site.is_some());
    let mut tag = facts.tag_answer(job, id_tag, place, busy, Occasion::Start);
    // Under a card that is told otherwise than it is, a station is to remember nothing: no block would find it there.
    if report.meant.is_some() {
        tag.cache_until = Some(job.call.heard.received_at);
    }
    flag_refusal(job, &mut session, &tag, place);
    let accepts = tag.verdict.refusal.is_none();
    let reply = CardReply::Started(session.id);
    let answer = reply.payload(&tag);
    keep(state, job, Some(session.id), "started", &answer);
    state.put(LedgerRow {
        session,
        start_key,
        start_ordinal,
        start_answer: answer.clone(),
        stop_key: None,
        stop_answer: None,
        repeats: 0,
        evidence: None,
    });
    CommittedAnswer {
        payload: answer,
        session: None,
        acceptance: accepts.then(|| Acceptance { reply, id_tag: id_tag.clone(), place }),
    }
}

/// A station whose clock stands still at each power-up sends the same content for different starts:
/// its content counts only while the first of them runs.
fn is_new_start_of_a_clockless_station(session: &Session) -> bool {
    let clockless = [Flag::ClockImplausible, Flag::TimeUnreadable]
        .iter()
        .any(|flag| session.flags.contains(flag));
    clockless && session.stop.is_some()
}

/// The card's part of an answer to a repeat: that of the first answer, unless the card is refused by now (rule B10).
pub(super) fn judged_now(id_tag: IdTag, place: Place, reply: CardReply) -> Option<Acceptance> {
    (!id_tag.is_empty()).then_some(Acceptance { reply, id_tag, place })
}

/// Whether a start is heard as it happens, as near as a station's clock may be off.
fn is_live(job: &TransactionJob, session: &Session) -> bool {
    (job.call.heard.received_at - session.start.at).abs() <= TimeDelta::seconds(CLOCK_TOLERANCE_S)
}

/// Names what the answer to a start that is heard as it happens says against it, where its own instant does
/// not: the station was told no, and may have charged all the same.
pub(super) fn flag_refusal(
    job: &TransactionJob,
    session: &mut Session,
    tag: &TagAnswer,
    place: Place,
) {
    if !is_live(job, session) || session.refusal.is_some() {
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

/// For how long a session whose end is an estimate is named where its card starts another one.
const STALE_NAMED_DAYS: i64 = 7;

/// Whether another running session keeps the card busy (row 8 of the ladder, rule B6). One that is over by now is ended
/// provisionally.
pub(super) fn flag_concurrency(
    state: &mut BatchState,
    facts: &BatchFacts<'_>,
    job: &TransactionJob,
    session: &mut Session,
) -> bool {
    let Some(card) = session.card.clone() else { return false };
    let now = job.call.heard.received_at;
    // What is heard as it happens is judged by our clock: the station's may be a little slow.
    let began = if is_live(job, session) { now.max(session.start.at) } else { session.start.at };
    let here = |other: &Session| {
        other.station_id == session.station_id && other.connector_id == session.connector_id
    };
    let others: Vec<LedgerRow> = state
        .running_of(&card)
        .filter(|row| row.session.refusal.is_none())
        .filter(|row| !row.session.flags.contains(&Flag::Concurrent))
        .filter(|row| !here(&row.session) && row.session.start.at <= began)
        .cloned()
        .collect();
    let offline = |other: &Session| facts.offline_since.get(&other.station_id).copied();
    let busy =
        others.iter().any(|other| other.session.keeps_card_busy(now, offline(&other.session)));
    let is_stale = !others.is_empty()
        || state
            .estimated_of(&card)
            .any(|other| !here(other) && ended_by_estimate_lately(other, began));
    for mut other in others {
        if let Some(over) = other.session.over_by_now(now, offline(&other.session)) {
            other.session.estimate_end(over);
            state.put(other);
        }
    }
    if busy {
        session.flags.insert(Flag::Concurrent);
    } else if is_stale {
        session.flags.insert(Flag::StaleConcurrent);
    }
    busy
}

/// Whether a session that ended by estimate ended within the last [`STALE_NAMED_DAYS`] before a start. That start is flagged
/// `stale_concurrent`.
fn ended_by_estimate_lately(other: &Session, began: DateTime<Utc>) -> bool {
    let ended = other.stop.as_ref().map(|stop| stop.edge.received_at);
    other.refusal.is_none()
        && ended.is_some_and(|at| at <= began && began - at <= TimeDelta::days(STALE_NAMED_DAYS))
}

/// Sessions of a connector that later starts there show to be over (rule B6): they are ended provisionally, in whatever order
/// the starts come.
pub(super) fn supersede(state: &mut BatchState, session: &mut Session) {
    let open = |row: &&LedgerRow| row.session.stop.is_none() || row.session.is_estimated();
    let at_connector = || {
        state
            .at_connector(&session.station_id, session.connector_id)
            .filter(|row| row.session.id != session.id)
    };
    let over: Vec<LedgerRow> = at_connector()
        .filter(open)
        .filter(|row| row.session.start.at <= session.start.at)
        .cloned()
        .collect();
    let next =
        at_connector().map(|row| row.session.start.at).filter(|at| *at > session.start.at).min();
    if let Some(next) = next.filter(|_| session.stop.is_none()) {
        session.is_followed_at(next);
    }
    for mut row in over {
        row.session.is_followed_at(session.start.at);
        state.put(row);
    }
}

/// The connector, where the station has one; its site data, where all of its connectors agree.
pub(super) fn only_kind_of_connector(job: &TransactionJob) -> (i64, Option<ConnectorSite>) {
    let connectors = &job.call.station.connectors;
    let first = connectors.first();
    let agree = connectors.iter().all(|one| Some(one.site) == first.map(|first| first.site));
    let id = if connectors.len() == 1 { first.map_or(0, |first| first.connector_id) } else { 0 };
    (id, first.filter(|_| agree).map(|first| first.site))
}
