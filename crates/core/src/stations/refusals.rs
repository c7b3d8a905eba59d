//! Refused handshakes, for the operator to see: the newest ones, and a count of each reason.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use moka::sync::Cache;

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

/// Of one reason and address the first refusal within this time is a line of the log; how many such are remembered.
const TOLD_EVERY: Duration = Duration::from_secs(60);
const TOLD_MAX: u64 = 10_000;

/// The newest refusals.
#[derive(Debug)]
pub struct RefusalLog {
    newest: Mutex<VecDeque<HandshakeRefusal>>,
    told: Cache<(&'static str, String), ()>,
    untold: AtomicU64,
}

impl Default for RefusalLog {
    fn default() -> Self {
        let told = Cache::builder().max_capacity(TOLD_MAX).time_to_live(TOLD_EVERY).build();
        Self { newest: Mutex::default(), told, untold: AtomicU64::new(0) }
    }
}

impl RefusalLog {
    /// Remembers and counts one. Of many alike only the first is a line: who is refused again and again does not fill the disk.
    pub fn note(&self, refusal: HandshakeRefusal) {
        metrics::counter!("juden_handshakes_refused_total", "reason" => refusal.reason)
            .increment(1);
        if self.is_told(&refusal) {
            let untold = self.untold.swap(0, Ordering::Relaxed);
            tracing::warn!(station_id = %refusal.station_id, peer = %refusal.peer, reason = refusal.reason, untold,
                "a station's handshake was refused; further ones from there are counted for a minute");
        } else {
            self.untold.fetch_add(1, Ordering::Relaxed);
        }
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if newest.len() == REMEMBERED {
            newest.pop_front();
        }
        newest.push_back(refusal);
    }

    /// Whether a refusal is the first of its reason and address for some time.
    fn is_told(&self, refusal: &HandshakeRefusal) -> bool {
        let address =
            refusal.peer.rsplit_once(':').map_or(refusal.peer.as_str(), |(address, _)| address);
        self.told.entry((refusal.reason, address.to_owned())).or_insert(()).is_fresh()
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
        assert_eq!(
            (newest[0].station_id.as_str(), newest[REMEMBERED - 1].station_id.as_str()),
            ("1000", "1")
        );
    }

    #[test]
    fn of_many_refusals_alike_the_first_is_told() {
        let log = RefusalLog::default();
        let refusal = |peer: &str, reason| HandshakeRefusal {
            at: DateTime::UNIX_EPOCH,
            peer: peer.into(),
            station_id: "CP1".into(),
            status: 401,
            reason,
        };
        assert!(log.is_told(&refusal("192.0.2.1:5", "password")));
        assert!(
            !log.is_told(&refusal("192.0.2.1:6", "password")),
            "another port of the same address"
        );
        assert!(
            log.is_told(&refusal("192.0.2.2:5", "password"))
                && log.is_told(&refusal("192.0.2.1:5", "protocol"))
        );
    }
}
