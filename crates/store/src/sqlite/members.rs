//! Members and cards in SQLite.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use super::SqliteStore;
use super::rows::{instant, optional};
use crate::documents::events::{card_event, member_event, read_card_event, read_member_event};
use crate::mapping;
use crate::{
    Append, Change, KeptCard, KeptEvent, MemberStore, NewCard, Once, Page, Seen, StoreError, Stored,
};
use juden_domain::authorization::CardFile;
use juden_domain::card::{Card, CardEvent, Dated};
use juden_domain::ids::{CardNumber, IdTag, MemberId};
use juden_domain::member::{Member, MemberEvent};
use juden_domain::month::BillingMonth;
use juden_domain::provision::Consent;

/// The number of the newest event among cards, and a member with its cards.
const LAST_SEQ: &str = "
    SELECT coalesce(max(seq), 0) FROM events
    WHERE card_number IN (SELECT value FROM json_each(?1) UNION SELECT card_number FROM cards WHERE member_id = ?2)
        OR (member_id = ?2 AND card_number IS NULL)";

const ADD_EVENT: &str =
    "INSERT INTO events (member_id, card_number, at, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)";

/// The number of the newest event of the histories on which a change rests.
pub async fn last_seq(write: &mut SqliteConnection, seen: &Seen) -> Stored<i64> {
    let cards: Vec<&str> = seen.cards.iter().map(CardNumber::as_str).collect();
    let last = sqlx::query_scalar(LAST_SEQ)
        .bind(serde_json::json!(cards).to_string())
        .bind(seen.member.as_ref().map(MemberId::as_str));
    Ok(last.fetch_one(write).await?)
}

/// The first free card number from a count on. It skips numbers that were assigned by hand.
const FREE_NUMBER: &str = "
    WITH RECURSIVE tried (n, number) AS (
        SELECT ?1, 'C-' || printf('%08d', ?1)
        UNION ALL
        SELECT n + 1, 'C-' || printf('%08d', n + 1) FROM tried
        WHERE EXISTS (SELECT 1 FROM cards WHERE card_number = tried.number))
    SELECT number FROM tried ORDER BY n DESC LIMIT 1";

#[async_trait]
impl MemberStore for SqliteStore {
    async fn add_member(
        &self,
        event: &MemberEvent,
        at: DateTime<Utc>,
        once: Option<&Once>,
    ) -> Stored<MemberId> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let number: i64 = sqlx::query_scalar("SELECT coalesce(max(member_no), 0) + 1 FROM members")
            .fetch_one(&mut *write)
            .await?;
        let id = MemberId::parse(&format!("M-{number:06}"))
            .map_err(|_| StoreError::Unreadable("member id"))?;
        sqlx::query("INSERT INTO members (member_no, member_id) VALUES (?1, ?2)")
            .bind(number)
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        add_event(&mut write, &Append::Member(id.clone(), event.clone()), at).await?;
        super::months::mark_for_recheck(&mut write, Some(&id), BillingMonth::of(at)).await?;
        super::once::keep(&mut write, once, id.as_str()).await?;
        write.commit().await?;
        Ok(id)
    }

    async fn member(&self, id: &MemberId) -> Stored<Option<Member>> {
        Ok(self.members_by_id(&[id.as_str().to_owned()]).await?.pop())
    }

    async fn members(&self, page: &Page) -> Stored<Vec<Member>> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT member_id FROM members WHERE member_id > ?1 ORDER BY member_id LIMIT ?2",
        )
        .bind(page.after.as_deref().unwrap_or(""))
        .bind(page.limit)
        .fetch_all(&self.read)
        .await?;
        self.members_by_id(&ids).await
    }

    async fn add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let next: i64 = sqlx::query_scalar("SELECT coalesce(max(card_no), 0) + 1 FROM cards")
            .fetch_one(&mut *write)
            .await?;
        let number = match &card.number {
            Some(number) => number.as_str().to_owned(),
            None => sqlx::query_scalar(FREE_NUMBER).bind(next).fetch_one(&mut *write).await?,
        };
        if reader_of(&mut write, &card.id_tag).await?.is_some() {
            return Err(StoreError::Conflict("id_tag"));
        }
        let inserted =
            sqlx::query("INSERT INTO cards (card_number, id_tag, id_tag_matched, code_hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)")
                .bind(&number)
                .bind(card.id_tag.as_sent())
                .bind(card.id_tag.matched())
                .bind(&card.code_hash)
                .bind(at.timestamp_millis())
                .execute(&mut *write)
                .await;
        if let Err(sqlx::Error::Database(cause)) = &inserted
            && cause.is_unique_violation()
        {
            let what =
                if cause.message().contains("id_tag_matched") { "id_tag" } else { "card_number" };
            return Err(StoreError::Conflict(what));
        }
        inserted?;
        super::once::keep(&mut write, card.once.as_ref(), &number).await?;
        write.commit().await?;
        CardNumber::parse(&number).map_err(|_| StoreError::Unreadable("card number"))
    }

    async fn card(&self, number: &CardNumber) -> Stored<Option<KeptCard>> {
        let card = format!("SELECT c.*, {READINGS} FROM cards c WHERE c.card_number = ?1");
        let rows = sqlx::query(sqlx::AssertSqlSafe(card))
            .bind(number.as_str())
            .fetch_all(&self.read)
            .await?;
        let file = self.files(&rows).await?.pop();
        let kept = |(row, file): (&SqliteRow, CardFile)| {
            Ok(KeptCard { code_hash: row.try_get("code_hash")?, file })
        };
        rows.first().zip(file).map(kept).transpose()
    }

    async fn add_reading(
        &self,
        card: &CardNumber,
        id_tag: &IdTag,
        at: DateTime<Utc>,
    ) -> Stored<bool> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        if let Some(known) = reader_of(&mut write, id_tag).await? {
            return if known == card.as_str() {
                Ok(false)
            } else {
                Err(StoreError::Conflict("id_tag"))
            };
        }
        sqlx::query("INSERT INTO card_readings (id_tag_matched, id_tag, card_number, created_at) VALUES (?1, ?2, ?3, ?4)")
            .bind(id_tag.matched())
            .bind(id_tag.as_sent())
            .bind(card.as_str())
            .bind(at.timestamp_millis())
            .execute(&mut *write)
            .await?;
        super::blocks::renew_deliveries(&mut write, card, at).await?;
        write.commit().await?;
        Ok(true)
    }

    async fn cards_by_tags(&self, id_tags: &[&IdTag]) -> Stored<Vec<Option<CardFile>>> {
        let tags: Vec<&str> = id_tags.iter().map(|tag| tag.matched()).collect();
        let cards = format!(
            "SELECT w.key AS place, c.*, {READINGS} FROM json_each(?1) w CROSS JOIN cards c ON c.card_number = coalesce(
                (SELECT k.card_number FROM cards k WHERE k.id_tag_matched = w.value),
                (SELECT r.card_number FROM card_readings r WHERE r.id_tag_matched = w.value))"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(cards))
            .bind(serde_json::json!(tags).to_string())
            .fetch_all(&self.read)
            .await?;
        let mut found = vec![None; id_tags.len()];
        for (row, file) in rows.iter().zip(self.files(&rows).await?) {
            let place = usize::try_from(row.try_get::<i64, _>("place")?).unwrap_or_default();
            found[place] = Some(file);
        }
        Ok(found)
    }

    async fn append(&self, change: &Change<'_>) -> Stored<()> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        if last_seq(&mut write, change.seen).await? > change.seen.last {
            return Err(StoreError::Conflict("what it rests on"));
        }
        for event in change.events {
            add_event(&mut write, event, change.at).await?;
        }
        if let Some((member, month)) = change.recheck {
            super::months::mark_for_recheck(&mut write, Some(member), month).await?;
        }
        super::blocks::add_looks(&mut write, change.looks).await?;
        super::once::keep(&mut write, change.once, "").await?;
        write.commit().await?;
        Ok(())
    }

    async fn history(&self, member: &MemberId) -> Stored<Vec<KeptEvent>> {
        let rows = sqlx::query(
            "SELECT seq, at, card_number, kind, detail FROM events
             WHERE (member_id = ?1 AND card_number IS NULL) OR card_number IN (SELECT card_number FROM cards WHERE member_id = ?1)
             ORDER BY at, seq",
        )
        .bind(member.as_str())
        .fetch_all(&self.read)
        .await?;
        rows.iter().map(mapping::kept_event).collect()
    }

    async fn members_who_consented(&self, consent: &Consent) -> Stored<Vec<MemberId>> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT member_id FROM events
             WHERE kind = 'consent_given' AND detail->>'recipient' = ?1 AND detail->>'purpose' = ?2 ORDER BY member_id",
        )
        .bind(&consent.recipient)
        .bind(&consent.purpose)
        .fetch_all(&self.read)
        .await?;
        ids.iter()
            .map(|id| MemberId::parse(id).map_err(|_| StoreError::Unreadable("member id")))
            .collect()
    }

    async fn note_activation_failure(
        &self,
        card: &CardNumber,
        member: &MemberId,
        at: DateTime<Utc>,
    ) -> Stored<()> {
        sqlx::query(
            "INSERT INTO activation_failures (card_number, member_id, at) VALUES (?1, ?2, ?3)",
        )
        .bind(card.as_str())
        .bind(member.as_str())
        .bind(at.timestamp_millis())
        .execute(&self.write)
        .await?;
        Ok(())
    }

    async fn activation_failures(
        &self,
        card: &CardNumber,
        member: &MemberId,
        since: DateTime<Utc>,
    ) -> Stored<(Vec<DateTime<Utc>>, Vec<DateTime<Utc>>)> {
        let mut found = (Vec::new(), Vec::new());
        for (list, column, name) in [
            (&mut found.0, "card_number", card.as_str()),
            (&mut found.1, "member_id", member.as_str()),
        ] {
            let query = format!(
                "SELECT at FROM activation_failures WHERE {column} = ?1 AND at > ?2 ORDER BY at"
            );
            let instants: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
                .bind(name)
                .bind(since.timestamp_millis())
                .fetch_all(&self.read)
                .await?;
            list.extend(instants.into_iter().map(instant));
        }
        Ok(found)
    }
}

impl SqliteStore {
    /// The cards of card rows in their order, each with its member. The number of statements does
    /// not depend on the number of cards.
    async fn files(&self, rows: &[SqliteRow]) -> Stored<Vec<CardFile>> {
        let mut owners = BTreeSet::new();
        let mut stock = Vec::new();
        for row in rows {
            match optional::<String>(row, "member_id")? {
                Some(member) => _ = owners.insert(member),
                None => stock.push(row.try_get::<String, _>("card_number")?),
            }
        }
        let owners: Vec<String> = owners.into_iter().collect();
        let members =
            if owners.is_empty() { Vec::new() } else { self.members_by_id(&owners).await? };
        let members: BTreeMap<&str, &Member> =
            members.iter().map(|member| (member.id.as_str(), member)).collect();
        let mut events =
            if stock.is_empty() { BTreeMap::new() } else { self.events_of_stock(&stock).await? };
        let file = |row: &SqliteRow| {
            let number: String = row.try_get("card_number")?;
            let Some(member) = optional::<String>(row, "member_id")? else {
                return Ok(CardFile {
                    card: mapping::card(row, events.remove(&number).unwrap_or_default())?,
                    member: None,
                });
            };
            let member =
                *members.get(member.as_str()).ok_or(StoreError::Unreadable("card's member"))?;
            let card = member.cards.iter().find(|card| card.number.as_str() == number).cloned();
            Ok(CardFile {
                card: card.ok_or(StoreError::Unreadable("card"))?,
                member: Some(member.clone()),
            })
        };
        rows.iter().map(file).collect()
    }

    /// The events of cards in stock, by card number.
    async fn events_of_stock(
        &self,
        numbers: &[String],
    ) -> Stored<BTreeMap<String, Vec<Dated<CardEvent>>>> {
        let rows = sqlx::query(
            "SELECT seq, card_number, at, kind, detail FROM events WHERE card_number IN (SELECT value FROM json_each(?1))
             ORDER BY card_number, at, seq",
        )
        .bind(serde_json::json!(numbers).to_string())
        .fetch_all(&self.read)
        .await?;
        by_card(&rows)
    }

    /// Members in the order of their ids, with all their cards, by three statements for any number
    /// of members.
    async fn members_by_id(&self, ids: &[String]) -> Stored<Vec<Member>> {
        let ids = serde_json::json!(ids).to_string();
        let events = sqlx::query(
            "SELECT seq, member_id, at, kind, detail FROM events
             WHERE card_number IS NULL AND member_id IN (SELECT value FROM json_each(?1)) ORDER BY member_id, at, seq",
        )
        .bind(&ids)
        .fetch_all(&self.read)
        .await?;
        let cards = format!(
            "SELECT c.*, {READINGS} FROM cards c WHERE c.member_id IN (SELECT value FROM json_each(?1)) ORDER BY c.card_no"
        );
        let cards =
            sqlx::query(sqlx::AssertSqlSafe(cards)).bind(&ids).fetch_all(&self.read).await?;
        let card_events = sqlx::query(
            "SELECT seq, member_id, card_number, at, kind, detail FROM events WHERE card_number IN
                (SELECT card_number FROM cards WHERE member_id IN (SELECT value FROM json_each(?1)))
             ORDER BY card_number, at, seq",
        )
        .bind(&ids)
        .fetch_all(&self.read)
        .await?;

        let mut of_card = by_card(&card_events)?;
        let mut cards_of: BTreeMap<String, Vec<Card>> = BTreeMap::new();
        for row in &cards {
            let number: String = row.try_get("card_number")?;
            // A member's card was activated, so it must have a history. Without one it would look
            // as if it were in stock.
            let events = of_card.remove(&number).ok_or(StoreError::Unreadable("card's history"))?;
            cards_of
                .entry(row.try_get("member_id")?)
                .or_default()
                .push(mapping::card(row, events)?);
        }
        let mut events_of: BTreeMap<String, Vec<Dated<MemberEvent>>> = BTreeMap::new();
        for row in &events {
            let (kind, detail): (String, String) = (row.try_get("kind")?, row.try_get("detail")?);
            let event = Dated {
                seq: row.try_get("seq")?,
                at: instant(row.try_get("at")?),
                event: read_member_event(&kind, &detail)?,
            };
            events_of.entry(row.try_get("member_id")?).or_default().push(event);
        }
        let member = |(id, events): (String, Vec<Dated<MemberEvent>>)| {
            let cards = cards_of.remove(&id).unwrap_or_default();
            let id = MemberId::parse(&id).map_err(|_| StoreError::Unreadable("member id"))?;
            Member::from_events(id, events, cards).ok_or(StoreError::Unreadable("member"))
        };
        events_of.into_iter().map(member).collect()
    }
}

/// Cards' events by the card's number.
fn by_card(rows: &[SqliteRow]) -> Stored<BTreeMap<String, Vec<Dated<CardEvent>>>> {
    let mut events: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for row in rows {
        let event = read_card_event(row.try_get("kind")?, row.try_get("detail")?)?;
        let dated = Dated { seq: row.try_get("seq")?, at: instant(row.try_get("at")?), event };
        events.entry(row.try_get("card_number")?).or_default().push(dated);
    }
    Ok(events)
}

/// Further id tags of a card `c`, as a JSON array.
const READINGS: &str = "(SELECT json_group_array(r.id_tag) FROM card_readings r WHERE r.card_number = c.card_number) AS readings";

/// The card number of an id tag.
async fn reader_of(write: &mut SqliteConnection, id_tag: &IdTag) -> Stored<Option<String>> {
    let found = sqlx::query_scalar(
        "SELECT card_number FROM cards WHERE id_tag_matched = ?1 UNION ALL SELECT card_number FROM card_readings WHERE id_tag_matched = ?1",
    );
    Ok(found.bind(id_tag.matched()).fetch_optional(write).await?)
}

async fn add_event(write: &mut SqliteConnection, append: &Append, at: DateTime<Utc>) -> Stored<()> {
    let (member, card, (kind, detail)) = match append {
        Append::Member(id, event) => (Some(id.as_str()), None, member_event(event)),
        Append::Card(number, event) => {
            let bound_to = match event {
                CardEvent::Activated { member, .. } => Some(member.as_str()),
                _ => None,
            };
            (bound_to, Some(number.as_str()), card_event(event))
        }
    };
    sqlx::query(ADD_EVENT)
        .bind(member)
        .bind(card)
        .bind(at.timestamp_millis())
        .bind(kind)
        .bind(detail)
        .execute(&mut *write)
        .await?;
    if let (Some(member), Some(card)) = (member, card) {
        sqlx::query("UPDATE cards SET member_id = ?2 WHERE card_number = ?1")
            .bind(card)
            .bind(member)
            .execute(&mut *write)
            .await?;
    }
    if let Append::Member(id, MemberEvent::Disqualified(it)) = append {
        sqlx::query("INSERT INTO endings (member_id, due_at) VALUES (?1, ?2) ON CONFLICT (member_id) DO NOTHING")
            .bind(id.as_str())
            .bind(it.effective_at.max(at).timestamp_millis())
            .execute(&mut *write)
            .await?;
    }
    Ok(())
}
