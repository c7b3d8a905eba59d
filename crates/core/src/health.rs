//! How the server stands: whether the store takes writes, whether the clock can be believed, whether months are closed.
//! Readiness, metrics and alarms tell it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use juden_store::Store;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::error::Done;

/// How often the store is tried out, and for how long what came of it is believed.
const TRIED_EVERY: Duration = Duration::from_secs(1);
const BELIEVED_FOR: Duration = Duration::from_secs(10);

/// How far the store may lie ahead of the clock: clocks of several nodes differ by less.
const AHEAD_MAX_S: i64 = 60;

/// The meta value up to which somebody said that the clock is right although the store lies ahead of it.
const TRUSTED: &str = "clock_trusted_until";

/// How the server stands.
pub struct Health {
    store: Arc<dyn Store>,
    clock: Arc<Clock>,
    stands: Mutex<Option<(Instant, Result<(), String>)>>,
    months: Mutex<Option<String>>,
    /// The newest instant that the store holds, where that lies ahead of the clock.
    ahead: Mutex<Option<DateTime<Utc>>>,
}

fn locked<T>(of: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Health {
    /// Nothing is known yet.
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>) -> Self {
        Self {
            store,
            clock,
            stands: Mutex::default(),
            months: Mutex::default(),
            ahead: Mutex::default(),
        }
    }

    /// Why the last automatic close of a month failed, where it did.
    pub fn months(&self) -> Result<(), String> {
        locked(&self.months).clone().map_or(Ok(()), Err)
    }

    /// Keeps what came of looking whether months are to be closed.
    pub fn months_were_looked_at(&self, failure: Option<String>) {
        metrics::gauge!("juden_month_close_failed").set(if failure.is_some() { 1.0 } else { 0.0 });
        *locked(&self.months) = failure;
    }

    /// The newest instant of the store that the clock has not come to, where stations are not served because of that.
    pub fn clock_in_doubt(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut ahead = locked(&self.ahead);
        let newest = (*ahead)?;
        if newest <= now + TimeDelta::seconds(AHEAD_MAX_S) {
            *ahead = None;
            info!("the clock has come to what the store holds: stations are served");
        }
        *ahead
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric is a float")]
fn seconds(delta: TimeDelta) -> f64 {
    delta.num_seconds() as f64
}

impl Health {
    /// Holds the clock against what the store holds. One that lies ahead was written while a clock was wrong, or is another
    /// machine's: then no station is served until somebody says that the clock is right, or the clock has come there.
    pub async fn look_at_clock(&self) -> Done<()> {
        if self.clock.is_simulated() {
            return Ok(());
        }
        let now = self.clock.now();
        let Some(newest) = self.store.newest_instant().await? else { return Ok(()) };
        let trusted =
            self.store.meta(TRUSTED).await?.and_then(|text| text.parse::<DateTime<Utc>>().ok());
        if newest <= now + TimeDelta::seconds(AHEAD_MAX_S)
            || trusted.is_some_and(|trusted| newest <= trusted)
        {
            return Ok(());
        }
        warn!(%now, %newest, "THE STORE LIES AHEAD OF THIS MACHINE'S CLOCK: stations are not served until the clock is put right, or POST /api/v1/clock/trust says that it is");
        *locked(&self.ahead) = Some(newest);
        Ok(())
    }

    /// Records a person's word that the clock is right although the store holds a later instant. Stations are served
    /// from then on.
    pub async fn trust_clock(&self) -> Done<()> {
        if let Some(newest) = self.store.newest_instant().await? {
            self.store.set_meta(TRUSTED, &newest.to_rfc3339()).await?;
        }
        *locked(&self.ahead) = None;
        info!("somebody said that the clock is right: stations are served");
        Ok(())
    }

    /// Whether the store answers and takes writes, as it was tried out last.
    pub async fn store_stands(&self) -> Result<(), String> {
        let last = locked(&self.stands).clone();
        match last {
            Some((at, stands)) if at.elapsed() < BELIEVED_FOR => stands,
            _ => self.try_store().await,
        }
    }

    async fn try_store(&self) -> Result<(), String> {
        let stands = self.store.ping().await.map_err(|cause| cause.to_string());
        metrics::gauge!("juden_store_writable").set(if stands.is_ok() { 1.0 } else { 0.0 });
        let before = locked(&self.stands).replace((Instant::now(), stands.clone()));
        let stood = before.is_none_or(|(_, stood)| stood.is_ok());
        match &stands {
            Err(cause) if stood => {
                warn!(%cause, "the store does not take writes: stations' messages wait");
            }
            Ok(()) if !stood => info!("the store takes writes again"),
            _ => {}
        }
        stands
    }

    /// Tries the store out now and then, for as long as it is polled.
    pub async fn keep_trying_store(self: &Arc<Self>) {
        loop {
            let _ = self.try_store().await;
            let now = self.clock.now();
            let ahead = self.clock_in_doubt(now).map_or(0.0, |newest| seconds(newest - now));
            metrics::gauge!("juden_store_ahead_seconds").set(ahead);
            tokio::time::sleep(TRIED_EVERY).await;
        }
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
