//! The versions of OCPP that are spoken, behind one face.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::command_intent::EvAllowed;
use super::event::{DriverDisplay, EvNeeds, StationCommand, StationEvent};
use super::frame::{CallError, ErrorCode, Payload};
use super::schema::{self, Schema, Violation};
use super::secrets::is_password_variable;
use super::{charging_profile, limits, v16, v201};
use juden_domain::blocking::StationSettings;
use juden_domain::units::Yen;

/// A version of OCPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OCPP 1.6 (JSON), with its security extension.
    V16,
    /// OCPP 2.0.1.
    V201,
}

/// What a command tells a station to come with from its next connection on.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CredentialsSet {
    /// The password, as it will come.
    pub password: Option<Vec<u8>>,
    /// The security profile.
    pub security_profile: Option<u8>,
}

/// Reads one action's payload.
pub type Decode = fn(Payload<'_>) -> Result<StationEvent, CallError>;

impl Protocol {
    /// The version that a station is taken to speak while it is away, so that mistakes in its commands are told all the same.
    pub const OF_ABSENT: Self = Self::V16;

    /// Every version that is spoken.
    pub const ALL: [Self; 2] = [Self::V16, Self::V201];

    /// The WebSocket subprotocol that names it.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => "ocpp1.6",
            Self::V201 => "ocpp2.0.1",
        }
    }

    /// The version that a subprotocol names.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.subprotocol().eq_ignore_ascii_case(name))
    }

    /// Every message of the version.
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::V16 => &schema::V16,
            Self::V201 => &schema::V201,
        }
    }

    /// The longest id tag that a station's list takes.
    pub const fn list_tag_max(self) -> usize {
        match self {
            Self::V16 => v16::commands::ID_TAG_MAX,
            Self::V201 => v201::id_token::ID_TOKEN_MAX,
        }
    }

    /// The types under which a station's list holds a card: which one its readers tell is not known.
    pub const fn list_types(self) -> &'static [Option<&'static str>] {
        match self {
            Self::V16 => &[None],
            Self::V201 => &v201::id_token::LIST_TYPES,
        }
    }

    /// The settings that switch a station's local list on: the list itself, and that it is asked before us.
    pub const fn list_switches(self) -> [&'static str; 2] {
        match self {
            Self::V16 => ["LocalAuthListEnabled", "LocalPreAuthorize"],
            Self::V201 => ["LocalAuthListCtrlr.Enabled", "AuthCtrlr.LocalPreAuthorize"],
        }
    }

    /// Commands that have a station tell all that it is made of, the best first; none in versions without a device model.
    /// The request's number is up to the caller.
    pub fn inventory_commands(self, request_id: u32) -> Vec<(&'static str, Value)> {
        match self {
            Self::V16 => Vec::new(),
            Self::V201 => v201::commands::inventory(request_id),
        }
    }

    /// What a command tells a station to come with, where it does.
    pub fn credentials_set(
        self,
        action: &str,
        payload: &Map<String, Value>,
    ) -> Option<CredentialsSet> {
        let set = match self {
            Self::V16 => v16::commands::credentials_set(action, payload),
            Self::V201 => v201::commands::credentials_set(action, payload),
        };
        (set != CredentialsSet::default()).then_some(set)
    }

    /// The settings that are asked of a station by name; all, where none is named.
    pub fn settings_asked(self) -> Vec<&'static str> {
        match self {
            Self::V16 => Vec::new(),
            Self::V201 => v201::commands::SETTINGS_ASKED
                .iter()
                .copied()
                .chain(
                    limits::settings()
                        .filter(|name| !v201::commands::SETTINGS_ASKED.contains(name)),
                )
                .collect(),
        }
    }

    /// The settings that a station's answer tells, by name. `None`: it tells none.
    pub fn settings_told(self, answer: &Value) -> Option<Vec<(String, Option<String>)>> {
        match self {
            Self::V16 => v16::commands::settings_told(answer),
            Self::V201 => v201::commands::settings_told(answer),
        }
    }

    /// Whether a station can be asked if a transaction goes on (GetTransactionStatus, OCPP 2.0.1 E14).
    pub const fn tells_transaction_status(self) -> bool {
        matches!(self, Self::V201)
    }

    /// Whether stations' identities are compared without regard to case (OCPP 2.0.1 part 2 section 2.1).
    pub const fn ignores_case_of_identities(self) -> bool {
        matches!(self, Self::V201)
    }

    /// Whether what is no call is answered by an error. OCPP-J 1.6 has no such answer (section 4.1.3).
    pub const fn refuses_what_is_no_call(self) -> bool {
        matches!(self, Self::V201)
    }

    /// The version of a transaction message that was kept, by its action.
    pub fn of_transaction_message(action: &str) -> Self {
        if action == "TransactionEvent" { Self::V201 } else { Self::V16 }
    }

    /// Whether the version can show a driver what a session costs and what is left of the month.
    pub const fn displays(self) -> bool {
        match self {
            Self::V16 => false,
            Self::V201 => true,
        }
    }

    /// An answer with what a driver is shown beside it, where the version and the message have a place for it.
    pub fn with_display(self, action: &str, answer: String, shown: &DriverDisplay) -> String {
        match self {
            Self::V16 => answer,
            Self::V201 => v201::display::added(action, answer, shown),
        }
    }

    /// The command that shows what a transaction costs so far, in versions that have one.
    pub fn cost_command(self, transaction: &str, cost: Yen) -> Option<(&'static str, Value)> {
        match self {
            Self::V16 => None,
            Self::V201 => Some(v201::display::cost_command(transaction, cost)),
        }
    }

    /// The payload of [`SET_PROFILE`](super::command_intent::SET_PROFILE) that lets a transaction's vehicle have so much, in versions that
    /// hear of vehicles' needs.
    pub fn ev_profile(
        self,
        number: u32,
        transaction: &str,
        needs: &EvNeeds,
        limit_w: i64,
        now: DateTime<Utc>,
    ) -> Option<Value> {
        match self {
            Self::V16 => None,
            Self::V201 => {
                Some(v201::ev_charging::profile(number, transaction, needs, limit_w, now))
            }
        }
    }

    /// What a payload of [`SET_PROFILE`](super::command_intent::SET_PROFILE) lets an EVSE's vehicle have.
    pub fn ev_allowed(self, payload: &Value, evse_id: i64) -> Option<EvAllowed> {
        match self {
            Self::V16 => None,
            Self::V201 => v201::ev_charging::allowed(payload, evse_id),
        }
    }

    /// The command that takes a signed chain (PEM) to a station.
    /// A request that named no type is answered without one.
    pub fn certificate_command(self, chain: &str, kind: Option<&str>) -> (&'static str, Value) {
        let payload = match (self, kind) {
            (Self::V16, _) | (Self::V201, None) => json!({"certificateChain": chain}),
            (Self::V201, Some(kind)) => json!({"certificateChain": chain, "certificateType": kind}),
        };
        ("CertificateSigned", payload)
    }

    fn decoder(self, action: &str) -> Option<(&'static str, Decode)> {
        let actions: &[(&'static str, Decode)] = match self {
            Self::V16 => &v16::ACTIONS,
            Self::V201 => &v201::ACTIONS,
        };
        actions.iter().copied().find(|(name, _)| *name == action)
    }

    /// Whether an action is one that money hangs on: it is known by its content, and answered after it is durable.
    pub fn is_transaction(self, action: &str) -> bool {
        let of_version: &[&str] = match self {
            Self::V16 => &["StartTransaction", "StopTransaction", "MeterValues"],
            Self::V201 => &["TransactionEvent", "MeterValues"],
        };
        of_version.contains(&action)
    }

    /// The name of an action of stations that is served.
    pub fn served(self, action: &str) -> Option<&'static str> {
        self.decoder(action).map(|(name, _)| name)
    }

    /// Reads a station's call. A transaction message is never refused: what cannot be read of it is noted in the event.
    pub fn decode(self, action: &str, payload: Payload<'_>) -> Result<StationEvent, CallError> {
        if let Some((_, decode)) = self.decoder(action) {
            return decode(payload);
        }
        if self.schema().message(action).is_some() {
            let why = format!("{action} is sent by the central system only");
            return Err(CallError::new(ErrorCode::NotSupported, why));
        }
        if let Some(other) = self.other_version_of(action) {
            let (mine, other) = (self.subprotocol(), other.subprotocol());
            let why = format!(
                "{action} is a message of {other} on a connection for {mine}: set the station to {other}"
            );
            return Err(CallError::new(ErrorCode::NotSupported, why));
        }
        let why = format!("{:.64} is not an action of {}", action, self.subprotocol());
        Err(CallError::new(ErrorCode::NotImplemented, why))
    }

    /// The other version, where an action of stations is that one's alone.
    pub fn other_version_of(self, action: &str) -> Option<Self> {
        let is_of = |protocol: Self| protocol.decoder(action).is_some();
        Self::ALL.into_iter().find(|other| *other != self && is_of(*other) && !is_of(self))
    }

    /// The number that an answer gave to a session that started.
    pub fn session_started(self, answer: &str) -> Option<i64> {
        match self {
            Self::V16 => v16::session_started(answer),
            Self::V201 => None,
        }
    }

    /// Words a command: its action and payload. `None`: the version has no such command.
    pub fn encode_command(self, command: &StationCommand) -> Option<(&'static str, Value)> {
        match self {
            Self::V16 => v16::commands::encode(command),
            Self::V201 => Some(v201::commands::encode(command)),
        }
    }

    /// Checks a command against what its station says that it takes at once.
    pub fn check_limits(
        self,
        action: &str,
        payload: &Map<String, Value>,
        settings: &StationSettings,
    ) -> Result<(), Violation> {
        limits::check(action, payload, settings)
    }

    /// Checks a command against the standard. `None`: no command of that name is in it.
    pub fn check_command(
        self,
        action: &str,
        payload: &Map<String, Value>,
    ) -> Option<Result<(), Violation>> {
        let message = self.schema().message(action).filter(|message| message.is_command())?;
        Some(
            self.schema()
                .check(&message.call, payload)
                .and_then(|()| charging_profile::check(action, payload)),
        )
    }

    /// Whether a station's answer to a command is what the standard wants.
    pub fn answer_fits(self, action: &str, answer: &Map<String, Value>) -> Result<(), Violation> {
        self.schema()
            .message(action)
            .map_or(Ok(()), |message| self.schema().check(&message.reply, answer))
    }

    /// Whether a station's answer to a command says by its status what became of it: without one nobody knows.
    pub fn answer_needs_status(self, action: &str) -> bool {
        let is_status = |field: &schema::Field| field.name == "status" && field.required;
        self.schema().message(action).is_some_and(|message| message.reply.iter().any(is_status))
    }

    /// Whether an empty answer to a station's message says that it was heard.
    pub fn has_empty_answer(self, action: &str) -> bool {
        self.served(action).is_some() && self.answer_fits(action, &Map::new()).is_ok()
    }

    /// The names of the commands that there are.
    pub fn command_names(self) -> Vec<&'static str> {
        self.schema()
            .messages()
            .filter(|(_, message)| message.is_command())
            .map(|(name, _)| name)
            .collect()
    }
}

/// What a station's answer to a command comes to, in the API's words: its status in lower case, `accepted` where the
/// answer has none.
pub fn outcome(answer: &Value) -> String {
    if answer.get("status").is_some_and(|status| !status.is_string()) {
        return "error".to_owned();
    }
    let Some(status) = status_of(answer) else {
        return "accepted".to_owned();
    };
    let mut words = String::new();
    for (place, letter) in status.chars().take(64).enumerate() {
        if letter.is_ascii_uppercase() && place > 0 {
            words.push('_');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

/// What an answer comes to for the password or profile that a command told; other variables that were set beside it do
/// not matter. `None`: it does not say, so nobody knows what the station did.
pub fn credentials_outcome(answer: &Value) -> Option<String> {
    let Some(results) = answer.get("setVariableResult").and_then(Value::as_array) else {
        return answer.get("status").filter(|status| status.is_string()).map(|_| outcome(answer));
    };
    let is_password =
        |one: &&Value| one["variable"]["name"].as_str().is_some_and(is_password_variable);
    let status = results
        .iter()
        .find(is_password)?
        .get("attributeStatus")
        .filter(|status| status.is_string())?;
    Some(outcome(&serde_json::json!({"status": status})))
}

/// The status of an answer; of several results the first that is not an acceptance.
fn status_of(answer: &Value) -> Option<&str> {
    let of_one = |list: &str, status: &str| {
        let results = answer.get(list)?.as_array()?;
        let refused =
            results.iter().find(|result| result.get(status).is_some_and(|word| word != "Accepted"));
        refused.or(results.first())?.get(status)
    };
    let found = answer
        .get("status")
        .or_else(|| of_one("setVariableResult", "attributeStatus"))
        .or_else(|| of_one("getVariableResult", "attributeStatus"))
        .or_else(|| of_one("setMonitoringResult", "status"))
        .or_else(|| of_one("clearMonitoringResult", "status"));
    found.and_then(Value::as_str)
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
