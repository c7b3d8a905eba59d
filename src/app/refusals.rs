//! Refused handshakes, for the operator to see: the newest ones, and a count of each reason.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};

/// Refused handshakes that are remembered; the oldest make room.
pub const REMEMBERED: usize = 1_000;

/// A refused handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandshakeRefusal {
    /// When.
    pub at: DateTime<Utc>,
    /// From where.
    pub peer: String,
    /// The identity that was claimed, cut to a printable length.
    pub station_id: String,
    /// The HTTP status that it was refused with.
    pub status: u16,
    /// Why.
    pub reason: &'static str,
}

/// The newest refusals.
#[derive(Debug, Default)]
pub struct RefusalLog {
    newest: Mutex<VecDeque<HandshakeRefusal>>,
}

impl RefusalLog {
    /// Remembers and counts one.
    pub fn note(&self, refusal: HandshakeRefusal) {
        metrics::counter!("juden_handshakes_refused_total", "reason" => refusal.reason).increment(1);
        tracing::warn!(station_id = %refusal.station_id, peer = %refusal.peer, reason = refusal.reason, "a station's handshake was refused");
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() == REMEMBERED {
            newest.pop_front();
        }
        newest.push_back(refusal);
    }

    /// The newest, at most `limit`, the newest first.
    pub fn newest(&self, limit: usize) -> Vec<HandshakeRefusal> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        newest.iter().rev().take(limit).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_refusal_makes_room_for_the_newest() {
        let log = RefusalLog::default();
        for n in 0..=REMEMBERED {
            log.note(HandshakeRefusal {
                at: DateTime::UNIX_EPOCH,
                peer: String::new(),
                station_id: n.to_string(),
                status: 404,
                reason: "unknown_station",
            });
        }
        let newest = log.newest(usize::MAX);
        assert_eq!(newest.len(), REMEMBERED);
        assert_eq!((newest[0].station_id.as_str(), newest[REMEMBERED - 1].station_id.as_str()), ("1000", "1"));
    }
}
