//! Commands to stations: checked, kept with who asked and what came of it, sent over the station's
//! connection wherever that is.

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tracing::{info, warn};
use uuid::Uuid;

use crate::cluster::{CallOutcome, NotRouted, OutgoingCall};
use crate::commands::Commands;
use crate::commands::capabilities::known_refusal;
use crate::commands::settings::SENT_BY;
use crate::error::{AppError, Done};
use crate::requests::once;
use crate::stations::quirks;
use juden_domain::ids::{CardNumber, StationId};
use juden_domain::station::Registration;
use juden_ocpp::command_intent::{self, CommandIntent};
use juden_ocpp::event::StationCommand;
use juden_ocpp::frame::Reply;
use juden_ocpp::protocol::{self, Protocol};
use juden_ocpp::secrets;
use juden_store::{KeptCommand, Once, StationRecord};

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandResult {
    /// The number under which it is kept; `None`: it never was.
    pub number: Option<i64>,
    /// `accepted`, `rejected` or another word of the station; `unknown` where it did not answer;
    /// `error` where it answered with an error.
    pub outcome: String,
    /// The station's answer.
    pub answer: Value,
}

/// The longest answer that is kept; of a longer one its length is. A list of commands reads hundreds.
const ANSWER_KEPT_MAX: usize = 64 * 1024;

impl Commands {
    /// Sends a version-free command.
    pub async fn send_command(
        &self,
        id: &StationId,
        command: &StationCommand,
        sent_by: &str,
    ) -> Done<CommandResult> {
        if let Some(result) = self.was_sent(id, sent_by).await? {
            return Ok(result);
        }
        let protocol = self.protocol_of(id).await?;
        let station =
            self.stations.find(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
        let worded = protocol.encode_command(&quirks::understood(&station, command.clone()));
        let not_in_version = || {
            AppError::conflict(
                "not_in_version",
                format!("{} has no such command", protocol.subprotocol()),
            )
        };
        let (action, payload) = worded.ok_or_else(not_in_version)?;
        let payload = payload.as_object().cloned().unwrap_or_default();
        self.send_call(id, action, &payload, sent_by).await
    }

    /// Sends a call of the station's own version.
    pub async fn send_call(
        &self,
        id: &StationId,
        action: &str,
        payload: &Map<String, Value>,
        sent_by: &str,
    ) -> Done<CommandResult> {
        if let Some(result) = self.was_sent(id, sent_by).await? {
            return Ok(result);
        }
        // Read from the store, not the cache: the command is checked against the limits that the API shows.
        let station =
            self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
        // A station that is away is taken to speak the first version, so that mistakes are told first.
        let protocol = self.protocol_of(id).await.unwrap_or(Protocol::OF_ABSENT);
        match protocol.check_command(action, payload) {
            None => {
                let allowed = format!(
                    "a command of the station's version: {}",
                    protocol.command_names().join(", ")
                );
                return Err(AppError::invalid("action", allowed));
            }
            Some(Err(violation)) => {
                return Err(AppError::invalid(violation.field, violation.allowed));
            }
            Some(Ok(())) => {}
        }
        if let Some(settings) = station.settings()
            && let Err(violation) = protocol.check_limits(action, payload, &settings)
        {
            return Err(AppError::invalid(violation.field, violation.allowed));
        }
        if station.registration != Registration::Accepted && command_intent::starts_or_stops(action)
        {
            return Err(AppError::conflict(
                "station_not_accepted",
                "a station that is not accepted cannot start or stop transactions",
            ));
        }
        self.protocol_of(id).await?;
        let set = protocol.credentials_set(action, payload);
        // Two such commands to one station at once would mix up their answers.
        let place =
            set.as_ref().map(|_| self.credentials_turns.entry(id.clone()).or_default().clone());
        let _alone = match place {
            Some(place) => Some(place.lock_owned().await),
            None => None,
        };
        let set = match &set {
            Some(set) => Some(self.expect_credentials(id, set).await?),
            None => None,
        };
        let asked = command_intent::asked(action, &Value::Object(payload.clone()))
            .filter(|_| sent_by != SENT_BY);
        let listed = match &asked {
            Some(CommandIntent::List(_, id_tags)) => self.expect_listed(&station, id_tags).await?,
            _ => Vec::new(),
        };
        let known = (sent_by == SENT_BY).then(|| known_refusal(&station, action)).flatten();
        let result = match known {
            Some(known) => Ok(known),
            None => self.exchange(id, protocol, action, payload, sent_by).await,
        };
        if let Some(set) = &set {
            let nothing_sent =
                CommandResult { number: None, outcome: "not_sent".into(), answer: Value::Null };
            self.answered_credentials(id, set, result.as_ref().unwrap_or(&nothing_sent)).await?;
        }
        if let (Some(asked), Ok(result)) = (&asked, &result)
            && let Err(cause) = self.follow(&station, asked, &listed, result).await
        {
            warn!(station_id = %id, action, %cause, "what an operator's command means for what is kept of the station could not be kept");
        }
        result
    }

    /// What came of the command of a request that was done before, where it was: a second remote start would be a second
    /// session. Where the server ended before the station answered, nobody knows.
    async fn was_sent(&self, id: &StationId, sent_by: &str) -> Done<Option<CommandResult>> {
        let Some(number) = once::done().filter(|_| sent_by != SENT_BY) else { return Ok(None) };
        let number = number
            .parse()
            .map_err(|_| AppError::Busy("the command of this request cannot be read"))?;
        let sent = self
            .store
            .command(number)
            .await?
            .ok_or_else(|| AppError::not_found("command", number))?;
        if sent.command.station_id != *id {
            return Err(AppError::not_found("command", number));
        }
        let answer = sent.answer.and_then(|text| serde_json::from_str(&text).ok());
        let answer = answer.unwrap_or_else(
            || json!({"error": "the server ended before the station's answer came"}),
        );
        Ok(Some(CommandResult {
            number: Some(number),
            outcome: sent.outcome.unwrap_or_else(|| "unknown".to_owned()),
            answer,
        }))
    }

    /// A command did not leave: asked again under the same key, it is sent.
    async fn was_not_sent(&self, number: i64, once: Option<&Once>) -> Done<()> {
        if let Some(once) = once {
            self.store.undo_once(once).await?;
        }
        Ok(self.store.save_command_outcome(number, "not_sent", "{}", self.clock.now()).await?)
    }

    /// Sends a call that was checked, and waits for its answer.
    async fn exchange(
        &self,
        id: &StationId,
        protocol: Protocol,
        action: &str,
        payload: &Map<String, Value>,
        sent_by: &str,
    ) -> Done<CommandResult> {
        let message_id = Uuid::new_v4().to_string();
        let text = Value::Object(payload.clone()).to_string();
        let (redacted, secret) = secrets::redacted(payload);
        let kept = KeptCommand {
            station_id: id.clone(),
            sent_by: sent_by.to_owned(),
            message_id: message_id.clone(),
            action: action.to_owned(),
            payload: redacted,
            sent_at: self.clock.now(),
            // What Juden asks by itself is no caller's.
            once: once::to_keep().filter(|_| sent_by != SENT_BY),
        };
        let number = self.store.save_command(&kept).await?;
        let (reply, answered) = oneshot::channel();
        let call = OutgoingCall { message_id, action: action.to_owned(), payload: text, reply };
        let outcome = match self.cluster.route(id, call).await {
            Ok(()) => answered.await.unwrap_or(CallOutcome::Disconnected),
            Err(NotRouted::Offline) => CallOutcome::Disconnected,
            Err(NotRouted::Busy) => {
                self.was_not_sent(number, kept.once.as_ref()).await?;
                return Err(AppError::Busy("too many commands wait for the station"));
            }
            Err(NotRouted::Unreachable) => {
                self.was_not_sent(number, kept.once.as_ref()).await?;
                return Err(AppError::Busy("the node that holds the station cannot be reached"));
            }
        };
        let (outcome, mut answer) = told(outcome);
        secrets::scrub(&mut answer);
        // An error may repeat what it complains of.
        if outcome == "error" {
            secrets::scrub_echoes(&mut answer, &secret);
        }
        // Where the standard wants a status, an answer without one is no acceptance: a block would count as delivered.
        let says_nothing = outcome == "accepted"
            && answer.get("status").is_none()
            && protocol.answer_needs_status(action);
        let outcome = if says_nothing { "error".to_owned() } else { outcome };
        let result = CommandResult { number: Some(number), outcome, answer };
        if let (Some(answer), false) =
            (result.answer.as_object(), matches!(result.outcome.as_str(), "error" | "unknown"))
            && let Err(violation) = protocol.answer_fits(action, answer)
        {
            info!(station_id = %id, action, field = violation.field, allowed = violation.allowed, "a station's answer is not what the standard wants");
            metrics::counter!("juden_answers_off_standard_total").increment(1);
        }
        let text = result.answer.to_string();
        let kept = if text.len() > ANSWER_KEPT_MAX {
            json!({"bytes": text.len()}).to_string()
        } else {
            text
        };
        self.store.save_command_outcome(number, &result.outcome, &kept, self.clock.now()).await?;
        self.remember_capability(id, action, &result, sent_by).await;
        Ok(result)
    }

    /// What a command of an operator came to means for what Juden keeps of the station.
    async fn follow(
        &self,
        station: &StationRecord,
        asked: &CommandIntent,
        listed: &[CardNumber],
        result: &CommandResult,
    ) -> Done<()> {
        match asked {
            CommandIntent::List(version, _) => {
                self.list_was_sent(station, *version, listed, result).await
            }
            CommandIntent::Forget(id_tag) if result.outcome == "accepted" => {
                self.forget_customer_at(&station.id, id_tag).await
            }
            CommandIntent::Start(_)
            | CommandIntent::Stop(_)
            | CommandIntent::Boot
            | CommandIntent::Forget(_) => Ok(()),
        }
    }

    /// The version that a station speaks now.
    pub(crate) async fn protocol_of(&self, id: &StationId) -> Done<Protocol> {
        let connection = if let Some(here) = self.cluster.connection(id) {
            Some(here)
        } else {
            let record =
                self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
            self.stations.connection_of(&record)
        };
        connection
            .and_then(|connection| Protocol::from_subprotocol(&connection.protocol))
            .ok_or_else(|| {
                AppError::conflict("station_offline", format!("the station {id} is not connected"))
            })
    }
}

/// What became of a call, in the API's words, and the answer.
fn told(outcome: CallOutcome) -> (String, Value) {
    let (word, answer) = match outcome {
        CallOutcome::Answered(Reply::Result(payload)) => {
            match serde_json::from_str::<Value>(&payload) {
                Ok(answer @ Value::Object(_)) => return (protocol::outcome(&answer), answer),
                Ok(_) | Err(_) => ("error", json!({"error": "the answer is no JSON object"})),
            }
        }
        CallOutcome::Answered(Reply::Error { code, description, details }) => {
            let details: Value = serde_json::from_str(&details).unwrap_or_default();
            ("error", json!({"error": code, "description": description, "details": details}))
        }
        CallOutcome::TimedOut => {
            ("unknown", json!({"error": "the station did not answer in time"}))
        }
        CallOutcome::Disconnected => {
            ("unknown", json!({"error": "the connection ended before an answer"}))
        }
    };
    (word.to_owned(), answer)
}

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;
