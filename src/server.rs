//! A running server: the rooms put together over a store.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::app::changes::Turns;
use crate::app::{App, access, passwords::Passwords, refusals::RefusalLog};
use crate::clock::Clock;
use crate::cluster::LocalCluster;
use crate::config::Config;
use crate::directory::{CardDirectory, ProgrammeDirectory, StationDirectory};
use crate::domain::month::BillingMonth;
use crate::domain::tariff::TariffBook;
use crate::export::Format;
use crate::export::files::ExportFile;
use crate::http::{self, Api};
use crate::ledger::{self, Ledger, LedgerParts};
use crate::link::{self, Link};
use crate::store::Store;
use crate::telemetry;

/// How long a stop may take: then what is left is cut off.
const STOP_WITHIN: Duration = Duration::from_secs(9);

/// What the API's requests under way may take to end.
const API_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// A shorter operator's key is warned of.
const ADMIN_KEY_SHORT: usize = 16;

/// A server that runs.
pub struct Server {
    /// The use cases.
    pub app: Arc<App>,
    /// Where stations connect.
    pub ocpp: Option<SocketAddr>,
    /// Where the API is.
    pub http: SocketAddr,
    /// The operator's key, where it was made just now.
    pub made_admin_key: Option<String>,
    stop: watch::Sender<bool>,
    link: JoinHandle<()>,
    api: JoinHandle<()>,
    writer: JoinHandle<()>,
    looking: JoinHandle<()>,
}

/// Reads the tariffs that a configuration names; every fault, where there is one.
pub fn tariffs(config: &Config) -> Result<TariffBook, Vec<String>> {
    match &config.tariffs {
        Some(folder) => crate::tariff_files::load(folder),
        None => crate::tariff_files::built_in(),
    }
}

/// The clock that a configuration names.
pub fn clock(config: &Config) -> Arc<Clock> {
    Arc::new(match config.simulated_clock {
        Some(start) => {
            warn!(%start, "THE CLOCK IS SIMULATED: times and bills are not real");
            Clock::simulated(start)
        }
        None => Clock::System,
    })
}

/// The use cases over a store, and the ledger's writer. For one node.
pub async fn assemble(
    config: &Config,
    store: Arc<dyn Store>,
    tariffs: TariffBook,
    clock: Arc<Clock>,
) -> anyhow::Result<(Arc<App>, Arc<LocalCluster>, JoinHandle<()>)> {
    let node = config.node_id.clone().unwrap_or_else(|| format!("{}-{}", host_name(), access::random_suffix()));
    let cluster = Arc::new(LocalCluster::new(node));
    let cards = Arc::new(CardDirectory::new(store.clone()));
    let programme = Arc::new(ProgrammeDirectory::new(store.clone(), Arc::new(tariffs)).await?);
    let (ledger, queue) = Ledger::new();
    let parts = LedgerParts {
        store: store.clone(),
        cards: cards.clone(),
        programme: programme.clone(),
        cluster: cluster.clone(),
        cache_for: config.app.card_cache_for,
    };
    let writer = tokio::spawn(ledger::run(parts, queue));
    let secret = access::installation_secret(store.as_ref()).await?;
    let app = App {
        stations: Arc::new(StationDirectory::new(store.clone())),
        cards,
        clock,
        ledger,
        cluster: cluster.clone(),
        programme,
        passwords: Passwords::new(&secret),
        refusals: RefusalLog::default(),
        settings: config.app.clone(),
        changing: Turns::default(),
        closing: tokio::sync::Mutex::new(()),
        activating: tokio::sync::Mutex::new(()),
        store,
    };
    Ok((Arc::new(app), cluster, writer))
}

/// Writes a closed month's export into a folder; the paths of the file and its manifest.
pub async fn write_export(app: &App, folder: &Path, month: BillingMonth, format: Format) -> anyhow::Result<[PathBuf; 2]> {
    let mut export = app.export(month, format).await?;
    let mut file = ExportFile::begin(folder, month, format)?;
    while let Some(piece) = export.next().await? {
        file.write(&piece)?;
    }
    Ok(file.finish(&export.tally)?)
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "node".to_owned() } else { name.to_owned() }
}

impl Server {
    /// Starts a server.
    pub async fn start(config: &Config, store: Arc<dyn Store>, tariffs: TariffBook, clock: Arc<Clock>) -> anyhow::Result<Self> {
        let metrics = telemetry::start_metrics();
        if config.admin_key.as_ref().is_some_and(|key| key.chars().count() < ADMIN_KEY_SHORT) {
            warn!("the operator's API key is short: one of {ADMIN_KEY_SHORT} characters or more cannot be guessed");
        }
        let made_admin_key = access::set_admin_key(store.as_ref(), config.admin_key.as_deref()).await?;
        let admin_key_hash = access::admin_key_hash(store.as_ref()).await?;
        let (app, cluster, writer) = assemble(config, store, tariffs, clock).await?;
        let (stop, stopped) = watch::channel(false);

        let http_listener = listen("http-listen", config.http_listen).await?;
        let http = http_listener.local_addr()?;
        let api = Arc::new(Api::new(app.clone(), admin_key_hash, metrics));
        let api_stop = stopped.clone();
        let api = tokio::spawn(async move {
            if let Err(cause) = http::serve(api, http_listener, api_stop).await {
                warn!(%cause, "the API has ended");
            }
        });

        let (ocpp, link) = match config.ocpp_listen {
            None => (None, tokio::spawn(async {})),
            Some(address) => {
                let listener = listen("ocpp-listen", address).await?;
                let address = listener.local_addr()?;
                let link = Arc::new(Link::new(app.clone(), cluster, config.link.clone()));
                (Some(address), tokio::spawn(link::serve(link, listener, stopped)))
            }
        };
        let looking = tokio::spawn({
            let app = app.clone();
            async move { app.keep_looking().await }
        });
        info!(%http, ?ocpp, node = app.cluster.nodes().first(), "juden serves");
        Ok(Self { app, ocpp, http, made_admin_key, stop, link, api, writer, looking })
    }

    /// Stops: no new connections, calls under way are answered once durable, then everything ends.
    pub async fn stop(mut self) {
        info!("juden stops");
        let _ = self.stop.send(true);
        self.looking.abort();
        let ended = tokio::time::timeout(STOP_WITHIN, async {
            let _ = self.link.await;
            if tokio::time::timeout(API_ENDS_WITHIN, &mut self.api).await.is_err() {
                self.api.abort();
            }
            drop(self.app);
            let _ = self.writer.await;
        });
        if ended.await.is_err() {
            warn!("some connections did not end in time and were cut off; nothing that was confirmed is lost");
        }
    }
}

async fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{key}: cannot listen on {address}: another program may have the port; name another address"))
}
