//! The use cases, one file each: load facts, ask the domain, commit once, answer.

pub mod access;
pub mod accounts;
pub mod activation;
mod audit;
pub mod benefits;
pub mod bills;
pub mod blocking;
pub mod capabilities;
pub mod cards;
pub mod certificates;
pub mod changes;
pub mod commands;
mod connections;
pub mod corrections;
mod credentials;
pub mod details;
pub mod display;
pub mod effects;
pub mod endings;
pub mod entries;
mod error;
mod ev_charging;
pub mod events;
mod exchanges;
pub mod exports;
pub mod health;
pub mod invoices;
mod listing;
pub mod members;
pub mod months;
pub mod observed;
pub mod oddities;
pub mod onboarding;
pub mod once;
mod overdue;
mod own_lists;
pub mod passwords;
pub mod plans;
pub mod programme;
pub mod provision;
mod quirks;
pub mod quotas;
pub mod refusals;
mod remote_starts;
pub mod sessions;
mod sites;
pub mod stations;
pub mod telling;
pub mod verification;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

pub use error::{AppError, Done};
// Records that the use cases give and take.
pub use juden_store::blocks::Delivery;
pub use juden_store::exchanges::{KeptReport, KeptVariable, ReportFilter, SentCommand};
pub use juden_store::records::AuditEntry;
pub use juden_store::sites::{ListChange, ListChanged, ListedStation};
pub use juden_store::{JournalEntry, JournalFilter, KeptAnswer, KeptEvent, Once, Page, SessionFilter};

use self::certificates::{StationAuthority, VehicleAuthority};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::directory::{CardDirectory, Exposures, MonthUses, ProgrammeDirectory, StationDirectory};
use crate::export::Party;
use crate::ledger::Ledger;
use juden_domain::display::Language;
use juden_domain::email::EmailRule;
use juden_domain::ids::{SessionId, SessionRef, StationId};
use juden_domain::invoice::Issuer;
use juden_domain::programme::Programme;
use juden_domain::session::Session;
use juden_domain::units::Yen;
use juden_store::Store;
use juden_store::ledger::TagHasher;

/// What the use cases are set to.
#[derive(Debug, Clone)]
pub struct AppSettings {
    /// Seconds between a station's heartbeats.
    pub heartbeat_interval_s: u32,
    /// How long a station may believe an accepted card without asking.
    pub card_cache_for: TimeDelta,
    /// The lowest security profile that is let in.
    pub min_security_profile: u8,
    /// The organization that stations' certificates must name; empty: any.
    pub client_organization: String,
    /// The day of the following month on which a month is closed, and the time of that day in
    /// Japan; `None`: by hand.
    pub month_close: Option<(u32, chrono::NaiveTime)>,
    /// Days from an invoice's issue until it is due.
    pub payment_due_days: u64,
    /// Who signs stations' certificates, where anybody does.
    pub authority: Option<Arc<dyn StationAuthority>>,
    /// Who answers for vehicles' certificates, where anybody does.
    pub vehicle_pki: Option<Arc<dyn VehicleAuthority>>,
    /// The languages of what drivers are shown, in order; empty: nothing is shown.
    pub display_languages: Vec<Language>,
    /// Between messages that tell a running session's cost; `None`: none are sent.
    pub cost_update: Option<Duration>,
    /// This server's own names, beside addresses and names without dots.
    pub host_names: Vec<String>,
    /// Which addresses of members are taken.
    pub email_rule: EmailRule,
    /// Who issues the invoices.
    pub issuer: Issuer,
    /// Corrections and entries above this sum count once a second person confirmed them.
    pub confirm_over: Yen,
    /// Who issues charge records; `None`: nobody is named.
    pub party: Option<Party>,
    /// Whether running sessions of a card that is reported lost are stopped.
    pub remote_stop_on_lost: bool,
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
    /// Held while a station is told what to come with, by station.
    pub telling_credentials: dashmap::DashMap<StationId, Arc<tokio::sync::Mutex<()>>>,
    /// What was observed of stations beside what is kept.
    pub observed: observed::Observed,
    /// What stations sent beside the standard.
    pub oddities: oddities::Oddities,
    /// What steps of transactions were answered with what their drivers are shown, by station and a hash of their payload.
    pub displayed: moka::sync::Cache<(StationId, String), String>,
    /// Sessions whose costs are being told to their chargers, or were not answered lately.
    pub costs_told: moka::sync::Cache<(StationId, SessionRef), ()>,
    /// How the server stands.
    pub health: health::Health,
    /// Sessions whose stations were asked whether they go on.
    pub asked_whether_ongoing: moka::sync::Cache<SessionId, bool>,
    /// Transactions whose steps are missing and whose stations are to be asked.
    pub steps_awaited: moka::sync::Cache<SessionId, Arc<Session>>,
    /// How much of what stations send is kept.
    pub quotas: quotas::Quotas,
    /// Hashes what readers read.
    pub hasher: TagHasher,
    /// Stations that were asked for their boot message by this node.
    pub asked_to_boot: dashmap::DashSet<StationId>,
    /// Stations whose certificate is being signed.
    pub signing: dashmap::DashSet<StationId>,
    /// The durable ledger.
    pub ledger: Ledger,
    /// Which node holds which station.
    pub cluster: Arc<dyn Cluster>,
    /// The programme's own history.
    pub programme: Arc<ProgrammeDirectory>,
    /// Hashing of passwords and codes.
    pub passwords: passwords::Passwords,
    /// Handshakes that were refused.
    pub refusals: refusals::RefusalLog,
    /// Members' use of a month, for what drivers are shown.
    pub uses: MonthUses,
    /// Which stations may remember which cards.
    pub exposures: Exposures,
    /// How stations learn of blocked cards.
    pub telling: telling::Telling,
    /// How it is set.
    pub settings: AppSettings,
    /// A member or card is changed by one request at a time.
    pub changing: changes::Turns,
    /// Months are closed one at a time.
    pub closing: tokio::sync::Mutex<()>,
    /// Codes are tried one at a time for a member, so that none is tried before the last failure was counted.
    pub activating: changes::Turns,
    /// The same for a card, by whichever members. It is taken before a member's.
    pub activating_cards: changes::Turns,
}

impl App {
    /// The instant that it is now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The programme as it stands.
    pub fn programme(&self) -> Arc<Programme> {
        self.programme.current()
    }
}
