//! OCPP-J frames: `[2, id, action, payload]`, `[3, id, payload]`, `[4, id, code, text, details]`
//! (OCPP-J 1.6 section 4.2, OCPP 2.0.1 part 4 section 4.2). Whatever arrives, [`parse`] says what can be done with it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::protocol::Protocol;
use super::repair;

/// The error codes of both versions, by their names in OCPP-J 1.6, spelled as that spells them: one `r` in `Occurence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The action is unknown.
    NotImplemented,
    /// The action is known and not offered.
    NotSupported,
    /// Our fault.
    InternalError,
    /// The payload is incomplete.
    ProtocolError,
    /// Not allowed now.
    SecurityError,
    /// The payload is not what the action's syntax allows.
    FormationViolation,
    /// A field has a value that is not allowed.
    PropertyConstraintViolation,
    /// A required field is missing.
    OccurenceConstraintViolation,
    /// A field has a value of the wrong kind.
    TypeConstraintViolation,
    /// The message's type number is unknown; 2.0.1 only.
    MessageTypeNotSupported,
    /// The text is no frame; 2.0.1 only.
    RpcFrameworkError,
    /// Anything else.
    GenericError,
}

impl ErrorCode {
    /// Its spelling on the wire of a version (OCPP-J 1.6 section 4.2.3, OCPP 2.0.1 part 4 section 4.3).
    pub const fn wire(self, protocol: Protocol) -> &'static str {
        match (self, protocol) {
            (Self::NotImplemented, _) => "NotImplemented",
            (Self::NotSupported, _) => "NotSupported",
            (Self::InternalError, _) => "InternalError",
            (Self::ProtocolError, _) => "ProtocolError",
            (Self::SecurityError, _) => "SecurityError",
            (Self::FormationViolation, Protocol::V16) => "FormationViolation",
            (Self::FormationViolation, Protocol::V201) => "FormatViolation",
            (Self::PropertyConstraintViolation, _) => "PropertyConstraintViolation",
            (Self::OccurenceConstraintViolation, Protocol::V16) => "OccurenceConstraintViolation",
            (Self::OccurenceConstraintViolation, Protocol::V201) => "OccurrenceConstraintViolation",
            (Self::TypeConstraintViolation, _) => "TypeConstraintViolation",
            (Self::MessageTypeNotSupported, Protocol::V201) => "MessageTypeNotSupported",
            (Self::RpcFrameworkError, Protocol::V201) => "RpcFrameworkError",
            (Self::MessageTypeNotSupported | Self::RpcFrameworkError, Protocol::V16)
            | (Self::GenericError, _) => "GenericError",
        }
    }
}

/// An answer that says why a call is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The code.
    pub code: ErrorCode,
    /// What is wrong with what, and what is allowed.
    pub description: String,
}

impl CallError {
    /// An error with its sentence.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }

    /// Whether the call itself is at fault, so that it is refused however often it comes.
    pub const fn is_of_content(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::FormationViolation
                | ErrorCode::PropertyConstraintViolation
                | ErrorCode::OccurenceConstraintViolation
                | ErrorCode::TypeConstraintViolation
                | ErrorCode::NotSupported
        )
    }
}

/// The longest message id that is read: the standard allows 36 characters.
const ID_MAX_BYTES: usize = 512;

/// A message's id. The standard wants a string; a number is tolerated and echoed as one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId {
    token: String,
}

impl MessageId {
    fn from_token(token: &str) -> Option<Self> {
        if token.len() > ID_MAX_BYTES {
            return None;
        }
        let is_string = serde_json::from_str::<Cow<'_, str>>(token).is_ok();
        // One that is no JSON, such as `007`, cannot be echoed.
        let is_number = token.bytes().all(|b| b.is_ascii_digit() || b == b'-')
            && serde_json::from_str::<&RawValue>(token).is_ok();
        (is_string || is_number).then(|| Self { token: token.to_owned() })
    }

    /// The id of an answer to what has none that can be read (OCPP 2.0.1 part 4 section 4.2.3).
    pub fn unreadable() -> Self {
        Self { token: "\"-1\"".to_owned() }
    }

    /// The id without its quotes, for matching with what we sent.
    pub fn text(&self) -> Cow<'_, str> {
        serde_json::from_str(&self.token).map_or_else(|_| Cow::from(&self.token), Cow::Owned)
    }
}

/// A call's payload as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// JSON of any kind.
    Json(&'a str),
    /// The frame is broken JSON: all of it, for what can be read out of it.
    Broken(&'a str),
}

impl<'a> Payload<'a> {
    /// The text as it is kept.
    pub const fn text(self) -> &'a str {
        match self {
            Self::Json(text) | Self::Broken(text) => text,
        }
    }
}

/// A call from the other side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// To be echoed.
    pub id: MessageId,
    /// Its name.
    pub action: String,
    /// What it carries.
    pub payload: Payload<'a>,
}

/// An answer to a call of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// It was done; the payload's JSON text.
    Result(String),
    /// It was not done.
    Error {
        /// Any text.
        code: String,
        /// Any text.
        description: String,
        /// The details' JSON text.
        details: String,
    },
}

/// What a text is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A call to answer.
    Call(Call<'a>),
    /// An answer to the call with this id.
    Reply(MessageId, Reply),
    /// A call that can only be answered by an error.
    Refused(MessageId, CallError),
    /// A frame of an unknown message type, under its id. 1.6 passes it over (OCPP-J 1.6 section 4.1.3), 2.0.1 has an
    /// error for it.
    UnknownType(MessageId),
    /// A text that is no frame, or a frame without a readable message id. The value is the reason. OCPP 2.0.1 has an
    /// error for it.
    Unreadable(&'static str),
    /// Nothing to answer in either version; why.
    Ignored(&'static str),
}

impl Frame<'_> {
    /// Whether the text is not JSON as it stands.
    pub const fn is_broken(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::Call(Call { payload: Payload::Broken(_), .. }))
    }
}

/// A text that can be read, made of a broken one: a NUL is no JSON and no text that a store keeps whole, and a field
/// without a value has none. `None`: it is to be read as it came.
pub fn mended(text: &str) -> Option<String> {
    let cleaned = text.contains('\0').then(|| text.replace('\0', " "));
    let clean = cleaned.as_deref().unwrap_or(text);
    // What can be read is left alone: the same letters may stand in a string.
    if serde_json::from_str::<&RawValue>(clean.trim()).is_ok() {
        return cleaned;
    }
    match repair::with_missing_values(clean) {
        Some(filled) if serde_json::from_str::<&RawValue>(filled.trim()).is_ok() => Some(filled),
        _ => cleaned,
    }
}

/// Takes a text apart.
pub fn parse(text: &str) -> Frame<'_> {
    let trimmed = text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}');
    if trimmed.is_empty() {
        return Frame::Ignored("an empty text");
    }
    let mut stream = serde_json::Deserializer::from_str(trimmed).into_iter::<Vec<&RawValue>>();
    match stream.next() {
        Some(Ok(parts)) => from_parts(&parts),
        Some(Err(_)) | None => salvage(trimmed),
    }
}

fn from_parts<'a>(parts: &[&'a RawValue]) -> Frame<'a> {
    let (Some(kind), Some(id)) = (parts.first(), parts.get(1)) else {
        return Frame::Unreadable("an array that is no frame");
    };
    let Some(id) = MessageId::from_token(id.get()) else {
        return Frame::Unreadable("a frame without a readable message id");
    };
    match kind.get() {
        "2" => call(id, parts),
        "3" => Frame::Reply(id, Reply::Result(part(parts, 2, "{}"))),
        "4" => {
            let text = |index: usize| {
                parts
                    .get(index)
                    .and_then(|part| serde_json::from_str(part.get()).ok())
                    .unwrap_or_default()
            };
            Frame::Reply(
                id,
                Reply::Error { code: text(2), description: text(3), details: part(parts, 4, "{}") },
            )
        }
        _ => Frame::UnknownType(id),
    }
}

fn part(parts: &[&RawValue], index: usize, default: &str) -> String {
    parts.get(index).map_or_else(|| default.to_owned(), |part| part.get().to_owned())
}

fn call<'a>(id: MessageId, parts: &[&'a RawValue]) -> Frame<'a> {
    let refused = |why: &str| CallError::new(ErrorCode::FormationViolation, why);
    let Some(action) =
        parts.get(2).and_then(|part| serde_json::from_str::<String>(part.get()).ok())
    else {
        return Frame::Refused(
            id,
            refused("a call is [2, id, action, payload]; the action must be a string"),
        );
    };
    let payload = parts.get(3).map_or(Payload::Json("{}"), |part| Payload::Json(part.get()));
    Frame::Call(Call { id, action, payload })
}

fn salvage(text: &str) -> Frame<'_> {
    let Some((id, action)) = repair::call_beginning(text) else {
        return Frame::Unreadable("text that is no JSON array");
    };
    let Some(id) = MessageId::from_token(id) else {
        return Frame::Unreadable("broken JSON without a readable message id");
    };
    Frame::Call(Call { id, action: action.to_owned(), payload: Payload::Broken(text) })
}

/// A call of ours.
pub fn call_text(id: &str, action: &str, payload: &str) -> String {
    format!("[2,{},{},{payload}]", quoted(id), quoted(action))
}

/// The answer to a call.
pub fn result_text(id: &MessageId, payload: &str) -> String {
    format!("[3,{},{payload}]", id.token)
}

/// The longest description that a CALLERROR may carry (OCPP 2.0.1 part 4 section 4.2.3).
const DESCRIPTION_MAX: usize = 255;

/// The frame of a CALLERROR: the answer to a call that was refused or failed.
pub fn error_text(id: &MessageId, error: &CallError, protocol: Protocol) -> String {
    let description: String = error.description.chars().take(DESCRIPTION_MAX).collect();
    format!("[4,{},{},{},{{}}]", id.token, quoted(error.code.wire(protocol)), quoted(&description))
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
