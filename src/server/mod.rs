//! A running server: the layers assembled over a store.

mod nodes;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};
use uuid::Uuid;

use self::nodes::NodeParts;
use crate::config::Config;
use crate::http::{self, Api};
use crate::link::tls::Tls;
use crate::link::{self, Link};
use crate::telemetry;
use juden_core::app::{App, Parts};
use juden_core::clock::Clock;
use juden_core::cluster::{Cluster, LocalCluster, LocalConnections, SharedCluster};
use juden_core::directory::{
    CardDirectory, Exposures, Memories, MonthUses, ProgrammeDirectory, StationDirectory, Trust,
};
use juden_core::export::Format;
use juden_core::export::files::ExportFile;
use juden_core::ledger::{self, Ledger, LedgerParts};
use juden_core::stations::access;
use juden_domain::month::BillingMonth;
use juden_domain::tariff::TariffBook;
use juden_store::ledger::TagHasher;
use juden_store::nodes::NodeStore;
use juden_store::{NodeRun, Store};

/// The longest time of a stop. After it, the remaining connections are cut off.
const STOP_WITHIN: Duration = Duration::from_secs(9);

/// The time for the API's running requests to end.
const API_ENDS_WITHIN: Duration = Duration::from_secs(2);

/// The length in characters below which an operator's key causes a warning.
const ADMIN_KEY_SHORT: usize = 16;

/// A running server.
pub struct Server {
    /// The use cases.
    pub app: Arc<App>,
    /// The address of the plain listener for stations.
    pub ocpp: Option<SocketAddr>,
    /// The address of the TLS listener for stations.
    pub ocpp_tls: Option<SocketAddr>,
    /// The address of the API.
    pub http: SocketAddr,
    /// The operator's key, if it was made at this start.
    pub made_admin_key: Option<String>,
    stop: watch::Sender<bool>,
    link: JoinHandle<()>,
    api: JoinHandle<()>,
    writer: JoinHandle<()>,
    looking: JoinHandle<()>,
    node: Option<Arc<SharedCluster>>,
    pulse: Option<JoinHandle<()>>,
}

/// Reads the tariffs that the settings name, or returns every fault.
pub fn tariffs(config: &Config) -> Result<TariffBook, Vec<String>> {
    match &config.tariffs {
        Some(folder) => crate::tariff_files::load(folder),
        None => crate::tariff_files::built_in(),
    }
}

/// The clock that the settings name: the system's or a simulated one.
pub fn clock(config: &Config) -> Arc<Clock> {
    Arc::new(match config.simulated_clock {
        Some(start) => {
            warn!(%start, "THE CLOCK IS SIMULATED: times and bills are not real");
            Clock::simulated(start)
        }
        None => Clock::system(),
    })
}

/// The layers assembled over a store, without listeners.
pub struct Assembled {
    /// The use cases.
    pub app: Arc<App>,
    seats: Arc<LocalConnections>,
    writer: JoinHandle<()>,
    node: Option<Arc<SharedCluster>>,
}

/// Assembles the use cases and the ledger's writer over a store. `nodes` is the data of nodes that
/// share the store, if several may.
pub fn assemble(
    config: &Config,
    store: Arc<dyn Store>,
    nodes: Option<Arc<dyn NodeStore>>,
    tariffs: TariffBook,
    clock: Arc<Clock>,
) -> BoxFuture<'_, anyhow::Result<Assembled>> {
    Box::pin(assembled(config, store, nodes, tariffs, clock))
}

async fn assembled(
    config: &Config,
    store: Arc<dyn Store>,
    nodes: Option<Arc<dyn NodeStore>>,
    tariffs: TariffBook,
    clock: Arc<Clock>,
) -> anyhow::Result<Assembled> {
    let name = config
        .node_id
        .clone()
        .unwrap_or_else(|| format!("{}-{}", host_name(), access::random_suffix()));
    let run = NodeRun(Uuid::new_v4().to_string());
    let seats = Arc::new(LocalConnections::default());
    let trust = if nodes.is_some() { Trust::none_yet() } else { Trust::always() };
    let cards = Arc::new(CardDirectory::new(store.clone(), clock.clone(), trust));
    let stations = Arc::new(StationDirectory::new(store.clone()));
    let programme = Arc::new(ProgrammeDirectory::new(store.clone(), Arc::new(tariffs)).await?);
    let secret = access::installation_secret(store.as_ref()).await?;
    let node = match nodes {
        None => {
            if config.redis_url.is_some() {
                warn!(
                    "redis-url is not used: an embedded store has one node; nodes share a postgres:// store (database-url)"
                );
            }
            None
        }
        Some(nodes) => {
            let memory = Arc::new(Memories {
                cards: cards.clone(),
                stations: stations.clone(),
                programme: programme.clone(),
            });
            Some(
                nodes::join(
                    config,
                    nodes,
                    &secret,
                    NodeParts {
                        name: name.clone(),
                        run: run.clone(),
                        seats: seats.clone(),
                        memory,
                        clock: clock.clone(),
                    },
                )
                .await?,
            )
        }
    };
    let cluster: Arc<dyn Cluster> = match &node {
        Some(node) => node.clone(),
        None => Arc::new(LocalCluster::new(name, run, seats.clone())),
    };
    let exposures = Exposures::default();
    let uses = MonthUses::new(store.clone(), programme.clone(), node.is_some());
    let hasher = TagHasher::new(&secret);
    let (ledger, queue) = Ledger::new();
    let parts = LedgerParts {
        store: store.clone(),
        cards: cards.clone(),
        programme: programme.clone(),
        cluster: cluster.clone(),
        exposures: exposures.clone(),
        cache_for: config.app.card_cache_for,
        hasher: hasher.clone(),
        uses: uses.clone(),
    };
    let writer = tokio::spawn(ledger::run(parts, queue));
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
    let app = App::new(parts, config.app.clone());
    Ok(Assembled { app: Arc::new(app), seats, writer, node })
}

/// Writes a closed month's export into a folder, and returns the paths of the file and its
/// manifest.
pub fn write_export<'a>(
    app: &'a App,
    folder: &'a Path,
    month: BillingMonth,
    format: Format,
) -> BoxFuture<'a, anyhow::Result<[PathBuf; 2]>> {
    Box::pin(written(app, folder, month, format))
}

async fn written(
    app: &App,
    folder: &Path,
    month: BillingMonth,
    format: Format,
) -> anyhow::Result<[PathBuf; 2]> {
    let mut export = app.billing.export(month, format).await?;
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
    /// Starts a server. Its future is boxed, so that the server's code is compiled here, and not
    /// once more in each program and test that starts one.
    pub fn start(
        config: &Config,
        store: Arc<dyn Store>,
        nodes: Option<Arc<dyn NodeStore>>,
        tariffs: TariffBook,
        clock: Arc<Clock>,
    ) -> BoxFuture<'_, anyhow::Result<Self>> {
        Box::pin(Self::started(config, store, nodes, tariffs, clock))
    }

    async fn started(
        config: &Config,
        store: Arc<dyn Store>,
        nodes: Option<Arc<dyn NodeStore>>,
        tariffs: TariffBook,
        clock: Arc<Clock>,
    ) -> anyhow::Result<Self> {
        let metrics = telemetry::start_metrics();
        if config.admin_key.as_ref().is_some_and(|key| key.chars().count() < ADMIN_KEY_SHORT) {
            warn!(
                "the operator's API key is short: one of {ADMIN_KEY_SHORT} characters or more cannot be guessed"
            );
        }
        let (admin_key, made_admin_key) =
            access::AdminKey::set(store.as_ref(), config.admin_key.as_deref()).await?;
        let Assembled { app, seats, writer, node } =
            assemble(config, store, nodes, tariffs, clock).await?;
        let (stop, stopped) = watch::channel(false);

        let http_listener = listen("http-listen", config.http_listen).await?;
        let http = http_listener.local_addr()?;
        app.health.look_at_clock().await?;
        let upkeep = metrics.clone();
        let api = Arc::new(Api::new(app.clone(), admin_key, metrics));
        let api_stop = stopped.clone();
        let api = tokio::spawn(async move {
            http::serve(api, http_listener, api_stop).await;
        });

        let link = Arc::new(Link::new(app.clone(), seats, config.link.clone()));
        let plain = match config.ocpp_listen {
            Some(address) => Some(listen("ocpp-listen", address).await?),
            None => None,
        };
        let over_tls = match &config.ocpp_tls {
            Some((address, files)) => Some((
                listen("ocpp-tls-listen", *address).await?,
                Arc::new(Tls::read(files.clone())?),
            )),
            None => None,
        };
        let ocpp = plain.as_ref().map(TcpListener::local_addr).transpose()?;
        let ocpp_tls = over_tls.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?;
        let link = tokio::spawn(serve_stations(link, plain, over_tls, stopped));
        let pulse = node.clone().map(|node| tokio::spawn(node.run_until_dropped()));
        let looking = tokio::spawn({
            let app = app.clone();
            async move {
                let looks = async {
                    tokio::join!(app.closing.keep_looking(), app.deliveries.keep_looking_at_cards())
                };
                let tells = async {
                    tokio::join!(app.deliveries.keep_telling(), app.displays.keep_telling_costs())
                };
                tokio::join!(
                    looks,
                    tells,
                    app.health.keep_trying_store(),
                    app.clock.keep_watching(),
                    telemetry::keep_up(upkeep)
                );
            }
        });
        info!(%http, ?ocpp, ?ocpp_tls, node = app.cluster.node(), "juden serves");
        Ok(Self {
            app,
            ocpp,
            ocpp_tls,
            http,
            made_admin_key,
            stop,
            link,
            api,
            writer,
            looking,
            node,
            pulse,
        })
    }

    /// Stops the server: no new connections are accepted, calls in progress are answered once
    /// durable, then everything ends.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(self.stopped())
    }

    async fn stopped(mut self) {
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
            // The node leaves last, because the writer's last batches still belong to its run.
            if let Some(node) = self.node {
                node.leave().await;
            }
        });
        if ended.await.is_err() {
            warn!(
                "some connections did not end in time and were cut off; nothing that was confirmed is lost"
            );
        }
        if let Some(pulse) = self.pulse {
            pulse.abort();
        }
    }
}

/// Serves stations on each configured listener, until all have ended.
async fn serve_stations(
    link: Arc<Link>,
    plain: Option<TcpListener>,
    over_tls: Option<(TcpListener, Arc<Tls>)>,
    stopped: watch::Receiver<bool>,
) {
    let plain = async {
        if let Some(listener) = plain {
            link::serve(link.clone(), listener, None, stopped.clone()).await;
        }
    };
    let over_tls = async {
        if let Some((listener, tls)) = over_tls {
            let served = link::serve(link.clone(), listener, Some(tls.clone()), stopped.clone());
            tokio::select! {
                () = served => {}
                () = tls.keep_current() => {}
            }
        }
    };
    tokio::join!(plain, over_tls);
}

async fn listen(key: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{key}: cannot listen on {address}: another program may have the port; name another address"))
}
