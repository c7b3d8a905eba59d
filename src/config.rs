//! Settings: a value comes from a flag, else the environment, else `juden.toml`, else the default.
//! All faults are reported at once, each with the key, the value and the allowed values.

mod keys;
mod readers;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};

pub use keys::{KEYS, SettingKey};

use keys::{SECRETS, URLS};

use crate::link::LinkSettings;
use crate::link::tls::TlsFiles;
use juden_core::app::AppSettings;

/// The settings in force, typed.
#[derive(Debug, Clone)]
pub struct Config {
    /// The address of the plain WebSocket listener for stations.
    pub ocpp_listen: Option<SocketAddr>,
    /// The address of the TLS listener for stations, and its certificate files.
    pub ocpp_tls: Option<(SocketAddr, TlsFiles)>,
    /// The address of the API.
    pub http_listen: SocketAddr,
    /// The URL of the store.
    pub database_url: String,
    /// The URL of Redis.
    pub redis_url: Option<String>,
    /// The file of the certificates that sign Redis's certificate.
    pub redis_ca: Option<PathBuf>,
    /// Whether the schema is brought up to date at the start.
    pub migrate: bool,
    /// This node's name.
    pub node_id: Option<String>,
    /// The operator's API key.
    pub admin_key: Option<String>,
    /// The folder of tariff files.
    pub tariffs: Option<PathBuf>,
    /// The instant at which a simulated clock starts.
    pub simulated_clock: Option<DateTime<Utc>>,
    /// The settings of the services.
    pub app: AppSettings,
    /// The settings of stations' connections.
    pub link: LinkSettings,
    /// Whether logs are JSON.
    pub log_json: bool,
    /// The log filter.
    pub log_level: String,
    /// The OpenTelemetry collector for spans.
    pub otlp_endpoint: Option<String>,
}

/// The environment variable of a setting.
pub fn variable(name: &str) -> String {
    format!("JUDEN_{}", name.to_uppercase().replace('-', "_"))
}

/// Whether a text is a plain HTTP address. User name and password are refused, because the address
/// is printed.
fn is_plain_http(text: &str) -> bool {
    text.parse::<hyper::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("http")
            && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
            && uri.query().is_none()
    })
}

/// Settings as texts by key, and the faults found so far.
#[derive(Debug, Default)]
pub struct Texts {
    values: BTreeMap<&'static str, String>,
    faults: Vec<String>,
}

impl Texts {
    /// Collects the settings. `flag` and `environment` return a setting's value there.
    pub fn gather(
        flag: impl Fn(&str) -> Option<String>,
        environment: impl Fn(&str) -> Option<String>,
        file: Option<&Path>,
    ) -> Self {
        let mut texts = Self::default();
        let from_file = file.map(|file| texts.read_file(file)).unwrap_or_default();
        for key in &KEYS {
            let value = flag(key.name)
                .or_else(|| environment(&variable(key.name)))
                .or_else(|| from_file.get(key.name).cloned())
                .unwrap_or_else(|| key.default.to_owned());
            texts.values.insert(key.name, value);
        }
        for secret in &SECRETS {
            texts.read_secret(secret);
        }
        texts
    }

    /// Reads a secret setting from the file that is named for it. Setting both is a fault, because
    /// it would be unclear which counts.
    fn read_secret(&mut self, (name, of_file): &(&'static str, &'static str)) {
        let file = self.text(of_file).to_owned();
        if file.is_empty() {
            return;
        }
        let default = KEYS.iter().find(|key| key.name == *name).map_or("", |key| key.default);
        if self.text(name) != default {
            self.faults.push(format!("{name}, {of_file}: both are set: leave one out"));
            return;
        }
        match std::fs::read_to_string(&file) {
            Ok(text) if !text.trim().is_empty() => {
                _ = self.values.insert(name, text.trim().to_owned());
            }
            Ok(_) => self.faults.push(format!("{of_file}: {file} is empty: it must hold {name}")),
            Err(cause) => self.faults.push(format!("{of_file}: {file} cannot be read: {cause}")),
        }
    }

    fn read_file(&mut self, file: &Path) -> BTreeMap<String, String> {
        let table = match std::fs::read_to_string(file) {
            Ok(text) => text.parse::<toml::Table>().map_err(|fault| fault.to_string()),
            Err(cause) => Err(cause.to_string()),
        };
        let table = match table {
            Ok(table) => table,
            Err(cause) => {
                self.faults.push(format!("{}: cannot be read: {cause}", file.display()));
                return BTreeMap::new();
            }
        };
        let mut values = BTreeMap::new();
        for (name, value) in table {
            if !KEYS.iter().any(|key| key.name == name) {
                let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
                self.faults.push(format!(
                    "{}: {name}: no such setting; there are: {}",
                    file.display(),
                    names.join(", ")
                ));
                continue;
            }
            let text = match value {
                toml::Value::String(text) => text,
                other => other.to_string(),
            };
            values.insert(name, text);
        }
        values
    }

    fn text(&self, name: &'static str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    fn optional(&self, name: &'static str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Reads a value. A wrong value is a fault, and `fallback` is returned.
    fn read<T>(
        &mut self,
        name: &'static str,
        allowed: &str,
        fallback: T,
        read: impl Fn(&str) -> Option<T>,
    ) -> T {
        if let Some(value) = read(self.text(name)) {
            value
        } else {
            let shown = if URLS.contains(&name) {
                juden_store::open::shown(self.text(name))
            } else {
                self.text(name).to_owned()
            };
            self.faults.push(format!("{name}: {shown:?} is not allowed: it must be {allowed}"));
            fallback
        }
    }

    fn number(&mut self, name: &'static str, low: u64, high: u64) -> u64 {
        let allowed = format!("a whole number from {low} to {high}");
        self.read(name, &allowed, low, |text| {
            text.parse().ok().filter(|number| (low..=high).contains(number))
        })
    }

    fn seconds(&mut self, name: &'static str, low: u64, high: u64) -> Duration {
        Duration::from_secs(self.number(name, low, high))
    }

    fn address(&mut self, name: &'static str) -> SocketAddr {
        self.read(
            name,
            "an address and port such as 127.0.0.1:9000",
            SocketAddr::from(([127, 0, 0, 1], 0)),
            |text| text.parse().ok(),
        )
    }

    /// Converts the settings to their types, or returns every fault.
    pub fn into_config(mut self) -> Result<Config, Vec<String>> {
        let heartbeat_s = self.number("heartbeat-interval-s", 10, 86_400);
        let config = Config {
            ocpp_listen: if self.text("ocpp-listen") == "none" {
                None
            } else {
                Some(self.address("ocpp-listen"))
            },
            ocpp_tls: self.tls(),
            http_listen: self.address("http-listen"),
            database_url: self.read(
                "database-url",
                "sqlite://PATH, a file, or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
                String::new(),
                |text| {
                    let is_file = text.starts_with("sqlite://")
                        && text.len() > "sqlite://".len()
                        && !text.contains(":memory:");
                    (is_file || juden_store::open::is_postgres(text)).then(|| text.to_owned())
                },
            ),
            redis_url: self.optional("redis-url"),
            redis_ca: self.optional("redis-ca").map(PathBuf::from),
            migrate: self.read("no-migrate", "true or false", true, |text| {
                text.parse::<bool>().ok().map(|no| !no)
            }),
            node_id: self.optional("node-id"),
            admin_key: self.optional("admin-key"),
            tariffs: self.optional("tariffs").map(PathBuf::from),
            simulated_clock: self.read(
                "simulated-clock",
                "empty, or an RFC 3339 instant such as 2026-11-30T14:00:00Z",
                None,
                |text| match text {
                    "" => Some(None),
                    instant => DateTime::parse_from_rfc3339(instant)
                        .ok()
                        .map(|instant| Some(instant.to_utc())),
                },
            ),
            app: self.app_settings(heartbeat_s),
            link: self.link_settings(heartbeat_s),
            log_json: self.read("log-format", "text or json", false, |text| match text {
                "text" => Some(false),
                "json" => Some(true),
                _ => None,
            }),
            log_level: self.read(
                "log-level",
                "a tracing filter such as info or juden=debug",
                String::new(),
                |text| {
                    tracing_subscriber::EnvFilter::try_new(text).is_ok().then(|| text.to_owned())
                },
            ),
            otlp_endpoint: self.read(
                "otlp-endpoint",
                "empty, or http://HOST:PORT of a collector",
                None,
                |text| match text {
                    "" => Some(None),
                    endpoint => is_plain_http(endpoint).then(|| Some(endpoint.to_owned())),
                },
            ),
        };
        if self.faults.is_empty() { Ok(config) } else { Err(self.faults) }
    }
}

#[cfg(test)]
#[path = "config_tests.rs"]
mod tests;
