//! The messages that wait for one commit, and where their answers go.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::meters::sampled_at;
use super::notes::{self, Settling};
use super::{CommittedAnswer, ConnectionOpened, Job, TransactionJob, keys};
use juden_domain::ids::{IdTag, SessionId, StationId};
use juden_ocpp::event::{EventType, TransactionMessage};
use juden_store::ledger::{StationNoteRow, Wanted};

/// About how many bytes one commit takes at most: a single message may be larger. Rows travel as one text, whose length
/// the engine limits, and while it is made and written every station waits.
const WEIGHT_MAX: usize = 4 * 1024 * 1024;

/// What waits for one commit.
#[derive(Default)]
pub struct Work {
    /// Transaction messages.
    pub transactions: Vec<TransactionJob>,
    /// Notes.
    pub notes: Vec<StationNoteRow>,
    /// Connections that open.
    pub openings: Vec<ConnectionOpened>,
    /// Sessions that are settled.
    pub settlings: Vec<Settling>,
    /// For each note, who waits until it is durable.
    noted: Vec<Option<oneshot::Sender<()>>>,
    /// For each opening, who waits until it is durable.
    opened: Vec<oneshot::Sender<()>>,
}

/// What a batch comes to: an answer for each job, `None` where its connection was replaced, and a
/// fence for each opening.
pub struct BatchOutcome {
    /// For each job.
    pub answers: Vec<Option<CommittedAnswer>>,
    /// For each opening.
    pub fences: Vec<i64>,
    /// For each settling: whether the session was as it supposed.
    pub settled: Vec<bool>,
}

impl Work {
    /// The work that jobs are, in parts of a size that one commit takes. The order stays.
    pub fn of(jobs: Vec<Job>) -> Vec<Self> {
        let (mut parts, mut work, mut weight) = (Vec::new(), Self::default(), 0);
        for job in jobs {
            let more = job.weight();
            if work.len() > 0 && weight + more > WEIGHT_MAX {
                parts.push(std::mem::take(&mut work));
                weight = 0;
            }
            weight += more;
            work.add(job);
        }
        parts.push(work);
        parts
    }

    fn add(&mut self, job: Job) {
        match job {
            Job::Transaction(job) => self.transactions.push(*job),
            Job::Note(note, tell) => {
                self.notes.push(note);
                self.noted.push(tell);
            }
            Job::Open(opening, tell) => {
                self.openings.push(opening);
                self.opened.push(tell);
            }
            Job::Settle(settling) => self.settlings.push(*settling),
        }
    }

    /// How many messages it is.
    pub fn len(&self) -> usize {
        self.transactions.len() + self.notes.len() + self.openings.len() + self.settlings.len()
    }

    /// Its parts one by one, each with whoever waits for it; openings go first.
    pub fn split(self) -> Vec<Self> {
        let openings = self.openings.into_iter().zip(self.opened).map(|(opening, tell)| Self {
            openings: vec![opening],
            opened: vec![tell],
            ..Self::default()
        });
        let transactions = self
            .transactions
            .into_iter()
            .map(|job| Self { transactions: vec![job], ..Self::default() });
        let notes = self.notes.into_iter().zip(self.noted).map(|(note, tell)| Self {
            notes: vec![note],
            noted: vec![tell],
            ..Self::default()
        });
        let settlings = self
            .settlings
            .into_iter()
            .map(|settling| Self { settlings: vec![settling], ..Self::default() });
        openings.chain(transactions).chain(notes).chain(settlings).collect()
    }

    /// Tells everyone what came of it.
    pub fn tell(self, outcome: BatchOutcome) {
        for (opening, fence) in self.openings.iter().zip(outcome.fences) {
            opening.fence.set(fence);
        }
        for (job, answer) in self.transactions.into_iter().zip(outcome.answers) {
            // Without an answer the reply is dropped: the station keeps its message.
            if let Some(answer) = answer {
                let _ = job.reply.send(answer);
            }
        }
        for (settling, settled) in self.settlings.into_iter().zip(outcome.settled) {
            let _ = settling.reply.send(settled);
        }
        for tell in self.opened.into_iter().chain(self.noted.into_iter().flatten()) {
            let _ = tell.send(());
        }
    }

    /// Everything that the decisions about its messages may ask for.
    pub fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        let mut stations: HashSet<StationId> =
            self.openings.iter().map(|opening| opening.station_id.clone()).collect();
        for job in &self.transactions {
            let station = job.call.station.id.clone();
            let named = |id: Option<i64>| id.filter(|id| (1..=SessionId::MAX).contains(id));
            match &job.event {
                TransactionMessage::Start(report) => {
                    wanted.start_keys.push((station.clone(), job.content.clone()));
                    let connector_id =
                        job.call.station.connector_meant(report.connector_id.unwrap_or_default());
                    let began = report.timestamp.instant(job.call.station.zone());
                    wanted
                        .followed
                        .extend(began.map(|began| (station.clone(), connector_id, began)));
                    wanted.estimated_at.push(station.clone());
                    wanted.open_at.push((station.clone(), connector_id));
                    wanted.tags.extend(tag(job).map(|tag| tag.matched().to_owned()));
                }
                TransactionMessage::Stop(report) => {
                    let number = named(report.transaction_id);
                    wanted.sessions.extend(number);
                    wanted.stops.push((
                        station.clone(),
                        job.content.clone(),
                        number.unwrap_or_default(),
                    ));
                    wanted.estimated_at.push(station.clone());
                }
                TransactionMessage::Event(report) => {
                    let key = keys::transaction(&report.transaction);
                    wanted.events.push((
                        station.clone(),
                        key.clone(),
                        keys::order(report, &job.call.payload),
                    ));
                    wanted.events.push((
                        station.clone(),
                        key.clone(),
                        keys::second_order(&job.content),
                    ));
                    wanted.events.push((
                        station.clone(),
                        key.clone(),
                        keys::order_by_time(report, &job.call.payload),
                    ));
                    wanted.start_keys.push((station.clone(), key));
                    let evse = report
                        .evse_id
                        .or_else(|| Some(job.call.station.connectors.first()?.connector_id));
                    if report.kind == EventType::Started {
                        let began = report.timestamp.instant(job.call.station.zone());
                        wanted.followed.extend(
                            began.zip(evse).map(|(began, evse)| (station.clone(), evse, began)),
                        );
                        wanted.estimated_at.push(station.clone());
                    }
                    wanted.open_at.extend(evse.map(|evse| (station.clone(), evse)));
                    wanted.tags.extend(tag(job).map(|tag| tag.matched().to_owned()));
                }
                // A reading belongs to the session that it names, or that ran at its connector then.
                TransactionMessage::Meter(report) => {
                    wanted.sessions.extend(named(report.transaction_id));
                    let at =
                        sampled_at(job, report.readings.first().map(|reading| &reading.sampled_at));
                    wanted.connectors.push((
                        station.clone(),
                        report.connector_id.unwrap_or_default(),
                        at,
                    ));
                }
            }
            stations.insert(station);
        }
        notes::want(&mut wanted, &self.notes, &self.settlings);
        stations.extend(wanted.stations.drain(..));
        wanted.stations = stations.into_iter().collect();
        wanted
    }
}

/// The card that a message names.
pub fn tag(job: &TransactionJob) -> Option<&IdTag> {
    match &job.event {
        TransactionMessage::Start(report) => Some(report.card()),
        TransactionMessage::Stop(report) => report.id_tag.as_ref(),
        TransactionMessage::Event(report) => report.shown.as_ref().map(|shown| &shown.id_tag),
        TransactionMessage::Meter(_) => None,
    }
    .filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use juden_store::ledger::StationNote;

    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_note_is_told_of_that_note_alone() {
        let note = |station: &str| StationNoteRow {
            station_id: StationId::parse(station).unwrap(),
            at: DateTime::UNIX_EPOCH,
            note: StationNote::Closed(1),
        };
        let (first, first_kept) = oneshot::channel();
        let (third, third_kept) = oneshot::channel();
        let jobs = vec![
            Job::Note(note("CP1"), Some(first)),
            Job::Note(note("CP2"), None),
            Job::Note(note("CP3"), Some(third)),
        ];
        let mut parts = Work::of(jobs).remove(0).split();
        let outcome =
            || BatchOutcome { answers: Vec::new(), fences: Vec::new(), settled: Vec::new() };
        // The store refuses the first note for good: whoever waits for it is not told that it is kept.
        drop(parts.remove(0));
        for part in parts {
            part.tell(outcome());
        }
        assert!(first_kept.await.is_err());
        assert_eq!(third_kept.await, Ok(()));
    }
}
