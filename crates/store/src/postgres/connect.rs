//! Connections to the PostgreSQL server: the settings of each pool, and the errors of opening.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{Connection, Row};

use crate::schema::SchemaError;

/// The oldest server version that has the features which the statements use.
const OLDEST_SERVER: i32 = 150_000;

/// The URL's parameter for the number of the API's connections. The other pools have fixed sizes.
const CONNECTIONS: &str = "juden_connections";
const CONNECTIONS_USUAL: u32 = 8;

/// The URL's parameter that accepts a server without durable commits: `none`, for tests.
const DURABILITY: &str = "juden_durability";

/// Connections for queries that stations' messages wait for.
const MESSAGES_CONNECTIONS: u32 = 4;

/// The longest wait for the server when the store is opened.
const PROBE_WITHIN: Duration = Duration::from_secs(5);

/// The longest wait of a call for a free connection.
const ACQUIRE_WITHIN: Duration = Duration::from_secs(3);

/// The longest wait of a turn for a connection. After it, the caller gets an error.
const TURN_WITHIN: Duration = Duration::from_secs(30);

/// A connection that was idle for longer is tested before use.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Settings of every connection. They end the locks of a frozen or disconnected node within
/// seconds.
const SETTINGS: [(&str, &str); 5] = [
    ("default_transaction_isolation", "read committed"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "11000"),
];

/// The longest idle time within a transaction. Turns are held outside transactions, so it does not
/// end them.
const IDLE_IN_TRANSACTION: (&str, &str) = ("idle_in_transaction_session_timeout", "2s");

/// The ledger's statements look up a few rows by index each. With these settings the plan does not
/// depend on the tables' statistics, and is made once per connection.
const BY_INDEX: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
    ("plan_cache_mode", "force_generic_plan"),
];

/// The error of opening the store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL cannot be read.
    #[error(
        "cannot read the database's URL {url}: {cause}; write it as postgres://USER:PASSWORD@HOST:PORT/DATABASE, and / ? # @ : in a password as %2F %3F %23 %40 %3A"
    )]
    Url {
        /// The URL without its password.
        url: String,
        /// The cause.
        cause: String,
    },
    /// The server does not answer.
    #[error(
        "cannot reach the database server of {url}: {cause}; check host and port, and that the server runs and takes connections"
    )]
    Unreachable {
        /// The URL without its password.
        url: String,
        /// The cause.
        cause: String,
    },
    /// The server refuses the user.
    #[error(
        "the database server of {url} refuses the user: {cause}; check user and password, and the server's pg_hba.conf"
    )]
    Refused {
        /// The URL without its password.
        url: String,
        /// The cause.
        cause: String,
    },
    /// There is no such database.
    #[error("there is no database {url}: create it, for example with createdb, and start again")]
    Missing {
        /// The URL without its password.
        url: String,
    },
    /// The server accepts no writes.
    #[error(
        "the database server of {url} takes no writes, it is a standby or read only: name the primary one"
    )]
    ReadOnly {
        /// The URL without its password.
        url: String,
    },
    /// The server may lose commits that it confirmed.
    #[error(
        "the database server of {url} may lose what it confirmed: its {setting} is off, and a station deletes a message once it is confirmed; set {setting} = on and restart it"
    )]
    NotDurable {
        /// The URL without its password.
        url: String,
        /// The server's setting that is off.
        setting: &'static str,
    },
    /// The server is too old.
    #[error("the database server of {url} is PostgreSQL {version}: it must be 15 or newer")]
    Old {
        /// The URL without its password.
        url: String,
        /// The server's version.
        version: String,
    },
    /// The schema is too new.
    #[error(
        "the schema of {url} is at {at} and needs a juden that knows schema {needs} or later; this one knows {known}: start a newer juden"
    )]
    Newer {
        /// The URL without its password.
        url: String,
        /// The schema version of the database.
        at: i64,
        /// The schema version that a program must know to work with it.
        needs: i64,
        /// The newest schema version that this program knows.
        known: i64,
    },
    /// The schema is older than the program.
    #[error(
        "the schema of {url} is not up to date: run `juden migrate`, or start without --no-migrate"
    )]
    Outdated {
        /// The URL without its password.
        url: String,
    },
    /// The schema cannot be brought up to date.
    #[error(
        "cannot bring the schema of {url} up to date: {cause}; the user must own the database's schema"
    )]
    Migrate {
        /// The URL without its password.
        url: String,
        /// The cause.
        cause: sqlx::migrate::MigrateError,
    },
}

/// The parameters that a URL may have. Others are refused and never shown, because a misspelt one
/// may hold a password.
const PARAMETERS: [&str; 14] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "application_name",
    "statement-cache-capacity",
    "protocol",
    CONNECTIONS,
    DURABILITY,
];

/// A URL without its password, even if it is malformed. Anything before the last `@` may be a
/// password.
pub fn shown(url: &str) -> String {
    let (plain, parameters) = url.split_once('?').unwrap_or((url, ""));
    let begins = plain
        .find("://")
        .map(|place| place + 3)
        .or_else(|| plain.find('/').map(|place| place + 1))
        .unwrap_or(0);
    let (scheme, rest) = plain.split_at(begins);
    let rest = match rest.rsplit_once('@') {
        Some((user, host)) => format!("{}@{host}", user.split(':').next().unwrap_or_default()),
        // An `@` after the question mark: the password may hold a question mark.
        None if parameters.contains('@') && rest.contains(':') => {
            return format!("{scheme}(hidden)");
        }
        None => rest.to_owned(),
    };
    let is_shown =
        |parameter: &&str| PARAMETERS.contains(&parameter.split('=').next().unwrap_or_default());
    let told: Vec<&str> = parameters.split('&').filter(is_shown).collect();
    if told.is_empty() {
        format!("{scheme}{rest}")
    } else {
        format!("{scheme}{rest}?{}", told.join("&"))
    }
}

/// The opening error for a schema that does not fit the program.
pub fn unreadable(url: &str, cause: SchemaError) -> OpenError {
    let url = shown(url);
    match cause {
        SchemaError::Outdated => OpenError::Outdated { url },
        SchemaError::Newer(at, needs) => OpenError::Newer {
            url,
            at,
            needs,
            known: crate::schema::Schema::newest(&super::migrations()),
        },
    }
}

/// A server's connection options, and the number of the API's connections.
pub struct Server {
    options: PgConnectOptions,
    connections: u32,
    /// Whether a server without durable commits is accepted, as in tests.
    may_lose: bool,
}

/// The server that a URL names.
pub fn server(url: &str) -> Result<Server, OpenError> {
    let failed = |cause: String| OpenError::Url { url: shown(url), cause };
    let (plain, parameters) = url.split_once('?').unwrap_or((url, ""));
    let mut connections = CONNECTIONS_USUAL;
    let mut may_lose = false;
    let mut rest = Vec::new();
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some((CONNECTIONS, count)) => {
                let count = count.parse().ok().filter(|count| (1..=1000).contains(count));
                connections =
                    count.ok_or_else(|| failed(format!("{CONNECTIONS} must be 1 to 1000")))?;
            }
            Some((DURABILITY, "none")) => may_lose = true,
            Some((DURABILITY, _)) => {
                return Err(failed(format!("{DURABILITY} must be none, or left out")));
            }
            Some(("password", _)) => rest.push(parameter),
            other => {
                let name = other.map_or(parameter, |(name, _)| name);
                if !PARAMETERS.contains(&name) {
                    return Err(failed(format!(
                        "there is no parameter {name:?}; there are password, {}",
                        PARAMETERS.join(", ")
                    )));
                }
                rest.push(parameter);
            }
        }
    }
    let url =
        if rest.is_empty() { plain.to_owned() } else { format!("{plain}?{}", rest.join("&")) };
    let options = PgConnectOptions::from_str(&url).map_err(|cause| failed(cause.to_string()))?;
    let options = options.application_name("juden").options(SETTINGS);
    Ok(Server { options, connections, may_lose })
}

impl Server {
    fn pool(&self, connections: u32, settings: &[(&str, &str)]) -> PgPool {
        let options = self.options.clone().options(settings.iter().copied());
        PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(ACQUIRE_WITHIN)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for < TRUSTED_FOR {
                        return Ok(true);
                    }
                    Ok(connection.ping().await.is_ok())
                })
            })
            .connect_lazy_with(options)
    }

    /// The ledger's pool: one connection writes, the other asks whether a batch was committed.
    pub fn write_pool(&self) -> PgPool {
        let settings = [IDLE_IN_TRANSACTION, ("statement_timeout", "10s")];
        self.pool(2, &[&settings[..], &BY_INDEX].concat())
    }

    /// The pool for queries that stations' messages wait for.
    pub fn messages_pool(&self) -> PgPool {
        self.pool(MESSAGES_CONNECTIONS, &[IDLE_IN_TRANSACTION, ("statement_timeout", "10s")])
    }

    /// The API's pool.
    pub fn api_pool(&self) -> PgPool {
        self.pool(self.connections, &[IDLE_IN_TRANSACTION, ("statement_timeout", "30s")])
    }

    /// A pool for turns. Each connection is closed with its turn.
    pub fn turns_pool(&self) -> PgPool {
        let options = PgPoolOptions::new()
            .max_connections(self.connections)
            .acquire_timeout(TURN_WITHIN)
            .test_before_acquire(false);
        options.connect_lazy_with(self.options.clone())
    }

    /// The pool for the node's pulse, which need not survive a crash of the server.
    pub fn pulse_pool(&self) -> PgPool {
        self.pool(
            1,
            &[IDLE_IN_TRANSACTION, ("statement_timeout", "3s"), ("synchronous_commit", "off")],
        )
    }
}

/// Checks that the server can be reached, accepts the user, is new enough, accepts writes, and
/// keeps confirmed commits. If only synchronous_commit is weak, our connections set it on.
pub async fn probe(url: &str, mut server: Server) -> Result<Server, OpenError> {
    let connect = PgConnection::connect_with(&server.options);
    let connected = tokio::time::timeout(PROBE_WITHIN, connect).await;
    let unreachable = |cause: String| OpenError::Unreachable { url: shown(url), cause };
    let mut connection = connected
        .map_err(|_| unreachable(format!("no answer within {} s", PROBE_WITHIN.as_secs())))?
        .map_err(|cause| fault(url, &cause))?;
    let row = sqlx::query(
        "SELECT current_setting('server_version_num')::int AS number, current_setting('server_version') AS version,
             pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS is_read_only,
             current_setting('fsync')::boolean AS syncs, current_setting('full_page_writes')::boolean AS writes_pages,
             current_setting('synchronous_commit') IN ('off', 'local') AS confirms_early",
    )
    .fetch_one(&mut connection)
    .await
    .map_err(|cause| fault(url, &cause))?;
    let _ = connection.close().await;
    let told = |cause: sqlx::Error| fault(url, &cause);
    if row.try_get::<i32, _>("number").map_err(told)? < OLDEST_SERVER {
        return Err(OpenError::Old {
            url: shown(url),
            version: row.try_get("version").map_err(told)?,
        });
    }
    if row.try_get("is_read_only").map_err(told)? {
        return Err(OpenError::ReadOnly { url: shown(url) });
    }
    for (column, setting) in [("syncs", "fsync"), ("writes_pages", "full_page_writes")] {
        if !row.try_get::<bool, _>(column).map_err(told)? {
            if !server.may_lose {
                return Err(OpenError::NotDurable { url: shown(url), setting });
            }
            tracing::warn!(
                setting,
                "THE DATABASE SERVER MAY LOSE WHAT IT CONFIRMED: a setting of it is off, and the URL says to take it"
            );
        }
    }
    if row.try_get("confirms_early").map_err(told)? && !server.may_lose {
        tracing::warn!(
            "the database server confirms commits before they are synced (synchronous_commit): this node's connections set it on"
        );
        server.options = server.options.options([("synchronous_commit", "on")]);
    }
    Ok(server)
}

fn fault(url: &str, cause: &sqlx::Error) -> OpenError {
    let url = shown(url);
    let code =
        cause.as_database_error().and_then(sqlx::error::DatabaseError::code).unwrap_or_default();
    let told = cause
        .as_database_error()
        .map_or_else(|| cause.to_string(), |fault| fault.message().to_owned());
    match code.as_ref() {
        "28P01" | "28000" | "42501" => OpenError::Refused { url, cause: told },
        "3D000" => OpenError::Missing { url },
        _ => OpenError::Unreachable { url, cause: told },
    }
}

#[cfg(test)]
#[path = "connect_tests.rs"]
mod tests;
