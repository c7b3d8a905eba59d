//! Builds members and cards from their events, in PostgreSQL.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::postgres::PgRow;
use sqlx::{PgConnection, Row};

use super::rows::optional;
use crate::mapping;
use crate::{StoreError, Stored};
use juden_domain::authorization::CardFile;
use juden_domain::card::{Card, CardEvent, Dated};
use juden_domain::member::{Member, MemberEvent};

const MEMBER_EVENTS: &str = "
    SELECT seq, member_id, at, kind, detail FROM events WHERE card_number IS NULL AND member_id = ANY($1) ORDER BY member_id, at, seq";

/// The columns of a card `c`, with its further id tags as a JSON array.
pub const CARD: &str = "c.card_number, c.id_tag, c.member_id,
    (SELECT coalesce(json_agg(r.id_tag ORDER BY r.id_tag_matched), '[]')::text FROM card_readings r WHERE r.card_number = c.card_number) AS readings";

const CARD_EVENTS: &str = "
    SELECT e.seq, e.card_number, e.at, e.kind, e.detail FROM cards c JOIN events e ON e.card_number = c.card_number
    WHERE c.member_id = ANY($1) ORDER BY e.card_number, e.at, e.seq";

const EVENTS_OF_CARDS: &str = "SELECT seq, card_number, at, kind, detail FROM events WHERE card_number = ANY($1) ORDER BY card_number, at, seq";

/// The cards of card rows in their order, each with its member. The number of statements does not
/// depend on the number of cards.
pub async fn files(look: &mut PgConnection, rows: &[PgRow]) -> Stored<Vec<CardFile>> {
    let mut owners: BTreeSet<&str> = BTreeSet::new();
    let mut stock: Vec<&str> = Vec::new();
    for row in rows {
        match optional(row, "member_id")? {
            Some(member) => _ = owners.insert(member),
            None => stock.push(row.try_get("card_number")?),
        }
    }
    let owners: Vec<&str> = owners.into_iter().collect();
    let members = if owners.is_empty() { Vec::new() } else { members_by_id(look, &owners).await? };
    let events = if stock.is_empty() {
        Vec::new()
    } else {
        sqlx::query(EVENTS_OF_CARDS).bind(stock).fetch_all(look).await?
    };
    let members: BTreeMap<&str, &Member> =
        members.iter().map(|member| (member.id.as_str(), member)).collect();
    let mut events = by_card(&events)?;
    let file = |row: &PgRow| {
        let number: &str = row.try_get("card_number")?;
        let Some(member) = optional::<&str>(row, "member_id")? else {
            return Ok(CardFile {
                card: mapping::card(row, events.remove(number).unwrap_or_default())?,
                member: None,
            });
        };
        let member = *members.get(member).ok_or(StoreError::Unreadable("card's member"))?;
        let card = member.cards.iter().find(|card| card.number.as_str() == number).cloned();
        Ok(CardFile {
            card: card.ok_or(StoreError::Unreadable("card"))?,
            member: Some(member.clone()),
        })
    };
    rows.iter().map(file).collect()
}

/// Members in the order of their ids, with all their cards, by three statements for any number of
/// members.
pub async fn members_by_id(look: &mut PgConnection, ids: &[&str]) -> Stored<Vec<Member>> {
    let events = sqlx::query(MEMBER_EVENTS).bind(ids).fetch_all(&mut *look).await?;
    let cards =
        format!("SELECT {CARD} FROM cards c WHERE c.member_id = ANY($1) ORDER BY c.card_no");
    let cards = sqlx::query(sqlx::AssertSqlSafe(cards)).bind(ids).fetch_all(&mut *look).await?;
    let card_events = sqlx::query(CARD_EVENTS).bind(ids).fetch_all(&mut *look).await?;

    let mut events_of_cards = by_card(&card_events)?;
    let mut cards_of: BTreeMap<String, Vec<Card>> = BTreeMap::new();
    for row in &cards {
        // A member's card was activated, so it must have a history. Without one it would look as if
        // it were in stock.
        let events = events_of_cards
            .remove(row.try_get::<&str, _>("card_number")?)
            .ok_or(StoreError::Unreadable("card's history"))?;
        cards_of.entry(row.try_get("member_id")?).or_default().push(mapping::card(row, events)?);
    }
    let mut events_of: BTreeMap<String, Vec<Dated<MemberEvent>>> = BTreeMap::new();
    for row in &events {
        events_of.entry(row.try_get("member_id")?).or_default().push(mapping::member_event(row)?);
    }
    let member = |(id, events): (String, Vec<Dated<MemberEvent>>)| {
        let cards = cards_of.remove(&id).unwrap_or_default();
        Member::from_events(mapping::member_id(&id)?, events, cards)
            .ok_or(StoreError::Unreadable("member"))
    };
    events_of.into_iter().map(member).collect()
}

/// Cards' events by the card's number.
fn by_card(rows: &[PgRow]) -> Stored<BTreeMap<String, Vec<Dated<CardEvent>>>> {
    let mut events: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for row in rows {
        events.entry(row.try_get("card_number")?).or_default().push(mapping::card_event(row)?);
    }
    Ok(events)
}
