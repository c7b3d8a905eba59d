//! Charging sites and their card lists in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::{column, ms, text};
use super::{PostgresStore, locks, retried};
use crate::documents::invoices::{read_site, site};
use crate::mapping;
use crate::sites::{ListChange, ListChanged, ListedStation, SiteStore};
use crate::{Page, Stored};
use juden_domain::billed::SiteRecord;
use juden_domain::ids::{CardNumber, StationId};

const LISTED_STATIONS: &str = "
    SELECT s.station_id, s.list_version,
        count(*) FILTER (WHERE d.listed AND d.reach = 'allow' AND d.state = 'delivered') AS held,
        count(*) FILTER (WHERE d.state = 'pending') AS pending,
        count(*) FILTER (WHERE d.listed AND d.state = 'unsupported') AS unsupported
    FROM stations s LEFT JOIN card_deliveries d ON d.station_id = s.station_id
    WHERE s.site = $1 AND s.station_id > $2 GROUP BY s.station_id ORDER BY s.station_id LIMIT $3";

#[async_trait]
impl SiteStore for PostgresStore {
    async fn put_site(&self, record: &SiteRecord) -> Stored<bool> {
        let put = "INSERT INTO sites (site, document) VALUES ($1, $2) ON CONFLICT (site) DO UPDATE SET document = excluded.document
            RETURNING (xmax = 0) AS is_new";
        Ok(sqlx::query_scalar(put)
            .bind(text(&record.site))
            .bind(text(&site(record)))
            .fetch_one(&self.api)
            .await?)
    }

    async fn sites(&self, page: &Page) -> Stored<Vec<SiteRecord>> {
        let list = "SELECT document FROM sites WHERE site COLLATE \"C\" > $1 ORDER BY site COLLATE \"C\" LIMIT $2";
        let kept: Vec<String> = sqlx::query_scalar(list)
            .bind(text(page.after.as_deref().unwrap_or("")))
            .bind(page.limit)
            .fetch_all(&self.api)
            .await?;
        kept.iter().map(|document| read_site(document)).collect()
    }

    async fn plug_standards(&self) -> Stored<Vec<(StationId, i64, String)>> {
        let list = "SELECT station_id, connector_id, connector_standard FROM connectors WHERE connector_standard IS NOT NULL";
        let rows = sqlx::query(list).fetch_all(&self.api).await?;
        rows.iter()
            .map(|row| {
                Ok((
                    mapping::station_id(row)?,
                    row.try_get("connector_id")?,
                    row.try_get("connector_standard")?,
                ))
            })
            .collect()
    }

    async fn is_site(&self, site: &str) -> Stored<bool> {
        let look = "SELECT EXISTS (SELECT 1 FROM stations WHERE site = $1) OR EXISTS (SELECT 1 FROM site_lists WHERE site = $1)";
        Ok(sqlx::query_scalar(look).bind(text(site)).fetch_one(&self.api).await?)
    }

    async fn site_list(&self, site: &str, page: &Page) -> Stored<Vec<CardNumber>> {
        let list = "SELECT card_number FROM site_lists WHERE site = $1 AND card_number > $2 ORDER BY card_number LIMIT $3";
        let cards: Vec<String> = sqlx::query_scalar(list)
            .bind(text(site))
            .bind(text(page.after.as_deref().unwrap_or("")))
            .bind(page.limit)
            .fetch_all(&self.api)
            .await?;
        cards.iter().map(|text| mapping::card_number(text)).collect()
    }

    async fn change_site_list(
        &self,
        site: &str,
        change: &ListChange,
        most: usize,
        at: DateTime<Utc>,
    ) -> Stored<Option<ListChanged>> {
        retried!(self.try_change_site_list(site, change, most, at))
    }

    async fn unknown_cards(&self, cards: &[CardNumber]) -> Stored<Vec<String>> {
        let look = "SELECT c FROM unnest($1::text[]) c WHERE NOT EXISTS (SELECT 1 FROM cards WHERE card_number = c) ORDER BY c";
        Ok(sqlx::query_scalar(look)
            .bind(column(cards, CardNumber::as_str))
            .fetch_all(&self.api)
            .await?)
    }

    async fn listed_stations(&self, site: &str, page: &Page) -> Stored<Vec<ListedStation>> {
        let rows = sqlx::query(LISTED_STATIONS)
            .bind(text(site))
            .bind(text(page.after.as_deref().unwrap_or("")))
            .bind(page.limit)
            .fetch_all(&self.api)
            .await?;
        let station = |row: &PgRow| {
            Ok(ListedStation {
                station_id: mapping::station_id(row)?,
                version: row.try_get("list_version")?,
                held: row.try_get("held")?,
                pending: row.try_get("pending")?,
                unsupported: row.try_get("unsupported")?,
            })
        };
        rows.iter().map(station).collect()
    }
}

impl PostgresStore {
    async fn try_change_site_list(
        &self,
        site: &str,
        change: &ListChange,
        most: usize,
        at: DateTime<Utc>,
    ) -> Stored<Option<ListChanged>> {
        let mut write = self.begin().await?;
        // Changes take turns, because a replacement removes every card that is not in it.
        locks::alone(&mut write, locks::CHANGES).await?;
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
        let size: i64 = sqlx::query_scalar("SELECT count(*) FROM site_lists WHERE site = $1")
            .bind(text(site))
            .fetch_one(&mut *write)
            .await?;
        if !added.is_empty() && usize::try_from(size).is_ok_and(|size| size > most) {
            return Ok(None);
        }
        let changed: Vec<&str> = added.iter().chain(&removed).map(String::as_str).collect();
        sqlx::query(
            "INSERT INTO card_looks (card_number, due_at) SELECT c, $2 FROM unnest($1::text[]) c ORDER BY c ON CONFLICT DO NOTHING",
        )
        .bind(changed)
        .bind(ms(at))
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        let count = |cards: &[String]| i64::try_from(cards.len()).unwrap_or(i64::MAX);
        Ok(Some(ListChanged { added: count(&added), removed: count(&removed) }))
    }
}

/// Adds cards to a site's list, and returns those that were not in it.
async fn add(write: &mut PgConnection, site: &str, cards: &[CardNumber]) -> Stored<Vec<String>> {
    let add = "INSERT INTO site_lists (site, card_number) SELECT DISTINCT $1, c FROM unnest($2::text[]) c ORDER BY c
        ON CONFLICT DO NOTHING RETURNING card_number";
    Ok(sqlx::query_scalar(add)
        .bind(text(site))
        .bind(column(cards, CardNumber::as_str))
        .fetch_all(write)
        .await?)
}

/// Removes these cards, or all others, from a site's list, and returns those that were in it.
async fn remove(
    write: &mut PgConnection,
    site: &str,
    cards: &[CardNumber],
    these: bool,
) -> Stored<Vec<String>> {
    let remove = "DELETE FROM site_lists WHERE site = $1 AND (card_number = ANY($2)) = $3 RETURNING card_number";
    Ok(sqlx::query_scalar(remove)
        .bind(text(site))
        .bind(column(cards, CardNumber::as_str))
        .bind(these)
        .fetch_all(write)
        .await?)
}
