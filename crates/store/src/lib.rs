//! The store's traits, in terms of the domain. Each engine implements them with its own SQL and
//! migrations. Only `main` and the tests choose an engine.

pub mod billing;
pub mod blocks;
mod columns;
pub mod documents;
mod error;
pub mod exchanges;
pub mod ledger;
mod mapping;
mod migrations;
pub mod nodes;
pub mod open;
pub mod postgres;
pub mod records;
mod schema;
pub mod sites;
pub mod sqlite;
mod stations;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use juden_domain::authorization::CardFile;
use juden_domain::card::CardEvent;
use juden_domain::charger_clock::Measured;
use juden_domain::ids::{CardNumber, IdTag, MemberId, SessionId, SessionRef, StationId};
use juden_domain::member::{Member, MemberEvent};
use juden_domain::month::BillingMonth;
use juden_domain::provision::Consent;
use juden_domain::session::Session;

pub use billing::BillingStore;
pub use blocks::BlockStore;
pub use error::{StoreError, Stored};
pub use exchanges::{ExchangeStore, SentCommand};
pub use ledger::LedgerStore;
pub use nodes::NodeRun;
pub use records::RecordStore;
pub use sites::SiteStore;
pub use stations::{
    Connected, ConnectorRecord, NextCredentials, StationObserved, StationRecord, StationStore,
    ToldSettings,
};

/// How long records of shown cards are kept: thirteen months.
pub const SHOWN_CARDS_KEPT: TimeDelta = TimeDelta::days(396);

/// A page of a list: at most `limit` items after `after`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The cursor: the last item of the previous page.
    pub after: Option<String>,
    /// The most items on the page.
    pub limit: i64,
}

/// A card to put in stock.
#[derive(Debug, Clone)]
pub struct NewCard {
    /// The card number; `None`: the store assigns one.
    pub number: Option<CardNumber>,
    /// The card's id tag.
    pub id_tag: IdTag,
    /// The hash of the card's authentication code.
    pub code_hash: String,
    /// The API request that this completes, if it is to be done only once.
    pub once: Option<Once>,
}

/// A card with the data that its activation needs.
#[derive(Debug, Clone)]
pub struct KeptCard {
    /// The card and its member.
    pub file: CardFile,
    /// The hash of the card's authentication code.
    pub code_hash: String,
}

/// An API request that is to be done only once, even if its answer is lost. It is stored in the
/// transaction of its change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The caller's idempotency key.
    pub key: String,
    /// The request: method and path.
    pub request: String,
    /// The hash of its body.
    pub body_sha256: String,
    /// The instant of the request.
    pub at: DateTime<Utc>,
}

/// An event to be appended to a history.
#[derive(Debug, Clone)]
pub enum Append {
    /// An event of a card.
    Card(CardNumber, CardEvent),
    /// An event of a member.
    Member(MemberId, MemberEvent),
}

/// The histories on which a change rests. If any of them has an event after `last`, the change is a
/// conflict.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Cards.
    pub cards: Vec<CardNumber>,
    /// A member, with all of its cards.
    pub member: Option<MemberId>,
    /// The number of the last event that was seen of them.
    pub last: i64,
}

impl Seen {
    /// A change that rests on cards' files and their member.
    pub fn of(files: &[&CardFile], member: Option<&Member>) -> Self {
        let of_files = files.iter().flat_map(|file| &file.card.events).map(|event| event.seq);
        let of_cards = member
            .into_iter()
            .flat_map(|member| &member.cards)
            .flat_map(|card| &card.events)
            .map(|event| event.seq);
        let of_member = member.into_iter().flat_map(|member| &member.events).map(|event| event.seq);
        Self {
            cards: files.iter().map(|file| file.card.number.clone()).collect(),
            member: member.map(|member| member.id.clone()),
            last: of_files.chain(of_cards).chain(of_member).max().unwrap_or(0),
        }
    }
}

/// A change of histories, which is made in one transaction.
#[derive(Debug)]
pub struct Change<'a> {
    /// The events to append.
    pub events: &'a [Append],
    /// The instant from which the change holds.
    pub at: DateTime<Utc>,
    /// The histories on which it rests.
    pub seen: &'a Seen,
    /// The member, and the first month whose bill the change may alter.
    pub recheck: Option<(&'a MemberId, BillingMonth)>,
    /// Cards to check for blocks, each with the instant at which the check is due.
    pub looks: &'a [(CardNumber, DateTime<Utc>)],
    /// The API request that this completes, if it is to be done only once.
    pub once: Option<&'a Once>,
}

/// An event of a history as it is stored.
#[derive(Debug, Clone)]
pub struct KeptEvent {
    /// The event's number.
    pub seq: i64,
    /// The instant from which the event holds.
    pub at: DateTime<Utc>,
    /// The card number, if it is a card's event.
    pub card: Option<String>,
    /// The event's kind.
    pub kind: String,
    /// The event's detail as JSON.
    pub detail: String,
}

/// Members and cards: histories of events.
#[async_trait]
pub trait MemberStore: Send + Sync {
    /// Adds a member with the first event of its history.
    async fn add_member(
        &self,
        event: &MemberEvent,
        at: DateTime<Utc>,
        once: Option<&Once>,
    ) -> Stored<MemberId>;
    /// A member with all of its cards.
    async fn member(&self, id: &MemberId) -> Stored<Option<Member>>;
    /// Members in order of their member id.
    async fn members(&self, page: &Page) -> Stored<Vec<Member>>;
    /// Adds a card to the stock.
    async fn add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber>;
    /// A card by its number.
    async fn card(&self, number: &CardNumber) -> Stored<Option<KeptCard>>;
    /// Adds a further id tag that other readers read from a card, and sets the card's deliveries to
    /// local lists back to pending. `true`: the tag is new. It is a conflict if the tag belongs to
    /// another card.
    async fn add_reading(
        &self,
        card: &CardNumber,
        id_tag: &IdTag,
        at: DateTime<Utc>,
    ) -> Stored<bool>;
    /// The card of each id tag, if there is one.
    async fn cards_by_tags(&self, id_tags: &[&IdTag]) -> Stored<Vec<Option<CardFile>>>;
    /// Appends events in one transaction, unless the histories on which they rest have changed.
    async fn append(&self, change: &Change<'_>) -> Stored<()>;
    /// A member's history, merged with those of its cards, in order.
    async fn history(&self, member: &MemberId) -> Stored<Vec<KeptEvent>>;
    /// The members who ever consented that a recipient gets their data for a purpose.
    async fn members_who_consented(&self, consent: &Consent) -> Stored<Vec<MemberId>>;
    /// Records an activation with a wrong authentication code.
    async fn note_activation_failure(
        &self,
        card: &CardNumber,
        member: &MemberId,
        at: DateTime<Utc>,
    ) -> Stored<()>;
    /// The instants of activations with a wrong code since an instant, of a card and of a member,
    /// in order.
    async fn activation_failures(
        &self,
        card: &CardNumber,
        member: &MemberId,
        since: DateTime<Utc>,
    ) -> Stored<(Vec<DateTime<Utc>>, Vec<DateTime<Utc>>)>;
}

/// A filter of sessions.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Only sessions of this usage month.
    pub month: Option<BillingMonth>,
    /// Only sessions of this member.
    pub member: Option<MemberId>,
    /// Only sessions at this station.
    pub station: Option<StationId>,
    /// Only sessions with this card.
    pub card: Option<CardNumber>,
    /// Only sessions that have not ended.
    pub running: bool,
}

/// A message in the journal.
#[derive(Debug, Clone)]
pub struct JournalEntry {
    /// The message's number in the journal.
    pub seq: i64,
    /// The station.
    pub station_id: String,
    /// The action.
    pub action: String,
    /// The message id.
    pub message_id: String,
    /// The payload as it came.
    pub payload: String,
    /// The answer's payload.
    pub answer: String,
    /// The message's effect, in one word.
    pub effect: String,
    /// The received time.
    pub received_at: DateTime<Utc>,
    /// The instant at which the station's connection at that time had opened.
    pub connected_since: DateTime<Utc>,
    /// The session that the message belongs to.
    pub session_id: Option<SessionId>,
    /// The measured clock of the station at that time.
    pub clock: Option<Measured>,
}

/// A filter of a station's messages in the journal.
#[derive(Debug, Clone, Default)]
pub struct JournalFilter {
    /// Only messages received at or after this instant.
    pub from: Option<DateTime<Utc>>,
    /// Only messages received before this instant.
    pub to: Option<DateTime<Utc>>,
    /// Only messages with this action.
    pub action: Option<String>,
    /// Only messages that belong to no session.
    pub unmatched: bool,
}

/// Sessions, for reading. Only the ledger writes them.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// A session with its corrections.
    async fn session(&self, id: SessionId) -> Stored<Option<Session>>;
    /// A session as measured, without its corrections applied. The corrections are in it.
    async fn measured_session(&self, id: SessionId) -> Stored<Option<Session>>;
    /// A session by its reference.
    async fn session_by_reference(&self, reference: &SessionRef) -> Stored<Option<Session>>;
    /// Sessions by their references; unknown ones are left out.
    async fn sessions_by_reference(&self, references: &[SessionRef]) -> Stored<Vec<Session>>;
    /// Sessions in order of their number.
    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Stored<Vec<Session>>;
    /// Members' sessions of the usage months from `first` to `last`, and earlier ones that end
    /// after the beginning of `first`.
    async fn sessions_of_members(
        &self,
        members: &[&MemberId],
        first: BillingMonth,
        last: BillingMonth,
    ) -> Stored<Vec<Session>>;
    /// A member's first session that started at or after an instant.
    async fn first_session_since(
        &self,
        member: &MemberId,
        since: DateTime<Utc>,
    ) -> Stored<Option<Session>>;
    /// The ended sessions of a card that touch a span of time.
    async fn ended_sessions_of_card(
        &self,
        card: &CardNumber,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
    ) -> Stored<Vec<Session>>;
    /// A station's sessions that started within a span of time, the earliest first, at most
    /// `limit`.
    async fn sessions_started_at(
        &self,
        station: &StationId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: i64,
    ) -> Stored<Vec<Session>>;
    /// A station's newest session with a start key.
    async fn newest_session_by_start_key(
        &self,
        station: &StationId,
        start_key: &str,
    ) -> Stored<Option<Session>>;
    /// The journal's messages of a session, at most `limit`.
    async fn messages(&self, id: SessionId, limit: i64) -> Stored<Vec<JournalEntry>>;
    /// The whole journal after an entry, in order.
    async fn journal(&self, after: i64, limit: i64) -> Stored<Vec<JournalEntry>>;
    /// An entry of the journal by its number.
    async fn journal_entry(&self, seq: i64) -> Stored<Option<JournalEntry>>;
    /// A station's transaction messages in order, after an entry.
    async fn station_journal(
        &self,
        station: &StationId,
        filter: &JournalFilter,
        after: i64,
        limit: i64,
    ) -> Stored<Vec<JournalEntry>>;
    /// Sessions without an end, in order of their number, after `after`.
    async fn running_sessions(&self, after: SessionId, limit: i64) -> Stored<Vec<Session>>;
}

/// A command as it is stored.
#[derive(Debug, Clone)]
pub struct KeptCommand {
    /// The station that it is sent to.
    pub station_id: StationId,
    /// The caller who sent it.
    pub sent_by: String,
    /// The message id.
    pub message_id: String,
    /// The CALL's action.
    pub action: String,
    /// The CALL's payload, without secrets.
    pub payload: String,
    /// The instant of sending.
    pub sent_at: DateTime<Utc>,
    /// The API request that this completes, if it is to be done only once. It is not read back.
    pub once: Option<Once>,
}

/// An API answer that is stored for repeats of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The hash of the request's body.
    pub body_sha256: String,
    /// The answer's HTTP status.
    pub status: u16,
    /// The answer's content type.
    pub content_type: String,
    /// The answer's body.
    pub answer: String,
}

/// A named turn. While one node has it, no other node gets it. Tasks of one node must first take
/// turns among themselves.
pub type Turn = Box<dyn Send>;

/// Named values, commands, stored API answers, and turns.
#[async_trait]
pub trait OperationStore: Send + Sync {
    /// A named value.
    async fn meta(&self, name: &str) -> Stored<Option<String>>;
    /// Sets a named value unless it is set, and returns the value that holds.
    async fn meta_or_set(&self, name: &str, value: &str) -> Stored<String>;
    /// Sets a named value.
    async fn set_meta(&self, name: &str, value: &str) -> Stored<()>;
    /// Stores a command that is about to be sent, and returns its number.
    async fn save_command(&self, command: &KeptCommand) -> Stored<i64>;
    /// Stores the outcome of a command.
    async fn save_command_outcome(
        &self,
        number: i64,
        outcome: &str,
        answer: &str,
        at: DateTime<Utc>,
    ) -> Stored<()>;
    /// The stored answer for an idempotency key.
    async fn kept_answer(&self, key: &str, request: &str) -> Stored<Option<KeptAnswer>>;
    /// Removes the mark that a request was done, because it was not. A repeat then does it.
    async fn undo_once(&self, once: &Once) -> Stored<()>;
    /// Of a request that was done with an idempotency key: the hash of its body, and the name of
    /// what it made or changed.
    async fn done_once(&self, key: &str, request: &str) -> Stored<Option<(String, String)>>;
    /// A command by its number.
    async fn command(&self, number: i64) -> Stored<Option<SentCommand>>;
    /// Stores an answer, and removes answers and marks that are older than `forget_before`.
    async fn keep_answer(
        &self,
        key: &str,
        request: &str,
        answer: &KeptAnswer,
        at: DateTime<Utc>,
        forget_before: DateTime<Utc>,
    ) -> Stored<()>;
    /// Waits for named turns among all nodes. Turns are taken in the order of their names, so that
    /// two callers cannot block each other.
    async fn turns(&self, names: &[&str]) -> Stored<Turn>;
    /// Takes a named turn among all nodes, unless another node has it.
    async fn try_turn(&self, name: &str) -> Stored<Option<Turn>>;
    /// Checks that the store answers and accepts writes.
    async fn ping(&self) -> Stored<()>;
    /// The newest instant among the latest events of members and cards, and the times at which
    /// stations were last heard.
    async fn newest_instant(&self) -> Stored<Option<DateTime<Utc>>>;
    /// Creates the journal's and the readings' partitions for the next months, if the engine has
    /// partitions, and removes old records of shown cards.
    async fn make_room(&self, now: DateTime<Utc>) -> Stored<()>;
    /// Removes messages of the journal received, and readings sampled, before a month. Returns the
    /// number of rows.
    async fn forget_before(&self, month: BillingMonth) -> Stored<u64>;
}

/// All traits of an engine together.
pub trait Store:
    StationStore
    + MemberStore
    + SessionStore
    + BillingStore
    + RecordStore
    + OperationStore
    + ExchangeStore
    + LedgerStore
    + BlockStore
    + SiteStore
{
}

impl<T> Store for T where
    T: StationStore
        + MemberStore
        + SessionStore
        + BillingStore
        + RecordStore
        + OperationStore
        + ExchangeStore
        + LedgerStore
        + BlockStore
        + SiteStore
{
}
