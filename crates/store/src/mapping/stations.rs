//! Reads rows of stations and their connectors.

use juden_domain::station::{BootReport, ChargerClass, ConnectorSite};

use super::{Columns, station_id};
use crate::stations::{
    Connected, ConnectorRecord, NextCredentials, StationObserved, StationRecord,
};
use crate::{NodeRun, StoreError, Stored, columns};

/// The site data of a row with the columns `charger_class`, `power_w`, `session_cap_min`.
pub fn site(row: &impl Columns) -> Stored<Option<ConnectorSite>> {
    let Some(class) = row.text("charger_class")? else { return Ok(None) };
    let charger_class =
        ChargerClass::parse(&class).ok_or(StoreError::Unreadable("charger class"))?;
    Ok(Some(ConnectorSite {
        charger_class,
        power_w: row.of("power_w")?,
        session_cap_min: row.of("session_cap_min")?,
    }))
}

/// A connector.
pub fn connector(row: &impl Columns) -> Stored<ConnectorRecord> {
    Ok(ConnectorRecord {
        connector_id: row.of("connector_id")?,
        site: site(row)?.ok_or(StoreError::Unreadable("charger class"))?,
        status: row.of("status")?,
        error_code: row.of("error_code")?,
        info: row.of("info")?,
        vendor_error_code: row.of("vendor_error_code")?,
        status_at: row.of("status_at")?,
        standard: row.of("connector_standard")?,
    })
}

fn profile(number: i64) -> Stored<u8> {
    u8::try_from(number).map_err(|_| StoreError::Unreadable("security profile"))
}

/// A station without its connectors.
pub fn station(row: &impl Columns) -> Stored<StationRecord> {
    Ok(StationRecord {
        id: station_id(row)?,
        site: row.of("site")?,
        password_hash: row.of("password_hash")?,
        accept_hex_password: row.of("accept_hex_password")?,
        security_profile: profile(row.of("security_profile")?)?,
        next: NextCredentials {
            password_hash: row.of("next_password_hash")?,
            security_profile: row.integer("next_security_profile")?.map(profile).transpose()?,
            after_reboot: row.of("next_after_reboot")?,
        },
        default_protocol: row.of("default_protocol")?,
        certificate_name: row.of("certificate_name")?,
        retired_at: row.of("retired_at")?,
        time_zone: columns::time_zone(row.of("time_zone")?)?,
        registration: columns::registration(&row.of::<String>("registration")?)?,
        availability: columns::availability(&row.of::<String>("availability")?)?,
        connectors: Vec::new(),
        may_configure: row.of("may_configure")?,
        quirks: columns::quirks(row.text("quirks")?.as_deref())?,
        observed: observed(row)?,
    })
}

fn observed(row: &impl Columns) -> Stored<StationObserved> {
    let booted_at = row.instant("booted_at")?;
    let boot = match booted_at {
        None => None,
        Some(_) => Some(BootReport {
            vendor: row.text("vendor")?.unwrap_or_default(),
            model: row.text("model")?.unwrap_or_default(),
            serial: row.of("serial")?,
            firmware: row.of("firmware")?,
        }),
    };
    Ok(StationObserved {
        info: row.of("info")?,
        vendor_error_code: row.of("vendor_error_code")?,
        boot,
        booted_at,
        status: row.of("status")?,
        error_code: row.of("error_code")?,
        last_seen_at: row.of("last_seen_at")?,
        configuration: row.of("configuration")?,
        configuration_firmware: row.of("configuration_firmware")?,
        not_done: row.of("not_done")?,
        connected: connected(row)?,
    })
}

fn connected(row: &impl Columns) -> Stored<Option<Connected>> {
    let held_by = row.text("connected_node")?.zip(row.instant("connected_since")?);
    let protocol = row.text("connected_protocol")?.unwrap_or_default();
    Ok(held_by.map(|(node, since)| Connected { node: NodeRun(node), protocol, since }))
}
