//! Members and cards in SQLite.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::rows::{instant, optional};
use super::{SqliteStore, documents};
use crate::domain::authorization::CardFile;
use crate::domain::card::{Card, CardEvent, Dated};
use crate::domain::ids::{CardNumber, IdTag, MemberId};
use crate::domain::member::{Admission, Member, MemberEvent};
use crate::store::{KeptCard, MemberStore, NewCard, Page, StoreError, Stored};

/// The events of a card, or of all cards of a member, beyond which a decision must not be made.
const LAST_SEQ: &str = "
    SELECT coalesce(max(seq), 0) FROM events
    WHERE card_number = ?1 OR card_number IN (SELECT card_number FROM cards WHERE member_id = ?2)";

#[async_trait]
impl MemberStore for SqliteStore {
    async fn admit(&self, admission: &Admission, at: DateTime<Utc>) -> Stored<MemberId> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let number: i64 = sqlx::query_scalar("SELECT coalesce(max(member_no), 0) + 1 FROM members").fetch_one(&mut *write).await?;
        let id = format!("M-{number:06}");
        sqlx::query("INSERT INTO members (member_no, member_id) VALUES (?1, ?2)").bind(number).bind(&id).execute(&mut *write).await?;
        sqlx::query("INSERT INTO events (member_id, card_number, at, kind, detail) VALUES (?1, NULL, ?2, ?3, ?4)")
            .bind(&id)
            .bind(at.timestamp_millis())
            .bind(documents::ADMITTED)
            .bind(documents::admission(admission))
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        MemberId::parse(&id).map_err(|_| StoreError::Unreadable("member id"))
    }

    async fn member(&self, id: &MemberId) -> Stored<Option<Member>> {
        Ok(self.members_by_id(&[id.as_str().to_owned()]).await?.pop())
    }

    async fn members(&self, page: &Page) -> Stored<Vec<Member>> {
        let ids: Vec<String> = sqlx::query_scalar("SELECT member_id FROM members WHERE member_id > ?1 ORDER BY member_id LIMIT ?2")
            .bind(page.after.as_deref().unwrap_or(""))
            .bind(page.limit)
            .fetch_all(&self.read)
            .await?;
        self.members_by_id(&ids).await
    }

    async fn add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let next: i64 = sqlx::query_scalar("SELECT coalesce(max(card_no), 0) + 1 FROM cards").fetch_one(&mut *write).await?;
        let number = card.number.as_ref().map_or_else(|| format!("C-{next:08}"), |number| number.as_str().to_owned());
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
            let what = if cause.message().contains("id_tag_matched") { "id_tag" } else { "card_number" };
            return Err(StoreError::Conflict(what));
        }
        inserted?;
        write.commit().await?;
        CardNumber::parse(&number).map_err(|_| StoreError::Unreadable("card number"))
    }

    async fn card(&self, number: &CardNumber) -> Stored<Option<KeptCard>> {
        let row = sqlx::query("SELECT * FROM cards WHERE card_number = ?1").bind(number.as_str()).fetch_optional(&self.read).await?;
        match row {
            None => Ok(None),
            Some(row) => Ok(Some(KeptCard { code_hash: row.try_get("code_hash")?, file: self.file(&row).await? })),
        }
    }

    async fn card_by_tag(&self, id_tag: &IdTag) -> Stored<Option<CardFile>> {
        let row = sqlx::query("SELECT * FROM cards WHERE id_tag_matched = ?1").bind(id_tag.matched()).fetch_optional(&self.read).await?;
        match row {
            None => Ok(None),
            Some(row) => Ok(Some(self.file(&row).await?)),
        }
    }

    async fn append_card_event(
        &self,
        card: &CardNumber,
        member: Option<&MemberId>,
        event: &CardEvent,
        at: DateTime<Utc>,
        seen: i64,
    ) -> Stored<()> {
        let mut write = self.write.begin_with("BEGIN IMMEDIATE").await?;
        let last: i64 = sqlx::query_scalar(LAST_SEQ).bind(card.as_str()).bind(member.map(MemberId::as_str)).fetch_one(&mut *write).await?;
        if last > seen {
            return Err(StoreError::Conflict("card"));
        }
        let (kind, detail) = documents::card_event(event);
        let bound_to = match event {
            CardEvent::Activated { member, .. } => Some(member.as_str()),
            CardEvent::Suspended(_) | CardEvent::Resumed(_) | CardEvent::Deactivated => None,
        };
        sqlx::query("INSERT INTO events (member_id, card_number, at, kind, detail) VALUES (?1, ?2, ?3, ?4, ?5)")
            .bind(bound_to)
            .bind(card.as_str())
            .bind(at.timestamp_millis())
            .bind(kind)
            .bind(detail)
            .execute(&mut *write)
            .await?;
        if let Some(member) = bound_to {
            sqlx::query("UPDATE cards SET member_id = ?2 WHERE card_number = ?1")
                .bind(card.as_str())
                .bind(member)
                .execute(&mut *write)
                .await?;
        }
        write.commit().await?;
        Ok(())
    }

    async fn note_activation_failure(&self, card: &CardNumber, member: &MemberId, at: DateTime<Utc>) -> Stored<()> {
        sqlx::query("INSERT INTO activation_failures (card_number, member_id, at) VALUES (?1, ?2, ?3)")
            .bind(card.as_str())
            .bind(member.as_str())
            .bind(at.timestamp_millis())
            .execute(&self.write)
            .await?;
        Ok(())
    }

    async fn activation_failures(&self, card: &CardNumber, member: &MemberId, since: DateTime<Utc>) -> Stored<(i64, i64)> {
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM activation_failures WHERE card_number = ?1 AND at > ?3) AS of_card,
                    (SELECT count(*) FROM activation_failures WHERE member_id = ?2 AND at > ?3) AS of_member",
        )
        .bind(card.as_str())
        .bind(member.as_str())
        .bind(since.timestamp_millis())
        .fetch_one(&self.read)
        .await?;
        Ok((row.try_get("of_card")?, row.try_get("of_member")?))
    }
}

impl SqliteStore {
    /// A card row's card and member.
    async fn file(&self, row: &SqliteRow) -> Stored<CardFile> {
        let number: String = row.try_get("card_number")?;
        match optional::<String>(row, "member_id")? {
            Some(member) => {
                let member = self.members_by_id(&[member]).await?.pop().ok_or(StoreError::Unreadable("card's member"))?;
                let card = member.cards.iter().find(|card| card.number.as_str() == number).cloned();
                Ok(CardFile { card: card.ok_or(StoreError::Unreadable("card"))?, member: Some(member) })
            }
            None => Ok(CardFile { card: card(row, Vec::new())?, member: None }),
        }
    }

    /// Members in the order of their ids, with all their cards: three statements, however many.
    async fn members_by_id(&self, ids: &[String]) -> Stored<Vec<Member>> {
        let ids = serde_json::json!(ids).to_string();
        let events = sqlx::query(
            "SELECT seq, member_id, at, kind, detail FROM events
             WHERE card_number IS NULL AND member_id IN (SELECT value FROM json_each(?1)) ORDER BY member_id, at, seq",
        )
        .bind(&ids)
        .fetch_all(&self.read)
        .await?;
        let cards = sqlx::query("SELECT * FROM cards WHERE member_id IN (SELECT value FROM json_each(?1)) ORDER BY card_no")
            .bind(&ids)
            .fetch_all(&self.read)
            .await?;
        let card_events = sqlx::query(
            "SELECT seq, member_id, card_number, at, kind, detail FROM events WHERE card_number IN
                (SELECT card_number FROM cards WHERE member_id IN (SELECT value FROM json_each(?1)))
             ORDER BY card_number, at, seq",
        )
        .bind(&ids)
        .fetch_all(&self.read)
        .await?;

        let mut of_card: BTreeMap<String, Vec<Dated<CardEvent>>> = BTreeMap::new();
        for row in &card_events {
            let (kind, detail): (String, String) = (row.try_get("kind")?, row.try_get("detail")?);
            let event =
                documents::read_card_event(&kind, &detail, optional(row, "member_id")?, row.try_get("seq")?, instant(row.try_get("at")?))?;
            of_card.entry(row.try_get("card_number")?).or_default().push(event);
        }
        let mut cards_of: BTreeMap<String, Vec<Card>> = BTreeMap::new();
        for row in &cards {
            let number: String = row.try_get("card_number")?;
            let events = of_card.remove(&number).unwrap_or_default();
            cards_of.entry(row.try_get("member_id")?).or_default().push(card(row, events)?);
        }
        let mut events_of: BTreeMap<String, Vec<Dated<MemberEvent>>> = BTreeMap::new();
        for row in &events {
            let (kind, detail): (String, String) = (row.try_get("kind")?, row.try_get("detail")?);
            let event = documents::read_member_event(&kind, &detail, row.try_get("seq")?, instant(row.try_get("at")?))?;
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

fn card(row: &SqliteRow, events: Vec<Dated<CardEvent>>) -> Stored<Card> {
    Ok(Card {
        number: CardNumber::parse(row.try_get("card_number")?).map_err(|_| StoreError::Unreadable("card number"))?,
        id_tag: IdTag::new(row.try_get("id_tag")?),
        events,
    })
}
