//! Commands to stations: checked, kept with who asked and what came of it, sent over the station's
//! connection wherever that is.

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tracing::{info, warn};
use uuid::Uuid;

use super::capabilities::known_refusal;
use super::onboarding::SENT_BY;
use super::{App, AppError, Done, quirks};
use crate::cluster::{CallOutcome, NotRouted, OutgoingCall};
use crate::domain::ids::StationId;
use crate::domain::station::Registration;
use crate::ocpp::event::StationCommand;
use crate::ocpp::frame::Reply;
use crate::ocpp::protocol::{self, Protocol};
use crate::store::KeptCommand;

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

impl App {
    /// Sends a version-free command.
    pub async fn send_command(&self, id: &StationId, command: &StationCommand, sent_by: &str) -> Done<CommandResult> {
        let protocol = self.protocol_of(id).await?;
        let station = self.stations.find(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
        let worded = protocol.encode_command(&quirks::understood(&station, command.clone()));
        let not_in_version = || AppError::conflict("not_in_version", format!("{} has no such command", protocol.subprotocol()));
        let (action, payload) = worded.ok_or_else(not_in_version)?;
        let payload = payload.as_object().cloned().unwrap_or_default();
        self.send_call(id, action, &payload, sent_by).await
    }

    /// Sends a call of the station's own version.
    pub async fn send_call(&self, id: &StationId, action: &str, payload: &Map<String, Value>, sent_by: &str) -> Done<CommandResult> {
        // As it is kept, not as it is remembered: what is shown of a station holds for what it is sent.
        let station = self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
        // A station that is away is taken to speak the first version, so that mistakes are told first.
        let protocol = self.protocol_of(id).await.unwrap_or(Protocol::V16);
        match protocol.check_command(action, payload) {
            None => {
                let allowed = format!("a command of the station's version: {}", protocol.command_names().join(", "));
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
        if station.registration != Registration::Accepted && protocol::starts_or_stops(action) {
            return Err(AppError::conflict("station_not_accepted", "a station that is not accepted cannot start or stop transactions"));
        }
        self.protocol_of(id).await?;
        let set = protocol.credentials_set(action, payload);
        // Two such commands to one station at once would mix up their answers.
        let place = set.as_ref().map(|_| self.telling_credentials.entry(id.clone()).or_default().clone());
        let _alone = match place {
            Some(place) => Some(place.lock_owned().await),
            None => None,
        };
        let set = match &set {
            Some(set) => Some(self.expect_credentials(id, set).await?),
            None => None,
        };
        let known = (sent_by == SENT_BY).then(|| known_refusal(&station, action)).flatten();
        let result = match known {
            Some(known) => Ok(known),
            None => self.exchange(id, protocol, action, payload, sent_by).await,
        };
        if let Some(set) = &set {
            let nothing_sent = CommandResult { number: None, outcome: "not_sent".into(), answer: Value::Null };
            self.answered_credentials(id, set, result.as_ref().unwrap_or(&nothing_sent)).await?;
        }
        result
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
        let kept = KeptCommand {
            station_id: id.clone(),
            sent_by: sent_by.to_owned(),
            message_id: message_id.clone(),
            action: action.to_owned(),
            payload: redacted(action, payload),
            sent_at: self.now(),
        };
        let number = self.store.save_command(&kept).await?;
        let (reply, answered) = oneshot::channel();
        let call = OutgoingCall { message_id, action: action.to_owned(), payload: text, reply };
        let outcome = match self.cluster.route(id, call).await {
            Ok(()) => answered.await.unwrap_or(CallOutcome::Disconnected),
            Err(NotRouted::Offline) => CallOutcome::Disconnected,
            Err(NotRouted::Busy) => {
                self.store.save_command_outcome(number, "not_sent", "{}", self.now()).await?;
                return Err(AppError::Busy("too many commands wait for the station"));
            }
            Err(NotRouted::Unreachable) => {
                self.store.save_command_outcome(number, "not_sent", "{}", self.now()).await?;
                return Err(AppError::Busy("the node that holds the station cannot be reached"));
            }
        };
        let result = CommandResult { number: Some(number), ..result(outcome) };
        if let (Some(answer), false) = (result.answer.as_object(), matches!(result.outcome.as_str(), "error" | "unknown"))
            && let Err(violation) = protocol.answer_fits(action, answer)
        {
            info!(station_id = %id, action, field = violation.field, allowed = violation.allowed, "a station's answer is not what the standard wants");
            metrics::counter!("juden_answers_off_standard_total").increment(1);
        }
        self.store.save_command_outcome(number, &result.outcome, &result.answer.to_string(), self.now()).await?;
        self.remember_capability(id, action, &result).await;
        if sent_by != SENT_BY
            && result.outcome == "accepted"
            && let Err(cause) = self.follow(id, action, payload).await
        {
            warn!(station_id = %id, action, %cause, "what an accepted command means for the station's list could not be kept");
        }
        Ok(result)
    }

    /// What a command of an operator means, once a station took it, for what Juden keeps of the station.
    async fn follow(&self, id: &StationId, action: &str, payload: &Map<String, Value>) -> Done<()> {
        match action {
            // The list is now the operator's: what Juden holds in it goes on top, blocked cards first of all.
            "SendLocalList" => {
                if let Some(version) = payload.get("listVersion").or(payload.get("versionNumber")).and_then(Value::as_i64) {
                    self.store.save_list_version(id, version).await?;
                    self.store.relist(id, self.now()).await?;
                    self.cards.changed.notify_one();
                }
                Ok(())
            }
            "CustomerInformation" if payload.get("clear") == Some(&Value::Bool(true)) => {
                match payload.get("idToken").and_then(|token| token.get("idToken")).and_then(Value::as_str) {
                    Some(id_tag) => self.forget_customer_at(id, id_tag).await,
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// The version that a station speaks now.
    pub(super) async fn protocol_of(&self, id: &StationId) -> Done<Protocol> {
        let connection = match self.cluster.connection(id) {
            Some(here) => Some(here),
            None => {
                let record = self.store.station(id).await?.ok_or_else(|| AppError::not_found("station", id))?;
                self.connection_of(&record)
            }
        };
        connection
            .and_then(|connection| Protocol::from_subprotocol(&connection.protocol))
            .ok_or_else(|| AppError::conflict("station_offline", format!("the station {id} is not connected")))
    }
}

fn result(outcome: CallOutcome) -> CommandResult {
    match outcome {
        CallOutcome::Answered(Reply::Result(payload)) => match serde_json::from_str::<Value>(&payload) {
            Ok(answer @ Value::Object(_)) => CommandResult { number: None, outcome: protocol::outcome(&answer), answer },
            Ok(_) | Err(_) => {
                CommandResult { number: None, outcome: "error".into(), answer: json!({"error": "the answer is no JSON object"}) }
            }
        },
        CallOutcome::Answered(Reply::Error { code, description, details }) => {
            let details: Value = serde_json::from_str(&details).unwrap_or_default();
            CommandResult {
                number: None,
                outcome: "error".into(),
                answer: json!({"error": code, "description": description, "details": details}),
            }
        }
        CallOutcome::TimedOut => {
            CommandResult { number: None, outcome: "unknown".into(), answer: json!({"error": "the station did not answer in time"}) }
        }
        CallOutcome::Disconnected => {
            CommandResult { number: None, outcome: "unknown".into(), answer: json!({"error": "the connection ended before an answer"}) }
        }
    }
}

/// The payload as it is kept: a password is sent, never kept.
fn redacted(action: &str, payload: &Map<String, Value>) -> String {
    let mut payload = payload.clone();
    let is_named =
        |name: Option<&Value>, secret: &str| name.and_then(Value::as_str).is_some_and(|name| name.trim().eq_ignore_ascii_case(secret));
    if action == "ChangeConfiguration" && is_named(payload.get("key"), "AuthorizationKey") {
        payload.insert("value".into(), json!(REDACTED));
    }
    for data in payload.get_mut("setVariableData").and_then(Value::as_array_mut).into_iter().flatten() {
        if is_named(data["variable"].get("name"), "BasicAuthPassword") {
            data["attributeValue"] = json!(REDACTED);
        }
    }
    for (part, secret) in [("apn", "apnPassword"), ("vpn", "password"), ("vpn", "key")] {
        if let Some(value) = payload.get_mut("connectionData").and_then(|data| data.get_mut(part)).and_then(|part| part.get_mut(secret)) {
            *value = json!(REDACTED);
        }
    }
    Value::Object(payload).to_string()
}

/// What stands in the place of a secret.
const REDACTED: &str = "(redacted)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_that_is_sent_is_not_kept() {
        let payload = json!({"key": "authorizationkey", "value": "00112233"});
        assert!(!redacted("ChangeConfiguration", payload.as_object().unwrap()).contains("00112233"));
        let variable = json!({"setVariableData": [{"component": {"name": "SecurityCtrlr"}, "variable": {"name": "BasicAuthPassword"}, "attributeValue": "00112233"}]});
        assert!(!redacted("SetVariables", variable.as_object().unwrap()).contains("00112233"));
        let profile = json!({"connectionData": {"vpn": {"password": "00112233", "key": "00112233"}, "apn": {"apnPassword": "00112233"}}});
        assert!(!redacted("SetNetworkProfile", profile.as_object().unwrap()).contains("00112233"));
        let other = json!({"key": "HeartbeatInterval", "value": "300"});
        assert!(redacted("ChangeConfiguration", other.as_object().unwrap()).contains("300"));
    }

    #[test]
    fn what_a_station_did_not_answer_is_unknown_and_not_rejected() {
        assert_eq!(result(CallOutcome::TimedOut).outcome, "unknown");
        assert_eq!(result(CallOutcome::Disconnected).outcome, "unknown");
        assert_eq!(result(CallOutcome::Answered(Reply::Result("[]".into()))).outcome, "error");
    }
}
