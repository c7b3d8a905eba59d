//! The services of a node, put together.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use juden_domain::display::Language;
use juden_domain::email::EmailRule;
use juden_domain::invoice::Issuer;
use juden_domain::programme::Programme;
use juden_domain::units::Yen;
use juden_store::Store;
use juden_store::ledger::TagHasher;

use crate::billing::{Billing, BillingRules, Closing};
use crate::calls::certificates::{StationAuthority, VehicleAuthority};
use crate::calls::{
    Authorities, Authorizations, Calls, Certificates, DisplayRules, Displays, EvCharging, Observed,
    Quotas, Reports, Transactions, displays,
};
use crate::cards::Cards;
use crate::changes::Changes;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::commands::Commands;
use crate::deliveries::Deliveries;
use crate::directory::{CardDirectory, Exposures, MonthUses, ProgrammeDirectory, StationDirectory};
use crate::export::Party;
use crate::health::Health;
use crate::ledger::Ledger;
use crate::members::{MemberRules, Members};
use crate::overdue::Overdue;
use crate::passwords::Passwords;
use crate::programme::ProgrammeChanges;
use crate::requests::Requests;
use crate::sessions::Sessions;
use crate::stations::refusals::RefusalLog;
use crate::stations::{AccessRules, Stations};

/// What the services are set to.
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

impl AppSettings {
    fn billing(&self) -> BillingRules {
        BillingRules {
            issuer: self.issuer.clone(),
            payment_due_days: self.payment_due_days,
            party: self.party.clone(),
            month_close: self.month_close,
        }
    }

    fn members(&self) -> MemberRules {
        MemberRules { email_rule: self.email_rule, confirm_over: self.confirm_over }
    }

    fn displays(&self) -> DisplayRules {
        DisplayRules { languages: self.display_languages.clone(), cost_update: self.cost_update }
    }

    fn authorities(&self) -> Authorities {
        Authorities {
            stations: self.authority.clone(),
            vehicles: self.vehicle_pki.clone(),
            organization: self.client_organization.clone(),
        }
    }
}

/// What the services stand on.
pub struct Parts {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// What time it is.
    pub clock: Arc<Clock>,
    /// Which node holds which station.
    pub cluster: Arc<dyn Cluster>,
    /// Which cards there are.
    pub cards: Arc<CardDirectory>,
    /// Which stations there are.
    pub stations: Arc<StationDirectory>,
    /// The programme's own history.
    pub programme: Arc<ProgrammeDirectory>,
    /// The durable ledger.
    pub ledger: Ledger,
    /// Which stations may remember which cards.
    pub exposures: Exposures,
    /// Members' use of a month.
    pub uses: MonthUses,
    /// The installation's secret.
    pub secret: String,
}

/// The services of a node. Whoever needs one asks for that one.
pub struct App {
    /// What time it is.
    pub clock: Arc<Clock>,
    /// Which node holds which station.
    pub cluster: Arc<dyn Cluster>,
    /// The programme's own history.
    pub programme: Arc<ProgrammeDirectory>,
    /// How the server stands.
    pub health: Arc<Health>,
    /// Keeps the API's requests.
    pub requests: Requests,
    /// Handshakes that were refused.
    pub refusals: RefusalLog,
    /// Which stations there are, and which of them are let in.
    pub stations: Arc<Stations>,
    /// Sends commands to stations.
    pub commands: Arc<Commands>,
    /// Tells stations of cards.
    pub deliveries: Arc<Deliveries>,
    /// Answers stations' calls.
    pub calls: Arc<Calls>,
    /// What drivers are shown.
    pub displays: Arc<Displays>,
    /// Changes cards.
    pub cards: Arc<Cards>,
    /// Admits members and changes what is known of them.
    pub members: Members,
    /// Changes the programme itself.
    pub programme_changes: ProgrammeChanges,
    /// Draws up and shows bills.
    pub billing: Arc<Billing>,
    /// Closes months and cuts final invoices.
    pub closing: Arc<Closing>,
    /// Shows and corrects sessions.
    pub sessions: Sessions,
    /// Ends sessions that are over by what the clock shows.
    pub overdue: Arc<Overdue>,
    /// This server's own names, beside addresses and names without dots.
    pub host_names: Vec<String>,
}

impl App {
    /// Puts the services together.
    pub fn new(parts: Parts, settings: AppSettings) -> Self {
        let Parts {
            store,
            clock,
            cluster,
            cards,
            stations,
            programme,
            ledger,
            exposures,
            uses,
            secret,
        } = parts;
        let passwords = Passwords::new(&secret);
        let access = AccessRules {
            min_security_profile: settings.min_security_profile,
            client_organization: settings.client_organization.clone(),
        };
        let health = Arc::new(Health::new(store.clone(), clock.clone()));
        let stations = Arc::new(Stations {
            store: store.clone(),
            clock: clock.clone(),
            cluster: cluster.clone(),
            directory: stations,
            cards: cards.clone(),
            passwords: passwords.clone(),
            deviations: Default::default(),
            rules: access,
        });
        let commands =
            Arc::new(Commands::new(stations.clone(), cards.clone(), ledger.clone(), exposures));
        let deliveries = Arc::new(Deliveries::new(commands.clone(), programme.clone()));
        let changes = Arc::new(Changes::new(deliveries.clone()));
        let billing = Arc::new(Billing::new(
            store.clone(),
            clock.clone(),
            programme.clone(),
            settings.billing(),
        ));
        let overdue = Arc::new(Overdue::new(commands.clone()));
        let closing = Arc::new(Closing::new(
            billing.clone(),
            overdue.clone(),
            deliveries.clone(),
            health.clone(),
        ));
        let displays = Arc::new(Displays::new(commands.clone(), uses.clone(), settings.displays()));
        let ground = CallsGround {
            programme: programme.clone(),
            cards,
            ledger: ledger.clone(),
            health: health.clone(),
            deliveries: deliveries.clone(),
            displays: displays.clone(),
            overdue: overdue.clone(),
            hasher: TagHasher::new(&secret),
        };
        let calls = ground.calls(
            settings.authorities(),
            settings.card_cache_for,
            settings.heartbeat_interval_s,
        );
        Self {
            requests: Requests::new(store.clone(), clock.clone()),
            refusals: RefusalLog::default(),
            calls: Arc::new(calls),
            cards: Arc::new(Cards::new(changes.clone(), passwords, settings.remote_stop_on_lost)),
            members: Members::new(changes, closing.clone(), settings.members()),
            programme_changes: ProgrammeChanges::new(
                store,
                clock.clone(),
                cluster.clone(),
                programme.clone(),
            ),
            sessions: Sessions::new(
                billing.clone(),
                stations.clone(),
                ledger,
                uses,
                settings.confirm_over,
            ),
            host_names: settings.host_names,
            clock,
            cluster,
            programme,
            health,
            stations,
            commands,
            deliveries,
            displays,
            billing,
            closing,
            overdue,
        }
    }

    /// The instant that it is now.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// The programme as it stands.
    pub fn programme(&self) -> Arc<Programme> {
        self.programme.current()
    }
}

/// What the services of stations' calls stand on.
struct CallsGround {
    programme: Arc<ProgrammeDirectory>,
    cards: Arc<CardDirectory>,
    ledger: Ledger,
    health: Arc<Health>,
    deliveries: Arc<Deliveries>,
    displays: Arc<Displays>,
    overdue: Arc<Overdue>,
    hasher: TagHasher,
}

impl CallsGround {
    /// Puts the services of stations' calls together.
    fn calls(
        self,
        authorities: Authorities,
        cache_for: TimeDelta,
        heartbeat_interval_s: u32,
    ) -> Calls {
        let Self { programme, cards, ledger, health, deliveries, displays, overdue, hasher } = self;
        let commands = deliveries.commands.clone();
        let (store, clock) = (commands.store.clone(), commands.clock.clone());
        let stations = commands.stations.clone();
        let (observed, quotas) = (Arc::new(Observed::default()), Arc::new(Quotas::default()));
        let authorizations = Arc::new(Authorizations {
            clock: clock.clone(),
            programme: programme.clone(),
            cards,
            ledger: ledger.clone(),
            commands: commands.clone(),
            quotas: quotas.clone(),
            hasher,
            cache_for,
        });
        let transactions = Transactions {
            ledger: ledger.clone(),
            stations: stations.clone(),
            observed: observed.clone(),
            quotas: quotas.clone(),
            authorizations: authorizations.clone(),
            displays: displays.clone(),
            overdue: overdue.clone(),
            displayed: displays::remembered(),
        };
        let reports = Arc::new(Reports::new(
            clock.clone(),
            ledger.clone(),
            commands.clone(),
            observed,
            quotas,
            heartbeat_interval_s,
        ));
        let certificates = Arc::new(Certificates::new(commands.clone(), authorities));
        let ev_charging = Arc::new(EvCharging::new(store.clone(), clock.clone(), commands.clone()));
        Calls {
            health: health.clone(),
            clock: clock.clone(),
            deliveries: deliveries.clone(),
            authorizations,
            transactions,
            reports,
            certificates,
            ev_charging,
        }
    }
}
