//! Stations in PostgreSQL.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::rows::{column, ms, text};
use super::{PostgresStore, locks, nodes, retried};
use crate::mapping;
use crate::stations::names_of;
use crate::{
    ConnectorRecord, NextCredentials, Page, StationRecord, StationStore, Stored, ToldSettings,
};
use juden_domain::ids::{SessionRef, StationId};

const STATION: &str = "station_id, site, password_hash, accept_hex_password, security_profile, default_protocol, time_zone, registration,
    availability, vendor, model, serial, firmware, booted_at, status, error_code, last_seen_at, configuration, configuration_firmware,
    may_configure, connected_node, connected_protocol, connected_since, next_password_hash, next_security_profile, next_after_reboot, quirks,
    not_done, certificate_name, retired_at, info, vendor_error_code";

const PUT_STATION: &str = "
    INSERT INTO stations (station_id, site, password_hash, accept_hex_password, security_profile,
        default_protocol, time_zone, registration, availability, may_configure, next_password_hash, next_security_profile,
        next_after_reboot, quirks, certificate_name)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
    ON CONFLICT (station_id) DO UPDATE SET site = excluded.site, password_hash = excluded.password_hash,
        accept_hex_password = excluded.accept_hex_password, security_profile = excluded.security_profile,
        default_protocol = excluded.default_protocol, time_zone = excluded.time_zone, registration = excluded.registration,
        availability = excluded.availability, may_configure = excluded.may_configure,
        next_password_hash = excluded.next_password_hash, next_security_profile = excluded.next_security_profile,
        next_after_reboot = excluded.next_after_reboot, quirks = excluded.quirks,
        certificate_name = excluded.certificate_name, retired_at = NULL";

/// Schedules checks of the cards on the lists of a station's new and old site.
const LOOK_AT_LISTS: &str = "
    INSERT INTO card_looks (card_number, due_at)
    SELECT DISTINCT card_number, $3::timestamptz FROM site_lists WHERE site IN ($1, $2) ORDER BY card_number
    ON CONFLICT DO NOTHING";

const SETTLE: &str = "
    UPDATE stations SET password_hash = $2, security_profile = $3, next_password_hash = $4, next_security_profile = $5, next_after_reboot = $6
    WHERE station_id = $1";

const PUT_CONNECTORS: &str = "
    INSERT INTO connectors (station_id, connector_id, charger_class, power_w, session_cap_min, connector_standard)
    SELECT $1, c.* FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[]) c
    ON CONFLICT (station_id, connector_id) DO UPDATE SET charger_class = excluded.charger_class,
        power_w = excluded.power_w, session_cap_min = excluded.session_cap_min, connector_standard = excluded.connector_standard";

/// Schedules checks of all cards that may be blocked, if the station was not known to accept
/// unknown cards.
const LOOK_AT_BLOCKED: &str = "
    INSERT INTO card_looks (card_number, due_at)
    SELECT c.card_number, $2 FROM cards c WHERE c.member_id IS NOT NULL AND (
            EXISTS (SELECT 1 FROM events e WHERE e.card_number = c.card_number AND e.kind IN ('suspended', 'replaced', 'deactivated'))
            OR EXISTS (SELECT 1 FROM events e WHERE e.card_number IS NULL AND e.member_id = c.member_id
                AND e.kind IN ('withdrawn', 'disqualified', 'hold_set')))
        AND EXISTS (SELECT 1 FROM stations s WHERE s.station_id = $1 AND NOT s.takes_unknown)
    ON CONFLICT DO NOTHING";

#[async_trait]
impl StationStore for PostgresStore {
    async fn put_station(&self, station: &StationRecord, at: DateTime<Utc>) -> Stored<bool> {
        retried!(self.try_put_station(station, at))
    }

    async fn retire_station(&self, id: &StationId, at: DateTime<Utc>) -> Stored<bool> {
        retried!(self.try_retire_station(id, at))
    }

    async fn station(&self, id: &StationId) -> Stored<Option<StationRecord>> {
        let mut look = self.look_for_message().await?;
        let find = format!("SELECT {STATION} FROM stations WHERE station_id = $1");
        let rows = sqlx::query(AssertSqlSafe(find)).bind(id.as_str()).fetch_all(&mut *look).await?;
        Ok(with_connectors(&mut look, &rows).await?.pop())
    }

    async fn stations(&self, page: &Page) -> Stored<Vec<StationRecord>> {
        let mut look = self.look().await?;
        let list = format!(
            "SELECT {STATION} FROM stations WHERE station_id > $1 ORDER BY station_id LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(list))
            .bind(text(page.after.as_deref().unwrap_or("")))
            .bind(page.limit)
            .fetch_all(&mut *look)
            .await?;
        with_connectors(&mut look, &rows).await
    }

    async fn stations_named(&self, name: &StationId) -> Stored<Vec<StationId>> {
        let look = "SELECT station_id FROM stations WHERE lower(station_id) = lower($1) ORDER BY station_id LIMIT 2";
        let rows = sqlx::query(look).bind(name.as_str()).fetch_all(&self.messages).await?;
        rows.iter().map(mapping::station_id).collect()
    }

    async fn save_not_done(&self, id: &StationId, not_done: &str) -> Stored<()> {
        retried!(self.try_save_not_done(id, not_done))
    }

    async fn save_configuration(&self, id: &StationId, told: &ToldSettings<'_>) -> Stored<()> {
        retried!(self.try_save_configuration(id, told))
    }

    async fn save_next(&self, id: &StationId, next: &NextCredentials) -> Stored<()> {
        retried!(self.try_save_next(id, next))
    }

    async fn settle(
        &self,
        id: &StationId,
        password_hash: Option<&str>,
        security_profile: u8,
        next: &NextCredentials,
    ) -> Stored<()> {
        retried!(self.try_settle(id, password_hash, security_profile, next))
    }

    async fn open_sessions_of(
        &self,
        ids: &[&StationId],
    ) -> Stored<Vec<(StationId, i64, SessionRef)>> {
        let rows = sqlx::query(
            "SELECT DISTINCT ON (station_id, connector_id) station_id, connector_id, reference FROM sessions
             WHERE station_id = ANY($1) AND stopped_at IS NULL ORDER BY station_id, connector_id, session_id DESC",
        )
        .bind(ids.iter().map(|id| id.as_str()).collect::<Vec<_>>())
        .fetch_all(&self.api)
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

impl PostgresStore {
    async fn try_save_next(&self, id: &StationId, next: &NextCredentials) -> Stored<()> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        sqlx::query(
            "UPDATE stations SET next_password_hash = $2, next_security_profile = $3, next_after_reboot = $4 WHERE station_id = $1",
        )
        .bind(id.as_str())
        .bind(&next.password_hash)
        .bind(next.security_profile.map(i64::from))
        .bind(next.after_reboot)
        .execute(&mut *write)
        .await?;
        nodes::station_changed(&mut write, id).await?;
        write.commit().await?;
        Ok(())
    }

    async fn try_settle(
        &self,
        id: &StationId,
        password_hash: Option<&str>,
        security_profile: u8,
        next: &NextCredentials,
    ) -> Stored<()> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        sqlx::query(SETTLE)
            .bind(id.as_str())
            .bind(password_hash)
            .bind(i64::from(security_profile))
            .bind(&next.password_hash)
            .bind(next.security_profile.map(i64::from))
            .bind(next.after_reboot)
            .execute(&mut *write)
            .await?;
        nodes::station_changed(&mut write, id).await?;
        write.commit().await?;
        Ok(())
    }

    async fn try_put_station(&self, station: &StationRecord, at: DateTime<Utc>) -> Stored<bool> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        let known: Option<String> =
            sqlx::query_scalar("SELECT site FROM stations WHERE station_id = $1")
                .bind(station.id.as_str())
                .fetch_optional(&mut *write)
                .await?;
        sqlx::query(PUT_STATION)
            .bind(station.id.as_str())
            .bind(text(&station.site))
            .bind(&station.password_hash)
            .bind(station.accept_hex_password)
            .bind(i64::from(station.security_profile))
            .bind(&station.default_protocol)
            .bind(&station.time_zone)
            .bind(station.registration.name())
            .bind(station.availability.name())
            .bind(station.may_configure)
            .bind(&station.next.password_hash)
            .bind(station.next.security_profile.map(i64::from))
            .bind(station.next.after_reboot)
            .bind(names_of(&station.quirks))
            .bind(station.certificate_name.as_deref().map(text))
            .execute(&mut *write)
            .await?;
        if known.as_deref() != Some(text(&station.site).as_ref()) {
            let looks =
                sqlx::query(LOOK_AT_LISTS).bind(text(&station.site)).bind(&known).bind(ms(at));
            looks.execute(&mut *write).await?;
        }
        let listed = column(&station.connectors, |connector| connector.connector_id);
        sqlx::query("DELETE FROM connectors WHERE station_id = $1 AND connector_id <> ALL($2)")
            .bind(station.id.as_str())
            .bind(&listed)
            .execute(&mut *write)
            .await?;
        sqlx::query(PUT_CONNECTORS)
            .bind(station.id.as_str())
            .bind(listed)
            .bind(column(&station.connectors, |connector| connector.site.charger_class.name()))
            .bind(column(&station.connectors, |connector| connector.site.power_w))
            .bind(column(&station.connectors, |connector| connector.site.session_cap_min))
            .bind(column(&station.connectors, |connector| connector.standard.as_deref()))
            .execute(&mut *write)
            .await?;
        nodes::station_changed(&mut write, &station.id).await?;
        write.commit().await?;
        Ok(known.is_none())
    }

    async fn try_retire_station(&self, id: &StationId, at: DateTime<Utc>) -> Stored<bool> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        let retire = "UPDATE stations SET retired_at = $2 WHERE station_id = $1
             AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.station_id = $1 AND s.stopped_at IS NULL)";
        let retired = sqlx::query(retire)
            .bind(id.as_str())
            .bind(ms(at))
            .execute(&mut *write)
            .await?
            .rows_affected()
            > 0;
        nodes::station_changed(&mut write, id).await?;
        write.commit().await?;
        Ok(retired)
    }

    async fn try_save_not_done(&self, id: &StationId, not_done: &str) -> Stored<()> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        let save = sqlx::query("UPDATE stations SET not_done = $2 WHERE station_id = $1")
            .bind(id.as_str())
            .bind(text(not_done));
        save.execute(&mut *write).await?;
        nodes::station_changed(&mut write, id).await?;
        write.commit().await?;
        Ok(())
    }

    async fn try_save_configuration(&self, id: &StationId, told: &ToldSettings<'_>) -> Stored<()> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        if told.takes_unknown == Some(true) {
            sqlx::query(LOOK_AT_BLOCKED)
                .bind(id.as_str())
                .bind(ms(told.at))
                .execute(&mut *write)
                .await?;
        }
        sqlx::query("UPDATE stations SET configuration = $2, configuration_firmware = $3, takes_unknown = coalesce($4, takes_unknown) WHERE station_id = $1")
            .bind(id.as_str())
            .bind(text(told.configuration))
            .bind(told.firmware.map(text))
            .bind(told.takes_unknown)
            .execute(&mut *write)
            .await?;
        nodes::station_changed(&mut write, id).await?;
        write.commit().await?;
        Ok(())
    }
}

/// Stations with their connectors, in the same order.
async fn with_connectors(look: &mut PgConnection, rows: &[PgRow]) -> Stored<Vec<StationRecord>> {
    let mut stations = rows.iter().map(mapping::station).collect::<Stored<Vec<_>>>()?;
    let connectors = sqlx::query(
        "SELECT station_id, connector_id, charger_class, power_w, session_cap_min, status, error_code, info, vendor_error_code,
            status_at, connector_standard FROM connectors
         WHERE station_id = ANY($1) ORDER BY station_id, connector_id",
    )
    .bind(column(&stations, |station| station.id.as_str()))
    .fetch_all(look)
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
