//! When a node may answer from its memory, and when the answers that it gave from it have all left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::CardDirectory;

/// Whether a node's memory may be answered from: for a moment after it was heard that nothing changed. Counted
/// by the machine's own clock, which goes on while the process is stopped.
#[derive(Debug, Clone)]
pub struct Trust {
    since: Instant,
    until_ms: Arc<AtomicU64>,
}

impl Trust {
    /// A node that shares its store with nobody hears of every change: its memory is always right.
    pub fn always() -> Self {
        Self { since: Instant::now(), until_ms: Arc::new(AtomicU64::new(u64::MAX)) }
    }

    /// A node that has heard nothing yet.
    pub fn none_yet() -> Self {
        Self { since: Instant::now(), until_ms: Arc::new(AtomicU64::new(0)) }
    }

    /// All changes up to `asked_at` are known: the memory holds for as long after it.
    pub fn extend(&self, asked_at: Instant, lasts: Duration) {
        let until = asked_at.saturating_duration_since(self.since) + lasts;
        self.until_ms
            .fetch_max(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    /// Whether the memory may be answered from now.
    pub fn holds(&self) -> bool {
        let until = self.until_ms.load(Ordering::SeqCst);
        until == u64::MAX
            || u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX) < until
    }
}

/// Answers that are being made and sent. Who changed something waits until those that may not have seen it
/// have left; what begins later is not waited for.
#[derive(Debug, Default)]
pub struct Answers {
    epoch: AtomicUsize,
    under_way: [AtomicUsize; 2],
    left: Notify,
    turn: tokio::sync::Mutex<()>,
}

/// An answer under way.
pub struct Answering {
    cards: Arc<CardDirectory>,
    epoch: usize,
}

impl Answering {
    /// Begins an answer.
    pub fn begin(cards: &Arc<CardDirectory>) -> Self {
        let kept = &cards.answers;
        loop {
            let epoch = kept.epoch.load(Ordering::SeqCst) & 1;
            kept.under_way[epoch].fetch_add(1, Ordering::SeqCst);
            if kept.epoch.load(Ordering::SeqCst) & 1 == epoch {
                return Self { cards: cards.clone(), epoch };
            }
            kept.ended(epoch);
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.cards.answers.ended(self.epoch);
    }
}

impl Answers {
    fn ended(&self, epoch: usize) {
        if self.under_way[epoch].fetch_sub(1, Ordering::SeqCst) == 1 {
            self.left.notify_waiters();
        }
    }

    /// Waits until every answer that was under way has left. `false`: some did not within the time.
    pub async fn settled(&self, within: Duration) -> bool {
        tokio::time::timeout(within, async {
            let _turn = self.turn.lock().await;
            let before = self.epoch.fetch_add(1, Ordering::SeqCst) & 1;
            loop {
                let left = self.left.notified();
                if self.under_way[before].load(Ordering::SeqCst) == 0 {
                    return;
                }
                left.await;
            }
        })
        .await
        .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_trusted_for_as_long_after_the_question_as_is_said_and_no_longer() {
        let trust = Trust::none_yet();
        assert!(!trust.holds());
        trust.extend(Instant::now(), Duration::from_secs(60));
        assert!(trust.holds());
        let past = Trust::none_yet();
        past.extend(past.since, Duration::ZERO);
        assert!(!past.holds());
        assert!(Trust::always().holds());
    }
}
