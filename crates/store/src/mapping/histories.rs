//! Reads rows of the histories of members and cards, and of block deliveries.

use juden_domain::card::{Card, CardEvent, Dated};
use juden_domain::ids::IdTag;
use juden_domain::member::MemberEvent;

use super::{Columns, card_number, station_id};
use crate::blocks::{BlockOrAllow, Delivery, DeliveryState};
use crate::documents::events::{read_card_event, read_member_event};
use crate::documents::read_readings;
use crate::{KeptEvent, StoreError, Stored};

/// An event as its row holds it.
pub fn kept_event(row: &impl Columns) -> Stored<KeptEvent> {
    Ok(KeptEvent {
        seq: row.of("seq")?,
        at: row.of("at")?,
        card: row.of("card_number")?,
        kind: row.of("kind")?,
        detail: row.of("detail")?,
    })
}

/// An event of a card.
pub fn card_event(row: &impl Columns) -> Stored<Dated<CardEvent>> {
    let event = read_card_event(&row.of::<String>("kind")?, &row.of::<String>("detail")?)?;
    Ok(Dated { seq: row.of("seq")?, at: row.of("at")?, event })
}

/// An event of a member.
pub fn member_event(row: &impl Columns) -> Stored<Dated<MemberEvent>> {
    let event = read_member_event(&row.of::<String>("kind")?, &row.of::<String>("detail")?)?;
    Ok(Dated { seq: row.of("seq")?, at: row.of("at")?, event })
}

/// A card with its events.
pub fn card(row: &impl Columns, events: Vec<Dated<CardEvent>>) -> Stored<Card> {
    Ok(Card {
        number: card_number(&row.of::<String>("card_number")?)?,
        id_tag: IdTag::new(&row.of::<String>("id_tag")?),
        readings: read_readings(&row.of::<String>("readings")?)?,
        events,
    })
}

/// A block delivery.
pub fn delivery(row: &impl Columns) -> Stored<Delivery> {
    let unreadable = StoreError::Unreadable("delivery");
    let reach = BlockOrAllow::from_code(&row.of::<String>("reach")?);
    let state = DeliveryState::from_code(&row.of::<String>("state")?);
    let Some((reach, state)) = reach.zip(state) else { return Err(unreadable) };
    Ok(Delivery {
        station_id: station_id(row)?,
        card: card_number(&row.of::<String>("card_number")?)?,
        id_tag: IdTag::new(&row.of::<String>("id_tag")?),
        readings: read_readings(&row.of::<String>("readings")?)?,
        reach,
        state,
        means: row.of("means")?,
        listed: row.of("listed")?,
        tries: row.of("tries")?,
        since: row.of("since")?,
        at: row.of("at")?,
    })
}
