//! The writer: gathers, loads, decides, commits, answers.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use moka::sync::Cache;
use tracing::{error, warn};

use super::batch_state::BatchState;
use super::decide::{BatchFacts, decide};
use super::notes;
use super::work::{BatchOutcome, Work, tag};
use super::{ConnectionOpened, LedgerQueue, TransactionJob};
use crate::cluster::Cluster;
use crate::directory::{CardDirectory, Exposures, MonthUses, ProgrammeDirectory};
use juden_domain::authorization::CardFile;
use juden_domain::ids::{CardNumber, IdTag, StationId};
use juden_ocpp::event::TransactionMessage;
use juden_store::ledger::{
    Batch, BatchName, Facts, InUse, OpenRow, StationNote, StationNoteRow, StationOwner, TagHasher,
};
use juden_store::{NodeRun, Store, StoreError, Stored};

/// Messages that one commit takes at most.
const BATCH_MAX: usize = 512;

/// Session numbers reserved at a time.
const IDS_RESERVED: i64 = 1_000;

/// Waits between tries when the store fails: the first, doubled up to the last.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LAST: Duration = Duration::from_secs(2);

/// How often a batch that the store did not manage in time is tried as a whole.
const TOO_SLOW_MAX: u32 = 3;

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
    /// Which stations may remember which cards.
    pub exposures: Exposures,
    /// How long a station may believe an acceptance.
    pub cache_for: TimeDelta,
    /// Hashes what readers read.
    pub hasher: TagHasher,
    /// Members' use of a month, for what drivers are shown.
    pub uses: MonthUses,
}

struct Writer {
    parts: LedgerParts,
    next_id: i64,
    reserved_until: i64,
    batches: i64,
    unmatched: Cache<String, u32>,
}

/// Answers of a batch whose COMMIT returned an error. If the store says later that it was committed, these are sent.
struct Doubt {
    name: BatchName,
    done: BatchOutcome,
}

/// Runs the writer until every [`super::Ledger`] is gone and the queue is empty.
pub async fn run(parts: LedgerParts, mut queue: LedgerQueue) {
    let mut writer = Writer {
        parts,
        next_id: 1,
        reserved_until: 1,
        batches: 0,
        unmatched: Cache::new(UNMATCHED_COUNTED),
    };
    let mut jobs = Vec::with_capacity(BATCH_MAX);
    while queue.0.recv_many(&mut jobs, BATCH_MAX).await > 0 {
        metrics::histogram!("juden_ledger_batch_messages")
            .record(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        for work in Work::of(std::mem::take(&mut jobs)) {
            writer.write(work).await;
        }
    }
}

impl Writer {
    /// Writes a batch and answers it. Where the store refuses a batch for good, its messages are
    /// tried one by one, so that one bad row stops nobody else.
    async fn write(&mut self, mut work: Work) {
        let mut wait = RETRY_FIRST;
        let mut doubt = None;
        let mut too_slow = 0;
        loop {
            // A panic while deciding counts as a permanent refusal: the batch is retried one message at a time, so
            // only the message that panics fails.
            let tried = AssertUnwindSafe(self.try_write(&work, &mut doubt)).catch_unwind().await;
            match tried.unwrap_or(Err(StoreError::Unreadable("a message whose handling broke off")))
            {
                Ok(outcome) => return work.tell(outcome),
                // A batch that takes too long as a whole is retried in parts.
                Err(cause)
                    if cause.is_transient()
                        && (too_slow < TOO_SLOW_MAX || work.len() == 1 || doubt.is_some()) =>
                {
                    too_slow += u32::from(cause.is_too_slow());
                    warn!(%cause, wait_ms = wait.as_millis(), "the store does not answer; transaction messages wait");
                    metrics::counter!("juden_ledger_retries_total").increment(1);
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(RETRY_LAST);
                    if doubt.is_none() {
                        work.transactions.retain(|job| !job.reply.is_closed());
                    }
                }
                Err(cause) if work.len() > 1 => {
                    error!(%cause, messages = work.len(), "the store refused a batch; its messages are tried one by one");
                    for part in work.split() {
                        Box::pin(self.write(part)).await;
                    }
                    return;
                }
                Err(cause) => {
                    // The reply is dropped: the station is told of an internal error and keeps its message.
                    error!(%cause, "the store refused a message; the station keeps it");
                    return;
                }
            }
        }
    }

    async fn try_write(&mut self, work: &Work, doubt: &mut Option<Doubt>) -> Stored<BatchOutcome> {
        if let Some(doubted) = doubt {
            let committed = self.parts.store.is_committed(&doubted.name).await?;
            if let Some(doubted) = doubt.take().filter(|_| committed) {
                self.parts.uses.forget_all();
                return Ok(doubted.done);
            }
        }
        self.batches += 1;
        let name = BatchName { node: self.parts.cluster.run().clone(), number: self.batches };
        self.reserve(work.transactions.len()).await?;
        let (facts, open) = self.parts.store.open_batch(&name, &work.wanted()).await?;
        let (batch, outcome) = self.decide(work, facts).await?;
        match open.commit(&batch).await {
            Ok(()) => {
                for row in &batch.sessions {
                    self.parts.uses.kept(&row.session.with_corrections());
                }
                for (member, month) in &batch.left {
                    self.parts.uses.forget(member, *month);
                }
                for note in &batch.notes {
                    if let StationNote::Exposed(card) = &note.note {
                        self.parts.exposures.kept(card, &note.station_id);
                    }
                }
                Ok(outcome)
            }
            Err(cause) => {
                *doubt = Some(Doubt { name, done: outcome });
                Err(cause)
            }
        }
    }

    async fn decide(&mut self, work: &Work, facts: Facts) -> Stored<(Batch, BatchOutcome)> {
        let holds: HashMap<&StationId, &StationOwner> =
            facts.holds.iter().map(|hold| (&hold.station_id, hold)).collect();
        let cards = self.cards(&work.transactions, &facts).await?;
        let in_use = self.in_use(&work.transactions, &facts).await?;
        let mut state = BatchState::of(facts.rows, facts.events);
        let offline_since = self.offline_since(&state, &holds);
        let programme = self.parts.programme.current();
        let unmatched = &self.unmatched;
        let keep_unmatched = |key: &str| {
            let times = unmatched.get(key).unwrap_or(0) + 1;
            unmatched.insert(key.to_owned(), times);
            times <= UNMATCHED_REPEATS_KEPT
        };
        let mut known = BatchFacts {
            cards: &cards,
            offline_since: &offline_since,
            in_use: &in_use,
            cache_for: self.parts.cache_for,
            programme: &programme,
            next_id: &mut self.next_id,
            keep_unmatched: &keep_unmatched,
            hasher: &self.parts.hasher,
            shown: Vec::new(),
            exposed: Vec::new(),
        };
        let fence_of = |station: &StationId| holds.get(station).map_or(0, |hold| hold.fence);
        let mut answers = Vec::with_capacity(work.transactions.len());
        for job in &work.transactions {
            let newest = fence_of(&job.call.station.id);
            if job.call.fence.number().is_some_and(|fence| fence < newest) {
                warn!(station_id = %job.call.station.id, "a message came late over a connection that a newer one replaced; the station keeps it");
                metrics::counter!("juden_late_messages_refused_total").increment(1);
                self.parts.cluster.evict(&job.call.station.id, newest);
                answers.push(None);
            } else {
                answers.push(Some(decide(&mut state, &mut known, job)));
            }
        }
        for row in &work.notes {
            notes::note(&mut state, row);
        }
        let settled =
            work.settlings.iter().map(|settling| notes::settle(&mut state, settling)).collect();
        let opened = opened(&work.openings, self.parts.cluster.run(), fence_of);
        let fences = opened.iter().map(|open| open.fence).collect();
        let exposed = exposed(known.exposed, &self.parts.exposures);
        let notes = work.notes.iter().cloned().chain(known.shown).chain(exposed).collect();
        Ok((
            Batch { opened, notes, ..state.into_batch() },
            BatchOutcome { answers, fences, settled },
        ))
    }

    /// The files of the batch's cards. Where they changed after what the node has heard of, its memory of
    /// them is forgotten first.
    async fn cards(
        &self,
        transactions: &[TransactionJob],
        facts: &Facts,
    ) -> Stored<HashMap<String, Option<Arc<CardFile>>>> {
        // A session that is made anew is judged by the card that it is bound to.
        let bound = facts
            .rows
            .iter()
            .filter(|row| row.evidence.is_some())
            .map(|row| &row.session.id_tag)
            .filter(|tag| !tag.is_empty());
        let tags: Vec<&IdTag> = transactions.iter().filter_map(tag).chain(bound).collect();
        if facts.change > self.parts.cluster.heard_up_to() {
            self.parts.cards.forget_tags(&tags);
        }
        self.parts.cards.find_all(&tags).await
    }

    /// What is known of the connectors of stations whose stops name no session of theirs.
    async fn in_use(
        &self,
        transactions: &[TransactionJob],
        facts: &Facts,
    ) -> Stored<HashMap<StationId, InUse>> {
        let is_known = |number: i64, station: &StationId| {
            facts
                .rows
                .iter()
                .any(|row| row.session.id.0 == number && row.session.station_id == *station)
        };
        let mut stations: Vec<StationId> = transactions
            .iter()
            .filter(|job| job.call.station.connectors.len() > 1)
            .filter_map(|job| match &job.event {
                TransactionMessage::Stop(stop)
                    if !stop
                        .transaction_id
                        .is_some_and(|number| is_known(number, &job.call.station.id)) =>
                {
                    Some(job.call.station.id.clone())
                }
                _ => None,
            })
            .collect();
        stations.sort();
        stations.dedup();
        if stations.is_empty() {
            Ok(HashMap::new())
        } else {
            self.parts.store.in_use(&stations).await
        }
    }

    /// Since when the stations of running sessions are offline: the newest that is kept of their last
    /// sign of life and of their sessions' starts.
    fn offline_since(
        &self,
        state: &BatchState,
        holds: &HashMap<&StationId, &StationOwner>,
    ) -> HashMap<StationId, DateTime<Utc>> {
        let cluster = &self.parts.cluster;
        let elsewhere = |hold: &&StationOwner| {
            hold.node
                .as_ref()
                .is_some_and(|node| node != cluster.run() && cluster.live_node(node).is_some())
        };
        let is_offline = |station: &StationId| {
            cluster.connection(station).is_none() && !holds.get(station).is_some_and(elsewhere)
        };
        let mut since: HashMap<StationId, DateTime<Utc>> = HashMap::new();
        for row in state.running().filter(|row| is_offline(&row.session.station_id)) {
            let station = &row.session.station_id;
            let seen = holds.get(station).and_then(|hold| hold.last_seen_at);
            let heard = row.session.start.received_at.max(seen.unwrap_or(DateTime::<Utc>::MIN_UTC));
            since
                .entry(station.clone())
                .and_modify(|since| *since = heard.max(*since))
                .or_insert(heard);
        }
        since
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

/// The exposures that were not kept lately.
fn exposed(
    exposed: Vec<(CardNumber, StationId, DateTime<Utc>)>,
    kept: &Exposures,
) -> impl Iterator<Item = StationNoteRow> {
    let fresh = exposed.into_iter().filter(|(card, station, _)| !kept.is_kept(card, station));
    fresh.map(|(card, station_id, at)| StationNoteRow {
        station_id,
        at,
        note: StationNote::Exposed(card),
    })
}

/// Openings with their fences, in the order in which they came.
fn opened(
    openings: &[ConnectionOpened],
    run: &NodeRun,
    fence_of: impl Fn(&StationId) -> i64,
) -> Vec<OpenRow> {
    let mut newest: HashMap<&StationId, i64> = HashMap::new();
    let mut rows = Vec::with_capacity(openings.len());
    for ConnectionOpened { station_id, protocol, since, .. } in openings {
        let fence = newest.entry(station_id).or_insert_with(|| fence_of(station_id));
        *fence += 1;
        rows.push(OpenRow {
            station_id: station_id.clone(),
            node: run.clone(),
            protocol,
            since: *since,
            fence: *fence,
        });
    }
    rows
}
