//! Members and cards in PostgreSQL.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::histories::{CARD, files, members_by_id};
use super::rows::{column, ms, text};
use super::{PostgresStore, blocks, locks, months, nodes, retried};
use crate::documents::events::{card_event, member_event};
use crate::mapping;
use crate::{
    Append, Change, KeptCard, KeptEvent, MemberStore, NewCard, Once, Page, Seen, StoreError, Stored,
};
use juden_domain::authorization::CardFile;
use juden_domain::card::CardEvent;
use juden_domain::ids::{CardNumber, IdTag, MemberId};
use juden_domain::member::{Member, MemberEvent};
use juden_domain::month::BillingMonth;
use juden_domain::provision::Consent;

/// The number of the newest event among cards, and a member with its cards.
const LAST_SEQ: &str = "
    SELECT greatest(
        (SELECT coalesce(max(seq), 0) FROM events WHERE card_number = ANY($1)),
        (SELECT coalesce(max(seq), 0) FROM events WHERE card_number IN (SELECT card_number FROM cards WHERE member_id = $2)),
        (SELECT coalesce(max(seq), 0) FROM events WHERE member_id = $2 AND card_number IS NULL))";

const ADD_EVENTS: &str = "
    INSERT INTO events (member_id, card_number, at, kind, detail, recipient, purpose)
    SELECT e.member_id, e.card_number, $6, e.kind, e.detail, e.recipient, e.purpose
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $7::text[])
        WITH ORDINALITY e (member_id, card_number, kind, detail, recipient, purpose, place)
    ORDER BY e.place";

const BIND_CARDS: &str = "
    UPDATE cards c SET member_id = b.member_id FROM unnest($1::text[], $2::text[]) b (card_number, member_id)
    WHERE c.card_number = b.card_number";

const ADD_ENDINGS: &str = "
    INSERT INTO endings (member_id, due_at) SELECT * FROM unnest($1::text[], $2::timestamptz[]) ON CONFLICT (member_id) DO NOTHING";

const HISTORY: &str = "
    SELECT seq, at, card_number, kind, detail FROM events WHERE member_id = $1 AND card_number IS NULL
    UNION ALL
    SELECT seq, at, card_number, kind, detail FROM events
    WHERE card_number IN (SELECT card_number FROM cards WHERE member_id = $1)
    ORDER BY at, seq";

const FAILURES: &str = "
    SELECT true AS is_of_card, at FROM activation_failures WHERE card_number = $1 AND at > $3
    UNION ALL SELECT false, at FROM activation_failures WHERE member_id = $2 AND at > $3
    ORDER BY at";

/// The number of the newest event of the histories on which a change rests.
pub async fn last_seq(write: &mut PgConnection, seen: &Seen) -> Stored<i64> {
    let last = sqlx::query_scalar(LAST_SEQ)
        .bind(column(&seen.cards, CardNumber::as_str))
        .bind(seen.member.as_ref().map(MemberId::as_str));
    Ok(last.fetch_one(write).await?)
}

/// The first free card number from a count on. It skips numbers that were assigned by hand.
const FREE_NUMBER: &str = "
    WITH RECURSIVE tried (n, number) AS (
        SELECT $1::bigint, 'C-' || lpad(($1::bigint)::text, greatest(8, length(($1::bigint)::text)), '0')
        UNION ALL
        SELECT n + 1, 'C-' || lpad((n + 1)::text, greatest(8, length((n + 1)::text)), '0') FROM tried
        WHERE EXISTS (SELECT 1 FROM cards WHERE card_number = tried.number))
    SELECT number FROM tried ORDER BY n DESC LIMIT 1";

#[async_trait]
impl MemberStore for PostgresStore {
    async fn add_member(
        &self,
        event: &MemberEvent,
        at: DateTime<Utc>,
        once: Option<&Once>,
    ) -> Stored<MemberId> {
        retried!(self.try_add_member(event, at, once))
    }

    async fn member(&self, id: &MemberId) -> Stored<Option<Member>> {
        Ok(members_by_id(&mut *self.look().await?, &[id.as_str()]).await?.pop())
    }

    async fn members(&self, page: &Page) -> Stored<Vec<Member>> {
        let mut look = self.look().await?;
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT member_id FROM members WHERE member_id > $1 ORDER BY member_id LIMIT $2",
        )
        .bind(text(page.after.as_deref().unwrap_or("")))
        .bind(page.limit)
        .fetch_all(&mut *look)
        .await?;
        members_by_id(&mut look, &column(&ids, String::as_str)).await
    }

    async fn add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber> {
        retried!(self.try_add_card(card, at))
    }

    async fn add_reading(
        &self,
        card: &CardNumber,
        id_tag: &IdTag,
        at: DateTime<Utc>,
    ) -> Stored<bool> {
        retried!(self.try_add_reading(card, id_tag, at))
    }

    async fn card(&self, number: &CardNumber) -> Stored<Option<KeptCard>> {
        let mut look = self.look().await?;
        let card = format!("SELECT {CARD}, c.code_hash FROM cards c WHERE c.card_number = $1");
        let rows = sqlx::query(sqlx::AssertSqlSafe(card))
            .bind(number.as_str())
            .fetch_all(&mut *look)
            .await?;
        let file = files(&mut look, &rows).await?.pop();
        let kept = |(row, file): (&PgRow, CardFile)| {
            Ok(KeptCard { code_hash: row.try_get("code_hash")?, file })
        };
        rows.first().zip(file).map(kept).transpose()
    }

    async fn cards_by_tags(&self, id_tags: &[&IdTag]) -> Stored<Vec<Option<CardFile>>> {
        let mut look = self.look_for_message().await?;
        let cards = format!(
            "SELECT w.place, {CARD} FROM unnest($1::text[]) WITH ORDINALITY w (tag, place)
             JOIN cards c ON c.card_number = coalesce(
                (SELECT k.card_number FROM cards k WHERE k.id_tag_matched = w.tag),
                (SELECT r.card_number FROM card_readings r WHERE r.id_tag_matched = w.tag))"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(cards))
            .bind(column(id_tags, |tag| text(tag.matched())))
            .fetch_all(&mut *look)
            .await?;
        let mut found = vec![None; id_tags.len()];
        for (row, file) in rows.iter().zip(files(&mut look, &rows).await?) {
            let place = usize::try_from(row.try_get::<i64, _>("place")? - 1).unwrap_or_default();
            found[place] = Some(file);
        }
        Ok(found)
    }

    async fn append(&self, change: &Change<'_>) -> Stored<()> {
        retried!(self.try_append(change))
    }

    async fn history(&self, member: &MemberId) -> Stored<Vec<KeptEvent>> {
        sqlx::query(HISTORY)
            .bind(member.as_str())
            .fetch_all(&self.api)
            .await?
            .iter()
            .map(mapping::kept_event)
            .collect()
    }

    async fn members_who_consented(&self, consent: &Consent) -> Stored<Vec<MemberId>> {
        let ids: Vec<String> = sqlx::query_scalar(
            "SELECT DISTINCT member_id FROM events WHERE kind = 'consent_given' AND recipient = $1 AND purpose = $2 ORDER BY member_id",
        )
        .bind(text(&consent.recipient))
        .bind(text(&consent.purpose))
        .fetch_all(&self.api)
        .await?;
        ids.iter().map(|id| mapping::member_id(id)).collect()
    }

    async fn note_activation_failure(
        &self,
        card: &CardNumber,
        member: &MemberId,
        at: DateTime<Utc>,
    ) -> Stored<()> {
        sqlx::query(
            "INSERT INTO activation_failures (card_number, member_id, at) VALUES ($1, $2, $3)",
        )
        .bind(card.as_str())
        .bind(member.as_str())
        .bind(ms(at))
        .execute(&self.api)
        .await?;
        Ok(())
    }

    async fn activation_failures(
        &self,
        card: &CardNumber,
        member: &MemberId,
        since: DateTime<Utc>,
    ) -> Stored<(Vec<DateTime<Utc>>, Vec<DateTime<Utc>>)> {
        let rows = sqlx::query(FAILURES)
            .bind(card.as_str())
            .bind(member.as_str())
            .bind(ms(since))
            .fetch_all(&self.api)
            .await?;
        let mut found = (Vec::new(), Vec::new());
        for row in &rows {
            let list = if row.try_get("is_of_card")? { &mut found.0 } else { &mut found.1 };
            list.push(row.try_get("at")?);
        }
        Ok(found)
    }
}

impl PostgresStore {
    async fn try_add_member(
        &self,
        event: &MemberEvent,
        at: DateTime<Utc>,
        once: Option<&Once>,
    ) -> Stored<MemberId> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        let number: i64 = sqlx::query_scalar("SELECT coalesce(max(member_no), 0) + 1 FROM members")
            .fetch_one(&mut *write)
            .await?;
        let id = mapping::member_id(&format!("M-{number:06}"))?;
        sqlx::query("INSERT INTO members (member_no, member_id) VALUES ($1, $2)")
            .bind(number)
            .bind(id.as_str())
            .execute(&mut *write)
            .await?;
        add_events(&mut write, &[Append::Member(id.clone(), event.clone())], at).await?;
        months::mark_for_recheck(&mut write, Some(&id), BillingMonth::of(at)).await?;
        super::once::keep(&mut write, once, id.as_str()).await?;
        write.commit().await?;
        Ok(id)
    }

    async fn try_add_card(&self, card: &NewCard, at: DateTime<Utc>) -> Stored<CardNumber> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
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
        let inserted = sqlx::query(
            "INSERT INTO cards (card_no, card_number, id_tag, id_tag_matched, code_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(next)
        .bind(&number)
        .bind(text(card.id_tag.as_sent()))
        .bind(text(card.id_tag.matched()))
        .bind(&card.code_hash)
        .bind(ms(at))
        .execute(&mut *write)
        .await;
        if let Err(sqlx::Error::Database(cause)) = &inserted
            && cause.is_unique_violation()
        {
            let is_tag = cause.constraint().is_some_and(|name| name.contains("id_tag_matched"));
            return Err(StoreError::Conflict(if is_tag { "id_tag" } else { "card_number" }));
        }
        inserted?;
        nodes::tag_changed(&mut write, &card.id_tag, at).await?;
        super::once::keep(&mut write, card.once.as_ref(), &number).await?;
        write.commit().await?;
        mapping::card_number(&number)
    }

    async fn try_add_reading(
        &self,
        card: &CardNumber,
        id_tag: &IdTag,
        at: DateTime<Utc>,
    ) -> Stored<bool> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        if let Some(known) = reader_of(&mut write, id_tag).await? {
            return if known == card.as_str() {
                Ok(false)
            } else {
                Err(StoreError::Conflict("id_tag"))
            };
        }
        sqlx::query("INSERT INTO card_readings (id_tag_matched, id_tag, card_number, created_at) VALUES ($1, $2, $3, $4)")
            .bind(text(id_tag.matched()))
            .bind(text(id_tag.as_sent()))
            .bind(card.as_str())
            .bind(ms(at))
            .execute(&mut *write)
            .await?;
        blocks::renew_deliveries(&mut write, card, at).await?;
        nodes::cards_changed(&mut write, std::iter::once(card), std::iter::empty(), at).await?;
        write.commit().await?;
        Ok(true)
    }

    async fn try_append(&self, change: &Change<'_>) -> Stored<()> {
        let mut write = self.begin().await?;
        locks::change(&mut write).await?;
        if last_seq(&mut write, change.seen).await? > change.seen.last {
            return Err(StoreError::Conflict("what it rests on"));
        }
        add_events(&mut write, change.events, change.at).await?;
        if let Some((member, month)) = change.recheck {
            months::mark_for_recheck(&mut write, Some(member), month).await?;
        }
        blocks::add_looks(&mut write, change.looks).await?;
        let cards =
            change.seen.cards.iter().chain(change.events.iter().filter_map(|event| keys(event).1));
        let members =
            change.seen.member.iter().chain(change.events.iter().filter_map(|event| keys(event).0));
        nodes::cards_changed(&mut write, cards, members, change.at).await?;
        super::once::keep(&mut write, change.once, "").await?;
        write.commit().await?;
        Ok(())
    }
}

/// The member and the card that an event names.
fn keys(append: &Append) -> (Option<&MemberId>, Option<&CardNumber>) {
    match append {
        Append::Member(id, _) => (Some(id), None),
        Append::Card(number, CardEvent::Activated { member, .. }) => (Some(member), Some(number)),
        Append::Card(number, _) => (None, Some(number)),
    }
}

fn consent(append: &Append) -> Option<&Consent> {
    match append {
        Append::Member(_, MemberEvent::ConsentGiven(consent)) => Some(consent),
        Append::Member(..) | Append::Card(..) => None,
    }
}

/// The card number of an id tag.
async fn reader_of(write: &mut PgConnection, id_tag: &IdTag) -> Stored<Option<String>> {
    let found = sqlx::query_scalar(
        "SELECT card_number FROM cards WHERE id_tag_matched = $1 UNION ALL SELECT card_number FROM card_readings WHERE id_tag_matched = $1",
    );
    Ok(found.bind(text(id_tag.matched())).fetch_optional(write).await?)
}

async fn add_events(write: &mut PgConnection, events: &[Append], at: DateTime<Utc>) -> Stored<()> {
    let (kinds, details): (Vec<String>, Vec<String>) = events
        .iter()
        .map(|append| match append {
            Append::Member(_, event) => member_event(event),
            Append::Card(_, event) => card_event(event),
        })
        .unzip();
    sqlx::query(ADD_EVENTS)
        .bind(column(events, |append| keys(append).0.map(MemberId::as_str)))
        .bind(column(events, |append| keys(append).1.map(CardNumber::as_str)))
        .bind(kinds)
        .bind(column(&details, |detail| text(detail)))
        .bind(column(events, |append| consent(append).map(|consent| text(&consent.recipient))))
        .bind(ms(at))
        .bind(column(events, |append| consent(append).map(|consent| text(&consent.purpose))))
        .execute(&mut *write)
        .await?;
    let bound: Vec<(&str, &str)> = events
        .iter()
        .map(keys)
        .filter_map(|(member, card)| Some((card?.as_str(), member?.as_str())))
        .collect();
    if !bound.is_empty() {
        let (cards, members): (Vec<&str>, Vec<&str>) = bound.into_iter().unzip();
        sqlx::query(BIND_CARDS).bind(cards).bind(members).execute(&mut *write).await?;
    }
    let ends: Vec<(&str, DateTime<Utc>)> = events
        .iter()
        .filter_map(|append| match append {
            Append::Member(id, MemberEvent::Disqualified(it)) => {
                Some((id.as_str(), ms(it.effective_at.max(at))))
            }
            Append::Member(..) | Append::Card(..) => None,
        })
        .collect();
    if !ends.is_empty() {
        let (members, due): (Vec<&str>, Vec<DateTime<Utc>>) = ends.into_iter().unzip();
        sqlx::query(ADD_ENDINGS).bind(members).bind(due).execute(&mut *write).await?;
    }
    Ok(())
}
