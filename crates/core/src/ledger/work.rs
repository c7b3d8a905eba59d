//! What waits for one commit, and whom to tell.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::meters::sampled_at;
use super::notes::{self, Settling};
use super::{Job, Opening, Submission, Told, keys};
use juden_domain::ids::{IdTag, SessionId, StationId};
use juden_ocpp::event::{StepKind, TransactionEvent};
use juden_store::ledger::{NoteRow, Wanted};

/// About how many bytes one commit takes at most: a single message may be larger. Rows travel as one text, whose length
/// the engine limits, and while it is made and written every station waits.
const WEIGHT_MAX: usize = 4 * 1024 * 1024;

/// What waits for one commit.
#[derive(Default)]
pub struct Work {
    /// Transaction messages.
    pub submissions: Vec<Submission>,
    /// Notes.
    pub notes: Vec<NoteRow>,
    /// Connections that open.
    pub openings: Vec<Opening>,
    /// Sessions that are settled.
    pub settlings: Vec<Settling>,
    told: Vec<oneshot::Sender<()>>,
}

/// What a batch comes to: an answer for each submission, `None` where its connection was replaced, and a
/// fence for each opening.
pub struct Outcome {
    /// For each submission.
    pub answers: Vec<Option<Told>>,
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
            Job::Transaction(submission) => self.submissions.push(*submission),
            Job::Note(note, tell) => {
                self.notes.push(note);
                self.told.extend(tell);
            }
            Job::Open(opening, tell) => {
                self.openings.push(opening);
                self.told.push(tell);
            }
            Job::Settle(settling) => self.settlings.push(*settling),
        }
    }

    /// How many messages it is.
    pub fn len(&self) -> usize {
        self.submissions.len() + self.notes.len() + self.openings.len() + self.settlings.len()
    }

    /// Its parts one by one; openings go first.
    pub fn split(self) -> (Vec<Self>, Vec<oneshot::Sender<()>>) {
        let openings = self.openings.into_iter().map(|opening| Self { openings: vec![opening], ..Self::default() });
        let submissions = self.submissions.into_iter().map(|submission| Self { submissions: vec![submission], ..Self::default() });
        let notes = self.notes.into_iter().map(|note| Self { notes: vec![note], ..Self::default() });
        let settlings = self.settlings.into_iter().map(|settling| Self { settlings: vec![settling], ..Self::default() });
        (openings.chain(submissions).chain(notes).chain(settlings).collect(), self.told)
    }

    /// Tells everyone what came of it.
    pub fn tell(self, outcome: Outcome) {
        for (opening, fence) in self.openings.iter().zip(outcome.fences) {
            opening.fence.set(fence);
        }
        for (submission, answer) in self.submissions.into_iter().zip(outcome.answers) {
            // Without an answer the reply is dropped: the station keeps its message.
            if let Some(answer) = answer {
                let _ = submission.reply.send(answer);
            }
        }
        for (settling, settled) in self.settlings.into_iter().zip(outcome.settled) {
            let _ = settling.reply.send(settled);
        }
        for tell in self.told {
            let _ = tell.send(());
        }
    }

    /// Everything that the decisions about its messages may ask for.
    pub fn wanted(&self) -> Wanted {
        let mut wanted = Wanted::default();
        let mut stations: HashSet<StationId> = self.openings.iter().map(|opening| opening.station_id.clone()).collect();
        for submission in &self.submissions {
            let station = submission.station.id.clone();
            let named = |id: Option<i64>| id.filter(|id| (1..=SessionId::MAX).contains(id));
            match &submission.event {
                TransactionEvent::Start(report) => {
                    wanted.start_keys.push((station.clone(), submission.content.clone()));
                    let connector_id = submission.station.connector_meant(report.connector_id.unwrap_or_default());
                    let began = report.timestamp.instant(submission.station.zone());
                    wanted.followed.extend(began.map(|began| (station.clone(), connector_id, began)));
                    wanted.estimated_at.push(station.clone());
                    wanted.open_at.push((station.clone(), connector_id));
                    wanted.tags.extend(tag(submission).map(|tag| tag.matched().to_owned()));
                }
                TransactionEvent::Stop(report) => {
                    let number = named(report.transaction_id);
                    wanted.sessions.extend(number);
                    wanted.stops.push((station.clone(), submission.content.clone(), number.unwrap_or_default()));
                    wanted.estimated_at.push(station.clone());
                }
                TransactionEvent::Step(report) => {
                    let key = keys::transaction(&report.transaction);
                    wanted.steps.push((station.clone(), key.clone(), keys::order(report, &submission.payload)));
                    wanted.steps.push((station.clone(), key.clone(), keys::second_order(&submission.content)));
                    wanted.steps.push((station.clone(), key.clone(), keys::order_by_time(report, &submission.payload)));
                    wanted.start_keys.push((station.clone(), key));
                    let evse = report.evse_id.or_else(|| Some(submission.station.connectors.first()?.connector_id));
                    if report.kind == StepKind::Started {
                        let began = report.timestamp.instant(submission.station.zone());
                        wanted.followed.extend(began.zip(evse).map(|(began, evse)| (station.clone(), evse, began)));
                        wanted.estimated_at.push(station.clone());
                    }
                    wanted.open_at.extend(evse.map(|evse| (station.clone(), evse)));
                    wanted.tags.extend(tag(submission).map(|tag| tag.matched().to_owned()));
                }
                // A reading belongs to the session that it names, or that ran at its connector then.
                TransactionEvent::Meter(report) => {
                    wanted.sessions.extend(named(report.transaction_id));
                    let at = sampled_at(submission, report.readings.first().map(|reading| &reading.sampled_at));
                    wanted.connectors.push((station.clone(), report.connector_id.unwrap_or_default(), at));
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
pub fn tag(submission: &Submission) -> Option<IdTag> {
    match &submission.event {
        TransactionEvent::Start(report) => Some(IdTag::new(report.card())),
        TransactionEvent::Stop(report) => report.id_tag.clone(),
        TransactionEvent::Step(report) => report.shown.as_ref().map(|shown| shown.id_tag.clone()),
        TransactionEvent::Meter(_) => None,
    }
    .filter(|tag| !tag.is_empty())
}
