//! Charging sites and their card lists in SQLite.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use crate::documents::invoices::{read_site, site};
use crate::sites::{ListChange, ListChanged, ListedStation, SiteStore};
use crate::{Page, StoreError, Stored};
use juden_domain::billed::SiteRecord;
use juden_domain::ids::{CardNumber, StationId};

const LISTED_STATIONS: &str = "
    SELECT s.station_id, s.list_version,
        coalesce(sum(d.listed = 1 AND d.reach = 'allow' AND d.state = 'delivered'), 0) AS held,
        coalesce(sum(d.state = 'pending'), 0) AS pending,
        coalesce(sum(d.listed = 1 AND d.state = 'unsupported'), 0) AS unsupported
    FROM stations s LEFT JOIN card_deliveries d ON d.station_id = s.station_id
    WHERE s.site = ?1 AND s.station_id > ?2 GROUP BY s.station_id ORDER BY s.station_id LIMIT ?3";

#[async_trait]
impl SiteStore for SqliteStore {
    async fn put_site(&self, record: &SiteRecord) -> Stored<bool> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let known: bool = sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM sites WHERE site = ?1)")
            .bind(&record.site)
            .fetch_one(&mut *write)
            .await?;
        sqlx::query("INSERT INTO sites (site, document) VALUES (?1, ?2) ON CONFLICT (site) DO UPDATE SET document = ?2")
            .bind(&record.site)
            .bind(site(record))
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(!known)
    }

    async fn sites(&self, page: &Page) -> Stored<Vec<SiteRecord>> {
        let list = "SELECT document FROM sites WHERE site > ?1 ORDER BY site LIMIT ?2";
        let kept: Vec<String> = sqlx::query_scalar(list)
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.limit)
            .fetch_all(&self.read)
            .await?;
        kept.iter().map(|document| read_site(document)).collect()
    }

    async fn plug_standards(&self) -> Stored<Vec<(StationId, i64, String)>> {
        let list = "SELECT station_id, connector_id, connector_standard FROM connectors WHERE connector_standard IS NOT NULL";
        let rows = sqlx::query(list).fetch_all(&self.read).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let station = StationId::parse(row.try_get("station_id")?)
                .map_err(|_| StoreError::Unreadable("station id"))?;
            Ok((station, row.try_get("connector_id")?, row.try_get("connector_standard")?))
        };
        rows.iter().map(read).collect()
    }

    async fn is_site(&self, site: &str) -> Stored<bool> {
        let look = "SELECT EXISTS (SELECT 1 FROM stations WHERE site = ?1) OR EXISTS (SELECT 1 FROM site_lists WHERE site = ?1)";
        Ok(sqlx::query_scalar(look).bind(site).fetch_one(&self.read).await?)
    }

    async fn site_list(&self, site: &str, page: &Page) -> Stored<Vec<CardNumber>> {
        let list = "SELECT card_number FROM site_lists WHERE site = ?1 AND card_number > ?2 ORDER BY card_number LIMIT ?3";
        let cards: Vec<String> = sqlx::query_scalar(list)
            .bind(site)
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.limit)
            .fetch_all(&self.read)
            .await?;
        cards
            .iter()
            .map(|text| CardNumber::parse(text).map_err(|_| StoreError::Unreadable("card number")))
            .collect()
    }

    async fn change_site_list(
        &self,
        site: &str,
        change: &ListChange,
        most: usize,
        at: DateTime<Utc>,
    ) -> Stored<Option<ListChanged>> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let (added, removed) = match change {
            ListChange::Replace(cards) => {
                (add(&mut write, site, cards).await?, remove(&mut write, site, cards, false).await?)
            }
            ListChange::Add(card) => {
                (add(&mut write, site, std::slice::from_ref(card)).await?, Vec::new())
            }
            ListChange::Remove(card) => {
                (Vec::new(), remove(&mut write, site, std::slice::from_ref(card), true).await?)
            }
        };
        let size: i64 = sqlx::query_scalar("SELECT count(*) FROM site_lists WHERE site = ?1")
            .bind(site)
            .fetch_one(&mut *write)
            .await?;
        if !added.is_empty() && usize::try_from(size).is_ok_and(|size| size > most) {
            return Ok(None);
        }
        let changed: Vec<&String> = added.iter().chain(&removed).collect();
        sqlx::query("INSERT OR IGNORE INTO card_looks (card_number, due_at) SELECT value, ?2 FROM json_each(?1)")
            .bind(json!(changed).to_string())
            .bind(at.timestamp_millis())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        let count = |cards: &[String]| i64::try_from(cards.len()).unwrap_or(i64::MAX);
        Ok(Some(ListChanged { added: count(&added), removed: count(&removed) }))
    }

    async fn unknown_cards(&self, cards: &[CardNumber]) -> Stored<Vec<String>> {
        let look = "SELECT value FROM json_each(?1) WHERE value NOT IN (SELECT card_number FROM cards) ORDER BY value";
        Ok(sqlx::query_scalar(look).bind(numbers(cards)).fetch_all(&self.read).await?)
    }

    async fn listed_stations(&self, site: &str, page: &Page) -> Stored<Vec<ListedStation>> {
        let rows = sqlx::query(LISTED_STATIONS)
            .bind(site)
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.limit)
            .fetch_all(&self.read)
            .await?;
        let station = |row: &sqlx::sqlite::SqliteRow| {
            Ok(ListedStation {
                station_id: StationId::parse(row.try_get("station_id")?)
                    .map_err(|_| StoreError::Unreadable("station id"))?,
                version: row.try_get("list_version")?,
                held: row.try_get("held")?,
                pending: row.try_get("pending")?,
                unsupported: row.try_get("unsupported")?,
            })
        };
        rows.iter().map(station).collect()
    }
}

fn numbers(cards: &[CardNumber]) -> String {
    json!(cards.iter().map(CardNumber::as_str).collect::<Vec<_>>()).to_string()
}

/// Adds cards to a site's list, and returns those that were not in it.
async fn add(
    write: &mut SqliteConnection,
    site: &str,
    cards: &[CardNumber],
) -> Stored<Vec<String>> {
    let add = "INSERT INTO site_lists (site, card_number) SELECT DISTINCT ?1, value FROM json_each(?2) WHERE true
        ON CONFLICT DO NOTHING RETURNING card_number";
    Ok(sqlx::query_scalar(add).bind(site).bind(numbers(cards)).fetch_all(write).await?)
}

/// Removes these cards, or all others, from a site's list, and returns those that were in it.
async fn remove(
    write: &mut SqliteConnection,
    site: &str,
    cards: &[CardNumber],
    these: bool,
) -> Stored<Vec<String>> {
    let remove = "DELETE FROM site_lists WHERE site = ?1 AND (card_number IN (SELECT value FROM json_each(?2))) = ?3 RETURNING card_number";
    Ok(sqlx::query_scalar(remove)
        .bind(site)
        .bind(numbers(cards))
        .bind(these)
        .fetch_all(write)
        .await?)
}
