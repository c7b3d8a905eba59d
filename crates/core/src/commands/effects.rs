//! What a command led to after a station took it: an acceptance says only that it was heard.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::commands::Commands;
use crate::commands::remote_starts::{SLACK, as_meant, asked_by};
use crate::error::Done;
use crate::ledger::keys;
use juden_domain::ids::SessionRef;
use juden_domain::session::Session;
use juden_ocpp::command_intent::{self, CommandIntent, StartAsked, TransactionAsked};
use juden_store::StationRecord;
use juden_store::exchanges::SentCommand;

/// Sessions among which that of a remote start is looked for.
const LOOKED_THROUGH: i64 = 20;

/// Messages of a session among which the number of its remote start is looked for.
const MESSAGES: i64 = 20;

/// How long a transaction has to end, and a station to start again, after it said that it will.
const TO_STOP: TimeDelta = TimeDelta::minutes(10);
const TO_BOOT: TimeDelta = TimeDelta::minutes(15);

/// What a command led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEffect {
    /// `awaited`; `started` or `not_started`; `stopped` or `not_stopped`; `booted` or `not_booted`.
    pub state: &'static str,
    /// The session that it is about, once that is known.
    pub session: Option<SessionRef>,
    /// When it came about.
    pub at: Option<DateTime<Utc>>,
}

impl CommandEffect {
    fn of_session(state: &'static str, session: &Session, at: DateTime<Utc>) -> Self {
        Self { state, session: Some(session.reference.clone()), at: Some(at) }
    }

    /// Nothing was heard so far: it is awaited until an instant, and did not come about after it.
    fn none_by(until: DateTime<Utc>, now: DateTime<Utc>, after: &'static str) -> Self {
        Self { state: if now <= until { "awaited" } else { after }, session: None, at: None }
    }
}

impl Commands {
    /// What a command led to; `None`: it was not taken, or has no effect that shows.
    pub(crate) async fn effect_of(
        &self,
        station: &StationRecord,
        command: &SentCommand,
    ) -> Done<Option<CommandEffect>> {
        let taken_at = command.answered_at.unwrap_or(command.command.sent_at);
        if command.outcome.as_deref() != Some("accepted") {
            return Ok(None);
        }
        let Some(asked) = asked_by(command) else { return Ok(None) };
        Ok(match asked {
            CommandIntent::Start(start) => {
                let until = taken_at + station.plug_in_time() + SLACK;
                Some(
                    match self
                        .started_by(station, command, &as_meant(station, start), until)
                        .await?
                    {
                        Some(session) => {
                            CommandEffect::of_session("started", &session, session.start.at)
                        }
                        None => CommandEffect::none_by(until, self.clock.now(), "not_started"),
                    },
                )
            }
            CommandIntent::Stop(transaction) => {
                let Some(session) = self.named(station, transaction).await? else {
                    return Ok(None);
                };
                Some(match &session.stop {
                    Some(stop) => CommandEffect::of_session("stopped", &session, stop.edge.at),
                    None => CommandEffect {
                        session: Some(session.reference.clone()),
                        ..CommandEffect::none_by(
                            taken_at + TO_STOP,
                            self.clock.now(),
                            "not_stopped",
                        )
                    },
                })
            }
            CommandIntent::Boot => Some(
                match station.observed.booted_at.filter(|booted| *booted >= command.command.sent_at)
                {
                    Some(at) => CommandEffect { state: "booted", session: None, at: Some(at) },
                    None => {
                        CommandEffect::none_by(taken_at + TO_BOOT, self.clock.now(), "not_booted")
                    }
                },
            ),
            CommandIntent::List(..) | CommandIntent::Forget(_) => None,
        })
    }

    /// The session that a remote start led to: the one that names its number, or that the answer named; else the first one
    /// with its card, where it was asked for.
    async fn started_by(
        &self,
        station: &StationRecord,
        command: &SentCommand,
        start: &StartAsked,
        until: DateTime<Utc>,
    ) -> Done<Option<Session>> {
        let answer = payload(command.answer.as_deref()).unwrap_or_default();
        if let Some(name) = command_intent::transaction_told(&answer)
            && let Some(session) = self
                .store
                .newest_session_by_start_key(&station.id, &keys::transaction(name))
                .await?
        {
            return Ok(Some(session));
        }
        let since = command.command.sent_at;
        let mut sessions = self
            .store
            .sessions_started_at(&station.id, since - SLACK, until, LOOKED_THROUGH)
            .await?;
        sessions.retain(|session| session.start.received_at >= since);
        if let Some(number) = start.number {
            for session in &sessions {
                let messages = self.store.messages(session.id, MESSAGES).await?;
                if messages.iter().any(|message| tells_remote_start(&message.payload, number)) {
                    return Ok(Some(session.clone()));
                }
            }
        }
        let fits = |session: &Session| {
            session.id_tag == start.id_tag
                && start
                    .connector_id
                    .is_none_or(|connector_id| connector_id == session.connector_id)
        };
        Ok(sessions.into_iter().find(fits))
    }

    /// A station's session that a command names.
    async fn named(
        &self,
        station: &StationRecord,
        transaction: TransactionAsked,
    ) -> Done<Option<Session>> {
        let found = match transaction {
            TransactionAsked::Named(name) => {
                self.store
                    .newest_session_by_start_key(&station.id, &keys::transaction(&name))
                    .await?
            }
            TransactionAsked::Numbered(id) => self.store.session(id).await?,
        };
        Ok(found.filter(|session| session.station_id == station.id))
    }
}

fn payload(text: Option<&str>) -> Option<Value> {
    serde_json::from_str(text?).ok()
}

/// Whether an event of a transaction tells the number of a remote start.
fn tells_remote_start(event: &str, number: i64) -> bool {
    payload(Some(event)).and_then(|event| command_intent::remote_start_told(&event)) == Some(number)
}
