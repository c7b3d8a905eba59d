//! Exposures of cards, and block deliveries to stations, in SQLite.

use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::members::last_seq;
use crate::blocks::{BlockOrAllow, BlockStore, Delivery, DeliveryOutcome};
use crate::mapping;
use crate::{Seen, StoreError, Stored};
use juden_domain::ids::{CardNumber, StationId};

/// Sets a block's deliveries to pending, unless the station already has the block. The stations are
/// those that may remember the card, and those that accept unknown cards while offline, whether
/// they ever had an answer about the card or not.
const RECALL_BLOCK: &str = "
    INSERT INTO card_deliveries (card_number, station_id, reach, state, means, tries, since, at, next_try_at)
    SELECT ?1, station_id, 'block', 'pending', NULL, 0, ?2, ?2, ?2 FROM (
        SELECT station_id FROM card_exposures WHERE card_number = ?1 UNION SELECT station_id FROM stations WHERE takes_unknown = 1)
    WHERE true
    ON CONFLICT (card_number, station_id) DO UPDATE SET reach = 'block', state = 'pending', tries = 0,
        since = max(?2, card_deliveries.since + 1), at = ?2, next_try_at = ?2
        WHERE card_deliveries.reach = 'allow'";

/// Ends a block. Only a local list must be changed, because a cache asks again by itself. A
/// delivery that never went into a list, and is for no list, is done at once.
const RECALL_ALLOW: &str = "
    UPDATE card_deliveries SET reach = 'allow', tries = 0, since = max(?2, since + 1), at = ?2, next_try_at = ?2,
        state = CASE WHEN means = 'local_list' OR listed = 1 THEN 'pending' ELSE 'delivered' END
    WHERE card_number = ?1 AND reach = 'block'";

/// Removes the checks that are due. It is the first statement, so that a check which becomes due
/// meanwhile, for a change that is not seen here, stays.
const LOOKED: &str = "DELETE FROM card_looks WHERE card_number = ?1 AND due_at <= ?2";

/// Records that stations with the card in their list may accept it by themselves. It is recorded
/// before the list is sent.
const EXPOSE_LISTED: &str = "
    INSERT INTO card_exposures (card_number, station_id, at)
    SELECT ?1, s.station_id, ?2 FROM site_lists l JOIN stations s ON s.site = l.site WHERE l.card_number = ?1
    ON CONFLICT DO NOTHING";

/// Adds the card to the lists of stations at its sites, where it was not listed.
const ENTER: &str = "
    INSERT INTO card_deliveries (card_number, station_id, reach, state, means, tries, since, at, next_try_at, listed)
    SELECT ?1, s.station_id, 'allow', 'pending', NULL, 0, ?2, ?2, ?2, 1
        FROM site_lists l JOIN stations s ON s.site = l.site WHERE l.card_number = ?1
    ON CONFLICT (card_number, station_id) DO UPDATE SET listed = 1, state = 'pending', tries = 0,
        since = max(?2, card_deliveries.since + 1), at = ?2, next_try_at = ?2
        WHERE card_deliveries.listed = 0";

/// Removes the card from lists of stations at other sites. A list that was never sent the card
/// needs no message.
const LEAVE: &str = "
    UPDATE card_deliveries SET listed = 0, tries = 0, since = max(?2, since + 1), at = ?2, next_try_at = ?2,
        state = CASE WHEN reach = 'block' THEN state WHEN means = 'local_list' THEN 'pending' ELSE 'delivered' END
    WHERE card_number = ?1 AND listed = 1 AND station_id NOT IN
        (SELECT s.station_id FROM site_lists l JOIN stations s ON s.site = l.site WHERE l.card_number = ?1)";

/// Sets every block of a station, and every card that its list was sent and is to hold, back to
/// pending. `since` changes, so a delivery that is just being sent does not complete them.
const RELIST: &str = "
    UPDATE card_deliveries SET state = 'pending', tries = 0, since = since + 1, next_try_at = ?2
    WHERE station_id = ?1 AND (reach = 'block' OR (means = 'local_list' AND listed = 1))";

const RELIST_UNSUPPORTED: &str = "
    UPDATE card_deliveries SET state = 'pending', tries = 0, next_try_at = ?2 WHERE station_id = ?1 AND listed = 1 AND state = 'unsupported'";

/// Sets a card's deliveries to pending because it has a further id tag, which lists must hold too.
const TELL_AGAIN: &str = "
    UPDATE card_deliveries SET state = 'pending', tries = 0, since = since + 1, next_try_at = ?2
    WHERE card_number = ?1 AND (reach = 'block' OR listed = 1)";

const DELIVERIES: &str = "
    SELECT d.*, c.id_tag, (SELECT json_group_array(r.id_tag) FROM card_readings r WHERE r.card_number = c.card_number) AS readings FROM card_deliveries d JOIN cards c ON c.card_number = d.card_number";

#[async_trait]
impl BlockStore for SqliteStore {
    async fn recall(
        &self,
        card: &CardNumber,
        reach: BlockOrAllow,
        at: DateTime<Utc>,
        seen: &Seen,
    ) -> Stored<Vec<StationId>> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        if last_seq(&mut write, seen).await? > seen.last {
            return Err(StoreError::Conflict("what it rests on"));
        }
        let statements = match reach {
            BlockOrAllow::Block => &[LOOKED, RECALL_BLOCK, LEAVE][..] as &[&'static str],
            BlockOrAllow::Allow => &[LOOKED, RECALL_ALLOW, EXPOSE_LISTED, ENTER, LEAVE],
        };
        for statement in statements.iter().copied() {
            sqlx::query(statement)
                .bind(card.as_str())
                .bind(at.timestamp_millis())
                .execute(&mut *write)
                .await?;
        }
        let rows = sqlx::query("SELECT station_id FROM card_deliveries WHERE card_number = ?1 AND state = 'pending' ORDER BY station_id")
            .bind(card.as_str())
            .fetch_all(&mut *write)
            .await?;
        write.commit().await?;
        rows.iter().map(mapping::station_id).collect()
    }

    async fn deliveries_of(&self, card: &CardNumber) -> Stored<Vec<Delivery>> {
        let list = format!("{DELIVERIES} WHERE d.card_number = ?1 ORDER BY d.station_id");
        let rows = sqlx::query(sqlx::AssertSqlSafe(list))
            .bind(card.as_str())
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::delivery).collect()
    }

    async fn pending_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>> {
        let list = format!(
            "{DELIVERIES} WHERE d.station_id = ?1 AND d.state = 'pending'
            ORDER BY d.reach = 'block' DESC, d.since, d.card_number LIMIT ?2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(list))
            .bind(station.as_str())
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::delivery).collect()
    }

    async fn list_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>> {
        let list = format!(
            "{DELIVERIES} WHERE d.station_id = ?1 AND (d.reach = 'block' OR d.listed = 1)
            ORDER BY d.reach = 'block' DESC, d.since DESC, d.card_number LIMIT ?2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(list))
            .bind(station.as_str())
            .bind(limit)
            .fetch_all(&self.read)
            .await?;
        rows.iter().map(mapping::delivery).collect()
    }

    async fn stations_to_tell(
        &self,
        stations: &[StationId],
        now: DateTime<Utc>,
    ) -> Stored<Vec<StationId>> {
        let ids: Vec<&str> = stations.iter().map(StationId::as_str).collect();
        let rows = sqlx::query(
            "SELECT DISTINCT station_id FROM card_deliveries
             WHERE state = 'pending' AND next_try_at <= ?2 AND station_id IN (SELECT value FROM json_each(?1))",
        )
        .bind(json!(ids).to_string())
        .bind(now.timestamp_millis())
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(mapping::station_id).collect()
    }

    async fn begin_listing(&self, deliveries: &[Delivery]) -> Stored<Vec<Delivery>> {
        let rows = sqlx::query(
            "UPDATE card_deliveries SET means = 'local_list' WHERE (card_number, station_id, since) IN
                (SELECT r.value->>0, r.value->>1, r.value->>2 FROM json_each(?1) r)
             RETURNING card_number, station_id",
        )
        .bind(keys(deliveries))
        .fetch_all(&self.write)
        .await?;
        let mut hold = HashSet::with_capacity(rows.len());
        for row in &rows {
            hold.insert((
                row.try_get::<String, _>("card_number")?,
                row.try_get::<String, _>("station_id")?,
            ));
        }
        let holds =
            |one: &&Delivery| hold.contains(&(one.card.to_string(), one.station_id.to_string()));
        Ok(deliveries.iter().filter(holds).cloned().collect())
    }

    async fn save_told(&self, deliveries: &[Delivery], told: &DeliveryOutcome) -> Stored<()> {
        sqlx::query(
            "UPDATE card_deliveries SET state = ?2, means = coalesce(?3, means), at = ?4, next_try_at = ?5, tries = tries + 1
             WHERE (state = 'pending' OR (?6 AND state <> ?2)) AND (card_number, station_id, since) IN
                (SELECT r.value->>0, r.value->>1, r.value->>2 FROM json_each(?1) r)",
        )
        .bind(keys(deliveries))
        .bind(told.state.code())
        .bind(told.means)
        .bind(told.at.timestamp_millis())
        .bind(told.next_try_at.timestamp_millis())
        .bind(told.whole)
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn due_looks(&self, now: DateTime<Utc>, limit: i64) -> Stored<Vec<CardNumber>> {
        let due: Vec<String> =
            sqlx::query_scalar("SELECT card_number FROM card_looks WHERE due_at <= ?1 GROUP BY card_number ORDER BY min(due_at) LIMIT ?2")
                .bind(now.timestamp_millis())
                .bind(limit)
                .fetch_all(&self.read)
                .await?;
        due.iter()
            .map(|text| CardNumber::parse(text).map_err(|_| StoreError::Unreadable("card number")))
            .collect()
    }

    async fn add_look(&self, card: &CardNumber, due: DateTime<Utc>) -> Stored<()> {
        let mut write = self.write.acquire().await?;
        add_looks(&mut write, &[(card.clone(), due)]).await
    }

    async fn add_looks_at_unblocked(&self, due: DateTime<Utc>) -> Stored<()> {
        sqlx::query(
            "INSERT OR IGNORE INTO card_looks (card_number, due_at) SELECT DISTINCT card_number, ?1 FROM card_exposures e WHERE NOT EXISTS
                (SELECT 1 FROM card_deliveries d WHERE d.card_number = e.card_number AND d.station_id = e.station_id AND d.reach = 'block')",
        )
        .bind(due.timestamp_millis())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn looked(&self, card: &CardNumber, until: DateTime<Utc>) -> Stored<()> {
        sqlx::query("DELETE FROM card_looks WHERE card_number = ?1 AND due_at <= ?2")
            .bind(card.as_str())
            .bind(until.timestamp_millis())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn relist(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query(RELIST)
            .bind(station.as_str())
            .bind(at.timestamp_millis())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn relist_unsupported(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query(RELIST_UNSUPPORTED)
            .bind(station.as_str())
            .bind(at.timestamp_millis())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn has_listed(&self, station: &StationId) -> Stored<bool> {
        let look = "SELECT EXISTS (SELECT 1 FROM card_deliveries WHERE station_id = ?1 AND reach = 'allow' AND listed = 1)";
        Ok(sqlx::query_scalar(look).bind(station.as_str()).fetch_one(&self.read).await?)
    }

    async fn list_version(&self, station: &StationId) -> Stored<i64> {
        let version = sqlx::query_scalar("SELECT list_version FROM stations WHERE station_id = ?1")
            .bind(station.as_str());
        Ok(version.fetch_optional(&self.read).await?.unwrap_or(0))
    }

    async fn save_list_version(&self, station: &StationId, version: i64) -> Stored<()> {
        sqlx::query("UPDATE stations SET list_version = ?2 WHERE station_id = ?1")
            .bind(station.as_str())
            .bind(version)
            .execute(&self.write)
            .await?;
        Ok(())
    }
}

/// Schedules checks of cards for blocks.
pub async fn add_looks(
    write: &mut SqliteConnection,
    looks: &[(CardNumber, DateTime<Utc>)],
) -> Stored<()> {
    if looks.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        looks.iter().map(|(card, due)| json!([card.as_str(), due.timestamp_millis()])).collect();
    sqlx::query("INSERT OR IGNORE INTO card_looks (card_number, due_at) SELECT r.value->>0, r.value->>1 FROM json_each(?1) r")
        .bind(json!(rows).to_string())
        .execute(write)
        .await?;
    Ok(())
}

/// Sets a card's block deliveries back to pending, because its id tags changed. It belongs to the
/// transaction of that change.
pub async fn renew_deliveries(
    write: &mut SqliteConnection,
    card: &CardNumber,
    at: DateTime<Utc>,
) -> Stored<()> {
    sqlx::query(TELL_AGAIN).bind(card.as_str()).bind(at.timestamp_millis()).execute(write).await?;
    Ok(())
}

/// The keys of deliveries as a JSON array: card number, station and `since`.
fn keys(deliveries: &[Delivery]) -> String {
    let key = |one: &Delivery| {
        json!([one.card.as_str(), one.station_id.as_str(), one.since.timestamp_millis()])
    };
    json!(deliveries.iter().map(key).collect::<Vec<_>>()).to_string()
}
