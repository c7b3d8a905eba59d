//! Joins a node to the others that share its store.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use tracing::info;

use crate::config::Config;
use juden_core::clock::Clock;
use juden_core::cluster::shared::{Bus, Keys, Parts, RedisEndpoint, SILENT_MS};
use juden_core::cluster::{LocalConnections, Memory, SharedCluster};
use juden_domain::hex;
use juden_store::NodeRun;
use juden_store::nodes::{Joined, NewNode, NodeStore};
use juden_store::open::shown;

/// The longest wait of a node for its name. The name of a killed node is free after some seconds.
const NAME_WAIT: Duration = Duration::from_secs(6);

/// The time between tries.
const NAME_RETRY: Duration = Duration::from_millis(250);

/// Characters of the installation's name in Redis.
const INSTALLATION_LETTERS: usize = 16;

/// The parts of a node that joins.
pub struct NodeParts {
    /// The node's name.
    pub name: String,
    /// The node's run.
    pub run: NodeRun,
    /// The node's connections of stations.
    pub seats: Arc<LocalConnections>,
    /// The cards, stations and programme that the node has in memory.
    pub memory: Arc<dyn Memory>,
    /// The node's clock.
    pub clock: Arc<Clock>,
}

/// Joins the nodes of a store. `secret` is the installation's secret, which all of its nodes share.
pub async fn join(
    config: &Config,
    store: Arc<dyn NodeStore>,
    secret: &str,
    parts: NodeParts,
) -> anyhow::Result<Arc<SharedCluster>> {
    let bus = match &config.redis_url {
        None => None,
        Some(url) => Some(bus(config, url, secret).await?),
    };
    let me = NewNode { name: parts.name, run: parts.run, is_linked: bus.is_some() };
    let joined_at = take_name(store.as_ref(), &me).await?;
    info!(node = me.name, change = joined_at, "the node has joined");
    Ok(SharedCluster::new(Parts {
        me,
        seats: parts.seats,
        store,
        memory: parts.memory,
        clock: parts.clock,
        bus,
        call_timeout: config.link.call_timeout,
        joined_at,
    }))
}

/// Connects to Redis. It must answer at the start, so that a wrong address or password is reported.
/// Later it may be unavailable.
async fn bus(config: &Config, url: &str, secret: &str) -> anyhow::Result<Bus> {
    let ca = match &config.redis_ca {
        None => None,
        Some(file) => Some(
            std::fs::read(file)
                .with_context(|| format!("redis-ca: cannot read {}", file.display()))?,
        ),
    };
    // All crates must use the same TLS implementation. A second start in one process keeps the
    // first.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let dial = RedisEndpoint::of(url, ca).map_err(|cause| anyhow::anyhow!("redis-url: {cause}"))?;
    let installation = hex::sha256(format!("installation|{secret}").as_bytes());
    let bus = Bus::new(
        dial,
        Keys::of(installation.get(..INSTALLATION_LETTERS).unwrap_or(&installation)),
        secret,
    );
    if let Err(cause) = bus.try_out().await {
        bail!(
            "redis-url: Redis at {} cannot be used: {cause}; check address, user, password and TLS",
            shown(url)
        );
    }
    Ok(bus)
}

async fn take_name(store: &dyn NodeStore, me: &NewNode) -> anyhow::Result<i64> {
    let began = std::time::Instant::now();
    loop {
        match store.join(me, SILENT_MS).await? {
            Joined::At(change) => return Ok(change),
            Joined::NameTaken(_) | Joined::NotLinked(_) if began.elapsed() < NAME_WAIT => {
                tokio::time::sleep(NAME_RETRY).await;
            }
            Joined::NameTaken(silent_ms) => {
                bail!(
                    "node-id: a node called {:?} is alive ({silent_ms} ms ago it was heard): give this one another name",
                    me.name
                )
            }
            Joined::NotLinked(other) => bail!(
                "redis-url: the node {other:?} shares this database: nodes that share one need the same Redis, each of them (redis-url)"
            ),
        }
    }
}
