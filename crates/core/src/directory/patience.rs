//! Patience with a store that is slow or away for a moment: who waits for an answer at a charger waits, and is not told that
//! it failed.

use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use juden_store::StoreError;

/// How long a station's message waits for the store in all. A station waits 30 s, and a connection that ends 8 s.
const WITHIN: Duration = Duration::from_secs(7);

/// Pauses between tries: the first, doubled up to the last.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LAST: Duration = Duration::from_secs(1);

/// How long a message has waited for the store.
pub struct Patience {
    what: &'static str,
    began: Instant,
    pause: Duration,
}

impl Patience {
    /// Of a message that waits for this from now on.
    pub fn new(what: &'static str) -> Self {
        Self { what, began: Instant::now(), pause: PAUSE_FIRST }
    }

    /// Whether to read again after a failure, once this has returned: where it may help, for a bounded time.
    pub async fn lasts(&mut self, cause: &StoreError) -> bool {
        if !cause.is_transient() || self.began.elapsed() + self.pause >= WITHIN {
            return false;
        }
        metrics::counter!("juden_reads_repeated_total", "what" => self.what).increment(1);
        if self.pause == PAUSE_FIRST {
            warn!(%cause, what = self.what, "the store does not answer; a station's message waits for it");
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_LAST);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_fails_for_a_moment_is_read_again_for_a_bounded_time_and_what_fails_for_good_is_not()
     {
        let away = StoreError::Failed(sqlx::Error::PoolTimedOut);
        assert!(Patience::new("card").lasts(&away).await);
        let mut spent = Patience { began: Instant::now() - WITHIN, ..Patience::new("card") };
        assert!(!spent.lasts(&away).await);
        assert!(!Patience::new("card").lasts(&StoreError::Unreadable("card")).await);
    }
}
