//! Reads the settings that consist of several texts.

use super::keys::URLS;
use crate::authority::{Authority, VehiclePki};
use crate::link::LinkSettings;
use crate::link::tls::{Tls, TlsFiles};
use chrono::{NaiveTime, TimeDelta};
use juden_core::app::AppSettings;
use juden_core::billing::months::CLOSE_DAY_MAX;
use juden_core::calls::certificates::{StationAuthority, VehicleAuthority};
use juden_core::export::Party;
use juden_domain::display::Language;
use juden_domain::email::EmailRule;
use juden_domain::invoice::{self, Issuer};
use juden_domain::units::Yen;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::Texts;

impl Texts {
    /// The settings of the services.
    pub(super) fn app_settings(&mut self, heartbeat_s: u64) -> AppSettings {
        AppSettings {
            heartbeat_interval_s: u32::try_from(heartbeat_s).unwrap_or(u32::MAX),
            card_cache_for: TimeDelta::hours(
                i64::try_from(self.number("card-cache-hours", 1, 8_760)).unwrap_or(1),
            ),
            min_security_profile: u8::try_from(self.number("min-security-profile", 0, 3))
                .unwrap_or(3),
            client_organization: self.text("tls-client-organization").to_owned(),
            month_close: self.month_close(),
            payment_due_days: self.number("payment-due-days", 0, 365),
            remote_stop_on_lost: self
                .read("remote-stop-on-lost", "true or false", false, |text| text.parse().ok()),
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
            confirm_over: self.read("confirm-over-yen", "yen such as 10000", Yen::ZERO, Yen::parse),
            party: self.party(),
        }
    }

    /// The settings of stations' connections.
    pub(super) fn link_settings(&mut self, heartbeat_s: u64) -> LinkSettings {
        let ping_s = self.number("ping-interval-s", 0, 86_400);
        let idle_s = self.number("idle-timeout-s", 0, 604_800);
        LinkSettings {
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
        }
    }

    /// The TLS listener. Its certificates and keys come in pairs.
    pub(super) fn tls(&mut self) -> Option<(SocketAddr, TlsFiles)> {
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

    /// The signer of stations' certificates: a key in a file, or a command.
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

    /// The operator's command for vehicles' certificates.
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

    /// The issuer of charge records; `None`: not set.
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

    /// Key and value of every setting, with secrets hidden.
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
