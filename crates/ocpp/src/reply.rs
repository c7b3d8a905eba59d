//! Answers to stations' messages: one function for each kind of answer, so that a message cannot
//! get an answer of another kind. A function takes the version where the versions differ.

use chrono::{DateTime, Utc};

use super::event::TagAnswer;
use super::protocol::Protocol;
use super::{v16, v201};
use juden_domain::ids::SessionId;
use juden_domain::station::Registration;

/// The answer to BootNotification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootReply {
    /// The registration status: accepted, pending or rejected.
    pub registration: Registration,
    /// The server's time.
    pub now: DateTime<Utc>,
    /// Seconds between heartbeats, or until the next BootNotification where the station is not
    /// accepted.
    pub interval_s: u32,
}

/// The answer to BootNotification (OCPP 1.6 section 4.2, OCPP 2.0.1 B01).
pub fn boot(protocol: Protocol, reply: &BootReply) -> String {
    match protocol {
        Protocol::V16 => v16::boot_notification::reply(reply),
        Protocol::V201 => v201::boot_notification::reply(reply),
    }
}

/// The answer to Heartbeat: the server's time (OCPP 1.6 section 4.6, OCPP 2.0.1 G02).
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

/// The answer to an Authorize with a vehicle's contract certificate (OCPP 2.0.1 C07). `certificate`
/// is the certificateStatus; `None`: the certificate was not checked.
pub fn contract(tag: &TagAnswer, certificate: Option<&str>) -> String {
    v201::authorize::contract_reply(tag, certificate)
}

/// The answer to Get15118EVCertificate (OCPP 2.0.1 M01, M02). `None`: there is no response, and the
/// status is Failed.
pub fn ev_certificate(response: Option<&str>) -> String {
    v201::ev_certificate_reply(response)
}

/// The answer to GetCertificateStatus (OCPP 2.0.1 M06.FR.09). `None`: there is no result, and the
/// status is Failed.
pub fn certificate_status(result: Option<&str>) -> String {
    v201::certificate_status_reply(result)
}

/// The answer to a request with the status Accepted or Rejected, such as SignCertificate.
pub fn accepted(is_accepted: bool) -> String {
    let status = if is_accepted { "Accepted" } else { "Rejected" };
    format!(r#"{{"status":"{status}"}}"#)
}

/// The answer to DataTransfer: UnknownVendorId, because no vendor's messages are supported (OCPP
/// 1.6 section 4.3, OCPP 2.0.1 P02).
pub fn unknown_vendor() -> String {
    r#"{"status":"UnknownVendorId"}"#.to_owned()
}

/// The empty answer, for messages that need only an acknowledgement.
pub fn heard() -> String {
    "{}".to_owned()
}

/// The answer to StopTransaction, with idTagInfo if the station named the stopping card (OCPP 1.6
/// section 4.10).
pub fn stopped(tag: Option<&TagAnswer>) -> String {
    v16::stop_transaction::reply(tag)
}

/// The answer to TransactionEvent, with idTokenInfo if a card was shown with it (OCPP 2.0.1 E).
pub fn transaction_event(tag: Option<&TagAnswer>) -> String {
    v201::transaction_event::reply(tag)
}

/// The kind of an answer to a transaction message that reports on a card. The answer is written
/// again if the card is refused before the answer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardReply {
    /// To StartTransaction, with its session's number as transactionId.
    Started(SessionId),
    /// To StopTransaction.
    Stopped,
    /// To TransactionEvent.
    TransactionEvent,
}

impl CardReply {
    /// The answer's payload with this information on the card.
    pub fn payload(self, tag: &TagAnswer) -> String {
        match self {
            Self::Started(session) => v16::start_transaction::reply(session, tag),
            Self::Stopped => stopped(Some(tag)),
            Self::TransactionEvent => transaction_event(Some(tag)),
        }
    }
}
