//! Stations: as registered, and as observed.

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

/// The time in seconds that a driver has to plug in, if the station reports none.
const PLUG_IN_S: i64 = 120;

/// A station: its registration, and its observed state.
#[derive(Debug, Clone)]
pub struct StationRecord {
    /// The station's identity.
    pub id: StationId,
    /// The name of the charging site where it stands.
    pub site: String,
    /// The hash of its password; `None`: it has none.
    pub password_hash: Option<String>,
    /// Whether the station may also send the password as the hex text of its bytes.
    pub accept_hex_password: bool,
    /// The only security profile that it may use, 0 to 3.
    pub security_profile: u8,
    /// Credentials that a command set, and that the station has not used yet.
    pub next: NextCredentials,
    /// The protocol assumed if its handshake names none.
    pub default_protocol: Option<String>,
    /// A further name that its certificate may have instead of its identity, such as the serial
    /// number.
    pub certificate_name: Option<String>,
    /// The instant at which it was retired. From then on it may not connect.
    pub retired_at: Option<DateTime<Utc>>,
    /// The time zone of its timestamps without offset, as the operator wrote it.
    pub time_zone: Option<String>,
    /// The registration status in the answer to its BootNotification.
    pub registration: Registration,
    /// Whether drivers can use it.
    pub availability: Availability,
    /// The registered connectors.
    pub connectors: Vec<ConnectorRecord>,
    /// Whether Juden may change the settings that its local authorization list needs.
    pub may_configure: bool,
    /// Deviations of the station from the standard.
    pub quirks: BTreeSet<Quirk>,
    /// The observed state of the station.
    pub observed: StationObserved,
}

/// The observed state of a station: its reports of itself, and when it was heard. No person
/// registers any of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StationObserved {
    /// The info of its last status for connector 0.
    pub info: Option<String>,
    /// The vendorErrorCode of its last status for connector 0.
    pub vendor_error_code: Option<String>,
    /// The station's last BootNotification.
    pub boot: Option<BootReport>,
    /// The received time of the last BootNotification.
    pub booted_at: Option<DateTime<Utc>>,
    /// The station's own status (connector 0), in its word.
    pub status: Option<String>,
    /// The station's own errorCode (connector 0), in its word.
    pub error_code: Option<String>,
    /// The received time of its last message, as far as it was written to the store.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// Its settings as last reported, as a JSON object; empty before the first report.
    pub configuration: Option<String>,
    /// The firmware version at the time of that report.
    pub configuration_firmware: Option<String>,
    /// Commands that it answered as not supported, and the firmware that did, as a JSON object;
    /// empty before the first.
    pub not_done: Option<String>,
    /// The station's newest connection, unless it ended.
    pub connected: Option<Connected>,
}

/// Credentials that a command set, for the station's next connection. Until the station uses them,
/// the old credentials remain valid, because the station may not have applied the command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NextCredentials {
    /// The hash of its next password.
    pub password_hash: Option<String>,
    /// Its next security profile.
    pub security_profile: Option<u8>,
    /// Whether the station uses the new password only after a restart.
    pub after_reboot: bool,
}

/// A station's connection, as recorded by the node that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connected {
    /// The run of the node.
    pub node: NodeRun,
    /// The connection's WebSocket subprotocol.
    pub protocol: String,
    /// The instant at which it opened.
    pub since: DateTime<Utc>,
}

impl StationRecord {
    /// The station's time zone.
    pub fn zone(&self) -> Option<Zone> {
        self.time_zone.as_deref().and_then(Zone::parse)
    }

    /// The state of the place for an authorization: first the site's state in the programme, then
    /// whether the station can be used (rows 6 and 7 of the ladder).
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

    /// The settings that the station reported; `None`: it reported none.
    pub fn settings(&self) -> Option<StationSettings> {
        let told: serde_json::Map<String, Value> =
            serde_json::from_str(self.observed.configuration.as_deref()?).ok()?;
        Some(StationSettings::of(
            told.into_iter().filter_map(|(name, value)| Some((name, value.as_str()?.to_owned()))),
        ))
    }

    /// The time that a driver has to plug in after a remote start.
    pub fn plug_in_time(&self) -> TimeDelta {
        TimeDelta::seconds(
            self.settings().and_then(|settings| settings.plug_in_s()).unwrap_or(PLUG_IN_S),
        )
    }

    /// The connector that a message means. Connector 0 means the only connector, if the station has
    /// just one.
    pub fn connector_meant(&self, connector_id: i64) -> i64 {
        match self.connectors.as_slice() {
            [only] if connector_id == 0 => only.connector_id,
            _ => connector_id,
        }
    }

    /// A registered connector's class, power and limit.
    pub fn connector_site(&self, connector_id: i64) -> Option<ConnectorSite> {
        self.connectors
            .iter()
            .find(|connector| connector.connector_id == connector_id)
            .map(|connector| connector.site)
    }
}

/// Settings as a station reported them.
#[derive(Debug, Clone, Copy)]
pub struct ToldSettings<'a> {
    /// The names and values, as a JSON object.
    pub configuration: &'a str,
    /// The firmware version at the time of the report.
    pub firmware: Option<&'a str>,
    /// Whether the settings say that the station accepts unknown cards while offline. `None`: they
    /// do not say, and the earlier value holds.
    pub takes_unknown: Option<bool>,
    /// The instant of the report.
    pub at: DateTime<Utc>,
}

/// A connector as registered, and its last state.
#[derive(Debug, Clone)]
pub struct ConnectorRecord {
    /// The connector's number at the station.
    pub connector_id: i64,
    /// The charger class, power, and time limit of a session.
    pub site: ConnectorSite,
    /// The connector's status, in the station's word.
    pub status: Option<String>,
    /// The connector's errorCode, in the station's word.
    pub error_code: Option<String>,
    /// The info of its last status.
    pub info: Option<String>,
    /// The vendorErrorCode of its last status.
    pub vendor_error_code: Option<String>,
    /// The received time of its last status.
    pub status_at: Option<DateTime<Utc>>,
    /// The plug's standard, as OCPI names it.
    pub standard: Option<String>,
}

/// Stations.
#[async_trait]
pub trait StationStore: Send + Sync {
    /// Registers a station, or changes its registration. `true`: the station is new. Observed data
    /// stays. If the station is new at its site, checks of the cards on the sites' lists are
    /// scheduled.
    async fn put_station(&self, station: &StationRecord, at: DateTime<Utc>) -> Stored<bool>;
    /// Retires a station. `false`: an open session is there, and nothing was changed.
    async fn retire_station(&self, id: &StationId, at: DateTime<Utc>) -> Stored<bool>;
    /// A station.
    async fn station(&self, id: &StationId) -> Stored<Option<StationRecord>>;
    /// Stations in order of their identity.
    async fn stations(&self, page: &Page) -> Stored<Vec<StationRecord>>;
    /// Stations whose identity matches without regard to case, at most two.
    async fn stations_named(&self, name: &StationId) -> Stored<Vec<StationId>>;
    /// Stores the commands that a station does not support.
    async fn save_not_done(&self, id: &StationId, not_done: &str) -> Stored<()>;
    /// Stores the settings that a station reported. If they newly say that the station accepts
    /// unknown cards while offline, checks of every card that may be blocked are scheduled.
    async fn save_configuration(&self, id: &StationId, told: &ToldSettings<'_>) -> Stored<()>;
    /// Stores the credentials that a command sets.
    async fn save_next(&self, id: &StationId, next: &NextCredentials) -> Stored<()>;
    /// Stores the credentials that a station has used, and those that it is still to use.
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

/// Quirks as the column holds them: their names with commas between them.
pub fn names_of(quirks: &BTreeSet<Quirk>) -> Option<String> {
    (!quirks.is_empty())
        .then(|| quirks.iter().map(|quirk| quirk.name()).collect::<Vec<_>>().join(","))
}
