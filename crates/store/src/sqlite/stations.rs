//! Stations in SQLite.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::SqliteStore;
use crate::mapping;
use crate::stations::names_of;
use crate::{
    ConnectorRecord, NextCredentials, Page, StationRecord, StationStore, Stored, ToldSettings,
};
use juden_domain::ids::{SessionRef, StationId};

const PUT_STATION: &str = "
    INSERT INTO stations (station_id, site, password_hash, accept_hex_password, security_profile,
        default_protocol, time_zone, registration, availability, may_configure, next_password_hash, next_security_profile,
        next_after_reboot, quirks, certificate_name)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
    ON CONFLICT (station_id) DO UPDATE SET site = ?2, password_hash = ?3, accept_hex_password = ?4,
        security_profile = ?5, default_protocol = ?6, time_zone = ?7, registration = ?8, availability = ?9, may_configure = ?10,
        next_password_hash = ?11, next_security_profile = ?12, next_after_reboot = ?13, quirks = ?14,
        certificate_name = ?15, retired_at = NULL";

/// Schedules checks of the cards on the lists of a station's new and old site.
const LOOK_AT_LISTS: &str = "
    INSERT OR IGNORE INTO card_looks (card_number, due_at)
    SELECT DISTINCT card_number, ?3 FROM site_lists WHERE site IN (?1, ?2)";

const SETTLE: &str = "
    UPDATE stations SET password_hash = ?2, security_profile = ?3, next_password_hash = ?4, next_security_profile = ?5, next_after_reboot = ?6
    WHERE station_id = ?1";

const PUT_CONNECTOR: &str = "
    INSERT INTO connectors (station_id, connector_id, charger_class, power_w, session_cap_min, connector_standard)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (station_id, connector_id) DO UPDATE SET charger_class = ?3, power_w = ?4, session_cap_min = ?5, connector_standard = ?6";

/// Schedules checks of all cards that may be blocked, if the station was not known to accept
/// unknown cards.
const LOOK_AT_BLOCKED: &str = "
    INSERT OR IGNORE INTO card_looks (card_number, due_at)
    SELECT c.card_number, ?2 FROM cards c WHERE c.member_id IS NOT NULL AND (
            EXISTS (SELECT 1 FROM events e WHERE e.card_number = c.card_number AND e.kind IN ('suspended', 'replaced', 'deactivated'))
            OR EXISTS (SELECT 1 FROM events e WHERE e.card_number IS NULL AND e.member_id = c.member_id
                AND e.kind IN ('withdrawn', 'disqualified', 'hold_set')))
        AND EXISTS (SELECT 1 FROM stations s WHERE s.station_id = ?1 AND s.takes_unknown = 0)";

#[async_trait]
impl StationStore for SqliteStore {
    async fn put_station(&self, station: &StationRecord, at: DateTime<Utc>) -> Stored<bool> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let known: Option<String> =
            sqlx::query_scalar("SELECT site FROM stations WHERE station_id = ?1")
                .bind(station.id.as_str())
                .fetch_optional(&mut *write)
                .await?;
        sqlx::query(PUT_STATION)
            .bind(station.id.as_str())
            .bind(&station.site)
            .bind(&station.password_hash)
            .bind(station.accept_hex_password)
            .bind(i64::from(station.security_profile))
            .bind(&station.default_protocol)
            .bind(&station.time_zone)
            .bind(station.registration.name())
            .bind(station.availability.name())
            .bind(station.may_configure)
            .bind(&station.next.password_hash)
            .bind(station.next.security_profile)
            .bind(station.next.after_reboot)
            .bind(names_of(&station.quirks))
            .bind(&station.certificate_name)
            .execute(&mut *write)
            .await?;
        if known.as_ref() != Some(&station.site) {
            let looks = sqlx::query(LOOK_AT_LISTS)
                .bind(&station.site)
                .bind(&known)
                .bind(at.timestamp_millis());
            looks.execute(&mut *write).await?;
        }
        let listed: Vec<i64> =
            station.connectors.iter().map(|connector| connector.connector_id).collect();
        sqlx::query("DELETE FROM connectors WHERE station_id = ?1 AND connector_id NOT IN (SELECT value FROM json_each(?2))")
            .bind(station.id.as_str())
            .bind(serde_json::json!(listed).to_string())
            .execute(&mut *write)
            .await?;
        for connector in &station.connectors {
            sqlx::query(PUT_CONNECTOR)
                .bind(station.id.as_str())
                .bind(connector.connector_id)
                .bind(connector.site.charger_class.name())
                .bind(connector.site.power_w)
                .bind(connector.site.session_cap_min)
                .bind(&connector.standard)
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        Ok(known.is_none())
    }

    async fn retire_station(&self, id: &StationId, at: DateTime<Utc>) -> Stored<bool> {
        let retire = "UPDATE stations SET retired_at = ?2 WHERE station_id = ?1
             AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.station_id = ?1 AND s.stopped_at IS NULL)";
        let retired = sqlx::query(retire)
            .bind(id.as_str())
            .bind(at.timestamp_millis())
            .execute(&self.write)
            .await?;
        Ok(retired.rows_affected() > 0)
    }

    async fn station(&self, id: &StationId) -> Stored<Option<StationRecord>> {
        let rows = sqlx::query("SELECT * FROM stations WHERE station_id = ?1")
            .bind(id.as_str())
            .fetch_all(&self.read)
            .await?;
        Ok(self.with_connectors(&rows).await?.pop())
    }

    async fn stations(&self, page: &Page) -> Stored<Vec<StationRecord>> {
        let rows = sqlx::query(
            "SELECT * FROM stations WHERE station_id > ?1 ORDER BY station_id LIMIT ?2",
        )
        .bind(page.after.as_deref().unwrap_or(""))
        .bind(page.limit)
        .fetch_all(&self.read)
        .await?;
        self.with_connectors(&rows).await
    }

    async fn stations_named(&self, name: &StationId) -> Stored<Vec<StationId>> {
        let look = "SELECT station_id FROM stations WHERE lower(station_id) = lower(?1) ORDER BY station_id LIMIT 2";
        let rows = sqlx::query(look).bind(name.as_str()).fetch_all(&self.read).await?;
        rows.iter().map(mapping::station_id).collect()
    }

    async fn save_not_done(&self, id: &StationId, not_done: &str) -> Stored<()> {
        let save = sqlx::query("UPDATE stations SET not_done = ?2 WHERE station_id = ?1")
            .bind(id.as_str())
            .bind(not_done);
        save.execute(&self.write).await?;
        Ok(())
    }

    async fn save_configuration(&self, id: &StationId, told: &ToldSettings<'_>) -> Stored<()> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        if told.takes_unknown == Some(true) {
            sqlx::query(LOOK_AT_BLOCKED)
                .bind(id.as_str())
                .bind(told.at.timestamp_millis())
                .execute(&mut *write)
                .await?;
        }
        sqlx::query("UPDATE stations SET configuration = ?2, configuration_firmware = ?3, takes_unknown = coalesce(?4, takes_unknown) WHERE station_id = ?1")
            .bind(id.as_str())
            .bind(told.configuration)
            .bind(told.firmware)
            .bind(told.takes_unknown)
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    async fn save_next(&self, id: &StationId, next: &NextCredentials) -> Stored<()> {
        sqlx::query(
            "UPDATE stations SET next_password_hash = ?2, next_security_profile = ?3, next_after_reboot = ?4 WHERE station_id = ?1",
        )
        .bind(id.as_str())
        .bind(&next.password_hash)
        .bind(next.security_profile)
        .bind(next.after_reboot)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn settle(
        &self,
        id: &StationId,
        password_hash: Option<&str>,
        security_profile: u8,
        next: &NextCredentials,
    ) -> Stored<()> {
        sqlx::query(SETTLE)
            .bind(id.as_str())
            .bind(password_hash)
            .bind(security_profile)
            .bind(&next.password_hash)
            .bind(next.security_profile)
            .bind(next.after_reboot)
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn open_sessions_of(
        &self,
        ids: &[&StationId],
    ) -> Stored<Vec<(StationId, i64, SessionRef)>> {
        let rows = sqlx::query(
            "SELECT station_id, connector_id, reference, max(session_id) AS session_id FROM sessions INDEXED BY sessions_open_by_station
             WHERE station_id IN (SELECT value FROM json_each(?1)) AND stopped_at IS NULL GROUP BY station_id, connector_id",
        )
        .bind(names(ids.iter().copied()))
        .fetch_all(&self.read)
        .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    mapping::station_id(row)?,
                    row.try_get("connector_id")?,
                    mapping::reference(row)?,
                ))
            })
            .collect()
    }
}

impl SqliteStore {
    /// Stations with their connectors, in the same order.
    async fn with_connectors(&self, rows: &[SqliteRow]) -> Stored<Vec<StationRecord>> {
        let mut stations = rows.iter().map(mapping::station).collect::<Stored<Vec<_>>>()?;
        let connectors =
            sqlx::query("SELECT * FROM connectors WHERE station_id IN (SELECT value FROM json_each(?1)) ORDER BY station_id, connector_id")
                .bind(names(stations.iter().map(|station| &station.id)))
                .fetch_all(&self.read)
                .await?;
        let mut of: HashMap<StationId, Vec<ConnectorRecord>> = HashMap::new();
        for row in &connectors {
            of.entry(mapping::station_id(row)?).or_default().push(mapping::connector(row)?);
        }
        for station in &mut stations {
            station.connectors = of.remove(&station.id).unwrap_or_default();
        }
        Ok(stations)
    }
}

fn names<'a>(stations: impl Iterator<Item = &'a StationId>) -> String {
    serde_json::json!(stations.map(StationId::as_str).collect::<Vec<_>>()).to_string()
}
