//! Settings: a flag, else the environment, else `juden.toml`, else the default. Every fault is told
//! at once, with the key, the value and what is allowed.

mod keys;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

pub use keys::{KEYS, SettingKey};

use keys::{SECRETS, URLS};

use crate::authority::{Authority, VehiclePki};
use crate::link::LinkSettings;
use crate::link::tls::{Tls, TlsFiles};
use juden_core::app::AppSettings;
use juden_core::billing::months::CLOSE_DAY_MAX;
use juden_core::calls::certificates::{StationAuthority, VehicleAuthority};
use juden_core::export::Party;
use juden_domain::display::Language;
use juden_domain::email::EmailRule;
use juden_domain::invoice::{self, Issuer};
use juden_domain::units::Yen;

/// The settings in force, typed.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where stations connect.
    pub ocpp_listen: Option<SocketAddr>,
    /// Where stations connect over TLS, with which certificates.
    pub ocpp_tls: Option<(SocketAddr, TlsFiles)>,
    /// Where the API is.
    pub http_listen: SocketAddr,
    /// The store.
    pub database_url: String,
    /// Where Redis is.
    pub redis_url: Option<String>,
    /// The file of certificates that sign Redis's.
    pub redis_ca: Option<PathBuf>,
    /// Whether the schema is brought up to date.
    pub migrate: bool,
    /// This node's name.
    pub node_id: Option<String>,
    /// The operator's key.
    pub admin_key: Option<String>,
    /// The folder of tariff files.
    pub tariffs: Option<PathBuf>,
    /// Where a simulated clock starts.
    pub simulated_clock: Option<DateTime<Utc>>,
    /// What the use cases are set to.
    pub app: AppSettings,
    /// How connections are kept.
    pub link: LinkSettings,
    /// Whether logs are JSON.
    pub log_json: bool,
    /// What is logged.
    pub log_level: String,
    /// Where spans go.
    pub otlp_endpoint: Option<String>,
}

/// The environment variable of a key.
pub fn variable(name: &str) -> String {
    format!("JUDEN_{}", name.to_uppercase().replace('-', "_"))
}

/// Whether a text is a plain HTTP address. No name and password: they would be printed.
fn is_plain_http(text: &str) -> bool {
    text.parse::<hyper::Uri>().is_ok_and(|uri| {
        uri.scheme_str() == Some("http")
            && uri.authority().is_some_and(|host| !host.as_str().contains('@'))
            && uri.query().is_none()
    })
}

/// Settings as texts, by key, with where each comes from.
#[derive(Debug, Default)]
pub struct Texts {
    values: BTreeMap<&'static str, String>,
    faults: Vec<String>,
}

impl Texts {
    /// Gathers the settings: `flag` and `environment` give what was set there.
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
        SECRETS.iter().for_each(|secret| texts.read_secret(secret));
        texts
    }

    /// Reads a setting out of the file that is named for it. Both at once would leave open which of them counts.
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
                _ = self.values.insert(name, text.trim().to_owned())
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

    /// Reads a value; a wrong one is a fault and `fallback` takes its place.
    fn read<T>(
        &mut self,
        name: &'static str,
        allowed: &str,
        fallback: T,
        read: impl Fn(&str) -> Option<T>,
    ) -> T {
        match read(self.text(name)) {
            Some(value) => value,
            None => {
                let shown = if URLS.contains(&name) {
                    juden_store::open::shown(self.text(name))
                } else {
                    self.text(name).to_owned()
                };
                self.faults.push(format!("{name}: {shown:?} is not allowed: it must be {allowed}"));
                fallback
            }
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

    /// Types the settings, or tells every fault.
    pub fn into_config(mut self) -> Result<Config, Vec<String>> {
        let heartbeat_s = self.number("heartbeat-interval-s", 10, 86_400);
        let ping_s = self.number("ping-interval-s", 0, 86_400);
        let idle_s = self.number("idle-timeout-s", 0, 604_800);
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
            app: AppSettings {
                heartbeat_interval_s: u32::try_from(heartbeat_s).unwrap_or(u32::MAX),
                card_cache_for: TimeDelta::hours(
                    i64::try_from(self.number("card-cache-hours", 1, 8_760)).unwrap_or(1),
                ),
                min_security_profile: u8::try_from(self.number("min-security-profile", 0, 3))
                    .unwrap_or(3),
                client_organization: self.text("tls-client-organization").to_owned(),
                month_close: self.month_close(),
                payment_due_days: self.number("payment-due-days", 0, 365),
                remote_stop_on_lost: self.read(
                    "remote-stop-on-lost",
                    "true or false",
                    false,
                    |text| text.parse().ok(),
                ),
                authority: self.authority(),
                vehicle_pki: self.vehicle_pki(),
                display_languages: self.display_languages(),
                cost_update: Some(self.number("cost-update-s", 0, 3_600))
                    .filter(|seconds| *seconds > 0)
                    .map(Duration::from_secs),
                host_names: self
                    .text("http-host-names")
                    .split(',')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned)
                    .collect(),
                email_rule: self.read(
                    "email-rule",
                    "strict or rfc",
                    EmailRule::Strict,
                    EmailRule::parse,
                ),
                issuer: Issuer {
                    name: self.text("issuer-name").to_owned(),
                    registration_number: self.registration_number(),
                    collection_agent: self.text("collection-agent").to_owned(),
                },
                confirm_over: self.read(
                    "confirm-over-yen",
                    "yen such as 10000",
                    Yen::ZERO,
                    Yen::parse,
                ),
                party: self.party(),
            },
            link: LinkSettings {
                ping_interval: (ping_s > 0).then(|| Duration::from_secs(ping_s)),
                idle_timeout: Duration::from_secs(if idle_s > 0 {
                    idle_s
                } else {
                    3 * heartbeat_s.max(ping_s)
                }),
                call_timeout: self.seconds("call-timeout-s", 1, 600),
                write_timeout: self.seconds("write-timeout-s", 1, 600),
                max_connections: usize::try_from(self.number("max-connections", 1, 1_000_000))
                    .unwrap_or(usize::MAX),
                max_message_bytes: usize::try_from(self.number(
                    "max-message-bytes",
                    65_536,
                    67_108_864,
                ))
                .unwrap_or(usize::MAX),
                terminators: self.read(
                    "tls-terminators",
                    "IP addresses separated by commas",
                    Vec::new(),
                    |text| {
                        text.split(',')
                            .map(str::trim)
                            .filter(|part| !part.is_empty())
                            .map(|part| part.parse().ok())
                            .collect()
                    },
                ),
                onboarding_delay: self.read(
                    "onboarding-delay-s",
                    "none, or a whole number from 0 to 3600",
                    None,
                    |text| match text {
                        "none" => Some(None),
                        number => number
                            .parse()
                            .ok()
                            .filter(|seconds| *seconds <= 3_600)
                            .map(|seconds| Some(Duration::from_secs(seconds))),
                    },
                ),
            },
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

    /// The TLS listener. Its certificates and keys come in pairs.
    fn tls(&mut self) -> Option<(SocketAddr, TlsFiles)> {
        let files = |text: &str| -> Vec<PathBuf> {
            text.split(',')
                .map(str::trim)
                .filter(|file| !file.is_empty())
                .map(PathBuf::from)
                .collect()
        };
        let (chains, keys) = (files(self.text("tls-cert")), files(self.text("tls-key")));
        if self.text("ocpp-tls-listen").is_empty() {
            for name in ["tls-cert", "tls-key", "tls-client-ca", "tls-client-crl"] {
                if !self.text(name).is_empty() {
                    self.faults.push(format!("{name}: it is used by the TLS listener alone: set ocpp-tls-listen too, or leave it out"));
                }
            }
            return None;
        }
        let address = self.address("ocpp-tls-listen");
        if chains.is_empty() || chains.len() != keys.len() {
            let count = (chains.len(), keys.len());
            self.faults
                .push(format!("tls-cert, tls-key: {} and {} files are not allowed: each certificate must have its key", count.0, count.1));
        }
        let client_ca = self.optional("tls-client-ca").map(PathBuf::from);
        let client_crls = files(self.text("tls-client-crl"));
        if client_ca.is_none() && !client_crls.is_empty() {
            self.faults.push("tls-client-crl: it needs the authorities whose certificates it revokes: set tls-client-ca too".to_owned());
        }
        let files =
            TlsFiles { identities: chains.into_iter().zip(keys).collect(), client_ca, client_crls };
        if let Err(fault) = Tls::read(files.clone()) {
            self.faults.push(format!("tls-cert, tls-key, tls-client-ca: {fault}"));
        }
        Some((address, files))
    }

    /// Who signs stations' certificates: a key in a file, or a command.
    fn authority(&mut self) -> Option<Arc<dyn StationAuthority>> {
        let file = |name| self.optional(name).map(PathBuf::from);
        let (certificates, key, command) = (file("ca-cert"), file("ca-key"), file("ca-command"));
        let days = u32::try_from(self.number("ca-days", 1, 36_500)).unwrap_or(1);
        let authority = match (certificates, key, command) {
            (None, None, None) => return None,
            (Some(certificates), Some(key), None) => Authority::Files { certificates, key, days },
            (None, None, Some(command)) => Authority::Command(command),
            _ => {
                self.faults.push("ca-cert, ca-key, ca-command: set ca-cert and ca-key together, or ca-command alone".to_owned());
                return None;
            }
        };
        if let Err(fault) = authority.check_files() {
            self.faults.push(format!("ca-cert, ca-key, ca-command: {fault}"));
        }
        Some(Arc::new(authority))
    }

    /// Who answers for vehicles' certificates.
    fn vehicle_pki(&mut self) -> Option<Arc<dyn VehicleAuthority>> {
        let command = VehiclePki(PathBuf::from(self.optional("vehicle-pki-command")?));
        if let Err(fault) = command.check() {
            self.faults.push(format!("vehicle-pki-command: {fault}"));
        }
        Some(Arc::new(command))
    }

    fn registration_number(&mut self) -> String {
        let allowed = "empty, or T and 13 digits, the first of them the check digit of the others";
        self.read("issuer-registration-number", allowed, String::new(), |text| {
            (text.is_empty() || invoice::is_registration_number(text)).then(|| text.to_owned())
        })
    }

    /// Who issues charge records; `None`: nobody is named.
    fn party(&mut self) -> Option<Party> {
        let country =
            self.read("country-code", "two capital letters such as JP", String::new(), |text| {
                (text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase()))
                    .then(|| text.to_owned())
            });
        let party = self.read(
            "party-id",
            "empty, or three capital letters or digits",
            String::new(),
            |text| {
                let is_party = text.len() == 3
                    && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
                (text.is_empty() || is_party).then(|| text.to_owned())
            },
        );
        (!party.is_empty()).then_some(Party { country, party })
    }

    fn display_languages(&mut self) -> Vec<Language> {
        self.read("display-language", "ja, en, ja,en, en,ja or none", Vec::new(), |text| {
            let languages: Vec<Language> = match text {
                "none" => Vec::new(),
                text => text
                    .split(',')
                    .map(|code| Language::parse(code.trim()))
                    .collect::<Option<_>>()?,
            };
            let is_twice = languages.len() > 1 && languages.first() == languages.last();
            (languages.len() <= Language::ALL.len() && !is_twice).then_some(languages)
        })
    }

    fn month_close(&mut self) -> Option<(u32, NaiveTime)> {
        let time = self.read("month-close-time", "a time such as 03:00", NaiveTime::MIN, |text| {
            NaiveTime::parse_from_str(text, "%H:%M").ok()
        });
        let allowed = format!("manual, or a day from 1 to {CLOSE_DAY_MAX}");
        let day = self.read("month-close-day", &allowed, None, |text| match text {
            "manual" => Some(None),
            day => day.parse().ok().filter(|day| (1..=CLOSE_DAY_MAX).contains(day)).map(Some),
        });
        day.map(|day| (day, time))
    }

    /// SettingKey and value of every setting, secrets hidden.
    pub fn printed(&self) -> Vec<(&'static str, String)> {
        let shown = |(name, value): (&&'static str, &String)| {
            let value = match *name {
                "admin-key" if !value.is_empty() => "(hidden)".to_owned(),
                name if URLS.contains(&name) => juden_store::open::shown(value),
                _ => value.clone(),
            };
            (*name, value)
        };
        self.values.iter().map(shown).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(
        flags: &[(&str, &str)],
        environment: &[(&str, &str)],
        file: Option<&Path>,
    ) -> Texts {
        let find = |set: &[(&str, &str)], name: &str| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        Texts::gather(|name| find(flags, name), |name| find(environment, name), file)
    }

    #[test]
    fn the_defaults_are_good() {
        let config = gathered(&[], &[], None).into_config().unwrap();
        assert_eq!(config.http_listen.port(), 8080);
        assert_eq!(config.link.idle_timeout, Duration::from_secs(900));
        assert_eq!(config.app.month_close, Some((5, NaiveTime::from_hms_opt(3, 0, 0).unwrap())));
    }

    #[test]
    fn a_flag_stands_above_the_environment_above_the_file_above_the_default() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("juden.toml");
        std::fs::write(
            &file,
            "call-timeout-s = 7\nmonth-close-day = \"manual\"\nlog-format = \"json\"\n",
        )
        .unwrap();
        let environment = [("JUDEN_CALL_TIMEOUT_S", "8"), ("JUDEN_LOG_FORMAT", "text")];
        let config =
            gathered(&[("call-timeout-s", "9")], &environment, Some(&file)).into_config().unwrap();
        assert_eq!(config.link.call_timeout, Duration::from_secs(9));
        assert!(!config.log_json);
        assert_eq!(config.app.month_close, None);
    }

    #[test]
    fn every_fault_is_told_with_key_value_and_what_is_allowed() {
        let wrong = [
            ("http-listen", "here"),
            ("call-timeout-s", "0"),
            ("simulated-clock", "soon"),
            ("month-close-day", "29"),
            ("otlp-endpoint", "collector"),
        ];
        let faults = gathered(&wrong, &[], None).into_config().unwrap_err();
        assert_eq!(faults.len(), wrong.len(), "{faults:?}");
        assert!(faults.iter().any(|fault| fault
            == "call-timeout-s: \"0\" is not allowed: it must be a whole number from 1 to 600"));
    }

    #[test]
    fn a_secret_is_read_out_of_the_file_that_is_named_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "a-key-out-of-a-file\n").unwrap();
        let named = file.display().to_string();
        let config = gathered(&[("admin-key-file", &named)], &[], None).into_config().unwrap();
        assert_eq!(config.admin_key.as_deref(), Some("a-key-out-of-a-file"));
        let printed = gathered(&[("admin-key-file", &named)], &[], None).printed();
        assert!(printed.iter().all(|(_, value)| !value.contains("a-key-out")), "{printed:?}");
        let both = gathered(&[("admin-key-file", &named), ("admin-key", "another")], &[], None)
            .into_config()
            .unwrap_err();
        assert_eq!(both, ["admin-key, admin-key-file: both are set: leave one out"]);
        std::fs::write(&file, " \n").unwrap();
        assert!(
            gathered(&[("admin-key-file", &named)], &[], None).into_config().is_err(),
            "an empty file"
        );
        assert!(gathered(&[("redis-url-file", "/no/such/file")], &[], None).into_config().is_err());
    }

    #[test]
    fn an_unknown_key_in_the_file_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("juden.toml");
        std::fs::write(&file, "htpp-listen = \"x\"\n").unwrap();
        let faults = gathered(&[], &[], Some(&file)).into_config().unwrap_err();
        assert!(faults[0].contains("htpp-listen: no such setting"), "{faults:?}");
    }

    #[test]
    fn the_reference_file_holds_every_key_with_its_default() {
        let reference = include_str!("../juden.reference.toml");
        let mut listed: Vec<(String, String)> = reference
            .lines()
            .filter_map(|line| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')))
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned()))
            .collect();
        let mut known: Vec<(String, String)> =
            KEYS.iter().map(|key| (key.name.to_owned(), key.default.to_owned())).collect();
        listed.sort();
        known.sort();
        assert_eq!(listed, known);
    }
}
