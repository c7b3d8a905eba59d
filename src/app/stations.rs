//! Registering stations, and showing them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use super::oddities::Counts;
use super::{App, AppError, Done};
use crate::cluster::Connection;
use crate::domain::ids::{SessionRef, StationId};
use crate::domain::instant::Zone;
use crate::domain::station::{Availability, ConnectorSite, Quirk, Registration};
use crate::ocpp::protocol::Protocol;
use crate::store::{ConnectorRecord, NextCredentials, Page, StationRecord};

/// A station has this many connectors at most.
pub const CONNECTORS_MAX: usize = 64;

/// A site's name has this many characters at most.
pub const SITE_MAX: usize = 200;

/// A password has this many bytes at most.
pub const PASSWORD_MAX: usize = 64;

/// What an operator registers.
#[derive(Debug, Clone)]
pub struct StationDraft {
    /// The site.
    pub site: String,
    /// A new password; the old one stays where none is given.
    pub password: Option<Vec<u8>>,
    /// Whether the password may also come as hex text.
    pub accept_hex_password: bool,
    /// The security profile; 1 where there is a password and none is named, else 0.
    pub security_profile: Option<u8>,
    /// The protocol assumed for a station that names none.
    pub default_protocol: Option<String>,
    /// The station's zone.
    pub time_zone: Option<String>,
    /// What its boot message is answered.
    pub registration: Registration,
    /// Whether it can be used.
    pub availability: Availability,
    /// Its connectors.
    pub connectors: Vec<(i64, ConnectorSite)>,
    /// Whether Juden may switch on what its local authorization list needs.
    pub may_configure: bool,
    /// What is otherwise there than the standard wants.
    pub quirks: BTreeSet<Quirk>,
}

/// A station with what is going on there.
#[derive(Debug, Clone)]
pub struct StationView {
    /// Its record.
    pub record: StationRecord,
    /// Its connection.
    pub connection: Option<Connection>,
    /// When it was last heard.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// The running session at each connector.
    pub active: Vec<(i64, SessionRef)>,
    /// What it sent to this node beside the standard.
    pub oddities: Counts,
}

impl App {
    /// Registers a station, or changes what is registered. `true`: it is new.
    pub async fn put_station(&self, id: &StationId, draft: StationDraft) -> Done<(StationView, bool)> {
        check(&draft)?;
        let known = self.store.station(id).await?;
        let password_hash = match &draft.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => known.as_ref().and_then(|known| known.password_hash.clone()),
        };
        let security_profile = draft.security_profile.unwrap_or(u8::from(password_hash.is_some()));
        if matches!(security_profile, 1 | 2) && password_hash.is_none() {
            return Err(AppError::invalid("password", "given: security profiles 1 and 2 need one"));
        }
        // A password that the operator names is the one; else what the station was told stands.
        let told = known.as_ref().map(|known| known.next.clone()).unwrap_or_default();
        let next = match &draft.password {
            Some(_) => NextCredentials { password_hash: None, after_reboot: false, ..told },
            None => told,
        };
        let next = NextCredentials { security_profile: next.security_profile.filter(|next| *next > security_profile), ..next };
        let record = StationRecord {
            id: id.clone(),
            site: draft.site,
            password_hash,
            accept_hex_password: draft.accept_hex_password,
            security_profile,
            next,
            default_protocol: draft.default_protocol,
            time_zone: draft.time_zone,
            registration: draft.registration,
            availability: draft.availability,
            connectors: draft
                .connectors
                .into_iter()
                .map(|(connector_id, site)| ConnectorRecord { connector_id, site, status: None, error_code: None })
                .collect(),
            boot: None,
            booted_at: None,
            status: None,
            error_code: None,
            last_seen_at: None,
            configuration: None,
            configuration_firmware: None,
            may_configure: draft.may_configure,
            quirks: draft.quirks,
            not_done: None,
            connected: None,
        };
        if known.as_ref().is_some_and(|known| known.registration == Registration::Accepted) && record.registration != Registration::Accepted
        {
            self.store.set_meta(&accepted_once(id), "true").await?;
        }
        let new = self.store.put_station(&record, self.now()).await?;
        let turned = |record: &StationRecord| record.quirks.contains(&Quirk::ReversedIdTags);
        if known.as_ref().is_some_and(|known| turned(known) != turned(&record)) {
            // Its list holds cards as it was told them before.
            self.store.save_list_version(id, self.store.list_version(id).await?.saturating_add(1)).await?;
            self.store.relist(id, self.now()).await?;
        }
        self.station_changed(id).await?;
        // Its site's list may concern it.
        self.cards.changed.notify_one();
        Ok((self.station(id).await?, new))
    }

    /// Whether a station that is not accepted now was so once: it may have sessions to tell.
    pub(super) async fn was_accepted(&self, id: &StationId) -> Done<bool> {
        Ok(self.store.meta(&accepted_once(id)).await?.is_some())
    }

    /// A station.
    pub async fn station(&self, id: &StationId) -> Done<StationView> {
        let record = self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
        let mut views = self.views(vec![record]).await?;
        views.pop().ok_or_else(|| AppError::not_found("station", id))
    }

    /// Stations, a page at a time.
    pub async fn list_stations(&self, page: &Page) -> Done<Vec<StationView>> {
        let records = self.store.stations(page).await?;
        self.views(records).await
    }

    async fn views(&self, records: Vec<StationRecord>) -> Done<Vec<StationView>> {
        let ids: Vec<&StationId> = records.iter().map(|record| &record.id).collect();
        let mut active: HashMap<StationId, Vec<(i64, SessionRef)>> = HashMap::new();
        for (station, connector, session) in self.store.open_sessions_of(&ids).await? {
            active.entry(station).or_default().push((connector, session));
        }
        let view = |record: StationRecord| {
            let connection = self.connection_of(&record);
            let last_seen_at = connection.as_ref().map(|connection| connection.last_heard).or(record.last_seen_at);
            let oddities = self.oddities.of(&record.id);
            StationView { connection, last_seen_at, oddities, active: active.remove(&record.id).unwrap_or_default(), record }
        };
        Ok(records.into_iter().map(view).collect())
    }

    /// A station's connection: here, or at another node that lives.
    pub(super) fn connection_of(&self, record: &StationRecord) -> Option<Connection> {
        let elsewhere = || {
            let connected = record.connected.as_ref().filter(|connected| connected.node != *self.cluster.run())?;
            Some(Connection {
                node: self.cluster.live_node(&connected.node)?,
                protocol: connected.protocol.clone(),
                connected_since: connected.since,
                last_heard: record.last_seen_at.unwrap_or(connected.since),
            })
        };
        self.cluster.connection(&record.id).or_else(elsewhere)
    }
}

fn check(draft: &StationDraft) -> Done<()> {
    if draft.site.is_empty() || draft.site.chars().count() > SITE_MAX {
        return Err(AppError::invalid("site", format!("1 to {SITE_MAX} characters")));
    }
    if draft.password.as_ref().is_some_and(|password| password.is_empty() || password.len() > PASSWORD_MAX) {
        return Err(AppError::invalid("password", format!("1 to {PASSWORD_MAX} bytes")));
    }
    if draft.security_profile.is_some_and(|profile| profile > 3) {
        return Err(AppError::invalid("security_profile", "0, 1, 2 or 3"));
    }
    if draft.time_zone.as_deref().is_some_and(|zone| Zone::parse(zone).is_none()) {
        return Err(AppError::invalid("time_zone", "an IANA name such as Asia/Tokyo, or an offset such as +09:00"));
    }
    if draft.default_protocol.as_deref().is_some_and(|name| !is_protocol_name(name)) {
        return Err(AppError::invalid("default_protocol", "ocpp1.6 or ocpp2.0.1"));
    }
    if draft.connectors.len() > CONNECTORS_MAX {
        return Err(AppError::invalid("connectors", format!("at most {CONNECTORS_MAX}")));
    }
    for (place, (id, site)) in draft.connectors.iter().enumerate() {
        if !(1..=1000).contains(id) || draft.connectors[..place].iter().any(|(other, _)| other == id) {
            return Err(AppError::invalid(format!("connectors[{place}].connector_id"), "a number from 1 to 1000, each once"));
        }
        if site.session_cap_min.is_some_and(|cap| !(1..=100_000).contains(&cap)) {
            return Err(AppError::invalid(format!("connectors[{place}].session_cap_min"), "from 1 to 100000 minutes"));
        }
    }
    Ok(())
}

/// The names that the outer contract knows. A station whose protocol is not spoken yet can be
/// registered; its handshake is refused.
fn is_protocol_name(name: &str) -> bool {
    Protocol::from_subprotocol(name).is_some() || name == "ocpp2.0.1"
}

/// Under which name it is kept that a station was accepted once.
fn accepted_once(id: &StationId) -> String {
    format!("accepted-once:{id}")
}
