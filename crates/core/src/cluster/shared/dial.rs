//! Ways to Redis: one server, a Redis Cluster, or one that Sentinels name; with and without TLS.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, Pipeline, RedisFuture,
    RedisResult, TlsCertificates, TlsMode, Value,
};
use tokio::sync::Mutex;

/// What connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_millis(1_000);

/// What the spellings of a URL are, for whoever wrote another.
pub const URLS: &str = "redis://[USER:PASSWORD@]HOST:PORT[/DB], redis+cluster://[USER:PASSWORD@]HOST:PORT,HOST:PORT,… or \
    redis+sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT,…/SERVICE[/DB]; rediss… for TLS";

/// Where Redis is, and how it is spoken to.
pub enum RedisEndpoint {
    /// One server.
    Single(Box<Client>),
    /// A Redis Cluster.
    Cluster(ManyServersUrl, Option<TlsCertificates>),
    /// The master that Sentinels name.
    Sentinel(Box<Mutex<SentinelClient>>),
}

/// A connection, of whichever kind.
#[derive(Clone)]
pub enum Conn {
    /// To one server.
    Single(MultiplexedConnection),
    /// To a Redis Cluster.
    Cluster(ClusterConnection),
}

impl ConnectionLike for Conn {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        match self {
            Self::Single(conn) => conn.req_packed_command(cmd),
            Self::Cluster(conn) => conn.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(conn) => conn.req_packed_commands(pipeline, offset, count),
            Self::Cluster(conn) => conn.req_packed_commands(pipeline, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        match self {
            Self::Single(conn) => conn.get_db(),
            Self::Cluster(conn) => conn.get_db(),
        }
    }
}

/// The parts of a URL that names several servers: hosts with ports, and what follows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManyServersUrl {
    tls: bool,
    user: Option<String>,
    password: Option<String>,
    servers: Vec<(String, u16)>,
    path: Vec<String>,
}

/// Reads what follows `redis+KIND://`. `None`: it is not spelt like one.
fn several(rest: &str, tls: bool) -> Option<ManyServersUrl> {
    let (credentials, rest) = match rest.rsplit_once('@') {
        Some((credentials, rest)) => (Some(credentials), rest),
        None => (None, rest),
    };
    let decoded = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8()
            .ok()
            .map(std::borrow::Cow::into_owned)
    };
    let (user, password) = match credentials.map(|text| text.split_once(':').unwrap_or((text, "")))
    {
        None => (None, None),
        Some((user, password)) => {
            (Some(decoded(user)?).filter(|user| !user.is_empty()), Some(decoded(password)?))
        }
    };
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let server = |text: &str| {
        let (host, port) = text.rsplit_once(':')?;
        Some((host.to_owned(), port.parse().ok()?))
    };
    let servers = hosts.split(',').map(server).collect::<Option<Vec<_>>>()?;
    let path = path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    Some(ManyServersUrl { tls, user, password, servers, path })
}

fn address((host, port): (String, u16), tls: bool) -> ConnectionAddr {
    if tls {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

impl RedisEndpoint {
    /// The way that a URL names. `ca`: certificates that sign the server's, PEM; else the system's.
    pub fn of(url: &str, ca: Option<Vec<u8>>) -> Result<Self, String> {
        let certificates = ca.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        let wrong = |()| format!("it must be {URLS}");
        let spelt = |prefix: &str| {
            let plain = url.strip_prefix(&format!("redis+{prefix}://")).map(|rest| (rest, false));
            plain.or_else(|| {
                url.strip_prefix(&format!("rediss+{prefix}://")).map(|rest| (rest, true))
            })
        };
        if let Some((rest, tls)) = spelt("cluster") {
            return Ok(Self::Cluster(several(rest, tls).ok_or(()).map_err(wrong)?, certificates));
        }
        if let Some((rest, tls)) = spelt("sentinel") {
            return Self::sentinel(several(rest, tls).ok_or(()).map_err(wrong)?, certificates);
        }
        if !url.starts_with("redis://") && !url.starts_with("rediss://") {
            return Err(wrong(()));
        }
        let info =
            url.into_connection_info().map_err(|cause| format!("{cause}; it must be {URLS}"))?;
        let client = match certificates {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        };
        Ok(Self::Single(Box::new(client.map_err(|cause| cause.to_string())?)))
    }

    fn sentinel(
        named: ManyServersUrl,
        certificates: Option<TlsCertificates>,
    ) -> Result<Self, String> {
        let Some(service) = named.path.first().cloned() else {
            return Err(format!(
                "the service that the Sentinels watch is not named; it must be {URLS}"
            ));
        };
        let addresses: Vec<ConnectionAddr> =
            named.servers.into_iter().map(|server| address(server, named.tls)).collect();
        let told = |cause: redis::RedisError| cause.to_string();
        let mut builder =
            SentinelClientBuilder::new(addresses, service, SentinelServerType::Master)
                .map_err(told)?;
        if named.tls {
            builder = builder
                .set_client_to_redis_tls_mode(TlsMode::Secure)
                .set_client_to_sentinel_tls_mode(TlsMode::Secure);
        }
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates);
        }
        if let Some(user) = named.user {
            builder = builder.set_client_to_redis_username(user);
        }
        if let Some(password) = named.password.filter(|password| !password.is_empty()) {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(db) = named.path.get(1) {
            builder =
                builder
                    .set_client_to_redis_db(db.parse().map_err(|_| {
                        format!("the database must be a number; it must be {URLS}")
                    })?);
        }
        Ok(Self::Sentinel(Box::new(Mutex::new(builder.build().map_err(told)?))))
    }

    /// A new connection, on which a command may take so long.
    pub async fn connect(&self, answers_within: Duration) -> RedisResult<Conn> {
        let config = || {
            AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_WITHIN))
                .set_response_timeout(Some(answers_within))
        };
        let connecting = async {
            match self {
                Self::Single(client) => client
                    .get_multiplexed_async_connection_with_config(&config())
                    .await
                    .map(Conn::Single),
                Self::Cluster(named, certificates) => {
                    redis_cluster_client(named, certificates.clone(), answers_within)?
                        .get_async_connection()
                        .await
                        .map(Conn::Cluster)
                }
                Self::Sentinel(client) => client
                    .lock()
                    .await
                    .get_async_connection_with_config(&config())
                    .await
                    .map(Conn::Single),
            }
        };
        // Finding a Cluster's or a Sentinel's master takes several connections.
        match tokio::time::timeout(CONNECT_WITHIN * 3, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }
}

fn redis_cluster_client(
    named: &ManyServersUrl,
    certificates: Option<TlsCertificates>,
    answers_within: Duration,
) -> RedisResult<ClusterClient> {
    let scheme = if named.tls { "rediss" } else { "redis" };
    let mut builder = ClusterClient::builder(
        named.servers.iter().map(|(host, port)| format!("{scheme}://{host}:{port}")),
    );
    if let Some(password) = named.password.as_deref().filter(|password| !password.is_empty()) {
        builder = builder.password(password);
    }
    if let Some(user) = &named.user {
        builder = builder.username(user);
    }
    if named.tls {
        builder = builder.tls(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder.certs(certificates);
    }
    builder.retries(1).connection_timeout(CONNECT_WITHIN).response_timeout(answers_within).build()
}

#[cfg(test)]
#[path = "dial_tests.rs"]
mod tests;
