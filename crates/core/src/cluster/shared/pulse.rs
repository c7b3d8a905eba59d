//! A node's pulse: it shows the store that it lives, and hears what changed. What it remembers may be answered
//! from for a moment after each.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tracing::{info, warn};

use super::{SILENT_MS, SharedCluster};
use crate::cluster::TRUSTED_FOR;
use juden_store::nodes::Pulse;

/// Between pulses.
const EVERY: Duration = Duration::from_millis(200);

/// A pulse may take so long; it could extend no trust any more.
const WITHIN: Duration = Duration::from_secs(2);

/// Nodes that were silent for so long are forgotten.
const FORGET_MS: i64 = 60_000;

impl SharedCluster {
    pub(super) async fn keep_pulse(self: Arc<Self>) {
        let mut fails = false;
        loop {
            let asked_at = Instant::now();
            let applied = self.settled.load(Ordering::SeqCst);
            let heard = self.heard.load(Ordering::SeqCst);
            let pulse = tokio::time::timeout(
                WITHIN,
                self.store.pulse(&self.me, heard, applied, self.clock.now(), FORGET_MS),
            )
            .await;
            let is_news = match pulse {
                Ok(Ok(pulse)) => {
                    if fails {
                        info!("the store answers again");
                    }
                    fails = false;
                    self.hear(pulse, asked_at).await
                }
                failed => {
                    if !fails {
                        let cause = failed.map_or_else(
                            |_| "it took too long".to_owned(),
                            |result| result.err().map_or(String::new(), |cause| cause.to_string()),
                        );
                        warn!(
                            cause,
                            "the store does not answer this node: cards are asked of it one by one until it does"
                        );
                    }
                    fails = true;
                    false
                }
            };
            metrics::histogram!("juden_pulse_seconds").record(asked_at.elapsed().as_secs_f64());
            // What was heard is told at once: someone may wait for it.
            if !is_news {
                let _ = tokio::time::timeout(EVERY, self.nudge.notified()).await;
            }
        }
    }

    /// Applies what a pulse brought. Whether anything changed.
    async fn hear(&self, pulse: Pulse, asked_at: Instant) -> bool {
        self.clock.follow(pulse.now, asked_at);
        self.clock.not_before(pulse.furthest_clock);
        let live = pulse
            .nodes
            .iter()
            .filter(|node| node.silent_ms < SILENT_MS)
            .map(|node| (node.run.clone(), node.name.clone()))
            .collect();
        *self.live.write().unwrap_or_else(std::sync::PoisonError::into_inner) = live;
        let heard = self.heard.load(Ordering::SeqCst);
        let applied = if pulse.missed {
            self.memory.forget_everything().await
        } else {
            pulse.changes.is_empty() || self.memory.apply(&pulse.changes).await
        };
        if !applied {
            return false;
        }
        self.heard.store(pulse.last, Ordering::SeqCst);
        self.memory.is_right_as_of(asked_at);
        if pulse.last == heard {
            return false;
        }
        // Others are told once the answers from before have left; meanwhile the pulse goes on.
        let (memory, settled) = (self.memory.clone(), self.settled.clone());
        let done = tokio::spawn(async move {
            memory.settled().await;
            settled.fetch_max(pulse.last, Ordering::SeqCst);
        });
        let _ = tokio::time::timeout(EVERY, done).await;
        true
    }

    /// The pulse comes at once.
    pub(super) fn pulse_now(&self) {
        self.nudge.notify_one();
    }
}

/// When a node that was silent for so long trusts its memory no longer.
pub fn lapses_in(silent_ms: i64) -> Duration {
    let left =
        TimeDelta::from_std(TRUSTED_FOR).unwrap_or_default() - TimeDelta::milliseconds(silent_ms);
    left.to_std().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_nodes_trust_lapses_a_second_after_it_was_last_heard() {
        assert_eq!(lapses_in(0), Duration::from_secs(1));
        assert_eq!(lapses_in(400), Duration::from_millis(600));
        assert_eq!(lapses_in(5_000), Duration::ZERO);
    }
}
