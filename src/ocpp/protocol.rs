//! The versions of OCPP that are spoken, behind one face.

use serde_json::{Map, Value};

use super::event::StationCommand;
use super::frame::{CallError, Payload};
use super::v16::{self, Decoded, schema::Violation};

/// The longest id tag that a station's list takes, in every version that is spoken.
pub const LIST_TAG_MAX: usize = v16::commands::ID_TAG_MAX;

/// A version of OCPP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// OCPP 1.6 (JSON).
    V16,
}

impl Protocol {
    /// Every version that is spoken.
    pub const ALL: [Self; 1] = [Self::V16];

    /// The WebSocket subprotocol that names it.
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::V16 => v16::SUBPROTOCOL,
        }
    }

    /// The version that a subprotocol names.
    pub fn from_subprotocol(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|protocol| protocol.subprotocol().eq_ignore_ascii_case(name))
    }

    /// The name of an action of stations that is served.
    pub fn served(self, action: &str) -> Option<&'static str> {
        match self {
            Self::V16 => v16::served(action),
        }
    }

    /// Reads a station's call.
    pub fn decode(self, action: &str, payload: Payload<'_>) -> Result<Decoded, CallError> {
        match self {
            Self::V16 => v16::decode(action, payload),
        }
    }

    /// The number that an answer gave to a session that started.
    pub fn session_started(self, answer: &str) -> Option<i64> {
        match self {
            Self::V16 => v16::session_started(answer),
        }
    }

    /// Words a command: its action and payload.
    pub fn encode_command(self, command: &StationCommand) -> (&'static str, Value) {
        match self {
            Self::V16 => v16::commands::encode(command),
        }
    }

    /// Checks a command against the standard. `None`: no command of that name is offered.
    pub fn check_command(self, action: &str, payload: &Map<String, Value>) -> Option<Result<(), Violation>> {
        match self {
            Self::V16 => v16::commands::check(action, payload),
        }
    }

    /// The names of the commands that are offered.
    pub fn command_names(self) -> Vec<&'static str> {
        match self {
            Self::V16 => v16::commands::names().collect(),
        }
    }

    /// What a station's answer to a command comes to, in the API's words.
    pub fn outcome(self, answer: &Value) -> String {
        match self {
            Self::V16 => v16::commands::outcome(answer),
        }
    }
}
