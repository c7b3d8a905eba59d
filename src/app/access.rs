//! Who may connect: a station's identity, security profile and password (security profiles 0 and 1
//! on the plain listener), and the operator's key.

use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::passwords::random_hex;
use super::{App, Done};
use crate::domain::ids::StationId;
use crate::hex;
use crate::ocpp::protocol::Protocol;
use crate::store::{StationRecord, Store, Stored};

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
            Self::Protocol => (400, "protocol"),
        }
    }
}

/// What a station shows at the door.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// User and password of HTTP Basic authentication, as bytes: a password need be no text.
    pub basic: Option<(Vec<u8>, Vec<u8>)>,
    /// The subprotocols that it offers, in its order.
    pub offered: Vec<String>,
}

/// A station that may enter.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Its record.
    pub station: Arc<StationRecord>,
    /// The protocol that is spoken.
    pub protocol: Protocol,
    /// Whether the answer names it: not to a station that offered none.
    pub named: bool,
}

impl App {
    /// Decides who may connect over a plain connection.
    pub async fn admit_station(&self, id: &str, shown: &Credentials) -> Done<Result<Admitted, Denied>> {
        let Ok(id) = StationId::parse(id) else {
            return Ok(Err(Denied::BadIdentity));
        };
        let Some(station) = self.stations.find(&id).await? else {
            return Ok(Err(Denied::UnknownStation));
        };
        // Profiles 2 and 3 need TLS, and a plain connection is a lower profile (OCPP A00.FR.001).
        if station.security_profile > 1 || station.security_profile < self.settings.min_security_profile {
            return Ok(Err(Denied::SecurityProfile));
        }
        if station.security_profile == 1 && !self.knows_password(&station, shown).await {
            return Ok(Err(Denied::Password));
        }
        Ok(match protocol(&station, shown) {
            Some((protocol, named)) => Ok(Admitted { station, protocol, named }),
            None => Err(Denied::Protocol),
        })
    }

    async fn knows_password(&self, station: &StationRecord, shown: &Credentials) -> bool {
        let (Some(kept), Some((user, password))) = (&station.password_hash, &shown.basic) else {
            return false;
        };
        if user != station.id.as_str().as_bytes() {
            return false;
        }
        if self.passwords.matches(kept, password).await {
            return true;
        }
        // Some stations send their key's hex digits as the password.
        let digits = std::str::from_utf8(password).ok().filter(|_| station.accept_hex_password);
        match digits.and_then(hex::decode) {
            Some(bytes) => self.passwords.matches(kept, &bytes).await,
            None => false,
        }
    }
}

/// The first of the station's protocols that we speak; the assumed one where it names none.
fn protocol(station: &StationRecord, shown: &Credentials) -> Option<(Protocol, bool)> {
    if shown.offered.is_empty() {
        let assumed = station.default_protocol.as_deref().and_then(Protocol::from_subprotocol)?;
        return Some((assumed, false));
    }
    shown.offered.iter().find_map(|name| Protocol::from_subprotocol(name)).map(|protocol| (protocol, true))
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

/// Sets the operator's key; without one, makes it on first use and returns it to be shown once.
pub async fn set_admin_key(store: &dyn Store, given: Option<&str>) -> Stored<Option<String>> {
    if let Some(key) = given {
        store.set_meta(ADMIN_KEY, &sha256_hex(key)).await?;
        return Ok(None);
    }
    let made = random_hex(24);
    let kept = store.meta_or_set(ADMIN_KEY, &sha256_hex(&made)).await?;
    Ok((kept == sha256_hex(&made)).then_some(made))
}

/// The hash of the operator's key.
pub async fn admin_key_hash(store: &dyn Store) -> Stored<String> {
    Ok(store.meta(ADMIN_KEY).await?.unwrap_or_default())
}

/// Whether a key is the operator's.
pub fn is_admin_key(kept_hash: &str, key: &str) -> bool {
    sha256_hex(key).as_bytes().ct_eq(kept_hash.as_bytes()).into()
}
