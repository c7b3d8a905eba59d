//! What the ledger's writer reads and writes: facts for a batch, and the batch.

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

/// A session with what exactly-once needs: its keys and first answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerRow {
    /// The session.
    pub session: Session,
    /// The content that makes a start the same start.
    pub start_key: String,
    /// Which start of that content, where a clock that is none repeats itself.
    pub start_ordinal: i64,
    /// The first answer to the start, word for word.
    pub start_answer: String,
    /// The content that makes a stop the same stop.
    pub stop_key: Option<String>,
    /// The first answer to the stop, word for word.
    pub stop_answer: Option<String>,
    /// How many repeated and differing messages of it the journal holds.
    pub repeats: i64,
    /// What is kept of its events, where the station tells it event by event.
    pub evidence: Option<Evidence>,
}

impl LedgerRow {
    /// The row with the session that counts: with what persons corrected.
    pub fn counted(&self) -> Self {
        Self { session: self.session.corrected(), ..self.clone() }
    }

    /// Takes an end that was guessed away: it stays as evidence.
    pub fn take_guess_back(&mut self) {
        self.session.trail.guess = self.stop_key.take().zip(self.stop_answer.take());
        self.session.reopen();
        self.session.flags.insert(Flag::EndReplaced);
    }
}

/// An event of a transaction that was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its session.
    pub session_id: SessionId,
    /// Its number in the transaction.
    pub order: i64,
    /// The content that makes it the same event.
    pub key: String,
    /// The first answer, word for word.
    pub answer: String,
}

/// A transaction message for the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// The station.
    pub station_id: StationId,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// Its action.
    pub action: String,
    /// Its message id.
    pub message_id: String,
    /// Its payload as it came.
    pub payload: String,
    /// The answer's payload.
    pub answer: String,
    /// What it did.
    pub effect: &'static str,
    /// When it was heard.
    pub received_at: DateTime<Utc>,
    /// Since when the station was connected then.
    pub connected_since: DateTime<Utc>,
    /// What was known of the station's clock then.
    pub clock: Option<Measured>,
}

/// What is known of a station's connectors, where a stop that names no session of ours is to be placed (rule B8).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InUse {
    /// The connectors whose states show that somebody charges there.
    pub connectors: Vec<i64>,
    /// When readings came last of a transaction that we do not know.
    pub unknown_readings_at: Option<DateTime<Utc>>,
}

/// What a station's readings of a transaction that it has from nobody did.
pub const UNKNOWN_READINGS: &str = "unknown_readings";

/// A station's newest messages that are looked through for such readings.
pub const LOOKED_BACK: i64 = 200;

/// States of a connector in use, in the words of both versions.
pub const IN_USE: [&str; 5] = ["Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Occupied"];

/// A reading for the store. Its key is everything but unit and value; the first of a key stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadingRow {
    /// The station.
    pub station_id: StationId,
    /// The connector.
    pub connector_id: i64,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// When it was sampled.
    pub sampled_at: DateTime<Utc>,
    /// What was measured.
    pub measurand: String,
    /// On which phase.
    pub phase: String,
    /// Where.
    pub location: String,
    /// On what occasion.
    pub context: String,
    /// In which unit.
    pub unit: String,
    /// The value.
    pub value: String,
}

/// A fact about a station that no money hangs on: a message of it, or what the server noted of its connection and cards.
#[derive(Debug, Clone, PartialEq)]
pub enum StationNote {
    /// It started up.
    Boot(BootReport),
    /// A connector's state.
    Status(StatusReport),
    /// It was heard last.
    Seen,
    /// A connection of it ended: the one that opened with this fence.
    Closed(i64),
    /// It was told that a card is accepted, and may remember it.
    Exposed(CardNumber),
    /// A card was shown there, and what it was told.
    Shown(ShownCard),
    /// A message that is kept as it came.
    Report(ReportRow),
    /// What it tells of its device model.
    Variables(Vec<VariableReport>),
    /// How its firmware update goes.
    FirmwareStatus(String),
    /// How its diagnostics upload goes.
    DiagnosticsStatus(String),
}

impl StationNote {
    /// About how many bytes it takes to keep it.
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

/// When a card was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Before anything began.
    Authorize,
    /// With a transaction's start, or while it ran.
    Start,
    /// With its end.
    Stop,
}

impl Occasion {
    /// As it is kept.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorize => "authorize",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// A card that was shown, and what came of it. Of what a reader read only the end is kept, and a keyed hash by which a whole
/// id tag is found again: it may be a stranger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownCard {
    /// The last letters of the id tag.
    pub hint: String,
    /// Its keyed hash.
    pub id_tag_hash: String,
    /// The programme's card, where it is one.
    pub card: Option<CardNumber>,
    /// Its member.
    pub member: Option<MemberId>,
    /// Why it was refused; `None`: it was accepted.
    pub refusal: Option<Reason>,
    /// When it was shown.
    pub occasion: Occasion,
}

/// Letters of an id tag that are kept.
const HINT_LETTERS: usize = 4;

/// Hex digits of an id tag's hash that are kept.
const HASH_DIGITS: usize = 32;

/// Hashes id tags under the installation's secret.
#[derive(Clone)]
pub struct TagHasher(Arc<[u8]>);

impl TagHasher {
    /// Under a secret.
    pub fn new(secret: &str) -> Self {
        Self(secret.as_bytes().into())
    }

    /// A card that was shown, by what a reader read and its file.
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
        // Of a short one the end would be all of it.
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

/// About how many bytes a variable takes.
const VARIABLE_BYTES: usize = 1_000;

/// A message that is kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// Its action.
    pub action: String,
    /// The request that it belongs to, where it names one.
    pub request_id: Option<i64>,
    /// Its place among the request's parts.
    pub seq_no: Option<i64>,
    /// Whether further parts follow.
    pub more: bool,
    /// Its payload.
    pub payload: String,
}

/// A station's note, with its station and the instant at which the server received or made it.
#[derive(Debug, Clone, PartialEq)]
pub struct StationNoteRow {
    /// The station.
    pub station_id: StationId,
    /// When it was heard.
    pub at: DateTime<Utc>,
    /// What it said.
    pub note: StationNote,
}

/// A connection that takes a station's place from every older one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRow {
    /// The station.
    pub station_id: StationId,
    /// The run of the node that holds it.
    pub node: NodeRun,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Its fence: one more than that of the connection before.
    pub fence: i64,
}

/// What one commit writes.
#[derive(Debug, Default)]
pub struct Batch {
    /// Connections that opened.
    pub opened: Vec<OpenRow>,
    /// New and changed sessions.
    pub sessions: Vec<LedgerRow>,
    /// Messages.
    pub journal: Vec<JournalRow>,
    /// Readings.
    pub readings: Vec<ReadingRow>,
    /// Events of transactions.
    pub events: Vec<EventRow>,
    /// Months of members that sessions left: rated again where their close has begun.
    pub left: Vec<(MemberId, BillingMonth)>,
    /// Notes.
    pub notes: Vec<StationNoteRow>,
    /// Requests that are done with it.
    pub once: Vec<Once>,
}

/// How many open sessions a message's decision looks at: what a station left open makes its messages no dearer.
pub const OPEN_OF_STATION: i64 = 64;
/// The same, of those at a connector.
pub const OPEN_AT_CONNECTOR: i64 = 8;
/// The same, of those of a card.
pub const OPEN_OF_CARD: i64 = 16;

/// The same, of those whose starts have one content, or that a station gave one name: the newest.
pub const OF_ONE_NAME: i64 = 16;

/// The facts that a batch's decisions need.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Sessions with these start keys.
    pub start_keys: Vec<(StationId, String)>,
    /// Sessions with these stop keys; and, where the station has no session of the number behind (0: none was told), its
    /// newest open ones, up to [`OPEN_OF_STATION`]: one of them may be meant.
    pub stops: Vec<(StationId, String, i64)>,
    /// The newest sessions at these stations whose end is an estimate, up to [`OPEN_OF_STATION`].
    pub estimated_at: Vec<StationId>,
    /// Sessions with these numbers.
    pub sessions: Vec<i64>,
    /// Who holds these stations.
    pub stations: Vec<StationId>,
    /// The newest open sessions at these connectors that no later one was seen to follow, up to [`OPEN_AT_CONNECTOR`].
    pub open_at: Vec<(StationId, i64)>,
    /// Events with these numbers, of the sessions with these start keys.
    pub events: Vec<(StationId, String, i64)>,
    /// The newest running sessions of these cards, by the tag's matched spelling, up to [`OPEN_OF_CARD`]: those that may keep
    /// a card busy, and those whose end is an estimate.
    pub tags: Vec<String>,
    /// The session that ran, or had last begun, at a connector at an instant.
    pub connectors: Vec<(StationId, i64, DateTime<Utc>)>,
    /// The first session that began at a connector after an instant.
    pub followed: Vec<(StationId, i64, DateTime<Utc>)>,
}

impl Wanted {
    /// Whether no session is wanted: the batch is of notes and openings alone.
    pub fn is_without_sessions(&self) -> bool {
        let keys = self.start_keys.len()
            + self.stops.len()
            + self.connectors.len()
            + self.estimated_at.len();
        keys + self.sessions.len() + self.open_at.len() + self.tags.len() == 0
    }
}

/// Who holds a station, as far as it was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StationOwner {
    /// The station.
    pub station_id: StationId,
    /// The fence of its newest connection; 0 before the first.
    pub fence: i64,
    /// The run of the node that holds it; `None`: it left.
    pub node: Option<NodeRun>,
    /// When it was last heard.
    pub last_seen_at: Option<DateTime<Utc>>,
}

/// What a batch's decisions rest on.
#[derive(Debug, Default)]
pub struct Facts {
    /// Every session that is wanted, each once.
    pub rows: Vec<LedgerRow>,
    /// The wanted events that were answered before.
    pub events: Vec<EventRow>,
    /// Who holds the wanted stations, and those of the sessions.
    pub holds: Vec<StationOwner>,
    /// The last change of cards that the facts see, as the change feed counts; 0 without a feed.
    pub change: i64,
}

/// Names a batch, so that it can be asked after a lost connection whether it was committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchName {
    /// The run of the node that writes it.
    pub node: NodeRun,
    /// Its number in that run.
    pub number: i64,
}

/// A batch whose facts are read and not written to by another node until it is committed or dropped.
#[async_trait]
pub trait OpenBatch: Send {
    /// Writes the batch, all or nothing, durably.
    async fn commit(self: Box<Self>, batch: &Batch) -> Stored<()>;
}

/// The ledger's part of the store.
#[async_trait]
pub trait LedgerStore: Send + Sync {
    /// Reserves `count` session numbers that no one else gets; the first of them.
    async fn reserve_session_ids(&self, count: i64) -> Stored<i64>;
    /// Begins a batch: its facts, and what commits it.
    async fn open_batch(
        &self,
        name: &BatchName,
        wanted: &Wanted,
    ) -> Stored<(Facts, Box<dyn OpenBatch>)>;
    /// What is known of stations' connectors.
    async fn in_use(&self, stations: &[StationId]) -> Stored<HashMap<StationId, InUse>>;
    /// Whether a batch whose commit failed was committed all the same.
    async fn is_committed(&self, name: &BatchName) -> Stored<bool>;
}
