//! The writer: gathers, loads, decides, commits, answers.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::book::Book;
use super::decide::{Known, decide, sampled_at};
use super::{Job, LedgerQueue, Submission, keys};
use crate::cluster::Cluster;
use crate::directory::{CardDirectory, ProgrammeDirectory};
use crate::domain::authorization::CardFile;
use crate::domain::ids::{IdTag, SessionId, StationId};
use crate::ocpp::event::TransactionEvent;
use crate::store::ledger::{Batch, NoteRow, Wanted};
use crate::store::{Store, StoreError, Stored};

/// Messages that one commit takes at most.
const BATCH_MAX: usize = 512;

/// Session numbers reserved at a time.
const IDS_RESERVED: i64 = 1_000;

/// Waits between tries when the store fails: the first, doubled up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_secs(2);

/// Repeats of a stop that belongs to no session that are kept, and how many such stops are counted.
const UNMATCHED_REPEATS_KEPT: u32 = 20;
const UNMATCHED_COUNTED: u64 = 100_000;

/// What the writer works with.
pub struct LedgerParts {
    /// Where it writes.
    pub store: Arc<dyn Store>,
    /// Which cards there are.
    pub cards: Arc<CardDirectory>,
    /// The programme's history.
    pub programme: Arc<ProgrammeDirectory>,
    /// Which stations are online.
    pub cluster: Arc<dyn Cluster>,
    /// How long a station may believe an acceptance.
    pub cache_for: TimeDelta,
}

struct Writer {
    parts: LedgerParts,
    next_id: i64,
    reserved_until: i64,
    unmatched: Cache<String, u32>,
}

type Waiting = Vec<(oneshot::Sender<String>, String)>;

/// Runs the writer until every [`super::Ledger`] is gone and the queue is empty.
pub async fn run(parts: LedgerParts, mut queue: LedgerQueue) {
    let mut writer = Writer { parts, next_id: 1, reserved_until: 1, unmatched: Cache::new(UNMATCHED_COUNTED) };
    let mut jobs = Vec::with_capacity(BATCH_MAX);
    while queue.0.recv_many(&mut jobs, BATCH_MAX).await > 0 {
        metrics::histogram!("juden_ledger_batch_messages").record(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        writer.process(std::mem::take(&mut jobs)).await;
    }
}

impl Writer {
    async fn process(&mut self, jobs: Vec<Job>) {
        let mut notes = Vec::new();
        let mut told = Vec::new();
        let mut submissions = Vec::new();
        for job in jobs {
            match job {
                Job::Transaction(submission) => submissions.push(*submission),
                Job::Note(note, tell) => {
                    notes.push(note);
                    told.extend(tell);
                }
            }
        }
        self.write(submissions, notes).await;
        for tell in told {
            let _ = tell.send(());
        }
    }

    /// Writes a batch and answers it. Where the store refuses a batch for good, its messages are
    /// tried one by one, so that one bad row stops nobody else.
    async fn write(&mut self, submissions: Vec<Submission>, notes: Vec<NoteRow>) {
        let mut wait = RETRY_FIRST;
        let mut pending = submissions;
        loop {
            match self.try_write(&pending, &notes).await {
                Ok(answers) => {
                    let waiting: Waiting = pending.into_iter().map(|submission| submission.reply).zip(answers).collect();
                    for (reply, answer) in waiting {
                        let _ = reply.send(answer);
                    }
                    return;
                }
                Err(cause) if is_refused_for_good(&cause) && pending.len() + notes.len() > 1 => {
                    error!(%cause, messages = pending.len(), "the store refused a batch; its messages are tried one by one");
                    for submission in pending {
                        Box::pin(self.write(vec![submission], Vec::new())).await;
                    }
                    for note in notes {
                        Box::pin(self.write(Vec::new(), vec![note])).await;
                    }
                    return;
                }
                Err(cause) if is_refused_for_good(&cause) => {
                    // The reply is dropped: the station is told of an internal error and keeps its message.
                    error!(%cause, "the store refused a message; the station keeps it");
                    return;
                }
                Err(cause) => {
                    warn!(%cause, wait_ms = wait.as_millis(), "the store does not answer; transaction messages wait");
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_LAST);
                    pending.retain(|submission| !submission.reply.is_closed());
                }
            }
        }
    }

    async fn try_write(&mut self, submissions: &[Submission], notes: &[NoteRow]) -> Stored<Vec<String>> {
        let (batch, answers) = if submissions.is_empty() { (Batch::default(), Vec::new()) } else { self.decide(submissions).await? };
        self.parts.store.commit(&Batch { notes: notes.to_vec(), ..batch }).await?;
        Ok(answers)
    }

    async fn decide(&mut self, submissions: &[Submission]) -> Stored<(Batch, Vec<String>)> {
        let cards = self.cards(submissions).await?;
        let mut book = Book::of(self.parts.store.ledger_rows(&wanted(submissions)).await?);
        let offline_since = self.offline_since(&book).await?;
        self.reserve(submissions.len()).await?;
        let programme = self.parts.programme.current();
        let unmatched = &self.unmatched;
        let keep_unmatched = |key: &str| {
            let times = unmatched.get(key).unwrap_or(0) + 1;
            unmatched.insert(key.to_owned(), times);
            times <= UNMATCHED_REPEATS_KEPT
        };
        let mut known = Known {
            cards: &cards,
            offline_since: &offline_since,
            cache_for: self.parts.cache_for,
            programme: &programme,
            next_id: &mut self.next_id,
            keep_unmatched: &keep_unmatched,
        };
        let answers = submissions.iter().map(|submission| decide(&mut book, &mut known, submission)).collect();
        Ok((book.into_batch(), answers))
    }

    async fn cards(&self, submissions: &[Submission]) -> Stored<HashMap<String, Option<Arc<CardFile>>>> {
        let mut cards = HashMap::new();
        for tag in submissions.iter().filter_map(tag) {
            if !cards.contains_key(tag.matched()) {
                cards.insert(tag.matched().to_owned(), self.parts.cards.find(&tag).await?);
            }
        }
        Ok(cards)
    }

    /// Since when the stations of running sessions are offline: the newest that is kept of their last
    /// sign of life and of their sessions' starts.
    async fn offline_since(&self, book: &Book) -> Stored<HashMap<StationId, DateTime<Utc>>> {
        let is_offline = |station: &StationId| self.parts.cluster.connection(station).is_none();
        let mut since: HashMap<StationId, DateTime<Utc>> = HashMap::new();
        for row in book.running().filter(|row| is_offline(&row.session.station_id)) {
            let heard = row.session.start.received_at;
            since.entry(row.session.station_id.clone()).and_modify(|since| *since = heard.max(*since)).or_insert(heard);
        }
        if !since.is_empty() {
            let stations: Vec<StationId> = since.keys().cloned().collect();
            for (station, seen) in self.parts.store.last_seen(&stations).await? {
                since.entry(station).and_modify(|since| *since = seen.max(*since)).or_insert(seen);
            }
        }
        Ok(since)
    }

    async fn reserve(&mut self, sessions: usize) -> Stored<()> {
        let needed = i64::try_from(sessions).unwrap_or(i64::MAX);
        if self.next_id + needed > self.reserved_until {
            let count = IDS_RESERVED.max(needed);
            self.next_id = self.parts.store.reserve_session_ids(count).await?;
            self.reserved_until = self.next_id + count;
        }
        Ok(())
    }
}

/// Whether trying again cannot help: the engine works, but refuses these rows.
fn is_refused_for_good(cause: &StoreError) -> bool {
    match cause {
        StoreError::Failed(sqlx::Error::Database(fault)) => fault.kind() != sqlx::error::ErrorKind::Other,
        StoreError::Failed(
            sqlx::Error::Protocol(_) | sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. },
        ) => true,
        StoreError::Unreadable(_) => true,
        StoreError::Failed(_) | StoreError::Conflict(_) => false,
    }
}

fn tag(submission: &Submission) -> Option<IdTag> {
    match &submission.event {
        TransactionEvent::Start(report) => Some(IdTag::new(&report.id_tag)),
        TransactionEvent::Stop(report) => report.id_tag.clone(),
        TransactionEvent::Meter(_) => None,
    }
    .filter(|tag| !tag.is_empty())
}

/// Everything that the decisions about these messages may ask for.
fn wanted(submissions: &[Submission]) -> Wanted {
    let mut wanted = Wanted::default();
    let mut stations = HashSet::new();
    for submission in submissions {
        let station = submission.station.id.clone();
        let named = |id: Option<i64>| id.filter(|id| (1..=SessionId::MAX).contains(id));
        match &submission.event {
            TransactionEvent::Start(report) => {
                wanted.start_keys.push((station.clone(), keys::start(report, &submission.payload)));
                wanted.tags.extend(tag(submission).map(|tag| tag.matched().to_owned()));
            }
            TransactionEvent::Stop(report) => {
                wanted.stop_keys.push((station.clone(), keys::stop(report, &submission.payload)));
                wanted.sessions.extend(named(report.transaction_id));
            }
            TransactionEvent::Meter(report) => {
                wanted.sessions.extend(named(report.transaction_id));
                let at = sampled_at(submission, report.readings.first().map(|reading| &reading.sampled_at));
                wanted.connectors.push((station.clone(), report.connector_id.unwrap_or_default(), at));
            }
        }
        stations.insert(station);
    }
    wanted.stations = stations.into_iter().collect();
    wanted
}
