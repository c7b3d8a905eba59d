//! What a command led to after a station took it: an acceptance says only that it was heard.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::remote_starts::{SLACK, asked};
use super::{App, Done};
use crate::domain::ids::{SessionId, SessionRef};
use crate::domain::session::Session;
use crate::ledger::keys;
use crate::store::StationRecord;
use crate::store::exchanges::SentCommand;

/// Sessions among which that of a remote start is looked for.
const LOOKED_THROUGH: i64 = 20;

/// Messages of a session among which the number of its remote start is looked for.
const MESSAGES: i64 = 20;

/// How long a transaction has to end, and a station to start again, after it said that it will.
const TO_STOP: TimeDelta = TimeDelta::minutes(10);
const TO_BOOT: TimeDelta = TimeDelta::minutes(15);

/// What a command led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// `awaited`; `started` or `not_started`; `stopped` or `not_stopped`; `booted` or `not_booted`.
    pub state: &'static str,
    /// The session that it is about, once that is known.
    pub session: Option<SessionRef>,
    /// When it came about.
    pub at: Option<DateTime<Utc>>,
}

impl Effect {
    fn of_session(state: &'static str, session: &Session, at: DateTime<Utc>) -> Self {
        Self { state, session: Some(session.reference.clone()), at: Some(at) }
    }

    /// Nothing was heard so far: it is awaited until an instant, and did not come about after it.
    fn none_by(until: DateTime<Utc>, now: DateTime<Utc>, after: &'static str) -> Self {
        Self { state: if now <= until { "awaited" } else { after }, session: None, at: None }
    }
}

impl App {
    /// What a command led to; `None`: it was not taken, or has no effect that shows.
    pub(super) async fn effect_of(&self, station: &StationRecord, command: &SentCommand) -> Done<Option<Effect>> {
        let taken_at = command.answered_at.unwrap_or(command.command.sent_at);
        if command.outcome.as_deref() != Some("accepted") {
            return Ok(None);
        }
        Ok(match command.command.action.as_str() {
            "RemoteStartTransaction" | "RequestStartTransaction" => {
                let until = taken_at + station.plug_in_time() + SLACK;
                Some(match self.started_by(station, command, until).await? {
                    Some(session) => Effect::of_session("started", &session, session.start.at),
                    None => Effect::none_by(until, self.now(), "not_started"),
                })
            }
            "RemoteStopTransaction" | "RequestStopTransaction" => {
                let Some(session) = self.named_by(station, command).await? else { return Ok(None) };
                Some(match &session.stop {
                    Some(stop) => Effect::of_session("stopped", &session, stop.edge.at),
                    None => Effect {
                        session: Some(session.reference.clone()),
                        ..Effect::none_by(taken_at + TO_STOP, self.now(), "not_stopped")
                    },
                })
            }
            // What starts one EVSE again is no boot.
            "Reset" if field(Some(&command.command.payload), "evseId").is_some() => None,
            "Reset" => Some(match station.booted_at.filter(|booted| *booted >= command.command.sent_at) {
                Some(at) => Effect { state: "booted", session: None, at: Some(at) },
                None => Effect::none_by(taken_at + TO_BOOT, self.now(), "not_booted"),
            }),
            _ => None,
        })
    }

    /// The session that a remote start led to: the one that names its number, or that the answer named; else the first one
    /// with its card, where it was asked for.
    async fn started_by(&self, station: &StationRecord, command: &SentCommand, until: DateTime<Utc>) -> Done<Option<Session>> {
        let Some(asked) = asked(station, command) else { return Ok(None) };
        if let Some(name) = field(command.answer.as_deref(), "transactionId").and_then(|id| id.as_str().map(str::to_owned)) {
            return Ok(self.store.session_by_start(&station.id, &keys::transaction(&name)).await?);
        }
        let since = command.command.sent_at;
        let mut sessions = self.store.sessions_started_at(&station.id, since - SLACK, until, LOOKED_THROUGH).await?;
        sessions.retain(|session| session.start.received_at >= since);
        if let Some(number) = field(Some(&command.command.payload), "remoteStartId").and_then(|number| number.as_i64()) {
            for session in &sessions {
                let messages = self.store.messages(session.id, MESSAGES).await?;
                if messages.iter().any(|message| names_remote_start(&message.payload, number)) {
                    return Ok(Some(session.clone()));
                }
            }
        }
        let fits = |session: &Session| {
            session.id_tag == asked.id_tag && asked.connector_id.is_none_or(|connector_id| connector_id == session.connector_id)
        };
        Ok(sessions.into_iter().find(fits))
    }

    /// The session that a remote stop names.
    async fn named_by(&self, station: &StationRecord, command: &SentCommand) -> Done<Option<Session>> {
        let found = match field(Some(&command.command.payload), "transactionId") {
            Some(Value::String(name)) => self.store.session_by_start(&station.id, &keys::transaction(&name)).await?,
            Some(Value::Number(number)) => match number.as_i64().filter(|id| (1..=SessionId::MAX).contains(id)) {
                Some(id) => self.store.session(SessionId(id)).await?,
                None => None,
            },
            _ => None,
        };
        Ok(found.filter(|session| session.station_id == station.id))
    }
}

fn field(payload: Option<&str>, name: &str) -> Option<Value> {
    let payload: Value = serde_json::from_str(payload?).ok()?;
    payload.get(name).cloned()
}

/// Whether a step of a transaction names the number of a remote start.
fn names_remote_start(payload: &str, number: i64) -> bool {
    field(Some(payload), "transactionInfo").is_some_and(|info| info.get("remoteStartId").and_then(Value::as_i64) == Some(number))
}
