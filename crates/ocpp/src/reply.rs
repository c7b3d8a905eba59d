//! Answers to stations' messages: one function for each kind of answer, so that no message can be given another's. A version
//! is named where the kinds are written in different words.

use chrono::{DateTime, Utc};

use super::event::TagAnswer;
use super::protocol::Protocol;
use super::{v16, v201};
use juden_domain::ids::SessionId;
use juden_domain::station::Registration;

/// The answer to BootNotification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootReply {
    /// Whether the station is accepted.
    pub registration: Registration,
    /// The time by our clock.
    pub now: DateTime<Utc>,
    /// Seconds between heartbeats, or until the next BootNotification where the station is not accepted.
    pub interval_s: u32,
}

/// The answer to BootNotification (OCPP 1.6 section 4.2, OCPP 2.0.1 B01).
pub fn boot(protocol: Protocol, reply: &BootReply) -> String {
    match protocol {
        Protocol::V16 => v16::boot_notification::reply(reply),
        Protocol::V201 => v201::boot_notification::reply(reply),
    }
}

/// The answer to Heartbeat: the time by our clock (OCPP 1.6 section 4.6, OCPP 2.0.1 G02).
pub fn heartbeat(protocol: Protocol, now: DateTime<Utc>) -> String {
    match protocol {
        Protocol::V16 => v16::heartbeat::reply(now),
        Protocol::V201 => v201::heartbeat_reply(now),
    }
}

/// The answer to Authorize (OCPP 1.6 section 4.1, OCPP 2.0.1 C01).
pub fn authorize(protocol: Protocol, tag: &TagAnswer) -> String {
    match protocol {
        Protocol::V16 => v16::authorize::reply(tag),
        Protocol::V201 => v201::authorize::reply(tag),
    }
}

/// The answer to an Authorize that shows a vehicle's contract certificate (OCPP 2.0.1 C07). `certificate` is the standard's
/// word for the certificate; `None`: nobody could judge it.
pub fn contract(tag: &TagAnswer, certificate: Option<&str>) -> String {
    v201::authorize::contract_reply(tag, certificate)
}

/// The answer to Get15118EVCertificate: what was found, or that nobody could be asked (OCPP 2.0.1 M01, M02).
pub fn ev_certificate(response: Option<&str>) -> String {
    v201::ev_certificate_reply(response)
}

/// The answer to GetCertificateStatus: what was found, or that nobody could be asked (OCPP 2.0.1 M06.FR.09).
pub fn certificate_status(result: Option<&str>) -> String {
    v201::certificate_status_reply(result)
}

/// The answer to a request that is taken on or not, such as SignCertificate.
pub fn accepted(is_accepted: bool) -> String {
    let status = if is_accepted { "Accepted" } else { "Rejected" };
    format!(r#"{{"status":"{status}"}}"#)
}

/// The answer to DataTransfer: no vendor's messages are known (OCPP 1.6 section 4.3, OCPP 2.0.1 P02).
pub fn unknown_vendor() -> String {
    r#"{"status":"UnknownVendorId"}"#.to_owned()
}

/// The answer to a message that wants none but that it was heard.
pub fn heard() -> String {
    "{}".to_owned()
}

/// The answer to StopTransaction; about the stopping card where the station named one (OCPP 1.6 section 4.10).
pub fn stopped(tag: Option<&TagAnswer>) -> String {
    v16::stop_transaction::reply(tag)
}

/// The answer to TransactionEvent; about the card that was shown with it, where one was (OCPP 2.0.1 E).
pub fn transaction_event(tag: Option<&TagAnswer>) -> String {
    v201::transaction_event::reply(tag)
}

/// The answer to a transaction message that tells of a card. It can be written again, should the card be refused before the
/// answer leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardReply {
    /// To StartTransaction, with the number of its session.
    Started(SessionId),
    /// To StopTransaction.
    Stopped,
    /// To TransactionEvent.
    TransactionEvent,
}

impl CardReply {
    /// The payload that tells so of the card.
    pub fn payload(self, tag: &TagAnswer) -> String {
        match self {
            Self::Started(session) => v16::start_transaction::reply(session, tag),
            Self::Stopped => stopped(Some(tag)),
            Self::TransactionEvent => transaction_event(Some(tag)),
        }
    }
}
