//! What is kept, in domain words. Each engine has its own SQL and migrations behind these traits;
//! only `main` and the tests choose one.

pub mod billing;
pub mod blocks;
pub mod documents;
pub mod exchanges;
pub mod ledger;
pub mod nodes;
pub mod open;
pub mod postgres;
pub mod records;
mod schema;
pub mod sqlite;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgDatabaseError;

use crate::domain::authorization::{CardFile, Place};
use crate::domain::card::CardEvent;
use crate::domain::ids::{CardNumber, IdTag, MemberId, SessionId, SessionRef, StationId};
use crate::domain::instant::Zone;
use crate::domain::member::{Member, MemberEvent};
use crate::domain::month::BillingMonth;
use crate::domain::programme::Programme;
use crate::domain::provision::Consent;
use crate::domain::session::{Decision, Session};
use crate::domain::station::{Availability, BootReport, ConnectorSite, Registration};

pub use billing::BillingStore;
pub use blocks::BlockStore;
pub use exchanges::ExchangeStore;
pub use ledger::LedgerStore;
pub use nodes::NodeRun;
pub use records::RecordStore;

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another change came first, or the name is taken; what it was about.
    #[error("{0} was changed or taken by another request")]
    Conflict(&'static str),
    /// The engine failed.
    #[error("the store failed: {0}")]
    Failed(#[from] sqlx::Error),
    /// A kept value cannot be read.
    #[error("the store holds an unreadable {0}")]
    Unreadable(&'static str),
}

/// SQLSTATE classes with which a server refuses what was asked for good: unsupported, bad data, a broken
/// constraint, no such thing, too large. Everything else may be otherwise the next time.
const REFUSED_FOR_GOOD: [&str; 5] = ["0A", "22", "23", "42", "54"];

impl StoreError {
    /// Whether trying again may help. Otherwise the engine works, but refuses these rows.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Failed(sqlx::Error::Database(fault)) => match fault.try_downcast_ref::<PgDatabaseError>() {
                Some(fault) => !REFUSED_FOR_GOOD.iter().any(|class| fault.code().starts_with(class)),
                None => fault.kind() == sqlx::error::ErrorKind::Other,
            },
            // What a connection that breaks while it is made is called.
            Self::Failed(sqlx::Error::Protocol(what)) if what.contains("SSLRequest") => true,
            Self::Failed(sqlx::Error::Protocol(_) | sqlx::Error::Encode(_) | sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) => {
                false
            }
            Self::Unreadable(_) => false,
            Self::Failed(_) | Self::Conflict(_) => true,
        }
    }
}

/// What the store's calls answer.
pub type Stored<T> = Result<T, StoreError>;

/// A page of a list: at most `limit` items after `after`.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The last item of the page before, as the list orders them.
    pub after: Option<String>,
    /// How many at most.
    pub limit: i64,
}

/// A station as registered, and what it last said of itself.
#[derive(Debug, Clone)]
pub struct StationRecord {
    /// Its identity.
    pub id: StationId,
    /// The site it stands at.
    pub site: String,
    /// Its password's hash; `None`: it has none.
    pub password_hash: Option<String>,
    /// Whether the password may also come as the hex text of its bytes.
    pub accept_hex_password: bool,
    /// The one security profile that it may use, 0 to 3.
    pub security_profile: u8,
    /// What it was told to come with, and has not come with yet.
    pub next: NextCredentials,
    /// The protocol assumed where it names none in its handshake.
    pub default_protocol: Option<String>,
    /// Its zone, for times without one, as the operator wrote it.
    pub time_zone: Option<String>,
    /// What its boot message is answered.
    pub registration: Registration,
    /// Whether it can be used.
    pub availability: Availability,
    /// Its connectors.
    pub connectors: Vec<ConnectorRecord>,
    /// Its last boot message.
    pub boot: Option<BootReport>,
    /// The station's word for its own state, told for connector 0.
    pub status: Option<String>,
    /// The station's word for its own error.
    pub error_code: Option<String>,
    /// When it was last heard over an earlier connection.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Its settings as it last told them, a JSON object; empty before it did.
    pub configuration: Option<String>,
    /// The firmware that told them.
    pub configuration_firmware: Option<String>,
    /// Whether Juden may switch on what its local authorization list needs.
    pub may_configure: bool,
    /// The connection that was last opened, unless it ended.
    pub connected: Option<Connected>,
}

/// What a station was told to come with from its next connection on. Until it has, what it came with before is right
/// too: it may not have taken it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextCredentials {
    /// The hash of its next password.
    pub password_hash: Option<String>,
    /// Its next security profile.
    pub security_profile: Option<u8>,
    /// Whether it takes the password with its next start only: until then it comes with the old one.
    pub after_reboot: bool,
}

/// A station's connection, as the node that holds it kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The run of that node.
    pub node: NodeRun,
    /// The protocol that is spoken.
    pub protocol: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl StationRecord {
    /// Its zone.
    pub fn zone(&self) -> Option<Zone> {
        self.time_zone.as_deref().and_then(Zone::parse)
    }

    /// What an authorization there finds: the site's standing with the programme, then whether the
    /// charger can be used (rows 6 and 7 of the ladder).
    pub fn place(&self, programme: &Programme, at: DateTime<Utc>) -> Place {
        match programme.place(&self.site, at) {
            Place::Open if self.availability != Availability::Open || self.registration != Registration::Accepted => Place::Unavailable,
            place => place,
        }
    }

    /// A listed connector's site data.
    pub fn connector_site(&self, connector_id: i64) -> Option<ConnectorSite> {
        self.connectors.iter().find(|connector| connector.connector_id == connector_id).map(|connector| connector.site)
    }
}

/// A connector as registered, and its last state.
#[derive(Debug, Clone)]
pub struct ConnectorRecord {
    /// Its number at the station.
    pub connector_id: i64,
    /// Class, power, limit.
    pub site: ConnectorSite,
    /// The station's word for its state.
    pub status: Option<String>,
    /// The station's word for its error.
    pub error_code: Option<String>,
}

/// Stations.
#[async_trait]
pub trait StationStore: Send + Sync {
    /// Registers a station, or changes what is registered. `true`: it is new. States, boot and
    /// configuration are kept.
    async fn put_station(&self, station: &StationRecord) -> Stored<bool>;
    /// A station.
    async fn station(&self, id: &StationId) -> Stored<Option<StationRecord>>;
    /// Stations in order of their identity.
    async fn stations(&self, page: &Page) -> Stored<Vec<StationRecord>>;
    /// Keeps the settings that a station told, with the firmware that told them.
    async fn save_configuration(&self, id: &StationId, configuration: &str, firmware: Option<&str>) -> Stored<()>;
    /// Keeps what a station is told to come with.
    async fn save_next(&self, id: &StationId, next: &NextCredentials) -> Stored<()>;
    /// Keeps what a station came with, and what it is still to come with.
    async fn settle(&self, id: &StationId, password_hash: Option<&str>, security_profile: u8, next: &NextCredentials) -> Stored<()>;
    /// The open session at each connector of stations.
    async fn open_sessions_of(&self, ids: &[&StationId]) -> Stored<Vec<(StationId, i64, SessionRef)>>;
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
}

/// A card with what its activation needs.
#[derive(Debug, Clone)]
pub struct KeptCard {
    /// The card and its member.
    pub file: CardFile,
    /// Its code's hash.
    pub code_hash: String,
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
        let of_cards = member.into_iter().flat_map(|member| &member.cards).flat_map(|card| &card.events).map(|event| event.seq);
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
    async fn add_member(&self, event: &MemberEvent, at: DateTime<Utc>) -> Stored<MemberId>;
    /// A member with all cards.
    async fn member(&self, id: &MemberId) -> Stored<Option<Member>>;
    /// Members in order of their number.
    async fn members(&self, page: &Page) -> Stored<Vec<Member>>;
    /// Puts a card in stock.
    async fn add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber>;
    /// A card by its number.
    async fn card(&self, number: &CardNumber) -> Stored<Option<KeptCard>>;
    /// For each of what readers read, the card, where there is one.
    async fn cards_by_tags(&self, id_tags: &[&IdTag]) -> Stored<Vec<Option<CardFile>>>;
    /// Appends events, all or none, unless what they rest on was changed since.
    async fn append(&self, change: &Change<'_>) -> Stored<()>;
    /// A member's history with that of its cards, in order.
    async fn history(&self, member: &MemberId) -> Stored<Vec<KeptEvent>>;
    /// The members who ever allowed a recipient to have their data for a purpose.
    async fn members_who_consented(&self, consent: &Consent) -> Stored<Vec<MemberId>>;
    /// Notes a wrong code.
    async fn note_activation_failure(&self, card: &CardNumber, member: &MemberId, at: DateTime<Utc>) -> Stored<()>;
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
}

/// Sessions, for reading and deciding. Only the ledger writes them.
#[async_trait]
pub trait SessionStore: Send + Sync {
    /// A session.
    async fn session(&self, id: SessionId) -> Stored<Option<Session>>;
    /// A session by its name.
    async fn session_by_reference(&self, reference: &SessionRef) -> Stored<Option<Session>>;
    /// Sessions by their names; unknown ones are left out.
    async fn sessions_by_reference(&self, references: &[SessionRef]) -> Stored<Vec<Session>>;
    /// Sessions in order of their number.
    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Stored<Vec<Session>>;
    /// Members' sessions of the usage months from `first` to `last`, and earlier ones that last into them.
    async fn sessions_of_members(&self, members: &[&MemberId], first: BillingMonth, last: BillingMonth) -> Stored<Vec<Session>>;
    /// A member's first session that started at or after an instant.
    async fn first_session_since(&self, member: &MemberId, since: DateTime<Utc>) -> Stored<Option<Session>>;
    /// The ended sessions of a card that touch a span of time.
    async fn sessions_of_card(&self, card: &CardNumber, from: DateTime<Utc>, to: DateTime<Utc>) -> Stored<Vec<Session>>;
    /// The messages that a session came from, at most `limit`.
    async fn messages(&self, id: SessionId, limit: i64) -> Stored<Vec<JournalEntry>>;
    /// The whole journal after an entry, in order.
    async fn journal(&self, after: i64, limit: i64) -> Stored<Vec<JournalEntry>>;
    /// Keeps a person's decision. The session's month is rated again where it was closed.
    async fn decide(&self, id: SessionId, decision: Decision, note: &str, at: DateTime<Utc>) -> Stored<()>;
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
    async fn save_command_outcome(&self, number: i64, outcome: &str, answer: &str, at: DateTime<Utc>) -> Stored<()>;
    /// The answer kept for an idempotency key.
    async fn kept_answer(&self, key: &str, request: &str) -> Stored<Option<KeptAnswer>>;
    /// Keeps an answer, and forgets those older than `forget_before`.
    async fn keep_answer(
        &self,
        key: &str,
        request: &str,
        answer: &KeptAnswer,
        at: DateTime<Utc>,
        forget_before: DateTime<Utc>,
    ) -> Stored<()>;
    /// Waits for a named turn among all nodes.
    async fn turn(&self, name: &str) -> Stored<Turn>;
    /// Takes a named turn among all nodes, unless another has it.
    async fn try_turn(&self, name: &str) -> Stored<Option<Turn>>;
    /// Whether the store answers, and takes writes.
    async fn ping(&self) -> Stored<()>;
    /// Makes room for what is to come: the parts of journal and readings for the next months.
    async fn make_room(&self, now: DateTime<Utc>) -> Stored<()>;
    /// Removes journal and readings that were received, or taken, before a month; how many rows.
    async fn forget_before(&self, month: BillingMonth) -> Stored<u64>;
}

/// Everything that an engine offers.
pub trait Store:
    StationStore + MemberStore + SessionStore + BillingStore + RecordStore + OperationStore + ExchangeStore + LedgerStore + BlockStore
{
}

impl<T> Store for T where
    T: StationStore + MemberStore + SessionStore + BillingStore + RecordStore + OperationStore + ExchangeStore + LedgerStore + BlockStore
{
}
