//! Messages of stations, and the content of answers to them, in a form that does not depend on the
//! OCPP version.

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
    /// BootNotification: the station started up.
    Boot(BootReport),
    /// Heartbeat.
    Heartbeat,
    /// Authorize: a card was shown.
    Authorize(PresentedToken),
    /// StatusNotification: a connector's state.
    Status(StatusReport),
    /// DataTransfer: a vendor's own message.
    DataTransfer {
        /// The vendorId.
        vendor_id: String,
    },
    /// A message that is stored as it came.
    Report(Report),
    /// SignCertificate: a request to have a key signed. It is also stored as a report.
    Sign(SignReport),
    /// Get15118EVCertificate: a vehicle asks for its contract certificate. It is also stored as a
    /// report.
    EvCertificate,
    /// GetCertificateStatus: a station asks whether a certificate was revoked. It is also stored as
    /// a report.
    CertificateStatus,
    /// Authorize with a vehicle's contract certificate.
    Contract(PresentedToken),
    /// NotifyEVChargingNeeds. It is also stored as a report.
    EvNeeds(EvNeeds),
    /// NotifyEVChargingSchedule. It is also stored as a report.
    EvSchedule(EvSchedule),
    /// A message of a transaction. It is answered only after its commit.
    Transaction(TransactionMessage),
}

/// A vehicle's charging needs (OCPP 2.0.1 K15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvNeeds {
    /// The EVSE.
    pub evse_id: i64,
    /// The most power that the vehicle takes, in watts, if it says so.
    pub most_w: Option<i64>,
    /// The time at which the vehicle departs, if it says so.
    pub departs_at: Option<DateTime<Utc>>,
}

/// The charging schedule that a vehicle made (OCPP 2.0.1 K15, K16).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvSchedule {
    /// The EVSE.
    pub evse_id: i64,
    /// The unit of its limits: `W` or `A`.
    pub unit: String,
    /// The schedule's highest limit.
    pub most: Option<Decimal>,
}

/// The card or token that was shown at a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresentedToken {
    /// The card's id tag; empty if no card was shown.
    pub id_tag: IdTag,
    /// Whether the station is open to everyone and needs no card (2.0.1's `NoAuthorization`).
    pub nobody: bool,
}

impl PresentedToken {
    /// A token that is a card with this id tag.
    pub const fn card(id_tag: IdTag) -> Self {
        Self { id_tag, nobody: false }
    }
}

/// A message that is stored as it came: a part of what a command requested, or a notification that
/// the station sends by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The requestId of the command that requested it, if the message has one.
    pub request_id: Option<i64>,
    /// The message's seqNo among the parts of one request.
    pub seq_no: Option<i64>,
    /// Whether further parts follow (`tbc`).
    pub more: bool,
    /// Content that is also stored with the station.
    pub news: ReportContent,
}

impl Report {
    /// A report without any content that is stored elsewhere.
    pub const fn plain() -> Self {
        Self { request_id: None, seq_no: None, more: false, news: ReportContent::None }
    }
}

/// A request to have a station's key signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignReport {
    /// The request itself (PEM).
    pub csr: String,
    /// The certificate's type; `None`: an unknown type.
    pub kind: Option<CertificateKind>,
}

/// Content of a report that is also stored with its station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportContent {
    /// No such content.
    None,
    /// The status of a firmware update, in the station's word.
    Firmware(String),
    /// The status of an upload of diagnostics or of a log, in the station's word.
    Upload(String),
    /// Connectors' states.
    Statuses(Vec<StatusReport>),
    /// A security event, in the station's word.
    Security(String),
    /// Variables of the device model.
    Variables(Vec<VariableReport>),
}

/// A message of a transaction, on which a bill may depend.
#[derive(Debug, Clone, PartialEq)]
pub enum TransactionMessage {
    /// A transaction started.
    Start(StartReport),
    /// A transaction ended.
    Stop(StopReport),
    /// Meter values.
    Meter(MeterReport),
    /// A TransactionEvent (OCPP 2.0.1). The station names the transaction and numbers its events.
    Event(Box<TransactionEventReport>),
}

/// An event of a transaction (OCPP 2.0.1 TransactionEvent).
#[derive(Debug, Clone, PartialEq)]
pub struct TransactionEventReport {
    /// Started, Updated or Ended.
    pub kind: EventType,
    /// The transactionId, which the station assigns; empty if the message has none.
    pub transaction: String,
    /// The event's number in its transaction.
    pub seq_no: Option<i64>,
    /// The reported time.
    pub timestamp: Reported,
    /// Whether the event happened while the station was offline. It then arrives late, and its
    /// timestamp is still right.
    pub offline: bool,
    /// The EVSE, if the event names one.
    pub evse_id: Option<i64>,
    /// The card or token that was shown, if any.
    pub shown: Option<PresentedToken>,
    /// The chargingState, in the station's word. Absent if it did not change.
    pub charging_state: Option<String>,
    /// The triggerReason, in the station's word.
    pub trigger: Option<String>,
    /// The stoppedReason, in the station's word.
    pub stopped_reason: Option<String>,
    /// The timeSpentCharging: seconds in which energy flowed.
    pub charged_s: Option<i64>,
    /// The remoteStartId of the remote start that the transaction followed.
    pub remote_start_id: Option<i64>,
    /// Meter values that the message carries.
    pub readings: Vec<Reading>,
    /// Fields that were missing or of the wrong type.
    pub faults: Vec<String>,
}

/// A transaction's start.
#[derive(Debug, Clone, PartialEq)]
pub struct StartReport {
    /// The connector as sent.
    pub connector_id: Option<i64>,
    /// The card as sent; empty when none was.
    pub id_tag: IdTag,
    /// The card of a recent remote start of ours, where the station reports that card's idTag
    /// truncated or padded.
    pub meant: Option<IdTag>,
    /// The reported time.
    pub timestamp: Reported,
    /// The meter's register.
    pub meter_start: Option<Register>,
    /// Fields that were missing or of the wrong type.
    pub faults: Vec<String>,
}

/// A transaction's end.
#[derive(Debug, Clone, PartialEq)]
pub struct StopReport {
    /// The transactionId as sent. Stations send any 64-bit number.
    pub transaction_id: Option<i64>,
    /// The card that stopped it.
    pub id_tag: Option<IdTag>,
    /// The reported time.
    pub timestamp: Reported,
    /// The meter's register.
    pub meter_stop: Option<Register>,
    /// The stop's reason; `Local` if the station gives none.
    pub reason: String,
    /// Meter values that the message carries.
    pub readings: Vec<Reading>,
    /// Fields that were missing or of the wrong type.
    pub faults: Vec<String>,
}

impl TransactionMessage {
    /// Whether a field of the message was missing or of the wrong type.
    pub fn lacks_something(&self) -> bool {
        let faults = match self {
            Self::Start(report) => &report.faults,
            Self::Stop(report) => &report.faults,
            Self::Meter(report) => &report.faults,
            Self::Event(report) => &report.faults,
        };
        !faults.is_empty()
    }

    /// Whether the message only carries readings, and neither starts nor stops anything.
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

    /// The meter values that the message carries.
    pub fn readings(&self) -> &[Reading] {
        match self {
            Self::Start(_) => &[],
            Self::Stop(report) => &report.readings,
            Self::Meter(report) => &report.readings,
            Self::Event(report) => &report.readings,
        }
    }

    /// Whether a card was shown with the message, or the transaction starts or stops. The driver
    /// then stands at the station and reads its display.
    pub fn has_card_or_ends(&self) -> bool {
        match self {
            Self::Event(event) => event.shown.is_some() || event.kind == EventType::Ended,
            Self::Start(_) | Self::Stop(_) => true,
            Self::Meter(_) => false,
        }
    }
}

impl StartReport {
    /// The card of the transaction.
    pub fn card(&self) -> &IdTag {
        self.meant.as_ref().unwrap_or(&self.id_tag)
    }
}

impl TransactionEventReport {
    /// Whether energy flows. `None`: the event does not say.
    pub fn charging(&self) -> Option<bool> {
        self.charging_state.as_deref().map(|state| state == "Charging")
    }

    /// Whether triggerReason was ChargingStateChanged.
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
    /// Fields that were missing or of the wrong type.
    pub faults: Vec<String>,
}

/// One sampled value, with the standard's defaults filled in (OCPP 1.6 section 7.43).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The time of the measurement.
    pub sampled_at: Reported,
    /// The measurand, such as `Energy.Active.Import.Register`.
    pub measurand: String,
    /// The phase; empty: all phases.
    pub phase: String,
    /// The place of measurement, such as `Outlet`.
    pub location: String,
    /// The context, such as `Sample.Periodic`.
    pub context: String,
    /// The unit, such as `Wh`.
    pub unit: String,
    /// The value: a decimal number, or text where the station signed it.
    pub value: String,
    /// Whether the value is signed data. Signed data is never read as a number, whatever it looks
    /// like.
    pub signed: bool,
}

/// The answer to a station about a card: idTagInfo (1.6), idTokenInfo (2.0.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagAnswer {
    /// Whether the card may charge.
    pub verdict: Verdict,
    /// The time until which the station's cache may keep the answer.
    pub cache_until: Option<DateTime<Utc>>,
}

impl TagAnswer {
    /// The acceptance of a token that is nobody's card (OCPP 2.0.1 C02.FR.01).
    pub const fn nobodys() -> Self {
        Self { verdict: Verdict { refusal: None, group: None }, cache_until: None }
    }
}

/// Cost and text for the driver's display, added to an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DriverDisplay {
    /// The member that cost and text are about. An answer about another card does not get them.
    pub member: Option<MemberId>,
    /// The session's cost so far, in whole yen with tax.
    pub cost: Option<Yen>,
    /// A text for the driver and its language (RFC 5646).
    pub message: Option<(&'static str, String)>,
}

impl StationEvent {
    /// Whether it is a transaction message, which is answered only after its commit.
    pub const fn is_transaction(&self) -> bool {
        matches!(self, Self::Transaction(_))
    }

    /// Whether the message starts a session.
    pub const fn is_start(&self) -> bool {
        match self {
            Self::Transaction(TransactionMessage::Start(_)) => true,
            Self::Transaction(TransactionMessage::Event(event)) => {
                matches!(event.kind, EventType::Started)
            }
            _ => false,
        }
    }

    /// The transactionId as sent (OCPP 1.6). Stations send any 64-bit number.
    pub const fn session_number(&self) -> Option<i64> {
        match self {
            Self::Transaction(TransactionMessage::Stop(report)) => report.transaction_id,
            Self::Transaction(TransactionMessage::Meter(report)) => report.transaction_id,
            _ => None,
        }
    }
}
