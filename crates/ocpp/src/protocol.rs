//! The supported OCPP versions behind one interface.

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

/// Credentials that a command sets, which the station uses from its next connection on.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct CredentialsSet {
    /// The password, as the station will send it.
    pub password: Option<Vec<u8>>,
    /// The security profile.
    pub security_profile: Option<u8>,
}

/// A function that reads one action's payload.
pub type Decode = fn(Payload<'_>) -> Result<StationEvent, CallError>;

impl Protocol {
    /// The version against which commands to a station that is not connected are checked, so that
    /// mistakes are reported at once.
    pub const OF_ABSENT: Self = Self::V16;

    /// Every supported version.
    pub const ALL: [Self; 2] = [Self::V16, Self::V201];

    /// The version's WebSocket subprotocol.
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

    /// The schema of the version's messages.
    pub fn schema(self) -> &'static Schema {
        match self {
            Self::V16 => &schema::V16,
            Self::V201 => &schema::V201,
        }
    }

    /// The longest id tag that fits an entry of the local list.
    pub const fn list_tag_max(self) -> usize {
        match self {
            Self::V16 => v16::commands::ID_TAG_MAX,
            Self::V201 => v201::id_token::ID_TOKEN_MAX,
        }
    }

    /// The idToken types under which the local list holds each card. The station's reader may use
    /// any of them.
    pub const fn list_types(self) -> &'static [Option<&'static str>] {
        match self {
            Self::V16 => &[None],
            Self::V201 => &v201::id_token::LIST_TYPES,
        }
    }

    /// The settings that enable the local list: the list itself, and its use before an Authorize.
    pub const fn list_switches(self) -> [&'static str; 2] {
        match self {
            Self::V16 => ["LocalAuthListEnabled", "LocalPreAuthorize"],
            Self::V201 => ["LocalAuthListCtrlr.Enabled", "AuthCtrlr.LocalPreAuthorize"],
        }
    }

    /// Commands that request the whole device model, the best first. Versions without a device
    /// model have none. The caller chooses the requestId.
    pub fn inventory_commands(self, request_id: u32) -> Vec<(&'static str, Value)> {
        match self {
            Self::V16 => Vec::new(),
            Self::V201 => v201::commands::inventory(request_id),
        }
    }

    /// The credentials that a command sets; `None`: it sets none.
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

    /// The settings to request by name. Empty: all settings are requested.
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

    /// The settings in a station's answer, by name. `None`: the answer has none.
    pub fn settings_told(self, answer: &Value) -> Option<Vec<(String, Option<String>)>> {
        match self {
            Self::V16 => v16::commands::settings_told(answer),
            Self::V201 => v201::commands::settings_told(answer),
        }
    }

    /// Whether the version has GetTransactionStatus (OCPP 2.0.1 E14).
    pub const fn tells_transaction_status(self) -> bool {
        matches!(self, Self::V201)
    }

    /// Whether stations' identities are compared without regard to case (OCPP 2.0.1 part 2 section
    /// 2.1).
    pub const fn ignores_case_of_identities(self) -> bool {
        matches!(self, Self::V201)
    }

    /// Whether a message that is not a CALL is answered by a CALLERROR. OCPP-J 1.6 has no such
    /// answer (section 4.1.3).
    pub const fn refuses_what_is_no_call(self) -> bool {
        matches!(self, Self::V201)
    }

    /// The version of a stored transaction message, by its action: OCPP 2.0.1 for TransactionEvent,
    /// else OCPP 1.6.
    pub fn of_transaction_message(action: &str) -> Self {
        if action == "TransactionEvent" { Self::V201 } else { Self::V16 }
    }

    /// Whether the version can show a driver the session's cost and the rest of the month's
    /// allowance.
    pub const fn displays(self) -> bool {
        match self {
            Self::V16 => false,
            Self::V201 => true,
        }
    }

    /// An answer with cost and text for the driver added, if the version and the message have
    /// fields for them.
    pub fn with_display(self, action: &str, answer: String, shown: &DriverDisplay) -> String {
        match self {
            Self::V16 => answer,
            Self::V201 => v201::display::added(action, answer, shown),
        }
    }

    /// The command that shows a transaction's cost so far. `None`: the version has none.
    pub fn cost_command(self, transaction: &str, cost: Yen) -> Option<(&'static str, Value)> {
        match self {
            Self::V16 => None,
            Self::V201 => Some(v201::display::cost_command(transaction, cost)),
        }
    }

    /// The payload of [`SET_PROFILE`](super::command_intent::SET_PROFILE) that limits a
    /// transaction's vehicle to `limit_w`. `None`: the version has no NotifyEVChargingNeeds.
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

    /// The highest limit that a payload of [`SET_PROFILE`](super::command_intent::SET_PROFILE) sets
    /// for the vehicle at an EVSE.
    pub fn ev_allowed(self, payload: &Value, evse_id: i64) -> Option<EvAllowed> {
        match self {
            Self::V16 => None,
            Self::V201 => v201::ev_charging::allowed(payload, evse_id),
        }
    }

    /// The command that sends a signed certificate chain (PEM) to a station. If the station's
    /// request named no certificateType, the command names none.
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

    /// Whether the action is a transaction message, on which a bill may depend. Repeats are
    /// recognized by content, and it is answered after its commit.
    pub fn is_transaction(self, action: &str) -> bool {
        let of_version: &[&str] = match self {
            Self::V16 => &["StartTransaction", "StopTransaction", "MeterValues"],
            Self::V201 => &["TransactionEvent", "MeterValues"],
        };
        of_version.contains(&action)
    }

    /// The action's name, if it is a station's action that the server handles.
    pub fn served(self, action: &str) -> Option<&'static str> {
        self.decoder(action).map(|(name, _)| name)
    }

    /// Reads a station's call. A transaction message is never refused: unreadable parts are
    /// recorded in the event's faults.
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

    /// The other version, if the action belongs to stations of that version only.
    pub fn other_version_of(self, action: &str) -> Option<Self> {
        let is_of = |protocol: Self| protocol.decoder(action).is_some();
        Self::ALL.into_iter().find(|other| *other != self && is_of(*other) && !is_of(self))
    }

    /// The transactionId in our answer to StartTransaction. `None` in OCPP 2.0.1.
    pub fn session_started(self, answer: &str) -> Option<i64> {
        match self {
            Self::V16 => v16::session_started(answer),
            Self::V201 => None,
        }
    }

    /// A command's action and payload in this version. `None`: the version has no such command.
    pub fn encode_command(self, command: &StationCommand) -> Option<(&'static str, Value)> {
        match self {
            Self::V16 => v16::commands::encode(command),
            Self::V201 => Some(v201::commands::encode(command)),
        }
    }

    /// Checks a command against the limits that its station reports.
    pub fn check_limits(
        self,
        action: &str,
        payload: &Map<String, Value>,
        settings: &StationSettings,
    ) -> Result<(), Violation> {
        limits::check(action, payload, settings)
    }

    /// Checks a command against the standard. `None`: the version has no command of that name.
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

    /// Checks a station's answer to a command against the schema.
    pub fn answer_fits(self, action: &str, answer: &Map<String, Value>) -> Result<(), Violation> {
        self.schema()
            .message(action)
            .map_or(Ok(()), |message| self.schema().check(&message.reply, answer))
    }

    /// Whether the schema requires a `status` in the answer to a command. Without it the result is
    /// unknown.
    pub fn answer_needs_status(self, action: &str) -> bool {
        let is_status = |field: &schema::Field| field.name == "status" && field.required;
        self.schema().message(action).is_some_and(|message| message.reply.iter().any(is_status))
    }

    /// Whether the standard allows an empty CALLRESULT to a station's message.
    pub fn has_empty_answer(self, action: &str) -> bool {
        self.served(action).is_some() && self.answer_fits(action, &Map::new()).is_ok()
    }

    /// The names of all commands of the version.
    pub fn command_names(self) -> Vec<&'static str> {
        self.schema()
            .messages()
            .filter(|(_, message)| message.is_command())
            .map(|(name, _)| name)
            .collect()
    }
}

/// The result of a command in the API's words: the answer's status in snake case, `accepted` if the
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

/// The result for the password or security profile that a command set. Other variables in the same
/// command do not count. `None`: the answer does not say, so the result is unknown.
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

/// The status of an answer. Of several results, the first that is not Accepted counts.
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
