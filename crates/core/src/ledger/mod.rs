//! The durable ledger: a transaction message is answered after its commit, and counted once.
//!
//! One writer per node gathers what is waiting, loads the facts of the whole batch, lets
//! `decide` decide message by message, and commits once: one sync serves hundreds of stations.
//! The batch grows with the load; when idle there is no timer.

mod applied_event;
mod batch_state;
mod decide;
mod events;
mod guess;
pub mod keys;
mod meters;
mod notes;
mod registers;
mod stop;
mod work;
mod writer;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::{mpsc, oneshot};

pub use notes::{Settlement, Settling};
pub use registers::last_register;
pub use writer::{LedgerParts, run};

use crate::cluster::Fence;
use crate::error::AppError;
use crate::station_call::StationCall;
use juden_domain::authorization::Place;
use juden_domain::ids::{IdTag, StationId};
use juden_domain::session::Session;
use juden_ocpp::event::TransactionMessage;
use juden_ocpp::reply::CardReply;
use juden_store::Once;
use juden_store::ledger::StationNoteRow;

/// Messages that may wait for the writer. Beyond it, stations wait with their next message.
pub const QUEUE_MAX: usize = 4_096;

/// A connection that opens.
#[derive(Debug)]
pub struct ConnectionOpened {
    /// Its station.
    pub station_id: StationId,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Its place among the station's connections.
    pub fence: Fence,
}

/// A transaction message to be kept and answered.
#[derive(Debug)]
pub struct TransactionJob {
    /// The message as it came.
    pub call: Arc<StationCall>,
    /// What it says, as the station means it.
    pub event: TransactionMessage,
    /// The content that makes it the same message: that of what the station sent, whatever it means ([`keys::content_of`]).
    pub content: String,
    /// Whether its station sends more than is kept of one in a day, and it is a reading: what it says counts, it is not kept.
    pub over_quota: bool,
    /// Where the answer goes once it is durable.
    pub reply: oneshot::Sender<CommittedAnswer>,
}

impl TransactionJob {
    /// About how many bytes it takes to keep it.
    pub fn weight(&self) -> usize {
        self.call.payload.len() + self.event.readings().len() * READING_BYTES
    }
}

/// About how many bytes a reading takes.
const READING_BYTES: usize = 200;

/// What a transaction message is answered once it is durable.
#[derive(Debug)]
pub struct CommittedAnswer {
    /// The answer's payload.
    pub payload: String,
    /// The session that the message is an event of, as it is now, where the station names its transactions itself.
    pub session: Option<Box<Session>>,
    /// That it may accept a card, where this is the first answer.
    pub acceptance: Option<Acceptance>,
}

/// The acceptance of a card in a first answer. Keeping the message takes its time: the card is judged again before the
/// answer leaves.
#[derive(Debug)]
pub struct Acceptance {
    /// The answer that tells of the card.
    pub reply: CardReply,
    /// The card.
    pub id_tag: IdTag,
    /// Where it is shown.
    pub place: Place,
}

/// What the writer is given.
#[derive(Debug)]
pub(crate) enum Job {
    /// A message that money may hang on.
    Transaction(Box<TransactionJob>),
    /// A note, and whom to tell that it is kept.
    Note(StationNoteRow, Option<oneshot::Sender<()>>),
    /// A connection that opens, and whom to tell that it is kept.
    Open(ConnectionOpened, oneshot::Sender<()>),
    /// A session that is settled.
    Settle(Box<Settling>),
}

impl Job {
    /// About how many bytes it takes to keep it.
    fn weight(&self) -> usize {
        match self {
            Self::Transaction(job) => job.weight(),
            Self::Note(note, _) => note.note.weight(),
            Self::Open(..) | Self::Settle(_) => 0,
        }
    }
}

/// The way to the writer.
#[derive(Debug, Clone)]
pub struct Ledger {
    jobs: mpsc::Sender<Job>,
}

/// The ledger's writer is gone: the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ledger has stopped, or could not keep the message")]
pub struct LedgerGone;

impl From<LedgerGone> for AppError {
    fn from(_: LedgerGone) -> Self {
        Self::Busy("the server is stopping")
    }
}

impl Ledger {
    /// A ledger and the queue that its writer is to [`run`] on.
    pub fn new() -> (Self, LedgerQueue) {
        let (jobs, queue) = mpsc::channel(QUEUE_MAX);
        (Self { jobs }, LedgerQueue(queue))
    }

    /// Hands a transaction message over; waits where the queue is full.
    pub async fn submit(&self, job: TransactionJob) -> Result<(), LedgerGone> {
        self.jobs.send(Job::Transaction(Box::new(job))).await.map_err(|_| LedgerGone)
    }

    /// Keeps that a connection opened, before everything that comes over it. What is returned tells when it
    /// is durable.
    pub async fn open(
        &self,
        opening: ConnectionOpened,
    ) -> Result<oneshot::Receiver<()>, LedgerGone> {
        let (told, kept) = oneshot::channel();
        self.jobs.send(Job::Open(opening, told)).await.map_err(|_| LedgerGone)?;
        Ok(kept)
    }

    /// Keeps a note; returns when it is durable.
    pub async fn note(&self, note: StationNoteRow) -> Result<(), LedgerGone> {
        let (told, kept) = oneshot::channel();
        self.jobs.send(Job::Note(note, Some(told))).await.map_err(|_| LedgerGone)?;
        kept.await.map_err(|_| LedgerGone)
    }

    /// Settles a session; `false`: it was changed meanwhile, or is not there.
    pub async fn settle(
        &self,
        session: &Session,
        what: Settlement,
        once: Option<Once>,
    ) -> Result<bool, LedgerGone> {
        let (reply, settled) = oneshot::channel();
        let settling = Settling {
            session: session.id,
            station: session.station_id.clone(),
            what,
            once,
            reply,
        };
        self.jobs.send(Job::Settle(Box::new(settling))).await.map_err(|_| LedgerGone)?;
        settled.await.map_err(|_| LedgerGone)
    }

    /// Keeps a note some time soon. Where the queue is full it is dropped: it carries no money.
    pub fn note_soon(&self, note: StationNoteRow) {
        let _ = self.jobs.try_send(Job::Note(note, None));
    }
}

/// The writer's end of the ledger.
#[derive(Debug)]
pub struct LedgerQueue(pub(crate) mpsc::Receiver<Job>);
