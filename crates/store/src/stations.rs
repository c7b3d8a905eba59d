//! Stations, as registered and as they told of themselves.

use std::collections::BTreeSet;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{NodeRun, Page, Stored};
use juden_domain::authorization::Place;
use juden_domain::blocking::StationSettings;
use juden_domain::ids::{SessionRef, StationId};
use juden_domain::instant::Zone;
use juden_domain::programme::Programme;
use juden_domain::station::{Availability, BootReport, ConnectorSite, Quirk, Registration};

/// The time that a driver has to plug in where a station names none, in seconds.
const PLUG_IN_S: i64 = 120;

/// A station: what was registered of it, and what was observed.
#[derive(Debug, Clone)]
pub struct StationRecord {
    /// Its identity.
    pub id: StationId,
    /// The site it stands at.
    pub site: String,
    /// Its password's hash; `None`: it has none.
    pub password_hash: Option<String>,
    /// Whether the password may also come as the hex text of its bytes.
    pub accept_hex_password: bool,
    /// The one security profile that it may use, 0 to 3.
    pub security_profile: u8,
    /// What it was told to come with, and has not come with yet.
    pub next: NextCredentials,
    /// The protocol assumed where it names none in its handshake.
    pub default_protocol: Option<String>,
    /// Its name in its certificate, beside its identity, such as its serial number.
    pub certificate_name: Option<String>,
    /// When it was taken down: it may not connect any more.
    pub retired_at: Option<DateTime<Utc>>,
    /// Its zone, for times without one, as the operator wrote it.
    pub time_zone: Option<String>,
    /// What its boot message is answered.
    pub registration: Registration,
    /// Whether it can be used.
    pub availability: Availability,
    /// Its connectors.
    pub connectors: Vec<ConnectorRecord>,
    /// Whether Juden may switch on what its local authorization list needs.
    pub may_configure: bool,
    /// What is otherwise there than the standard wants.
    pub quirks: BTreeSet<Quirk>,
    /// What the station told, and what was observed of it.
    pub observed: StationObserved,
}

/// A station as it was observed: what it told of itself, and when it was heard. Nothing of it is registered by a person.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StationObserved {
    /// Further text that it told of its state.
    pub info: Option<String>,
    /// The maker's own error, in its word.
    pub vendor_error_code: Option<String>,
    /// Its last boot message.
    pub boot: Option<BootReport>,
    /// When that was heard.
    pub booted_at: Option<DateTime<Utc>>,
    /// The station's word for its own state, told for connector 0.
    pub status: Option<String>,
    /// The station's word for its own error.
    pub error_code: Option<String>,
    /// When it was last heard over an earlier connection.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Its settings as it last told them, a JSON object; empty before it did.
    pub configuration: Option<String>,
    /// The firmware that told them.
    pub configuration_firmware: Option<String>,
    /// Calls that it said it does not do, and the firmware that said so: a JSON object; empty before it did.
    pub not_done: Option<String>,
    /// The connection that was last opened, unless it ended.
    pub connected: Option<Connected>,
}

/// What a station was told to come with from its next connection on. Until it has, what it came with before is right
/// too: it may not have taken it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextCredentials {
    /// The hash of its next password.
    pub password_hash: Option<String>,
    /// Its next security profile.
    pub security_profile: Option<u8>,
    /// Whether it takes the password with its next start only: until then it comes with the old one.
    pub after_reboot: bool,
}

/// A station's connection, as the node that holds it kept it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The run of that node.
    pub node: NodeRun,
    /// The protocol that is spoken.
    pub protocol: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

impl StationRecord {
    /// Its zone.
    pub fn zone(&self) -> Option<Zone> {
        self.time_zone.as_deref().and_then(Zone::parse)
    }

    /// What an authorization there finds: the site's standing with the programme, then whether the
    /// charger can be used (rows 6 and 7 of the ladder).
    pub fn place(&self, programme: &Programme, at: DateTime<Utc>) -> Place {
        match programme.place(&self.site, at) {
            Place::Open
                if self.availability != Availability::Open
                    || self.registration != Registration::Accepted =>
            {
                Place::Unavailable
            }
            place => place,
        }
    }

    /// The settings that it told, where it did.
    pub fn settings(&self) -> Option<StationSettings> {
        let told: serde_json::Map<String, Value> =
            serde_json::from_str(self.observed.configuration.as_deref()?).ok()?;
        Some(StationSettings::of(
            told.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))),
        ))
    }

    /// The time that a driver has to plug in after a start was asked for.
    pub fn plug_in_time(&self) -> TimeDelta {
        TimeDelta::seconds(
            self.settings().and_then(|settings| settings.plug_in_s()).unwrap_or(PLUG_IN_S),
        )
    }

    /// The connector that a start means: connector 0 of a station that has one is that one.
    pub fn connector_meant(&self, connector_id: i64) -> i64 {
        match self.connectors.as_slice() {
            [only] if connector_id == 0 => only.connector_id,
            _ => connector_id,
        }
    }

    /// A listed connector's site data.
    pub fn connector_site(&self, connector_id: i64) -> Option<ConnectorSite> {
        self.connectors
            .iter()
            .find(|connector| connector.connector_id == connector_id)
            .map(|connector| connector.site)
    }
}

/// Settings as a station told them.
#[derive(Debug, Clone, Copy)]
pub struct ToldSettings<'a> {
    /// Names and values, a JSON object.
    pub configuration: &'a str,
    /// The firmware that told them.
    pub firmware: Option<&'a str>,
    /// Whether they say that it takes unknown cards while it is cut off; `None`: they do not say, and what was said before holds.
    pub takes_unknown: Option<bool>,
    /// When.
    pub at: DateTime<Utc>,
}

/// A connector as registered, and its last state.
#[derive(Debug, Clone)]
pub struct ConnectorRecord {
    /// Its number at the station.
    pub connector_id: i64,
    /// Class, power, limit.
    pub site: ConnectorSite,
    /// The station's word for its state.
    pub status: Option<String>,
    /// The station's word for its error.
    pub error_code: Option<String>,
    /// Further text that the station told of its state.
    pub info: Option<String>,
    /// The maker's own error, in its word.
    pub vendor_error_code: Option<String>,
    /// When it came to its state.
    pub status_at: Option<DateTime<Utc>>,
    /// The standard of its plug, in OCPI's word.
    pub standard: Option<String>,
}

/// Stations.
#[async_trait]
pub trait StationStore: Send + Sync {
    /// Registers a station, or changes what is registered. `true`: it is new. States, boot and
    /// configuration are kept. Where it is new at its site, the cards of the lists concerned are to be looked at.
    async fn put_station(&self, station: &StationRecord, at: DateTime<Utc>) -> Stored<bool>;
    /// Takes a station down, unless a session runs there: then `false`.
    async fn retire_station(&self, id: &StationId, at: DateTime<Utc>) -> Stored<bool>;
    /// A station.
    async fn station(&self, id: &StationId) -> Stored<Option<StationRecord>>;
    /// Stations in order of their identity.
    async fn stations(&self, page: &Page) -> Stored<Vec<StationRecord>>;
    /// Stations of that name in whatever case, two at most.
    async fn stations_named(&self, name: &StationId) -> Stored<Vec<StationId>>;
    /// Keeps which calls a station said it does not do.
    async fn save_not_done(&self, id: &StationId, not_done: &str) -> Stored<()>;
    /// Keeps the settings that a station told, with the firmware that told them. Where it takes unknown cards while it is cut
    /// off, and was not known to, every card that may be blocked is to be looked at.
    async fn save_configuration(&self, id: &StationId, told: &ToldSettings<'_>) -> Stored<()>;
    /// Keeps what a station is told to come with.
    async fn save_next(&self, id: &StationId, next: &NextCredentials) -> Stored<()>;
    /// Keeps what a station came with, and what it is still to come with.
    async fn settle(
        &self,
        id: &StationId,
        password_hash: Option<&str>,
        security_profile: u8,
        next: &NextCredentials,
    ) -> Stored<()>;
    /// The open session at each connector of stations.
    async fn open_sessions_of(
        &self,
        ids: &[&StationId],
    ) -> Stored<Vec<(StationId, i64, SessionRef)>>;
}

/// Quirks as they are kept: their names with commas between them.
pub fn names_of(quirks: &BTreeSet<Quirk>) -> Option<String> {
    (!quirks.is_empty())
        .then(|| quirks.iter().map(|quirk| quirk.name()).collect::<Vec<_>>().join(","))
}
