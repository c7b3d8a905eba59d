//! OCPP-J frames: `[2, id, action, payload]`, `[3, id, payload]`, `[4, id, code, text, details]`
//! (OCPP-J 1.6 section 4.2, OCPP 2.0.1 part 4 section 4.2). [`parse`] accepts any text and says how
//! to treat it.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::protocol::Protocol;
use super::repair;

/// The error codes of both versions, named and spelled as in OCPP-J 1.6, with one `r` in
/// `Occurence`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorCode {
    /// The action is unknown.
    NotImplemented,
    /// The action is known but not supported.
    NotSupported,
    /// The server failed to process the call.
    InternalError,
    /// The payload is incomplete.
    ProtocolError,
    /// A security issue keeps the server from processing the call.
    SecurityError,
    /// The payload does not have the syntax of the action.
    FormationViolation,
    /// A field has a value that is not allowed.
    PropertyConstraintViolation,
    /// A required field is missing.
    OccurenceConstraintViolation,
    /// A field has a value of the wrong type.
    TypeConstraintViolation,
    /// The message's type number is unknown; 2.0.1 only.
    MessageTypeNotSupported,
    /// The text is not an OCPP-J frame; 2.0.1 only.
    RpcFrameworkError,
    /// Any other error.
    GenericError,
}

impl ErrorCode {
    /// The code's spelling in a version (OCPP-J 1.6 section 4.2.3, OCPP 2.0.1 part 4 section 4.3).
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

/// The content of a CALLERROR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The error code.
    pub code: ErrorCode,
    /// A sentence: the field, its fault, and the values that are allowed.
    pub description: String,
}

impl CallError {
    /// An error with its code and description.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self { code, description: description.into() }
    }

    /// Whether the fault lies in the call's content, so that a repeat would be refused again.
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

/// The longest message id that is accepted. The standard allows 36 characters.
const ID_MAX_BYTES: usize = 512;

/// A message id. The standard requires a string. A number is tolerated, and echoed as a number.
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
        // A number that is not valid JSON, such as `007`, cannot be echoed.
        let is_number = token.bytes().all(|b| b.is_ascii_digit() || b == b'-')
            && serde_json::from_str::<&RawValue>(token).is_ok();
        (is_string || is_number).then(|| Self { token: token.to_owned() })
    }

    /// The id of a CALLERROR to a message whose id cannot be read (OCPP 2.0.1 part 4 section
    /// 4.2.3).
    pub fn unreadable() -> Self {
        Self { token: "\"-1\"".to_owned() }
    }

    /// The id without its quotes, to match it with a call that we sent.
    pub fn text(&self) -> Cow<'_, str> {
        serde_json::from_str(&self.token).map_or_else(|_| Cow::from(&self.token), Cow::Owned)
    }
}

/// A call's payload as it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload<'a> {
    /// A JSON value of any type.
    Json(&'a str),
    /// The whole frame, which is broken JSON. Single fields may still be read out of it.
    Broken(&'a str),
}

impl<'a> Payload<'a> {
    /// The text as it is stored.
    pub const fn text(self) -> &'a str {
        match self {
            Self::Json(text) | Self::Broken(text) => text,
        }
    }
}

/// A CALL from a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call<'a> {
    /// The message id, which the answer repeats.
    pub id: MessageId,
    /// The action.
    pub action: String,
    /// The payload.
    pub payload: Payload<'a>,
}

/// A station's answer to a CALL of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// A CALLRESULT, with its payload's JSON text.
    Result(String),
    /// A CALLERROR.
    Error {
        /// The error code, which may be any text.
        code: String,
        /// The description, which may be any text.
        description: String,
        /// The details' JSON text.
        details: String,
    },
}

/// The result of reading one text from the socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A CALL that is to be answered.
    Call(Call<'a>),
    /// A station's answer to our CALL with this id.
    Reply(MessageId, Reply),
    /// A CALL without a readable action, which is answered by this CALLERROR.
    Refused(MessageId, CallError),
    /// A frame with an unknown message type, and its message id. 1.6 ignores it (OCPP-J 1.6 section
    /// 4.1.3), 2.0.1 answers with a CALLERROR.
    UnknownType(MessageId),
    /// A text that is not a frame, or a frame without a readable message id, with the reason. 2.0.1
    /// answers with a CALLERROR.
    Unreadable(&'static str),
    /// A text that neither version answers, with the reason.
    Ignored(&'static str),
}

impl Frame<'_> {
    /// Whether the text is broken JSON, or not a frame.
    pub const fn is_broken(&self) -> bool {
        matches!(self, Self::Unreadable(_) | Self::Call(Call { payload: Payload::Broken(_), .. }))
    }
}

/// Repairs a broken text. A NUL becomes a blank, because JSON and the stores do not allow NUL. A
/// field without a value gets `null`. `None`: the text needs no repair, or it did not help.
pub fn mended(text: &str) -> Option<String> {
    let cleaned = text.contains('\0').then(|| text.replace('\0', " "));
    let clean = cleaned.as_deref().unwrap_or(text);
    // Valid JSON is not changed: what looks like a missing value may stand inside a string.
    if serde_json::from_str::<&RawValue>(clean.trim()).is_ok() {
        return cleaned;
    }
    match repair::with_missing_values(clean) {
        Some(filled) if serde_json::from_str::<&RawValue>(filled.trim()).is_ok() => Some(filled),
        _ => cleaned,
    }
}

/// Reads one text from the socket.
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

/// The frame of a CALL.
pub fn call_text(id: &str, action: &str, payload: &str) -> String {
    format!("[2,{},{},{payload}]", quoted(id), quoted(action))
}

/// The frame of a CALLRESULT.
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
