//! What the services' unit tests stand on: an embedded store of their own, a clock that stands, and the services over them.

use std::sync::Arc;

use chrono::TimeDelta;
use juden_domain::email::EmailRule;
use juden_domain::ids::StationId;
use juden_domain::invoice::Issuer;
use juden_domain::station::{ChargerClass, ConnectorSite};
use juden_domain::tariff::TariffBook;
use juden_domain::units::Yen;
use juden_store::ledger::TagHasher;
use juden_store::sqlite::SqliteStore;
use juden_store::{NodeRun, Store};
use tempfile::TempDir;

use crate::app::{App, AppSettings, Parts};
use crate::clock::Clock;
use crate::cluster::{LocalCluster, LocalConnections};
use crate::directory::{
    CardDirectory, Exposures, MonthUses, ProgrammeDirectory, StationDirectory, Trust,
};
use crate::ledger::{self, Ledger, LedgerParts};
use crate::stations::registry::StationDraft;

/// An embedded store with its schema; it is gone with the folder.
pub struct Ground {
    pub store: Arc<dyn Store>,
    pub clock: Arc<Clock>,
    _folder: TempDir,
}

impl Ground {
    /// One whose clock stands at an instant.
    pub async fn at(now: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("juden.db").display());
        let store = SqliteStore::open(&url).await.unwrap();
        store.migrate(&url).await.unwrap();
        let clock = Arc::new(Clock::standing(now.parse().unwrap()));
        Self { store: Arc::new(store), clock, _folder: folder }
    }

    /// The services over it, without tariffs and without an issuer.
    pub async fn app(&self) -> App {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let connections = Arc::new(LocalConnections::default());
        let cluster =
            Arc::new(LocalCluster::new("test".into(), NodeRun("run".into()), connections));
        let cards = Arc::new(CardDirectory::new(store.clone(), clock.clone(), Trust::always()));
        let tariffs = Arc::new(TariffBook::default());
        let programme = ProgrammeDirectory::new(store.clone(), tariffs).await.unwrap();
        let programme = Arc::new(programme);
        let uses = MonthUses::new(store.clone(), programme.clone(), false);
        let (exposures, (ledger, queue)) = (Exposures::default(), Ledger::new());
        let parts = LedgerParts {
            store: store.clone(),
            cards: cards.clone(),
            programme: programme.clone(),
            cluster: cluster.clone(),
            exposures: exposures.clone(),
            cache_for: TimeDelta::hours(24),
            hasher: TagHasher::new("secret"),
            uses: uses.clone(),
        };
        tokio::spawn(ledger::run(parts, queue));
        let stations = Arc::new(StationDirectory::new(store.clone()));
        let secret = "secret".to_owned();
        let parts = Parts {
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
        };
        App::new(parts, settings())
    }
}

fn settings() -> AppSettings {
    AppSettings {
        heartbeat_interval_s: 300,
        card_cache_for: TimeDelta::hours(24),
        min_security_profile: 0,
        client_organization: String::new(),
        month_close: None,
        payment_due_days: 30,
        authority: None,
        vehicle_pki: None,
        display_languages: Vec::new(),
        cost_update: None,
        host_names: Vec::new(),
        email_rule: EmailRule::Strict,
        issuer: Issuer::default(),
        confirm_over: Yen::whole(10_000),
        party: None,
        remote_stop_on_lost: false,
    }
}

/// A station's identity.
pub fn station_id(text: &str) -> StationId {
    StationId::parse(text).unwrap()
}

/// What an operator registers: one quick connector.
pub fn station_draft() -> StationDraft {
    let site = ConnectorSite {
        charger_class: ChargerClass::Quick,
        power_w: Some(50_000),
        session_cap_min: None,
    };
    StationDraft {
        site: Some("Yokohama".into()),
        connectors: Some(vec![(1, site, None)]),
        ..StationDraft::default()
    }
}
