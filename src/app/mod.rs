//! The use cases, one file each: load facts, ask the domain, commit once, answer.

pub mod access;
pub mod bills;
pub mod cards;
pub mod commands;
mod error;
pub mod events;
pub mod members;
pub mod months;
pub mod onboarding;
pub mod passwords;
pub mod refusals;
pub mod sessions;
pub mod stations;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

pub use error::{AppError, Done};

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::directory::{CardDirectory, StationDirectory};
use crate::domain::tariff::TariffBook;
use crate::ledger::Ledger;
use crate::store::Store;

/// What the use cases are set to.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// Seconds between a station's heartbeats.
    pub heartbeat_interval_s: u32,
    /// How long a station may believe an accepted card without asking.
    pub card_cache_for: TimeDelta,
    /// The lowest security profile that is let in.
    pub min_security_profile: u8,
    /// The day of the following month on which a month is closed, and the time of that day in
    /// Japan; `None`: by hand.
    pub month_close: Option<(u32, chrono::NaiveTime)>,
}

/// Everything that the use cases work with.
pub struct App {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<Clock>,
    /// Which cards there are.
    pub cards: Arc<CardDirectory>,
    /// Which stations there are.
    pub stations: Arc<StationDirectory>,
    /// The durable ledger.
    pub ledger: Ledger,
    /// Which node holds which station.
    pub cluster: Arc<dyn Cluster>,
    /// What things cost.
    pub tariffs: Arc<TariffBook>,
    /// Hashing of passwords and codes.
    pub passwords: passwords::Passwords,
    /// Handshakes that were refused.
    pub refusals: refusals::RefusalLog,
    /// How it is set.
    pub settings: AppSettings,
    /// Months are closed one at a time.
    pub closing: tokio::sync::Mutex<()>,
    /// Codes are tried one at a time, so that none is tried before the last failure was counted.
    pub activating: tokio::sync::Mutex<()>,
}

impl App {
    /// The instant that it is now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}
