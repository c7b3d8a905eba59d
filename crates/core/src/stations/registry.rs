//! Registering stations, and showing them.

use std::sync::Arc;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};

use crate::cluster::Connection;
use crate::error::{AppError, Done};
use crate::stations::Stations;
use crate::stations::deviations::Counts;
use juden_domain::hex;
use juden_domain::ids::{SessionRef, StationId};
use juden_domain::instant::Zone;
use juden_domain::station::{Availability, ConnectorSite, Quirk, Registration};
use juden_ocpp::protocol::Protocol;
use juden_store::{ConnectorRecord, NextCredentials, Page, StationObserved, StationRecord};

/// A station has this many connectors at most.
pub const CONNECTORS_MAX: usize = 64;

/// A site's name has this many characters at most.
pub const SITE_MAX: usize = 200;

/// A password has this many bytes at most.
pub const PASSWORD_MAX: usize = 64;

/// What an operator registers, or changes: what is not named stays as it is. `Some(None)` takes a value away.
#[derive(Debug, Clone, Default)]
pub struct StationDraft {
    /// The site; a new station must have one.
    pub site: Option<String>,
    /// A new password.
    pub password: Option<Vec<u8>>,
    /// Whether the password may also come as hex text.
    pub accept_hex_password: Option<bool>,
    /// The security profile; a new station's is 1 where there is a password and none is named, else 0.
    pub security_profile: Option<u8>,
    /// The protocol assumed for a station that names none.
    pub default_protocol: Option<Option<String>>,
    /// The station's zone.
    pub time_zone: Option<Option<String>>,
    /// Its name in its certificate, beside its identity.
    pub certificate_name: Option<Option<String>>,
    /// What its boot message is answered.
    pub registration: Option<Registration>,
    /// Whether it can be used.
    pub availability: Option<Availability>,
    /// Its connectors, each with the standard of its plug; a new station must have some.
    pub connectors: Option<Vec<(i64, ConnectorSite, Option<String>)>>,
    /// Whether Juden may switch on what its local authorization list needs.
    pub may_configure: Option<bool>,
    /// What is otherwise there than the standard wants.
    pub quirks: Option<BTreeSet<Quirk>>,
    /// The version of the record that the operator read (`If-Match`). The change is refused where the record has another
    /// version or does not exist. `*` accepts any version of a record that exists.
    pub if_match: Option<String>,
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

impl Stations {
    /// A station, from memory where it is remembered.
    pub async fn find(&self, id: &StationId) -> Done<Option<Arc<StationRecord>>> {
        Ok(self.directory.find(id).await?)
    }

    /// The station's record was changed by a note of this node: it is read again.
    pub(crate) async fn refresh(&self, id: &StationId) -> Done<()> {
        self.directory.refresh(id).await?;
        Ok(())
    }

    /// Registers a station, or changes what is registered. `true`: it is new.
    pub async fn put_station(
        &self,
        id: &StationId,
        draft: StationDraft,
    ) -> Done<(StationView, bool)> {
        check(&draft)?;
        let known = self.store.station(id).await?;
        let is_other =
            |wanted: &str| wanted != "*" && known.as_ref().map(version).as_deref() != Some(wanted);
        if draft.if_match.as_deref().is_some_and(|wanted| known.is_none() || is_other(wanted)) {
            return Err(AppError::Changed);
        }
        let needed = |what: &str| AppError::invalid(what, "given: the station is new");
        let before = known.clone();
        let kept = |of: fn(&StationRecord) -> bool| before.as_ref().is_some_and(of);
        let password_hash = match &draft.password {
            Some(password) => Some(self.passwords.hash(password).await?),
            None => known.as_ref().and_then(|known| known.password_hash.clone()),
        };
        let security_profile = profile_of(&draft, before.as_ref(), password_hash.is_some());
        if matches!(security_profile, 1 | 2) && password_hash.is_none() {
            return Err(AppError::invalid("password", "given: security profiles 1 and 2 need one"));
        }
        // A password that the operator names is the one; else what the station was told stands.
        let told = known.as_ref().map(|known| known.next.clone()).unwrap_or_default();
        let next = match &draft.password {
            Some(_) => NextCredentials { password_hash: None, after_reboot: false, ..told },
            None => told,
        };
        let next = NextCredentials {
            security_profile: next.security_profile.filter(|next| *next > security_profile),
            ..next
        };
        let connectors = match draft.connectors {
            Some(connectors) => connectors.into_iter().map(new_connector).collect(),
            None => before
                .as_ref()
                .map(|known| known.connectors.clone())
                .ok_or_else(|| needed("connectors"))?,
        };
        let record = StationRecord {
            id: id.clone(),
            site: draft
                .site
                .or_else(|| Some(before.as_ref()?.site.clone()))
                .ok_or_else(|| needed("site"))?,
            password_hash,
            accept_hex_password: draft
                .accept_hex_password
                .unwrap_or_else(|| kept(|known| known.accept_hex_password)),
            security_profile,
            next,
            default_protocol: draft
                .default_protocol
                .unwrap_or_else(|| before.as_ref()?.default_protocol.clone()),
            certificate_name: draft
                .certificate_name
                .unwrap_or_else(|| before.as_ref()?.certificate_name.clone()),
            retired_at: None,
            time_zone: draft.time_zone.unwrap_or_else(|| before.as_ref()?.time_zone.clone()),
            registration: draft
                .registration
                .or_else(|| Some(before.as_ref()?.registration))
                .unwrap_or_default(),
            availability: draft
                .availability
                .or_else(|| Some(before.as_ref()?.availability))
                .unwrap_or_default(),
            connectors,
            may_configure: draft.may_configure.unwrap_or_else(|| kept(|known| known.may_configure)),
            quirks: draft
                .quirks
                .or_else(|| Some(before.as_ref()?.quirks.clone()))
                .unwrap_or_default(),
            observed: StationObserved::default(),
        };
        if known.as_ref().is_some_and(|known| known.registration == Registration::Accepted)
            && record.registration != Registration::Accepted
        {
            self.store.set_meta(&accepted_once(id), "true").await?;
        }
        let new = self.store.put_station(&record, self.clock.now()).await?;
        let turned = |record: &StationRecord| record.quirks.contains(&Quirk::ReversedIdTags);
        if known.as_ref().is_some_and(|known| turned(known) != turned(&record)) {
            // Its list holds cards as it was told them before.
            self.store
                .save_list_version(id, self.store.list_version(id).await?.saturating_add(1))
                .await?;
            self.store.relist(id, self.clock.now()).await?;
        }
        self.station_changed(id).await?;
        // Its site's list may concern it.
        self.cards.changed.notify_one();
        Ok((self.station(id).await?, new))
    }

    /// Takes a station down: it may not connect any more; its history stays.
    pub async fn retire_station(&self, id: &StationId, if_match: Option<&str>) -> Done<()> {
        let known = self.store.station(id).await?.filter(|record| record.retired_at.is_none());
        let known = known.ok_or_else(|| AppError::not_found("station", id))?;
        if if_match.is_some_and(|wanted| wanted != "*" && wanted != version(&known)) {
            return Err(AppError::Changed);
        }
        if !self.store.retire_station(id, self.clock.now()).await? {
            return Err(AppError::conflict(
                "session_running",
                "a session runs at the station: it can be taken down once that is over",
            ));
        }
        self.station_changed(id).await?;
        self.cluster.evict(id, i64::MAX);
        Ok(())
    }

    /// Whether a station that is not accepted now was so once: it may have sessions to tell.
    pub(crate) async fn was_accepted(&self, id: &StationId) -> Done<bool> {
        Ok(self.store.meta(&accepted_once(id)).await?.is_some())
    }

    /// A station.
    pub async fn station(&self, id: &StationId) -> Done<StationView> {
        let record =
            self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
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
            let last_seen_at = connection
                .as_ref()
                .map(|connection| connection.last_heard)
                .or(record.observed.last_seen_at);
            let oddities = self.deviations.of(&record.id);
            StationView {
                connection,
                last_seen_at,
                oddities,
                active: active.remove(&record.id).unwrap_or_default(),
                record,
            }
        };
        Ok(records.into_iter().map(view).collect())
    }

    /// A station's connection: here, or at another node that lives.
    pub(crate) fn connection_of(&self, record: &StationRecord) -> Option<Connection> {
        let elsewhere = || {
            let connected = record
                .observed
                .connected
                .as_ref()
                .filter(|connected| connected.node != *self.cluster.run())?;
            Some(Connection {
                node: self.cluster.live_node(&connected.node)?,
                protocol: connected.protocol.clone(),
                connected_since: connected.since,
                last_heard: record.observed.last_seen_at.unwrap_or(connected.since),
            })
        };
        self.cluster.connection(&record.id).or_else(elsewhere)
    }
}

/// What a station's registration is now, in short: it changes with everything that an operator registers.
pub fn version(record: &StationRecord) -> String {
    let connectors: Vec<_> =
        record.connectors.iter().map(|one| (one.connector_id, one.site, &one.standard)).collect();
    let registered = (
        (
            &record.site,
            &record.password_hash,
            record.accept_hex_password,
            record.security_profile,
            &record.default_protocol,
        ),
        (
            &record.time_zone,
            &record.certificate_name,
            record.registration,
            record.availability,
            record.may_configure,
        ),
        (&record.quirks, record.retired_at, connectors),
    );
    let mut short = hex::sha256(format!("{registered:?}").as_bytes());
    short.truncate(VERSION_DIGITS);
    short
}

/// Hex digits of a version.
const VERSION_DIGITS: usize = 24;

/// The words for plugs that OCPI 2.2.1 has.
const STANDARDS: [&str; 40] = [
    "CHADEMO",
    "CHAOJI",
    "DOMESTIC_A",
    "DOMESTIC_B",
    "DOMESTIC_C",
    "DOMESTIC_D",
    "DOMESTIC_E",
    "DOMESTIC_F",
    "DOMESTIC_G",
    "DOMESTIC_H",
    "DOMESTIC_I",
    "DOMESTIC_J",
    "DOMESTIC_K",
    "DOMESTIC_L",
    "DOMESTIC_M",
    "DOMESTIC_N",
    "DOMESTIC_O",
    "GBT_AC",
    "GBT_DC",
    "IEC_60309_2_single_16",
    "IEC_60309_2_three_16",
    "IEC_60309_2_three_32",
    "IEC_60309_2_three_64",
    "IEC_62196_T1",
    "IEC_62196_T1_COMBO",
    "IEC_62196_T2",
    "IEC_62196_T2_COMBO",
    "IEC_62196_T3A",
    "IEC_62196_T3C",
    "NEMA_5_20",
    "NEMA_6_30",
    "NEMA_6_50",
    "NEMA_10_30",
    "NEMA_10_50",
    "NEMA_14_30",
    "NEMA_14_50",
    "PANTOGRAPH_BOTTOM_UP",
    "PANTOGRAPH_TOP_DOWN",
    "TESLA_R",
    "TESLA_S",
];

/// A name in a certificate has this many characters at most (X.520, common name).
const CERTIFICATE_NAME_MAX: usize = 64;

fn check(draft: &StationDraft) -> Done<()> {
    if draft.site.as_deref().is_some_and(|site| site.is_empty() || site.chars().count() > SITE_MAX)
    {
        return Err(AppError::invalid("site", format!("1 to {SITE_MAX} characters")));
    }
    if draft
        .password
        .as_ref()
        .is_some_and(|password| password.is_empty() || password.len() > PASSWORD_MAX)
    {
        return Err(AppError::invalid("password", format!("1 to {PASSWORD_MAX} bytes")));
    }
    if draft.security_profile.is_some_and(|profile| profile > 3) {
        return Err(AppError::invalid("security_profile", "0, 1, 2 or 3"));
    }
    if draft
        .time_zone
        .as_ref()
        .and_then(|zone| zone.as_deref())
        .is_some_and(|zone| Zone::parse(zone).is_none())
    {
        return Err(AppError::invalid(
            "time_zone",
            "an IANA name such as Asia/Tokyo, or an offset such as +09:00",
        ));
    }
    if draft
        .default_protocol
        .as_ref()
        .and_then(|name| name.as_deref())
        .is_some_and(|name| Protocol::from_subprotocol(name).is_none())
    {
        return Err(AppError::invalid(
            "default_protocol",
            Protocol::ALL.map(Protocol::subprotocol).join(" or "),
        ));
    }
    let name = draft.certificate_name.as_ref().and_then(|name| name.as_deref());
    if name.is_some_and(|name| {
        name.is_empty()
            || name.chars().count() > CERTIFICATE_NAME_MAX
            || name.chars().any(char::is_control)
    }) {
        return Err(AppError::invalid(
            "certificate_name",
            format!("1 to {CERTIFICATE_NAME_MAX} printable characters"),
        ));
    }
    let connectors = draft.connectors.as_deref().unwrap_or_default();
    if connectors.len() > CONNECTORS_MAX {
        return Err(AppError::invalid("connectors", format!("at most {CONNECTORS_MAX}")));
    }
    for (place, (id, site, standard)) in connectors.iter().enumerate() {
        if standard.as_deref().is_some_and(|standard| !STANDARDS.contains(&standard)) {
            let field = format!("connectors[{place}].connector_standard");
            return Err(AppError::invalid(
                field,
                format!("one of OCPI's words: {}", STANDARDS.join(", ")),
            ));
        }
        if !(1..=1000).contains(id) || connectors[..place].iter().any(|(other, ..)| other == id) {
            return Err(AppError::invalid(
                format!("connectors[{place}].connector_id"),
                "a number from 1 to 1000, each once",
            ));
        }
        if site.session_cap_min.is_some_and(|cap| !(1..=100_000).contains(&cap)) {
            return Err(AppError::invalid(
                format!("connectors[{place}].session_cap_min"),
                "from 1 to 100000 minutes",
            ));
        }
    }
    Ok(())
}

/// The security profile that a draft means: the one that it names, else the station's own. A first password is there to be
/// asked for.
fn profile_of(draft: &StationDraft, before: Option<&StationRecord>, has_password: bool) -> u8 {
    let usual = u8::from(has_password);
    let kept = |known: &StationRecord| match &known.password_hash {
        None => known.security_profile.max(usual),
        Some(_) => known.security_profile,
    };
    draft.security_profile.unwrap_or_else(|| before.map_or(usual, kept))
}

/// A connector that has told nothing yet.
fn new_connector(
    (connector_id, site, standard): (i64, ConnectorSite, Option<String>),
) -> ConnectorRecord {
    ConnectorRecord {
        connector_id,
        site,
        status: None,
        error_code: None,
        info: None,
        vendor_error_code: None,
        status_at: None,
        standard,
    }
}

/// Under which name it is kept that a station was accepted once.
fn accepted_once(id: &StationId) -> String {
    format!("accepted-once:{id}")
}
