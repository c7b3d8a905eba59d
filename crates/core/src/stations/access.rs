//! Who may connect: a station's identity, security profile, password and certificate, and the operator's key.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use crate::error::Done;
use crate::passwords::{SlowQueue, kept_keyed, matches_keyed, random_hex};
use crate::stations::Stations;
use crate::stations::credentials::{KnownPassword, is_expected};
use juden_domain::hex;
use juden_domain::ids::StationId;
use juden_ocpp::protocol::Protocol;
use juden_store::{StationRecord, Store, Stored};

/// Why a handshake is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denied {
    /// The path names no identity that could be one.
    BadIdentity,
    /// No station of that identity is registered.
    UnknownStation,
    /// The station is registered for another security profile.
    SecurityProfile,
    /// The user is not the station, or the password is missing or wrong.
    Password,
    /// No certificate was shown where the station must show one.
    NoCertificate,
    /// The certificate is another station's, or another operator's.
    CertificateSubject,
    /// No protocol in common.
    Protocol,
}

impl Denied {
    /// The HTTP status that tells it, and its code.
    pub const fn told(self) -> (u16, &'static str) {
        match self {
            Self::BadIdentity => (404, "bad_identity"),
            Self::UnknownStation => (404, "unknown_station"),
            Self::SecurityProfile => (401, "security_profile"),
            Self::Password => (401, "password"),
            Self::NoCertificate => (401, "no_certificate"),
            Self::CertificateSubject => (401, "certificate_subject"),
            Self::Protocol => (400, "protocol"),
        }
    }

    /// Whether it says something of which stations there are, and of what they have.
    pub const fn is_of_who_comes(self) -> bool {
        match self {
            Self::UnknownStation
            | Self::SecurityProfile
            | Self::Password
            | Self::NoCertificate
            | Self::CertificateSubject => true,
            Self::BadIdentity | Self::Protocol => false,
        }
    }
}

/// Who a station's certificate is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Its subject's common name: the station's identity (OCPP A00.FR.405).
    pub common_name: String,
    /// Its subject's organization: the operator (A00.FR.404).
    pub organization: Option<String>,
}

/// How a station comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Without TLS.
    Plain,
    /// Over TLS, with a certificate that an authority of ours signed where it showed one.
    Tls(Option<ClientCertificate>),
}

/// What a station shows at the door.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// User and password of HTTP Basic authentication, as bytes: a password need be no text.
    pub basic: Option<(Vec<u8>, Vec<u8>)>,
    /// The subprotocols that it offers, in its order.
    pub offered: Vec<String>,
}

impl Credentials {
    /// The first of the station's versions that we speak.
    fn speaks(&self) -> Option<Protocol> {
        self.offered.iter().find_map(|name| Protocol::from_subprotocol(name))
    }

    /// The same, by another name where the user is the one told.
    fn with_user(&self, told: &str, name: &str) -> Self {
        let mut renamed = self.clone();
        if let Some((user, _)) = renamed.basic.as_mut().filter(|(user, _)| user == told.as_bytes())
        {
            *user = name.as_bytes().to_vec();
        }
        renamed
    }
}

/// A handshake that is accepted: its station, and the protocol of the connection.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Its record.
    pub station: Arc<StationRecord>,
    /// The protocol that is spoken.
    pub protocol: Protocol,
    /// Whether the answer names it: not to a station that offered none.
    pub named: bool,
}

impl Stations {
    /// Whether passwords or certificates are required of every station: then nobody without one is told which there are.
    pub fn hides_unknown_stations(&self) -> bool {
        self.rules.min_security_profile > 0
    }

    /// Decides who may connect. A station is registered for one security profile, and comes with no other
    /// (OCPP A00.FR.001).
    pub async fn admit_station(
        &self,
        id: &str,
        shown: &Credentials,
        transport: &Transport,
    ) -> Done<Result<Admitted, Denied>> {
        let Ok(id) = StationId::parse(id) else {
            return Ok(Err(Denied::BadIdentity));
        };
        // One that was taken down is as unknown as one that never was.
        let Some(station) =
            self.station_called(&id, shown).await?.filter(|station| station.retired_at.is_none())
        else {
            return Ok(Err(Denied::UnknownStation));
        };
        if station.security_profile < self.rules.min_security_profile {
            return Ok(Err(Denied::SecurityProfile));
        }
        // A station that writes its identity in another case does so as the user too.
        let shown = &shown.with_user(id.as_str(), station.id.as_str());
        let came = match self.comes_at_all(&station, shown, transport).await? {
            Ok(came) => came,
            Err(denied) => return Ok(Err(denied)),
        };
        let Some((protocol, named)) = protocol(&station, shown) else {
            return Ok(Err(Denied::Protocol));
        };
        // Only who enters has come with anything.
        if is_expected(&station.next) {
            self.came_with(&station, came.0, came.1).await?;
        }
        Ok(Ok(Admitted { station, protocol, named }))
    }

    /// A station by its identity. One that nobody has is, over OCPP 2.0.1, that of the only station that has it in another
    /// case: that version compares identities without case (part 2 section 2.1), and firmware changes it.
    async fn station_called(
        &self,
        id: &StationId,
        shown: &Credentials,
    ) -> Done<Option<Arc<StationRecord>>> {
        let found = self.directory.find(id).await?;
        if found.is_some() || !shown.speaks().is_some_and(Protocol::ignores_case_of_identities) {
            return Ok(found);
        }
        match self.store.stations_named(id).await?.as_slice() {
            [only] => Ok(self.directory.find(only).await?),
            _ => Ok(None),
        }
    }

    /// How a station comes: as the profile wants that it was told to come with, or as its own does.
    async fn comes_at_all(
        &self,
        station: &StationRecord,
        shown: &Credentials,
        transport: &Transport,
    ) -> Done<Result<(u8, Option<KnownPassword>), Denied>> {
        if let Some(next) = station.next.security_profile
            && let Ok(password) = self.comes(station, next, shown, transport).await?
        {
            return Ok(Ok((next, password)));
        }
        let password = self.comes(station, station.security_profile, shown, transport).await?;
        Ok(password.map(|password| (station.security_profile, password)))
    }

    /// Whether a station comes as a security profile wants; with which password, where it wants one.
    async fn comes(
        &self,
        station: &StationRecord,
        profile: u8,
        shown: &Credentials,
        transport: &Transport,
    ) -> Done<Result<Option<KnownPassword>, Denied>> {
        Ok(match (profile, transport) {
            (0, Transport::Plain) => Ok(None),
            (1, Transport::Plain) | (2, Transport::Tls(_)) => {
                self.known_password(station, shown).await?.map(Some).ok_or(Denied::Password)
            }
            (3, Transport::Tls(None)) => Err(Denied::NoCertificate),
            (3, Transport::Tls(Some(certificate))) if self.is_of(station, certificate) => Ok(None),
            (3, Transport::Tls(Some(_))) => Err(Denied::CertificateSubject),
            _ => Err(Denied::SecurityProfile),
        })
    }

    /// Whether a certificate is a station's: its common name is the station's identity, or the name in its certificate that the
    /// operator registered, such as its serial number; and its organization is the operator's where one is set. What serial
    /// number a station tells itself proves nothing: it could tell another's.
    fn is_of(&self, station: &StationRecord, certificate: &ClientCertificate) -> bool {
        let name = certificate.common_name.as_str();
        let named =
            name == station.id.as_str() || station.certificate_name.as_deref() == Some(name);
        let wanted = &self.rules.client_organization;
        named && (wanted.is_empty() || certificate.organization.as_ref() == Some(wanted))
    }

    /// Which of a station's passwords is shown.
    async fn known_password(
        &self,
        station: &StationRecord,
        shown: &Credentials,
    ) -> Done<Option<KnownPassword>> {
        let Some((user, password)) = &shown.basic else { return Ok(None) };
        if user != station.id.as_str().as_bytes() {
            return Ok(None);
        }
        for (kept, which) in [
            (&station.password_hash, KnownPassword::Current),
            (&station.next.password_hash, KnownPassword::Next),
        ] {
            if let Some(kept) = kept
                && self.is_password(station, kept, password).await?
            {
                return Ok(Some(which));
            }
        }
        Ok(None)
    }

    async fn is_password(
        &self,
        station: &StationRecord,
        kept: &str,
        password: &[u8],
    ) -> Done<bool> {
        if self.passwords.matches(SlowQueue::Stations, kept, password).await? {
            return Ok(true);
        }
        // Some stations send their key's hex digits as the password.
        let digits = std::str::from_utf8(password).ok().filter(|_| station.accept_hex_password);
        match digits.and_then(hex::decode) {
            Some(bytes) => self.passwords.matches(SlowQueue::Stations, kept, &bytes).await,
            None => Ok(false),
        }
    }
}

/// The first of the station's protocols that we speak; the assumed one where it names none.
fn protocol(station: &StationRecord, shown: &Credentials) -> Option<(Protocol, bool)> {
    if shown.offered.is_empty() {
        let assumed = station.default_protocol.as_deref().and_then(Protocol::from_subprotocol)?;
        return Some((assumed, false));
    }
    shown.speaks().map(|protocol| (protocol, true))
}

/// The meta values that hold the operator's key and the installation's secret.
const ADMIN_KEY: &str = "admin_key_sha256";
const SECRET: &str = "password_secret";

/// A short random text that tells nodes of one host apart.
pub fn random_suffix() -> String {
    random_hex(3)
}

fn sha256_hex(text: &str) -> String {
    hex::sha256(text.as_bytes())
}

/// The secret under which passwords of this installation are hashed, made on first use.
pub async fn installation_secret(store: &dyn Store) -> Stored<String> {
    store.meta_or_set(SECRET, &random_hex(32)).await
}

/// The operator's key, as it is kept: under the installation's secret; a bare hash where an older version kept it.
#[derive(Clone)]
pub struct AdminKey {
    secret: String,
    kept: String,
}

impl AdminKey {
    /// Sets the operator's key; without one, makes it on first use. The key is returned where it was made, to be shown
    /// once.
    pub async fn set(store: &dyn Store, given: Option<&str>) -> Stored<(Self, Option<String>)> {
        let secret = installation_secret(store).await?;
        if let Some(key) = given {
            let kept = kept_keyed(secret.as_bytes(), key.as_bytes());
            store.set_meta(ADMIN_KEY, &kept).await?;
            return Ok((Self { secret, kept }, None));
        }
        let made = random_hex(24);
        let kept =
            store.meta_or_set(ADMIN_KEY, &kept_keyed(secret.as_bytes(), made.as_bytes())).await?;
        let key = Self { secret, kept };
        let is_made = key.is(&made);
        Ok((key, is_made.then_some(made)))
    }

    /// Whether a key is the operator's.
    pub fn is(&self, key: &str) -> bool {
        let bare = || sha256_hex(key).as_bytes().ct_eq(self.kept.as_bytes()).into();
        matches_keyed(self.secret.as_bytes(), &self.kept, key.as_bytes()).unwrap_or_else(bare)
    }
}
