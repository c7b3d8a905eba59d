//! What is kept, in domain words. Each engine has its own SQL and migrations behind these traits;
//! only `main` and the tests choose one.

pub mod ledger;
pub mod sqlite;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::domain::authorization::CardFile;
use crate::domain::bill::Bill;
use crate::domain::card::CardEvent;
use crate::domain::ids::{CardNumber, IdTag, MemberId, SessionId, StationId};
use crate::domain::instant::Zone;
use crate::domain::member::{Admission, Member};
use crate::domain::month::BillingMonth;
use crate::domain::session::{Decision, Session};
use crate::domain::station::{BootReport, ConnectorSite, Registration};
use crate::domain::units::Yen;

pub use ledger::LedgerStore;

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
    /// The protocol assumed where it names none in its handshake.
    pub default_protocol: Option<String>,
    /// Its zone, for times without one, as the operator wrote it.
    pub time_zone: Option<String>,
    /// What its boot message is answered.
    pub registration: Registration,
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
}

impl StationRecord {
    /// Its zone.
    pub fn zone(&self) -> Option<Zone> {
        self.time_zone.as_deref().and_then(Zone::parse)
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
    /// The open session at each connector of a station.
    async fn open_sessions_of(&self, id: &StationId) -> Stored<Vec<(i64, SessionId)>>;
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

/// Members and cards: histories of events. A `seen` number is the last event that a decision was
/// based on; if another came since, the append is refused as a conflict.
#[async_trait]
pub trait MemberStore: Send + Sync {
    /// Admits a member.
    async fn admit(&self, admission: &Admission, at: DateTime<Utc>) -> Stored<MemberId>;
    /// A member with all cards.
    async fn member(&self, id: &MemberId) -> Stored<Option<Member>>;
    /// Members in order of their number.
    async fn members(&self, page: &Page) -> Stored<Vec<Member>>;
    /// Puts a card in stock.
    async fn add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber>;
    /// A card by its number.
    async fn card(&self, number: &CardNumber) -> Stored<Option<KeptCard>>;
    /// A card by what readers read.
    async fn card_by_tag(&self, id_tag: &IdTag) -> Stored<Option<CardFile>>;
    /// Appends an event to a card, unless the card or its member (the one named, when the card is
    /// being bound) has events beyond `seen`.
    async fn append_card_event(
        &self,
        card: &CardNumber,
        member: Option<&MemberId>,
        event: &CardEvent,
        at: DateTime<Utc>,
        seen: i64,
    ) -> Stored<()>;
    /// Notes a wrong code.
    async fn note_activation_failure(&self, card: &CardNumber, member: &MemberId, at: DateTime<Utc>) -> Stored<()>;
    /// How many wrong codes a card and a member had since an instant, and when the newest was.
    async fn activation_failures(&self, card: &CardNumber, member: &MemberId, since: DateTime<Utc>) -> Stored<(i64, i64)>;
}

/// The last event that a card's file and its member rest on.
pub fn last_seq(file: Option<&CardFile>, member: Option<&Member>) -> i64 {
    let of_card = file.into_iter().flat_map(|file| &file.card.events).map(|event| event.seq);
    let of_member = member.into_iter().flat_map(|member| &member.cards).flat_map(|card| &card.events).map(|event| event.seq);
    of_card.chain(of_member).max().unwrap_or(0)
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
    /// Sessions in order of their number.
    async fn sessions(&self, filter: &SessionFilter, page: &Page) -> Stored<Vec<Session>>;
    /// A member's sessions of the usage months from `first` to `last`, and earlier ones that last into
    /// them.
    async fn sessions_of_member(&self, member: &MemberId, first: BillingMonth, last: BillingMonth) -> Stored<Vec<Session>>;
    /// The ended sessions of a card that touch a span of time.
    async fn sessions_of_card(&self, card: &CardNumber, from: DateTime<Utc>, to: DateTime<Utc>) -> Stored<Vec<Session>>;
    /// The messages that a session came from, at most `limit`.
    async fn messages(&self, id: SessionId, limit: i64) -> Stored<Vec<JournalEntry>>;
    /// The whole journal after an entry, in order.
    async fn journal(&self, after: i64, limit: i64) -> Stored<Vec<JournalEntry>>;
    /// Keeps a person's decision.
    async fn decide(&self, id: SessionId, decision: Decision, note: &str, at: DateTime<Utc>) -> Stored<()>;
}

/// A closed month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedMonth {
    /// Which.
    pub month: BillingMonth,
    /// When it was closed.
    pub closed_at: DateTime<Utc>,
    /// How many bills it has.
    pub members: i64,
    /// How many sessions were billed.
    pub sessions: i64,
    /// What the bills come to.
    pub total: Yen,
    /// The hash of its CSV export.
    pub sha256: String,
}

/// Closed months and their bills. What is closed never changes.
#[async_trait]
pub trait MonthStore: Send + Sync {
    /// A closed month.
    async fn closed_month(&self, month: BillingMonth) -> Stored<Option<ClosedMonth>>;
    /// The earliest month in which a member was admitted.
    async fn first_month(&self) -> Stored<Option<BillingMonth>>;
    /// Closes a month with its bills, all or nothing. `false`: it was closed already.
    async fn close_month(&self, closed: &ClosedMonth, bills: &[Bill]) -> Stored<bool>;
    /// A member's closed bill.
    async fn bill(&self, month: BillingMonth, member: &MemberId) -> Stored<Option<Bill>>;
    /// All bills of a closed month, in order of the member's id.
    async fn bills(&self, month: BillingMonth) -> Stored<Vec<Bill>>;
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
    /// Whether the store answers.
    async fn ping(&self) -> Stored<()>;
}

/// Everything that an engine offers.
pub trait Store: StationStore + MemberStore + SessionStore + MonthStore + OperationStore + LedgerStore {}

impl<T: StationStore + MemberStore + SessionStore + MonthStore + OperationStore + LedgerStore> Store for T {}
