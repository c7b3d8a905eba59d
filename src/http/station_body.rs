//! The body of a request that registers or changes a station.

use std::collections::BTreeSet;
use std::str::FromStr;

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Number;
use utoipa::ToSchema;

use super::problem::Problem;
use juden_core::stations::registry::StationDraft;
use juden_domain::hex;
use juden_domain::station::{Availability, ChargerClass, ConnectorSite, Quirk, Registration};

/// The class of a charger.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassName {
    /// Quick charger.
    Quick,
    /// Normal charger.
    Normal,
}

impl From<ClassName> for ChargerClass {
    fn from(name: ClassName) -> Self {
        match name {
            ClassName::Quick => Self::Quick,
            ClassName::Normal => Self::Normal,
        }
    }
}

impl From<ChargerClass> for ClassName {
    fn from(class: ChargerClass) -> Self {
        match class {
            ChargerClass::Quick => Self::Quick,
            ChargerClass::Normal => Self::Normal,
        }
    }
}

/// A deviation of a station from the standard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuirkName {
    /// Pings disturb the station, so it is sent none.
    NoPings,
    /// Its readers send the bytes of an id tag in reverse order.
    ReversedIdTags,
    /// It sends kilowatt-hours and calls them watt-hours.
    EnergyInKwh,
}

impl From<QuirkName> for Quirk {
    fn from(name: QuirkName) -> Self {
        match name {
            QuirkName::NoPings => Self::NoPings,
            QuirkName::ReversedIdTags => Self::ReversedIdTags,
            QuirkName::EnergyInKwh => Self::EnergyInKwh,
        }
    }
}

/// A station's registration status.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationName {
    /// The station may work.
    #[default]
    Accepted,
    /// The station must wait.
    Pending,
    /// The station is refused.
    Rejected,
}

/// Whether drivers can use a station.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AvailabilityName {
    /// The station can be used.
    #[default]
    Open,
    /// The site is closed.
    Closed,
    /// The station is under maintenance.
    Maintenance,
}

/// The registration of a station, or changes of it. A field that is left out stays. `null` removes
/// an optional value. The answer of `GET` is accepted as well; its observed fields are ignored.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StationBody {
    /// The charging site where it stands. A new station must have one.
    #[schema(min_length = 1, max_length = 200)]
    site: Option<String>,
    /// The password as text.
    #[schema(min_length = 1, max_length = 64)]
    password: Option<String>,
    /// The password as hex digits of its bytes, if it is not text.
    #[schema(pattern = "^([0-9a-fA-F]{2}){1,64}$")]
    password_hex: Option<String>,
    /// Whether the station may send the hex digits themselves as its password.
    accept_hex_password: Option<bool>,
    /// Whether Juden may change the settings that the local authorization list needs, so that the
    /// station learns of blocked cards.
    may_configure: Option<bool>,
    /// Deviations from the standard: `no_pings` (pings disturb it), `reversed_id_tags` (an id tag's
    /// bytes come in reverse), `energy_in_kwh` (it sends kilowatt-hours as watt-hours).
    #[schema(max_items = 3)]
    quirks: Option<BTreeSet<QuirkName>>,
    /// The only security profile that it may use. For a new station without one: 1 with a password,
    /// else 0.
    #[schema(minimum = 0, maximum = 3)]
    security_profile: Option<u8>,
    /// The protocol assumed if it offers none: ocpp1.6 or ocpp2.0.1.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, pattern = r"^ocpp(1\.6|2\.0\.1)$")]
    default_protocol: Option<Option<String>>,
    /// The time zone of its timestamps without offset: an IANA name or an offset.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>)]
    time_zone: Option<Option<String>>,
    /// A further name that its certificate may have instead of its identity, such as the serial
    /// number.
    #[serde(default, deserialize_with = "named")]
    #[schema(value_type = Option<String>, max_length = 64)]
    certificate_name: Option<Option<String>>,
    /// The registration status in the answer to its BootNotification.
    registration: Option<RegistrationName>,
    /// Whether drivers can use it. Otherwise cards are refused.
    availability: Option<AvailabilityName>,
    /// The connectors. A new station must have a list, which may be empty.
    #[schema(max_items = 64)]
    connectors: Option<Vec<ConnectorBody>>,
    // Observed fields of the answer of `GET`, which are ignored.
    #[serde(rename = "station_id", default)]
    #[schema(ignore)]
    _station_id: IgnoredAny,
    #[serde(rename = "online", default)]
    #[schema(ignore)]
    _online: IgnoredAny,
    #[serde(rename = "protocol", default)]
    #[schema(ignore)]
    _protocol: IgnoredAny,
    #[serde(rename = "node", default)]
    #[schema(ignore)]
    _node: IgnoredAny,
    #[serde(rename = "connected_since", default)]
    #[schema(ignore)]
    _connected_since: IgnoredAny,
    #[serde(rename = "last_seen_at", default)]
    #[schema(ignore)]
    _last_seen_at: IgnoredAny,
    #[serde(rename = "boot_status", default)]
    #[schema(ignore)]
    _boot_status: IgnoredAny,
    #[serde(rename = "status", default)]
    #[schema(ignore)]
    _status: IgnoredAny,
    #[serde(rename = "error_code", default)]
    #[schema(ignore)]
    _error_code: IgnoredAny,
    #[serde(rename = "vendor_error_code", default)]
    #[schema(ignore)]
    _vendor_error_code: IgnoredAny,
    #[serde(rename = "info", default)]
    #[schema(ignore)]
    _info: IgnoredAny,
    #[serde(rename = "vendor", default)]
    #[schema(ignore)]
    _vendor: IgnoredAny,
    #[serde(rename = "model", default)]
    #[schema(ignore)]
    _model: IgnoredAny,
    #[serde(rename = "serial", default)]
    #[schema(ignore)]
    _serial: IgnoredAny,
    #[serde(rename = "firmware", default)]
    #[schema(ignore)]
    _firmware: IgnoredAny,
    #[serde(rename = "configuration", default)]
    #[schema(ignore)]
    _configuration: IgnoredAny,
    #[serde(rename = "not_supported", default)]
    #[schema(ignore)]
    _not_supported: IgnoredAny,
    #[serde(rename = "oddities", default)]
    #[schema(ignore)]
    _oddities: IgnoredAny,
    #[serde(rename = "retired_at", default)]
    #[schema(ignore)]
    _retired_at: IgnoredAny,
    #[serde(rename = "etag", default)]
    #[schema(ignore)]
    _etag: IgnoredAny,
}

/// Reads a field so that `null` differs from a field that is left out.
fn named<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    field: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// The registration of a connector.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorBody {
    /// The connector's number at the station.
    #[schema(minimum = 1, maximum = 1000)]
    connector_id: i64,
    /// The charger class.
    charger_class: ClassName,
    /// The rated power in kilowatts.
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 10000)]
    power_kw: Option<Number>,
    /// The site's time limit for one session, in minutes.
    #[schema(minimum = 1, maximum = 100_000)]
    session_cap_min: Option<i64>,
    /// The plug's standard, as OCPI names it, such as `CHADEMO`.
    #[schema(max_length = 32)]
    connector_standard: Option<String>,
    /// An observed field, which is ignored.
    #[serde(rename = "status", default)]
    #[schema(ignore)]
    _status: IgnoredAny,
    #[serde(rename = "error_code", default)]
    #[schema(ignore)]
    _error_code: IgnoredAny,
    #[serde(rename = "vendor_error_code", default)]
    #[schema(ignore)]
    _vendor_error_code: IgnoredAny,
    #[serde(rename = "info", default)]
    #[schema(ignore)]
    _info: IgnoredAny,
    #[serde(rename = "active_session_id", default)]
    #[schema(ignore)]
    _active_session_id: IgnoredAny,
}

impl StationBody {
    /// The draft of the registration.
    pub fn draft(self) -> Result<StationDraft, Problem> {
        let password = match (self.password, self.password_hex) {
            (Some(_), Some(_)) => {
                return Err(Problem::malformed(
                    "password_hex",
                    "give password or password_hex, not both",
                ));
            }
            (Some(text), None) => Some(text.into_bytes()),
            (None, Some(digits)) => Some(hex::decode(&digits).ok_or_else(|| {
                Problem::malformed(
                    "password_hex",
                    "password_hex must be an even number of hex digits",
                )
            })?),
            (None, None) => None,
        };
        let connectors = self.connectors.map(connectors).transpose()?;
        Ok(StationDraft {
            may_configure: self.may_configure,
            quirks: self.quirks.map(|quirks| quirks.into_iter().map(Quirk::from).collect()),
            site: self.site,
            password,
            accept_hex_password: self.accept_hex_password,
            security_profile: self.security_profile,
            default_protocol: self.default_protocol,
            time_zone: self.time_zone,
            certificate_name: self.certificate_name,
            registration: self.registration.map(|name| match name {
                RegistrationName::Accepted => Registration::Accepted,
                RegistrationName::Pending => Registration::Pending,
                RegistrationName::Rejected => Registration::Rejected,
            }),
            availability: self.availability.map(|name| match name {
                AvailabilityName::Open => Availability::Open,
                AvailabilityName::Closed => Availability::Closed,
                AvailabilityName::Maintenance => Availability::Maintenance,
            }),
            connectors,
            if_match: None,
        })
    }
}

/// The connectors of the draft.
fn connectors(
    bodies: Vec<ConnectorBody>,
) -> Result<Vec<(i64, ConnectorSite, Option<String>)>, Problem> {
    let mut connectors = Vec::with_capacity(bodies.len());
    for (place, connector) in bodies.into_iter().enumerate() {
        let power_w = connector.power_kw.as_ref().map(watts).transpose().map_err(|allowed| {
            let field = format!("connectors[{place}].power_kw");
            Problem::malformed(field.clone(), format!("{field} must be {allowed}"))
        })?;
        let site = ConnectorSite {
            charger_class: connector.charger_class.into(),
            power_w,
            session_cap_min: connector.session_cap_min,
        };
        connectors.push((connector.connector_id, site, connector.connector_standard));
    }
    Ok(connectors)
}

/// The most power of a connector in kilowatts: 10 megawatts.
const POWER_MAX_KW: i64 = 10_000;

fn watts(kilowatts: &Number) -> Result<i64, String> {
    let text = kilowatts.to_string();
    let decimal = Decimal::from_str(&text).or_else(|_| Decimal::from_scientific(&text)).ok();
    decimal
        .filter(|kw| *kw >= Decimal::ZERO && *kw <= Decimal::from(POWER_MAX_KW))
        .and_then(|kw| (kw * Decimal::ONE_THOUSAND).round().to_i64())
        .ok_or_else(|| format!("a number of kilowatts from 0 to {POWER_MAX_KW}"))
}
