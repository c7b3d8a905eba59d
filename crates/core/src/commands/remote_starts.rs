//! Some chargers truncate or pad the idTag of a remote start when they report it. Such a tag is mapped to the card of
//! a recent remote start, if exactly one fits.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::commands::Commands;
use crate::error::Done;
use crate::stations::quirks;
use juden_domain::ids::IdTag;
use juden_domain::session::Session;
use juden_ocpp::command_intent::{CommandIntent, STARTS, StartAsked, asked};
use juden_ocpp::event::{StationEvent, TransactionMessage};
use juden_store::StationRecord;
use juden_store::exchanges::SentCommand;

/// A station's newest remote starts among which the one that is meant is looked for.
const LOOKED_THROUGH: i64 = 50;

/// How much of a card a charger must tell at least: the shortest number of a chip, in hex digits.
const TOLD_AT_LEAST: usize = 8;

/// How long after the time that a driver has to plug in a start may still be told.
pub(crate) const SLACK: TimeDelta = TimeDelta::seconds(120);

/// How long after a remote start a stop may tell its card.
const STOPPED_WITHIN: TimeDelta = TimeDelta::days(1);

/// What a station told that may be a card cut short or made longer.
struct ReportedTag<'a> {
    id_tag: &'a IdTag,
    connector_id: Option<i64>,
    at: DateTime<Utc>,
    /// How long before it the remote start may have been.
    within: TimeDelta,
}

/// What a command that was sent asked of its station.
pub(crate) fn asked_by(command: &SentCommand) -> Option<CommandIntent> {
    let payload: Value = serde_json::from_str(&command.command.payload).ok()?;
    asked(&command.command.action, &payload)
}

/// What a remote start asked for, where a command to a station is one.
fn start_asked(station: &StationRecord, command: &SentCommand) -> Option<StartAsked> {
    match asked_by(command)? {
        CommandIntent::Start(start) => Some(as_meant(station, start)),
        _ => None,
    }
}

/// A remote start with the card that is meant: the command was worded as the station understands it.
pub(crate) fn as_meant(station: &StationRecord, start: StartAsked) -> StartAsked {
    StartAsked { id_tag: quirks::card_told(station, start.id_tag.as_sent()), ..start }
}

/// Whether one of two cards is the other's beginning.
fn is_cut(told: &IdTag, sent: &IdTag) -> bool {
    let (told, sent) = (told.matched(), sent.matched());
    told.len().min(sent.len()) >= TOLD_AT_LEAST
        && (told.starts_with(sent) || sent.starts_with(told))
}

/// Puts the card that is meant beside, or in the place of, the one that an event tells.
pub(crate) fn put_card(event: &mut StationEvent, meant: IdTag) {
    match event {
        StationEvent::Authorize(shown) => shown.id_tag = meant,
        StationEvent::Transaction(TransactionMessage::Start(report)) => report.meant = Some(meant),
        StationEvent::Transaction(TransactionMessage::Stop(report)) => report.id_tag = Some(meant),
        StationEvent::Transaction(TransactionMessage::Event(report)) => {
            if let Some(shown) = &mut report.shown {
                shown.id_tag = meant;
            }
        }
        _ => {}
    }
}

/// The card that was shown, as an event tells it.
fn shown_card(event: &StationEvent) -> Option<IdTag> {
    match event {
        StationEvent::Authorize(shown) if !shown.nobody => Some(shown.id_tag.clone()),
        StationEvent::Transaction(TransactionMessage::Start(report)) => Some(report.card().clone()),
        StationEvent::Transaction(TransactionMessage::Stop(report)) => report.id_tag.clone(),
        StationEvent::Transaction(TransactionMessage::Event(report)) => {
            report.shown.as_ref().filter(|shown| !shown.nobody).map(|shown| shown.id_tag.clone())
        }
        _ => None,
    }
    .filter(|tag| !tag.is_empty())
}

impl Commands {
    /// The card that is meant, where an event tells another reading of it; or one that nobody has, and it is our remote start's,
    /// cut short or longer.
    pub(crate) async fn card_meant(
        &self,
        station: &StationRecord,
        event: &StationEvent,
    ) -> Done<Option<IdTag>> {
        let Some(told) = shown_card(event) else { return Ok(None) };
        match self.cards.find(&told).await? {
            Some(file) => Ok((file.card.id_tag != told).then(|| file.card.id_tag.clone())),
            None => self.card_sent(station, event).await,
        }
    }

    /// The card of our own remote start, where an event tells it cut short or longer.
    async fn card_sent(
        &self,
        station: &StationRecord,
        event: &StationEvent,
    ) -> Done<Option<IdTag>> {
        let now = self.clock.now();
        match event {
            StationEvent::Authorize(shown) => {
                let within = station.plug_in_time() + SLACK;
                self.meant_by(
                    station,
                    ReportedTag { id_tag: &shown.id_tag, connector_id: None, at: now, within },
                )
                .await
            }
            StationEvent::Transaction(TransactionMessage::Start(report)) => {
                // A start that comes late is judged by when it was.
                let at = report.timestamp.instant(station.zone()).unwrap_or(now);
                let within = station.plug_in_time() + SLACK;
                self.meant_by(
                    station,
                    ReportedTag {
                        id_tag: &report.id_tag,
                        connector_id: report.connector_id,
                        at,
                        within,
                    },
                )
                .await
            }
            StationEvent::Transaction(TransactionMessage::Stop(report)) => {
                let Some(id_tag) = &report.id_tag else { return Ok(None) };
                let at = report.timestamp.instant(station.zone()).unwrap_or(now);
                self.meant_by(
                    station,
                    ReportedTag { id_tag, connector_id: None, at, within: STOPPED_WITHIN },
                )
                .await
            }
            _ => Ok(None),
        }
    }

    async fn meant_by(
        &self,
        station: &StationRecord,
        told: ReportedTag<'_>,
    ) -> Done<Option<IdTag>> {
        if told.id_tag.matched().len() < TOLD_AT_LEAST {
            return Ok(None);
        }
        let commands = self.store.commands_of(&station.id, &STARTS, LOOKED_THROUGH).await?;
        let is_open = |one: &&SentCommand| {
            let sent_at = one.command.sent_at;
            let is_in_time = sent_at - SLACK <= told.at && told.at <= sent_at + told.within;
            is_in_time && one.outcome.as_deref().is_none_or(|word| word == "accepted")
        };
        let mut asked: Vec<(IdTag, DateTime<Utc>)> = Vec::new();
        for one in commands.iter().filter(is_open) {
            let Some(start) = start_asked(station, one) else { continue };
            let elsewhere = matches!((told.connector_id, start.connector_id), (Some(here), Some(there)) if here != there);
            let is_new = asked.iter().all(|(card, _)| *card != start.id_tag);
            if !elsewhere
                && is_new
                && is_cut(told.id_tag, &start.id_tag)
                && self.cards.find(&start.id_tag).await?.is_some()
            {
                asked.push((start.id_tag, one.command.sent_at));
            }
        }
        if asked.len() > 1 {
            asked = self.without_ended(station, told.at, asked).await?;
        }
        // Two cards that it may be are none.
        Ok(asked.pop().filter(|_| asked.is_empty()).map(|(card, _)| card))
    }

    /// Of remote starts those whose sessions have not ended yet.
    async fn without_ended(
        &self,
        station: &StationRecord,
        until: DateTime<Utc>,
        mut asked: Vec<(IdTag, DateTime<Utc>)>,
    ) -> Done<Vec<(IdTag, DateTime<Utc>)>> {
        let since = asked.iter().map(|(_, sent_at)| *sent_at - SLACK).min().unwrap_or(until);
        let sessions =
            self.store.sessions_started_at(&station.id, since, until, LOOKED_THROUGH).await?;
        asked.retain(|(card, sent_at)| {
            let led_to = |session: &Session| {
                session.id_tag == *card
                    && session.start.received_at >= *sent_at
                    && session.stop.is_some()
            };
            !sessions.iter().any(led_to)
        });
        Ok(asked)
    }
}

#[cfg(test)]
#[path = "remote_starts_tests.rs"]
mod tests;
