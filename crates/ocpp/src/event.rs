//! What stations say and are told, free of OCPP's versions.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

pub use super::command::{ListEntry, ListStanding, StationCommand};
pub use super::further::Further;
use juden_domain::authorization::Verdict;
use juden_domain::certificate::CertificateKind;
pub use juden_domain::event::EventType;
use juden_domain::ids::{IdTag, MemberId};
use juden_domain::instant::Reported;
pub use juden_domain::station::{BootReport, Registration, StatusReport, VariableReport};
use juden_domain::units::{Register, Yen};

/// A message from a station.
#[derive(Debug, Clone, PartialEq)]
pub enum StationEvent {
    /// It started up.
    Boot(BootReport),
    /// It lives.
    Heartbeat,
    /// A card was shown.
    Authorize(PresentedToken),
    /// A connector's state.
    Status(StatusReport),
    /// A vendor's own message.
    DataTransfer {
        /// Whose.
        vendor_id: String,
    },
    /// A message that is kept as it came.
    Report(Report),
    /// A request to have a key signed; it is kept as a report, too.
    Sign(SignReport),
    /// Get15118EVCertificate: a vehicle asks for its contract certificate; it is kept as a report, too.
    EvCertificate,
    /// GetCertificateStatus: a station asks whether a certificate was revoked; it is kept as a report, too.
    CertificateStatus,
    /// A card that a vehicle shows with its contract certificate.
    Contract(PresentedToken),
    /// What a vehicle needs; it is kept as a report, too.
    EvNeeds(EvNeeds),
    /// How a vehicle means to charge; it is kept as a report, too.
    EvSchedule(EvSchedule),
    /// A message of a transaction: answered only once it is durable.
    Transaction(TransactionMessage),
}

/// What a vehicle needs (OCPP 2.0.1 K15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvNeeds {
    /// At which EVSE.
    pub evse_id: i64,
    /// The power that it takes at most, in watts, where it says so.
    pub most_w: Option<i64>,
    /// When it departs, where it says so.
    pub departs_at: Option<DateTime<Utc>>,
}

/// How a vehicle means to charge (OCPP 2.0.1 K15, K16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvSchedule {
    /// At which EVSE.
    pub evse_id: i64,
    /// The unit of its limits: `W` or `A`.
    pub unit: String,
    /// The most of them.
    pub most: Option<Decimal>,
}

/// What was shown to a station's reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedToken {
    /// The card; empty where nothing was shown.
    pub id_tag: IdTag,
    /// Whether the station needs nobody's card: it is open to everyone (2.0.1's `NoAuthorization`).
    pub nobody: bool,
}

impl PresentedToken {
    /// A card.
    pub const fn card(id_tag: IdTag) -> Self {
        Self { id_tag, nobody: false }
    }
}

/// A message that is kept as it came: a part of what a command asked for, or news of the station's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The request that it belongs to, where it names one.
    pub request_id: Option<i64>,
    /// Its place among the request's parts.
    pub seq_no: Option<i64>,
    /// Whether further parts follow.
    pub more: bool,
    /// What it says besides.
    pub news: ReportContent,
}

impl Report {
    /// One that says nothing but itself.
    pub const fn plain() -> Self {
        Self { request_id: None, seq_no: None, more: false, news: ReportContent::None }
    }
}

/// A request to have a station's key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignReport {
    /// The request itself (PEM).
    pub csr: String,
    /// What it is for; `None`: a type that is not known.
    pub kind: Option<CertificateKind>,
}

/// What a report says that is kept with its station too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportContent {
    /// Nothing.
    None,
    /// How a firmware update goes, in the station's word.
    Firmware(String),
    /// How an upload of diagnostics or a log goes, in the station's word.
    Upload(String),
    /// Connectors' states.
    Statuses(Vec<StatusReport>),
    /// A security event, in the station's word.
    Security(String),
    /// Variables of the device model.
    Variables(Vec<VariableReport>),
}

/// A message that money may hang on.
#[derive(Debug, Clone, PartialEq)]
pub enum TransactionMessage {
    /// A transaction started.
    Start(StartReport),
    /// A transaction ended.
    Stop(StopReport),
    /// Meters were read.
    Meter(MeterReport),
    /// An event of a transaction that the station itself named, and whose events it numbers (OCPP 2.0.1).
    Event(Box<TransactionEventReport>),
}

/// An event of a transaction (OCPP 2.0.1 TransactionEvent).
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionEventReport {
    /// What kind of event it is.
    pub kind: EventType,
    /// The transaction's name, which the station gave it; empty when none was sent.
    pub transaction: String,
    /// Its place in the transaction.
    pub seq_no: Option<i64>,
    /// The station's time.
    pub timestamp: Reported,
    /// Whether it happened while the station was offline: it comes late, and its time is right.
    pub offline: bool,
    /// The EVSE, once it is known.
    pub evse_id: Option<i64>,
    /// What was shown, where something was.
    pub shown: Option<PresentedToken>,
    /// Whether energy flows, in the station's word; absent where that did not change.
    pub charging_state: Option<String>,
    /// What made the station send it, in its word.
    pub trigger: Option<String>,
    /// Why the transaction ended.
    pub stopped_reason: Option<String>,
    /// For how long energy has flowed, in seconds.
    pub charged_s: Option<i64>,
    /// The remote start that it followed.
    pub remote_start_id: Option<i64>,
    /// Readings sent along.
    pub readings: Vec<Reading>,
    /// What was missing or of the wrong kind.
    pub faults: Vec<String>,
}

/// A transaction's start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartReport {
    /// The connector as sent.
    pub connector_id: Option<i64>,
    /// The card as sent; empty when none was.
    pub id_tag: IdTag,
    /// The card of a recent remote start of ours, where the station reports that card's idTag truncated or padded.
    pub meant: Option<IdTag>,
    /// The station's time.
    pub timestamp: Reported,
    /// The meter's register.
    pub meter_start: Option<Register>,
    /// What was missing or of the wrong kind.
    pub faults: Vec<String>,
}

/// A transaction's end.
#[derive(Debug, Clone, PartialEq)]
pub struct StopReport {
    /// The transaction as the station names it; any 64-bit number occurs.
    pub transaction_id: Option<i64>,
    /// The card that stopped it.
    pub id_tag: Option<IdTag>,
    /// The station's time.
    pub timestamp: Reported,
    /// The meter's register.
    pub meter_stop: Option<Register>,
    /// Why; `Local` where the station does not say.
    pub reason: String,
    /// Readings sent along.
    pub readings: Vec<Reading>,
    /// What was missing or of the wrong kind.
    pub faults: Vec<String>,
}

impl TransactionMessage {
    /// Whether something in it was missing or of the wrong kind.
    pub fn lacks_something(&self) -> bool {
        let faults = match self {
            Self::Start(report) => &report.faults,
            Self::Stop(report) => &report.faults,
            Self::Meter(report) => &report.faults,
            Self::Event(report) => &report.faults,
        };
        !faults.is_empty()
    }

    /// Whether it is a reading between a start and an end, that starts and ends nothing.
    pub fn is_reading(&self) -> bool {
        match self {
            Self::Meter(_) => true,
            Self::Event(event) => {
                event.kind == EventType::Updated
                    && event.shown.is_none()
                    && event.charging_state.is_none()
            }
            Self::Start(_) | Self::Stop(_) => false,
        }
    }

    /// The readings that were sent along.
    pub fn readings(&self) -> &[Reading] {
        match self {
            Self::Start(_) => &[],
            Self::Stop(report) => &report.readings,
            Self::Meter(report) => &report.readings,
            Self::Event(report) => &report.readings,
        }
    }

    /// Whether a card was shown with it, or the transaction ends: then the driver stands there and reads.
    pub fn has_card_or_ends(&self) -> bool {
        match self {
            Self::Event(event) => event.shown.is_some() || event.kind == EventType::Ended,
            Self::Start(_) | Self::Stop(_) => true,
            Self::Meter(_) => false,
        }
    }
}

impl StartReport {
    /// The card that it starts with.
    pub fn card(&self) -> &IdTag {
        self.meant.as_ref().unwrap_or(&self.id_tag)
    }
}

impl TransactionEventReport {
    /// Whether energy flows, where it says so.
    pub fn charging(&self) -> Option<bool> {
        self.charging_state.as_deref().map(|state| state == "Charging")
    }

    /// Whether it was sent because that changed.
    pub fn tells_a_change(&self) -> bool {
        self.trigger.as_deref() == Some("ChargingStateChanged")
    }
}

/// Meter readings.
#[derive(Debug, Clone, PartialEq)]
pub struct MeterReport {
    /// The connector; 0 is the station's main meter.
    pub connector_id: Option<i64>,
    /// The transaction, where the station names one.
    pub transaction_id: Option<i64>,
    /// The readings.
    pub readings: Vec<Reading>,
    /// What was missing or of the wrong kind.
    pub faults: Vec<String>,
}

/// One sampled value, with the standard's defaults filled in (OCPP 1.6 section 7.43).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub sampled_at: Reported,
    /// What was measured.
    pub measurand: String,
    /// On which phase; empty: on all.
    pub phase: String,
    /// Where.
    pub location: String,
    /// On what occasion.
    pub context: String,
    /// In which unit.
    pub unit: String,
    /// The value: a decimal number, or text where the station signed it.
    pub value: String,
    /// Whether it is signed data: whatever it looks like, it is no number.
    pub signed: bool,
}

/// What a station is told of a card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagAnswer {
    /// Whether it may charge.
    pub verdict: Verdict,
    /// Until when the station may believe that without asking.
    pub cache_until: Option<DateTime<Utc>>,
}

impl TagAnswer {
    /// Nobody's card is needed: yes (OCPP 2.0.1 C02.FR.01).
    pub const fn nobodys() -> Self {
        Self { verdict: Verdict { refusal: None, group: None }, cache_until: None }
    }
}

/// What a driver is shown beside an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverDisplay {
    /// Whom it is about: nobody else's card is shown it.
    pub member: Option<MemberId>,
    /// What the session costs so far, in whole yen with tax.
    pub cost: Option<Yen>,
    /// A text for the driver and its language (RFC 5646).
    pub message: Option<(&'static str, String)>,
}

impl StationEvent {
    /// A transaction message is answered only after its commit.
    pub const fn is_transaction(&self) -> bool {
        matches!(self, Self::Transaction(_))
    }

    /// Whether a session starts with it.
    pub const fn is_start(&self) -> bool {
        match self {
            Self::Transaction(TransactionMessage::Start(_)) => true,
            Self::Transaction(TransactionMessage::Event(event)) => {
                matches!(event.kind, EventType::Started)
            }
            _ => false,
        }
    }

    /// The session's number as the station names it; any 64-bit number occurs.
    pub const fn session_number(&self) -> Option<i64> {
        match self {
            Self::Transaction(TransactionMessage::Stop(report)) => report.transaction_id,
            Self::Transaction(TransactionMessage::Meter(report)) => report.transaction_id,
            _ => None,
        }
    }
}
