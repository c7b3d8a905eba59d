//! The data that the ledger's writer reads and writes: the facts for a batch, and the batch.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::nodes::NodeRun;
use super::{Once, Stored};
use juden_domain::authorization::CardFile;
use juden_domain::charger_clock::Measured;
use juden_domain::event::Evidence;
use juden_domain::flag::Flag;
use juden_domain::hex;
use juden_domain::ids::{CardNumber, IdTag, MemberId, SessionId, StationId};
use juden_domain::month::BillingMonth;
use juden_domain::refusal::Reason;
use juden_domain::session::Session;
use juden_domain::station::{BootReport, StatusReport, VariableReport};

/// A session with its keys and first answers, by which a repeated message is recognized and gets
/// the same answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The session.
    pub session: Session,
    /// The hash of the start's content. A start with the same key is a repeat.
    pub start_key: String,
    /// The number of this start among starts with the same content. A station with a broken clock
    /// sends such starts.
    pub start_ordinal: i64,
    /// The first answer to the start, word for word.
    pub start_answer: String,
    /// The hash of the stop's content. A stop with the same key is a repeat.
    pub stop_key: Option<String>,
    /// The first answer to the stop, word for word.
    pub stop_answer: Option<String>,
    /// The number of the session's repeated and differing messages in the journal.
    pub repeats: i64,
    /// The data of the transaction's events, for a station that sends TransactionEvents (OCPP
    /// 2.0.1).
    pub evidence: Option<Evidence>,
}

impl LedgerRow {
    /// The row of the session with its corrections applied.
    pub fn counted(&self) -> Self {
        Self { session: self.session.corrected(), ..self.clone() }
    }

    /// Removes a guessed end from the session. It stays in the trail as evidence.
    pub fn take_guess_back(&mut self) {
        self.session.trail.guess = self.stop_key.take().zip(self.stop_answer.take());
        self.session.reopen();
        self.session.flags.insert(Flag::EndReplaced);
    }
}

/// A TransactionEvent that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// The session of its transaction.
    pub session_id: SessionId,
    /// The event's number in the transaction.
    pub order: i64,
    /// The hash of the event's content. An event with the same key is a repeat.
    pub key: String,
    /// The first answer, word for word.
    pub answer: String,
}

/// A transaction message for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The station.
    pub station_id: StationId,
    /// The session that the message belongs to.
    pub session_id: Option<SessionId>,
    /// The message's action.
    pub action: String,
    /// The message id.
    pub message_id: String,
    /// The payload as it came.
    pub payload: String,
    /// The answer's payload.
    pub answer: String,
    /// The message's effect, in one word.
    pub effect: &'static str,
    /// The received time.
    pub received_at: DateTime<Utc>,
    /// The instant at which the station's connection at that time had opened.
    pub connected_since: DateTime<Utc>,
    /// The measured clock of the station at that time.
    pub clock: Option<Measured>,
}

/// The use of a station's connectors, for the decision on a stop that names no session of ours
/// (rule B8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// The connectors whose status shows that somebody charges there.
    pub connectors: Vec<i64>,
    /// The received time of the last readings that named an unknown transaction.
    pub unknown_readings_at: Option<DateTime<Utc>>,
}

/// The effect of readings that name a transaction unknown to the server.
pub const UNKNOWN_READINGS: &str = "unknown_readings";

/// The newest messages of a station that are searched for such readings.
pub const LOOKED_BACK: i64 = 200;

/// States of a connector in use, in the words of both versions.
pub const IN_USE: [&str; 5] = ["Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Occupied"];

/// A reading for the store. Its key is all fields except unit and value. Of readings with one key
/// the first stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingRow {
    /// The station.
    pub station_id: StationId,
    /// The connector.
    pub connector_id: i64,
    /// The session that the reading belongs to.
    pub session_id: Option<SessionId>,
    /// The instant of the sample.
    pub sampled_at: DateTime<Utc>,
    /// The measurand.
    pub measurand: String,
    /// The phase.
    pub phase: String,
    /// The place of measurement.
    pub location: String,
    /// The context.
    pub context: String,
    /// The unit.
    pub unit: String,
    /// The value.
    pub value: String,
}

/// A fact about a station on which no bill depends: a message of the station, or a note of the
/// server on its connection and cards.
#[derive(Debug, Clone, PartialEq)]
pub enum StationNote {
    /// The station started up.
    Boot(BootReport),
    /// A connector's status.
    Status(StatusReport),
    /// The station sent a message.
    Seen,
    /// The station's connection with this fence ended.
    Closed(i64),
    /// An answer to the station accepted this card, which the station may remember.
    Exposed(CardNumber),
    /// A card was shown at the station, with the verdict.
    Shown(ShownCard),
    /// A message that is stored as it came.
    Report(ReportRow),
    /// Variables that the station reports of its device model.
    Variables(Vec<VariableReport>),
    /// The status of a firmware update.
    FirmwareStatus(String),
    /// The status of a diagnostics upload.
    DiagnosticsStatus(String),
}

impl StationNote {
    /// About how many bytes the note takes in the store.
    pub fn weight(&self) -> usize {
        match self {
            Self::Report(report) => report.payload.len(),
            Self::Variables(variables) => variables.len() * VARIABLE_BYTES,
            Self::Boot(_)
            | Self::Status(_)
            | Self::Seen
            | Self::Closed(_)
            | Self::Exposed(_)
            | Self::Shown(_)
            | Self::FirmwareStatus(_)
            | Self::DiagnosticsStatus(_) => 0,
        }
    }
}

/// The occasion on which a card was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// With an Authorize.
    Authorize,
    /// With a transaction's start, or while it ran.
    Start,
    /// With a transaction's stop.
    Stop,
}

impl Occasion {
    /// The stored name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// A card that was shown, and the verdict. The id tag may be a stranger's, so only its last
/// characters are kept, and a keyed hash by which a whole id tag can be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCard {
    /// The last characters of the id tag.
    pub hint: String,
    /// The keyed hash of the id tag.
    pub id_tag_hash: String,
    /// The card number, if it is a card of the programme.
    pub card: Option<CardNumber>,
    /// The card's member.
    pub member: Option<MemberId>,
    /// The reason of the refusal; `None`: the card was accepted.
    pub refusal: Option<Reason>,
    /// The occasion.
    pub occasion: Occasion,
}

/// Characters of an id tag that are kept.
const HINT_LETTERS: usize = 4;

/// Hex digits of an id tag's hash that are kept.
const HASH_DIGITS: usize = 32;

/// Hashes id tags under the installation's secret.
#[derive(Clone)]
pub struct TagHasher(Arc<[u8]>);

impl TagHasher {
    /// A hasher with the installation's secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.as_bytes().into())
    }

    /// The record of a shown card, from the id tag and the card's file.
    pub fn shown(
        &self,
        id_tag: &IdTag,
        file: Option<&CardFile>,
        refusal: Option<Reason>,
        occasion: Occasion,
    ) -> ShownCard {
        let mut id_tag_hash =
            hex::keyed_sha256(&self.0, &[b"id tag|", id_tag.matched().as_bytes()]);
        id_tag_hash.truncate(HASH_DIGITS);
        let letters = id_tag.matched().chars().count();
        // The end of a short id tag would reveal too much of it.
        let hint = if letters > 2 * HINT_LETTERS {
            id_tag.matched().chars().skip(letters - HINT_LETTERS).collect()
        } else {
            String::new()
        };
        let card = file.map(|file| file.card.number.clone());
        let member = file.and_then(|file| file.member.as_ref()).map(|member| member.id.clone());
        ShownCard { hint, id_tag_hash, card, member, refusal, occasion }
    }
}

/// About how many bytes a variable takes in the store.
const VARIABLE_BYTES: usize = 1_000;

/// A message that is stored as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// The message's action.
    pub action: String,
    /// The requestId of the command that requested it, if the message has one.
    pub request_id: Option<i64>,
    /// The message's seqNo among the parts of one request.
    pub seq_no: Option<i64>,
    /// Whether further parts follow.
    pub more: bool,
    /// The message's payload.
    pub payload: String,
}

/// A station's note, with its station and the instant at which the server received or made it.
#[derive(Debug, Clone, PartialEq)]
pub struct StationNoteRow {
    /// The station.
    pub station_id: StationId,
    /// The instant at which the server received or made the note.
    pub at: DateTime<Utc>,
    /// The note.
    pub note: StationNote,
}

/// A new connection of a station, which replaces every older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRow {
    /// The station.
    pub station_id: StationId,
    /// The run of the node with the connection.
    pub node: NodeRun,
    /// The connection's WebSocket subprotocol.
    pub protocol: &'static str,
    /// The instant at which it opened.
    pub since: DateTime<Utc>,
    /// The connection's fence: one more than that of the connection before.
    pub fence: i64,
}

/// The rows that one commit writes.
#[derive(Debug, Default)]
pub struct Batch {
    /// Connections that opened.
    pub opened: Vec<OpenRow>,
    /// New and changed sessions.
    pub sessions: Vec<LedgerRow>,
    /// Messages for the journal.
    pub journal: Vec<JournalRow>,
    /// Readings.
    pub readings: Vec<ReadingRow>,
    /// Events of transactions.
    pub events: Vec<EventRow>,
    /// Months of members that sessions were moved out of. They are rated again if their close has
    /// begun.
    pub left: Vec<(MemberId, BillingMonth)>,
    /// Notes on stations.
    pub notes: Vec<StationNoteRow>,
    /// API requests that the batch completes.
    pub once: Vec<Once>,
}

/// The most open sessions of a station that a decision loads, so that sessions left open do not
/// slow its messages down.
pub const OPEN_OF_STATION: i64 = 64;
/// The most open sessions at a connector that a decision loads.
pub const OPEN_AT_CONNECTOR: i64 = 8;
/// The most open sessions of a card that a decision loads.
pub const OPEN_OF_CARD: i64 = 16;

/// The most sessions with the same start key that a decision loads: the newest.
pub const OF_ONE_NAME: i64 = 16;

/// The facts that a batch's decisions need.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Sessions with these start keys.
    pub start_keys: Vec<(StationId, String)>,
    /// Sessions with these stop keys. If the station has no session with the number (0: the stop
    /// named none), also its newest open sessions, up to [`OPEN_OF_STATION`], because the stop may
    /// belong to one of them.
    pub stops: Vec<(StationId, String, i64)>,
    /// The newest sessions at these stations with an estimated end, up to [`OPEN_OF_STATION`].
    pub estimated_at: Vec<StationId>,
    /// Sessions with these numbers.
    pub sessions: Vec<i64>,
    /// The owners of these stations.
    pub stations: Vec<StationId>,
    /// The newest open sessions at these connectors that are not superseded by a later one, up to
    /// [`OPEN_AT_CONNECTOR`].
    pub open_at: Vec<(StationId, i64)>,
    /// Events with these numbers, of the sessions with these start keys.
    pub events: Vec<(StationId, String, i64)>,
    /// The newest sessions of these cards, by the id tag's matched spelling, up to [`OPEN_OF_CARD`]
    /// of each kind: open ones that may keep the card busy, and those with an estimated end.
    pub tags: Vec<String>,
    /// The last session at a connector that started by an instant.
    pub connectors: Vec<(StationId, i64, DateTime<Utc>)>,
    /// The first session at a connector that started after an instant.
    pub followed: Vec<(StationId, i64, DateTime<Utc>)>,
}

impl Wanted {
    /// Whether no session is wanted, because the batch has only notes and new connections.
    pub fn is_without_sessions(&self) -> bool {
        let keys = self.start_keys.len()
            + self.stops.len()
            + self.connectors.len()
            + self.estimated_at.len();
        keys + self.sessions.len() + self.open_at.len() + self.tags.len() == 0
    }
}

/// The owner of a station: the node with its connection, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationOwner {
    /// The station.
    pub station_id: StationId,
    /// The fence of the station's newest connection; 0 before the first.
    pub fence: i64,
    /// The run of the node with the connection; `None`: it ended.
    pub node: Option<NodeRun>,
    /// The received time of the station's last message.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// The facts on which a batch's decisions rest.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every wanted session, once.
    pub rows: Vec<LedgerRow>,
    /// The wanted events that were answered before.
    pub events: Vec<EventRow>,
    /// The owners of the wanted stations, and of the stations of the sessions.
    pub holds: Vec<StationOwner>,
    /// The number of the last change in the change feed that the facts include; 0 without a feed.
    pub change: i64,
}

/// The name of a batch, by which the store can say after a lost connection whether the batch was
/// committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchName {
    /// The run of the node that writes it.
    pub node: NodeRun,
    /// The batch's number in that run.
    pub number: i64,
}

/// A batch whose facts are loaded. Other nodes cannot write them until it is committed or dropped.
#[async_trait]
pub trait OpenBatch: Send {
    /// Writes the batch durably in one transaction.
    async fn commit(self: Box<Self>, batch: &Batch) -> Stored<()>;
}

/// The ledger's part of the store.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Reserves `count` session numbers, which nobody else gets, and returns the first.
    async fn reserve_session_ids(&self, count: i64) -> Stored<i64>;
    /// Opens a batch: loads its facts, and returns them with the open batch.
    async fn open_batch(
        &self,
        name: &BatchName,
        wanted: &Wanted,
    ) -> Stored<(Facts, Box<dyn OpenBatch>)>;
    /// The use of stations' connectors.
    async fn in_use(&self, stations: &[StationId]) -> Stored<HashMap<StationId, InUse>>;
    /// Whether a batch whose commit returned an error was committed.
    async fn is_committed(&self, name: &BatchName) -> Stored<bool>;
}
