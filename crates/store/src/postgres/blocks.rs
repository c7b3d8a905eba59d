//! Exposures of cards, and block deliveries to stations, in PostgreSQL.

use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, PgConnection, Row};

use super::members::last_seq;
use super::rows::{column, ms};
use super::{PostgresStore, locks, retried};
use crate::blocks::{BlockOrAllow, BlockStore, Delivery, DeliveryOutcome};
use crate::mapping;
use crate::{Seen, StoreError, Stored};
use juden_domain::ids::{CardNumber, StationId};

/// Sets a block's deliveries to pending, unless the station already has the block. The stations are
/// those that may remember the card, and those that accept unknown cards while offline, whether
/// they ever had an answer about the card or not.
const RECALL_BLOCK: &str = "
    INSERT INTO card_deliveries (card_number, station_id, reach, state, means, tries, since, at, next_try_at)
    SELECT $1, station_id, 'block', 'pending', NULL, 0, $2, $2, $2 FROM (
        SELECT station_id FROM card_exposures WHERE card_number = $1 UNION SELECT station_id FROM stations WHERE takes_unknown) s
    ORDER BY station_id
    ON CONFLICT (card_number, station_id) DO UPDATE SET reach = 'block', state = 'pending', tries = 0,
        since = greatest($2, card_deliveries.since + interval '1 millisecond'), at = $2, next_try_at = $2
        WHERE card_deliveries.reach = 'allow'";

/// Ends a block. Only a local list must be changed, because a cache asks again by itself. A
/// delivery that never went into a list, and is for no list, is done at once.
const RECALL_ALLOW: &str = "
    UPDATE card_deliveries SET reach = 'allow', tries = 0, since = greatest($2, since + interval '1 millisecond'), at = $2, next_try_at = $2,
        state = CASE WHEN means = 'local_list' OR listed THEN 'pending' ELSE 'delivered' END
    WHERE card_number = $1 AND reach = 'block'";

/// Removes the checks that are due. It is the first statement, so that a check which becomes due
/// meanwhile, for a change that is not seen here, stays.
const LOOKED: &str = "DELETE FROM card_looks WHERE card_number = $1 AND due_at <= $2";

/// Records that stations with the card in their list may accept it by themselves. It is recorded
/// before the list is sent.
const EXPOSE_LISTED: &str = "
    INSERT INTO card_exposures (card_number, station_id, at)
    SELECT $1, s.station_id, $2 FROM site_lists l JOIN stations s ON s.site = l.site WHERE l.card_number = $1
    ON CONFLICT DO NOTHING";

/// Adds the card to the lists of stations at its sites, where it was not listed.
const ENTER: &str = "
    INSERT INTO card_deliveries (card_number, station_id, reach, state, means, tries, since, at, next_try_at, listed)
    SELECT $1, s.station_id, 'allow', 'pending', NULL, 0, $2, $2, $2, true
        FROM site_lists l JOIN stations s ON s.site = l.site WHERE l.card_number = $1
    ON CONFLICT (card_number, station_id) DO UPDATE SET listed = true, state = 'pending', tries = 0,
        since = greatest($2, card_deliveries.since + interval '1 millisecond'), at = $2, next_try_at = $2
        WHERE NOT card_deliveries.listed";

/// Removes the card from lists of stations at other sites. A list that was never sent the card
/// needs no message.
const LEAVE: &str = "
    UPDATE card_deliveries SET listed = false, tries = 0, since = greatest($2, since + interval '1 millisecond'), at = $2, next_try_at = $2,
        state = CASE WHEN reach = 'block' THEN state WHEN means = 'local_list' THEN 'pending' ELSE 'delivered' END
    WHERE card_number = $1 AND listed AND station_id NOT IN
        (SELECT s.station_id FROM site_lists l JOIN stations s ON s.site = l.site WHERE l.card_number = $1)";

/// Sets every block of a station, and every card that its list was sent and is to hold, back to
/// pending. `since` changes, so a delivery that is just being sent does not complete them.
const RELIST: &str = "
    UPDATE card_deliveries SET state = 'pending', tries = 0, since = since + interval '1 millisecond', next_try_at = $2
    WHERE station_id = $1 AND (reach = 'block' OR (means = 'local_list' AND listed))";

const RELIST_UNSUPPORTED: &str = "
    UPDATE card_deliveries SET state = 'pending', tries = 0, next_try_at = $2 WHERE station_id = $1 AND listed AND state = 'unsupported'";

/// Sets a card's deliveries to pending because it has a further id tag, which lists must hold too.
const TELL_AGAIN: &str = "
    UPDATE card_deliveries SET state = 'pending', tries = 0, since = since + interval '1 millisecond', next_try_at = $2
    WHERE card_number = $1 AND (reach = 'block' OR listed)";

const DELIVERIES: &str = "
    SELECT d.station_id, d.card_number, d.reach, d.state, d.means, d.tries, d.since, d.at, d.listed, c.id_tag,
        (SELECT coalesce(json_agg(r.id_tag ORDER BY r.id_tag_matched), '[]')::text FROM card_readings r WHERE r.card_number = c.card_number) AS readings
    FROM card_deliveries d JOIN cards c ON c.card_number = d.card_number";

const TOLD: &str = "
    UPDATE card_deliveries d SET state = $4, means = coalesce($5, d.means), at = $6, next_try_at = $7, tries = d.tries + 1
    FROM unnest($1::text[], $2::text[], $3::timestamptz[]) r (card_number, station_id, since)
    WHERE (d.state = 'pending' OR ($8 AND d.state <> $4)) AND d.card_number = r.card_number AND d.station_id = r.station_id AND d.since = r.since";

const LISTED: &str = "
    UPDATE card_deliveries d SET means = 'local_list'
    FROM unnest($1::text[], $2::text[], $3::timestamptz[]) r (card_number, station_id, since)
    WHERE d.card_number = r.card_number AND d.station_id = r.station_id AND d.since = r.since
    RETURNING d.card_number, d.station_id";

#[async_trait]
impl BlockStore for PostgresStore {
    async fn recall(
        &self,
        card: &CardNumber,
        reach: BlockOrAllow,
        at: DateTime<Utc>,
        seen: &Seen,
    ) -> Stored<Vec<StationId>> {
        retried!(self.try_recall(card, reach, at, seen))
    }

    async fn deliveries_of(&self, card: &CardNumber) -> Stored<Vec<Delivery>> {
        let list = format!("{DELIVERIES} WHERE d.card_number = $1 ORDER BY d.station_id");
        let rows =
            sqlx::query(AssertSqlSafe(list)).bind(card.as_str()).fetch_all(&self.api).await?;
        rows.iter().map(mapping::delivery).collect()
    }

    async fn pending_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>> {
        let list = format!(
            "{DELIVERIES} WHERE d.station_id = $1 AND d.state = 'pending'
            ORDER BY d.reach = 'block' DESC, d.since, d.card_number LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(list))
            .bind(station.as_str())
            .bind(limit)
            .fetch_all(&self.api)
            .await?;
        rows.iter().map(mapping::delivery).collect()
    }

    async fn list_at(&self, station: &StationId, limit: i64) -> Stored<Vec<Delivery>> {
        let list = format!(
            "{DELIVERIES} WHERE d.station_id = $1 AND (d.reach = 'block' OR d.listed)
            ORDER BY d.reach = 'block' DESC, d.since DESC, d.card_number LIMIT $2"
        );
        let rows = sqlx::query(AssertSqlSafe(list))
            .bind(station.as_str())
            .bind(limit)
            .fetch_all(&self.api)
            .await?;
        rows.iter().map(mapping::delivery).collect()
    }

    async fn stations_to_tell(
        &self,
        stations: &[StationId],
        now: DateTime<Utc>,
    ) -> Stored<Vec<StationId>> {
        let rows = sqlx::query(
            "SELECT DISTINCT station_id FROM card_deliveries WHERE state = 'pending' AND next_try_at <= $2 AND station_id = ANY($1)",
        )
        .bind(column(stations, StationId::as_str))
        .bind(ms(now))
        .fetch_all(&self.api)
        .await?;
        rows.iter().map(mapping::station_id).collect()
    }

    async fn begin_listing(&self, deliveries: &[Delivery]) -> Stored<Vec<Delivery>> {
        retried!(self.try_begin_listing(deliveries))
    }

    async fn save_told(&self, deliveries: &[Delivery], told: &DeliveryOutcome) -> Stored<()> {
        retried!(self.try_save_told(deliveries, told))
    }

    async fn due_looks(&self, now: DateTime<Utc>, limit: i64) -> Stored<Vec<CardNumber>> {
        let due: Vec<String> =
            sqlx::query_scalar("SELECT card_number FROM card_looks WHERE due_at <= $1 GROUP BY card_number ORDER BY min(due_at) LIMIT $2")
                .bind(ms(now))
                .bind(limit)
                .fetch_all(&self.api)
                .await?;
        due.iter().map(|text| mapping::card_number(text)).collect()
    }

    async fn add_look(&self, card: &CardNumber, due: DateTime<Utc>) -> Stored<()> {
        let mut write = self.api.acquire().await?;
        add_looks(&mut write, &[(card.clone(), due)]).await
    }

    async fn add_looks_at_unblocked(&self, due: DateTime<Utc>) -> Stored<()> {
        sqlx::query(
            "INSERT INTO card_looks (card_number, due_at) SELECT DISTINCT card_number, $1 FROM card_exposures e WHERE NOT EXISTS
                (SELECT 1 FROM card_deliveries d WHERE d.card_number = e.card_number AND d.station_id = e.station_id AND d.reach = 'block')
             ON CONFLICT DO NOTHING",
        )
        .bind(ms(due))
        .execute(&self.api)
        .await?;
        Ok(())
    }

    async fn looked(&self, card: &CardNumber, until: DateTime<Utc>) -> Stored<()> {
        sqlx::query("DELETE FROM card_looks WHERE card_number = $1 AND due_at <= $2")
            .bind(card.as_str())
            .bind(ms(until))
            .execute(&self.api)
            .await?;
        Ok(())
    }

    async fn relist(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query(RELIST).bind(station.as_str()).bind(ms(at)).execute(&self.api).await?;
        Ok(())
    }

    async fn relist_unsupported(&self, station: &StationId, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query(RELIST_UNSUPPORTED)
            .bind(station.as_str())
            .bind(ms(at))
            .execute(&self.api)
            .await?;
        Ok(())
    }

    async fn has_listed(&self, station: &StationId) -> Stored<bool> {
        let look = "SELECT EXISTS (SELECT 1 FROM card_deliveries WHERE station_id = $1 AND reach = 'allow' AND listed)";
        Ok(sqlx::query_scalar(look).bind(station.as_str()).fetch_one(&self.api).await?)
    }

    async fn list_version(&self, station: &StationId) -> Stored<i64> {
        let version = sqlx::query_scalar("SELECT list_version FROM stations WHERE station_id = $1")
            .bind(station.as_str());
        Ok(version.fetch_optional(&self.api).await?.unwrap_or(0))
    }

    async fn save_list_version(&self, station: &StationId, version: i64) -> Stored<()> {
        sqlx::query("UPDATE stations SET list_version = $2 WHERE station_id = $1")
            .bind(station.as_str())
            .bind(version)
            .execute(&self.api)
            .await?;
        Ok(())
    }
}

impl PostgresStore {
    async fn try_recall(
        &self,
        card: &CardNumber,
        reach: BlockOrAllow,
        at: DateTime<Utc>,
        seen: &Seen,
    ) -> Stored<Vec<StationId>> {
        let mut write = self.begin().await?;
        locks::alone(&mut write, locks::CHANGES).await?;
        if last_seq(&mut write, seen).await? > seen.last {
            return Err(StoreError::Conflict("what it rests on"));
        }
        let statements = match reach {
            BlockOrAllow::Block => &[LOOKED, RECALL_BLOCK, LEAVE][..] as &[&'static str],
            BlockOrAllow::Allow => &[LOOKED, RECALL_ALLOW, EXPOSE_LISTED, ENTER, LEAVE],
        };
        for statement in statements.iter().copied() {
            sqlx::query(statement).bind(card.as_str()).bind(ms(at)).execute(&mut *write).await?;
        }
        let rows = sqlx::query("SELECT station_id FROM card_deliveries WHERE card_number = $1 AND state = 'pending' ORDER BY station_id")
            .bind(card.as_str())
            .fetch_all(&mut *write)
            .await?;
        write.commit().await?;
        rows.iter().map(mapping::station_id).collect()
    }

    async fn try_begin_listing(&self, deliveries: &[Delivery]) -> Stored<Vec<Delivery>> {
        let rows = sqlx::query(LISTED)
            .bind(column(deliveries, |one| one.card.as_str()))
            .bind(column(deliveries, |one| one.station_id.as_str()))
            .bind(column(deliveries, |one| one.since))
            .fetch_all(&self.api)
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

    async fn try_save_told(&self, deliveries: &[Delivery], told: &DeliveryOutcome) -> Stored<()> {
        sqlx::query(TOLD)
            .bind(column(deliveries, |one| one.card.as_str()))
            .bind(column(deliveries, |one| one.station_id.as_str()))
            .bind(column(deliveries, |one| one.since))
            .bind(told.state.code())
            .bind(told.means)
            .bind(ms(told.at))
            .bind(ms(told.next_try_at))
            .bind(told.whole)
            .execute(&self.api)
            .await?;
        Ok(())
    }
}

/// Schedules checks of cards for blocks.
pub async fn add_looks(
    write: &mut PgConnection,
    looks: &[(CardNumber, DateTime<Utc>)],
) -> Stored<()> {
    if looks.is_empty() {
        return Ok(());
    }
    sqlx::query("INSERT INTO card_looks (card_number, due_at) SELECT * FROM unnest($1::text[], $2::timestamptz[]) ON CONFLICT DO NOTHING")
        .bind(column(looks, |(card, _)| card.as_str()))
        .bind(column(looks, |(_, due)| ms(*due)))
        .execute(write)
        .await?;
    Ok(())
}

/// Sets a card's block deliveries back to pending, because its id tags changed. It belongs to the
/// transaction of that change.
pub async fn renew_deliveries(
    write: &mut PgConnection,
    card: &CardNumber,
    at: DateTime<Utc>,
) -> Stored<()> {
    sqlx::query(TELL_AGAIN).bind(card.as_str()).bind(ms(at)).execute(write).await?;
    Ok(())
}
