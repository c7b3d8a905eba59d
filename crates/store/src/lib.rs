//! What is kept, in domain words. Each engine has its own SQL and migrations behind these traits;
//! only `main` and the tests choose one.

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

/// For how long cards that were shown are kept: thirteen months.
pub const SHOWN_CARDS_KEPT: TimeDelta = TimeDelta::days(396);

/// A page of a list: at most `limit` items after `after`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The last item of the page before, as the list orders them.
    pub after: Option<String>,
    /// How many at most.
    pub limit: i64,
}

/// A card to put in stock.
#[derive(Debug, Clone)]
pub struct NewCard {
    /// Its number; allotted when `None`.
    pub number: Option<CardNumber>,
    /// What readers read from it.
    pub id_tag: IdTag,
    /// Its code's hash.
    pub code_hash: String,
    /// The request that is done with it, where that is to be done once.
    pub once: Option<Once>,
}

/// A card with what its activation needs.
#[derive(Debug, Clone)]
pub struct KeptCard {
    /// The card and its member.
    pub file: CardFile,
    /// Its code's hash.
    pub code_hash: String,
}

/// A request that is to be done once, whatever becomes of its answer: kept in the transaction of its change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Once {
    /// The key that its caller gave it.
    pub key: String,
    /// The request: method and path.
    pub request: String,
    /// The hash of its body.
    pub body_sha256: String,
    /// When it came.
    pub at: DateTime<Utc>,
}

/// An event to be appended, and to what.
#[derive(Debug, Clone)]
pub enum Append {
    /// To a card.
    Card(CardNumber, CardEvent),
    /// To a member.
    Member(MemberId, MemberEvent),
}

/// What a change rests on: if any of these has an event beyond `seen`, the change is a conflict.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Cards.
    pub cards: Vec<CardNumber>,
    /// A member, with all of its cards.
    pub member: Option<MemberId>,
    /// The last event that was seen of them.
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

/// A change of histories: all of it or nothing.
#[derive(Debug)]
pub struct Change<'a> {
    /// What happened.
    pub events: &'a [Append],
    /// The instant from which it holds.
    pub at: DateTime<Utc>,
    /// What it rests on.
    pub seen: &'a Seen,
    /// The member and the month from which it may alter what was billed.
    pub recheck: Option<(&'a MemberId, BillingMonth)>,
    /// Cards that stations may have to learn of, each with the instant at which that is to be looked at.
    pub looks: &'a [(CardNumber, DateTime<Utc>)],
    /// The request that is done with it, where that is to be done once.
    pub once: Option<&'a Once>,
}

/// An event of a history as it is kept.
#[derive(Debug, Clone)]
pub struct KeptEvent {
    /// Its number.
    pub seq: i64,
    /// The instant from which it holds.
    pub at: DateTime<Utc>,
    /// The card, where it is a card's.
    pub card: Option<String>,
    /// What happened.
    pub kind: String,
    /// Its details, JSON.
    pub detail: String,
}

/// Members and cards: histories of events.
#[async_trait]
pub trait MemberStore: Send + Sync {
    /// Begins a membership with its first event.
    async fn add_member(
        &self,
        event: &MemberEvent,
        at: DateTime<Utc>,
        once: Option<&Once>,
    ) -> Stored<MemberId>;
    /// A member with all cards.
    async fn member(&self, id: &MemberId) -> Stored<Option<Member>>;
    /// Members in order of their number.
    async fn members(&self, page: &Page) -> Stored<Vec<Member>>;
    /// Puts a card in stock.
    async fn add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber>;
    /// A card by its number.
    async fn card(&self, number: &CardNumber) -> Stored<Option<KeptCard>>;
    /// Adds what other readers read from a card, and tells the stations that hold it in their lists once more. Whether it is
    /// new; a conflict where another card is read so.
    async fn add_reading(
        &self,
        card: &CardNumber,
        id_tag: &IdTag,
        at: DateTime<Utc>,
    ) -> Stored<bool>;
    /// For each of what readers read, the card, where there is one.
    async fn cards_by_tags(&self, id_tags: &[&IdTag]) -> Stored<Vec<Option<CardFile>>>;
    /// Appends events, all or none, unless what they rest on was changed since.
    async fn append(&self, change: &Change<'_>) -> Stored<()>;
    /// A member's history with that of its cards, in order.
    async fn history(&self, member: &MemberId) -> Stored<Vec<KeptEvent>>;
    /// The members who ever allowed a recipient to have their data for a purpose.
    async fn members_who_consented(&self, consent: &Consent) -> Stored<Vec<MemberId>>;
    /// Notes a wrong code.
    async fn note_activation_failure(
        &self,
        card: &CardNumber,
        member: &MemberId,
        at: DateTime<Utc>,
    ) -> Stored<()>;
    /// The wrong codes of a card, and of a member, since an instant, in order of time.
    async fn activation_failures(
        &self,
        card: &CardNumber,
        member: &MemberId,
        since: DateTime<Utc>,
    ) -> Stored<(Vec<DateTime<Utc>>, Vec<DateTime<Utc>>)>;
}

/// Which sessions to list.
#[derive(Debug, Clone, Default)]
pub struct SessionFilter {
    /// Of this usage month.
    pub month: Option<BillingMonth>,
    /// Of this member.
    pub member: Option<MemberId>,
    /// At this station.
    pub station: Option<StationId>,
    /// Of this card.
    pub card: Option<CardNumber>,
    /// Only those that run.
    pub running: bool,
}

/// A message as the journal keeps it.
#[derive(Debug, Clone)]
pub struct JournalEntry {
    /// Its number in the journal.
    pub seq: i64,
    /// The station.
    pub station_id: String,
    /// The action.
    pub action: String,
    /// Its message id.
    pub message_id: String,
    /// Its payload as it came.
    pub payload: String,
    /// The answer's payload.
    pub answer: String,
    /// What it did.
    pub effect: String,
    /// When it was heard.
    pub received_at: DateTime<Utc>,
    /// Since when the station was connected then.
    pub connected_since: DateTime<Utc>,
    /// The session that it belongs to.
    pub session_id: Option<SessionId>,
    /// What was known of the station's clock then.
    pub clock: Option<Measured>,
}

/// Which of a station's messages.
#[derive(Debug, Clone, Default)]
pub struct JournalFilter {
    /// Heard at or after this instant.
    pub from: Option<DateTime<Utc>>,
    /// Heard before this instant.
    pub to: Option<DateTime<Utc>>,
    /// Of this action.
    pub action: Option<String>,
    /// Only those that belong to no session.
    pub unmatched: bool,
}

/// Sessions, for reading. Only the ledger writes them.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// A session.
    async fn session(&self, id: SessionId) -> Stored<Option<Session>>;
    /// A session as it was measured, without what persons corrected; its corrections are with it.
    async fn measured_session(&self, id: SessionId) -> Stored<Option<Session>>;
    /// A session by its name.
    async fn session_by_reference(&self, reference: &SessionRef) -> Stored<Option<Session>>;
    /// Sessions by their names; unknown ones are left out.
    async fn sessions_by_reference(&self, references: &[SessionRef]) -> Stored<Vec<Session>>;
    /// Sessions in order of their number.
    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Stored<Vec<Session>>;
    /// Members' sessions of the usage months from `first` to `last`, and earlier ones that last into them.
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
    /// A station's sessions that started within a span of time, the earliest first, at most `limit`.
    async fn sessions_started_at(
        &self,
        station: &StationId,
        from: DateTime<Utc>,
        to: DateTime<Utc>,
        limit: i64,
    ) -> Stored<Vec<Session>>;
    /// A station's newest session with a start's content.
    async fn newest_session_by_start_key(
        &self,
        station: &StationId,
        start_key: &str,
    ) -> Stored<Option<Session>>;
    /// The messages that a session came from, at most `limit`.
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
    /// Sessions that nothing ended, in order of their number, after one.
    async fn running_sessions(&self, after: SessionId, limit: i64) -> Stored<Vec<Session>>;
}

/// A command as it is kept.
#[derive(Debug, Clone)]
pub struct KeptCommand {
    /// To which station.
    pub station_id: StationId,
    /// Who asked for it.
    pub sent_by: String,
    /// Its message id.
    pub message_id: String,
    /// Its action.
    pub action: String,
    /// Its payload.
    pub payload: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
    /// The request that is done with it, where that is to be done once. It is not read back.
    pub once: Option<Once>,
}

/// An API answer kept for repeats of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The hash of the request's body.
    pub body_sha256: String,
    /// The answer's status.
    pub status: u16,
    /// The answer's content type.
    pub content_type: String,
    /// The answer's body.
    pub answer: String,
}

/// A turn: while it is held, no other node has it. Tasks of one node take turns among themselves first.
pub type Turn = Box<dyn Send>;

/// What serves operation.
#[async_trait]
pub trait OperationStore: Send + Sync {
    /// A named value.
    async fn meta(&self, name: &str) -> Stored<Option<String>>;
    /// Sets a named value unless it is set; what it holds then.
    async fn meta_or_set(&self, name: &str, value: &str) -> Stored<String>;
    /// Sets a named value.
    async fn set_meta(&self, name: &str, value: &str) -> Stored<()>;
    /// Keeps a command that is about to be sent; its number.
    async fn save_command(&self, command: &KeptCommand) -> Stored<i64>;
    /// Keeps what became of it.
    async fn save_command_outcome(
        &self,
        number: i64,
        outcome: &str,
        answer: &str,
        at: DateTime<Utc>,
    ) -> Stored<()>;
    /// The answer kept for an idempotency key.
    async fn kept_answer(&self, key: &str, request: &str) -> Stored<Option<KeptAnswer>>;
    /// A request that was kept as done was not: it is done when it is asked again.
    async fn undo_once(&self, once: &Once) -> Stored<()>;
    /// The hash of the body, and what was made or changed, of a request that was done under an idempotency key.
    async fn done_once(&self, key: &str, request: &str) -> Stored<Option<(String, String)>>;
    /// A command by its number.
    async fn command(&self, number: i64) -> Stored<Option<SentCommand>>;
    /// Keeps an answer, and forgets those older than `forget_before`.
    async fn keep_answer(
        &self,
        key: &str,
        request: &str,
        answer: &KeptAnswer,
        at: DateTime<Utc>,
        forget_before: DateTime<Utc>,
    ) -> Stored<()>;
    /// Waits for named turns among all nodes, in the order of their names: two that want the same never wait for each other.
    async fn turns(&self, names: &[&str]) -> Stored<Turn>;
    /// Takes a named turn among all nodes, unless another has it.
    async fn try_turn(&self, name: &str) -> Stored<Option<Turn>>;
    /// Whether the store answers, and takes writes.
    async fn ping(&self) -> Stored<()>;
    /// The newest instant that is kept of a member's or card's history, or of a station.
    async fn newest_instant(&self) -> Stored<Option<DateTime<Utc>>>;
    /// Makes room for what is to come: the parts of journal and readings for the next months.
    async fn make_room(&self, now: DateTime<Utc>) -> Stored<()>;
    /// Removes journal and readings that were received, or taken, before a month; how many rows.
    async fn forget_before(&self, month: BillingMonth) -> Stored<u64>;
}

/// Everything that an engine offers.
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
