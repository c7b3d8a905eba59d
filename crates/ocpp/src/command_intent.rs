//! What commands that were sent asked of their stations, and what is said of them later, free of versions. What is kept
//! of a command names its action and not its version: an action asks one thing, whichever version it is of.

use rust_decimal::Decimal;
use serde_json::Value;

use juden_domain::ids::{IdTag, SessionId};

/// The actions that start transactions.
pub const STARTS: [&str; 2] = ["RemoteStartTransaction", "RequestStartTransaction"];

/// The actions that end transactions.
const STOPS: [&str; 2] = ["RemoteStopTransaction", "RequestStopTransaction"];

/// The action that takes a charging profile to a station.
pub const SET_PROFILE: &str = "SetChargingProfile";

/// Actions beside those that end transactions by which a station learns of a blocked card.
const TELLS_OF_BLOCKS: [&str; 5] =
    ["GetLocalListVersion", "SendLocalList", "ClearCache", "ChangeConfiguration", "SetVariables"];

/// What a command asked, where something is known to come of it later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandIntent {
    /// A transaction is to start.
    Start(StartAsked),
    /// A transaction is to end.
    Stop(TransactionAsked),
    /// The station is to start again.
    Boot,
    /// The local authorization list is to have this version, and these cards among its own.
    List(i64, Vec<IdTag>),
    /// What is kept of the customer with this card is to be forgotten.
    Forget(String),
}

/// The transaction that is to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartAsked {
    /// The id tag of the card: as the command spells it, or, after `as_meant`, as it is registered.
    pub id_tag: IdTag,
    /// At this connector, or EVSE, where one was named.
    pub connector_id: Option<i64>,
    /// Under this number, in versions that have one (OCPP 2.0.1 F01.FR.25).
    pub number: Option<i64>,
}

/// The transaction that is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionAsked {
    /// By the number that it was given.
    Numbered(SessionId),
    /// By the name that its station gave it.
    Named(String),
}

/// The highest limit of a charging profile that was sent for a vehicle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvAllowed {
    /// In which transaction, where the profile names one.
    pub transaction: Option<String>,
    /// The unit of its limits: `W` or `A`.
    pub unit: String,
    /// The most of them.
    pub most: Decimal,
}

/// What a command asked.
pub fn asked(action: &str, payload: &Value) -> Option<CommandIntent> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| payload.get(name).and_then(Value::as_i64);
    let token = || payload.get("idToken")?.get("idToken")?.as_str().map(str::to_owned);
    Some(match action {
        "RemoteStartTransaction" => CommandIntent::Start(StartAsked {
            id_tag: IdTag::new(&text("idTag")?),
            connector_id: number("connectorId"),
            number: None,
        }),
        "RequestStartTransaction" => CommandIntent::Start(StartAsked {
            id_tag: IdTag::new(&token()?),
            connector_id: number("evseId"),
            number: number("remoteStartId"),
        }),
        "RemoteStopTransaction" => {
            let id = number("transactionId").filter(|id| (1..=SessionId::MAX).contains(id))?;
            CommandIntent::Stop(TransactionAsked::Numbered(SessionId(id)))
        }
        "RequestStopTransaction" => {
            CommandIntent::Stop(TransactionAsked::Named(text("transactionId")?))
        }
        // What starts one EVSE again is no boot.
        "Reset" if payload.get("evseId").is_none() => CommandIntent::Boot,
        "SendLocalList" => CommandIntent::List(list_version(payload)?, listed(payload)),
        "CustomerInformation" if payload.get("clear") == Some(&Value::Bool(true)) => {
            CommandIntent::Forget(token()?)
        }
        _ => return None,
    })
}

/// The cards that a list names, as its readers tell them.
fn listed(list: &Value) -> Vec<IdTag> {
    let entries = list.get("localAuthorizationList").and_then(Value::as_array);
    let tag = |entry: &Value| {
        entry
            .get("idTag")
            .or_else(|| entry.get("idToken")?.get("idToken"))?
            .as_str()
            .map(IdTag::new)
    };
    entries.into_iter().flatten().filter_map(tag).collect()
}

/// Whether a command starts or stops a transaction: a station that is not accepted is sent none (1.6 section 4.2,
/// 2.0.1 B02.FR.05).
pub fn starts_or_stops(action: &str) -> bool {
    STARTS.contains(&action) || STOPS.contains(&action)
}

/// Whether a blocked card reaches a station by it.
pub fn tells_of_blocks(action: &str) -> bool {
    TELLS_OF_BLOCKS.contains(&action) || STOPS.contains(&action)
}

/// The name of the transaction that an answer to a remote start tells: one that runs already (2.0.1 F01.FR.13).
pub fn transaction_told(answer: &Value) -> Option<&str> {
    answer.get("transactionId")?.as_str()
}

/// The number of the remote start that a transaction's event tells.
pub fn remote_start_told(event: &Value) -> Option<i64> {
    event.get("transactionInfo")?.get("remoteStartId")?.as_i64()
}

/// Whether a transaction goes on as its station answers GetTransactionStatus (E14): no; yes, or its messages are still on their
/// way; `None`: the answer does not say.
pub fn goes_on(answer: &Value) -> Option<bool> {
    let told = |name: &str| answer.get(name).and_then(Value::as_bool);
    match (told("ongoingIndicator"), told("messagesInQueue")) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), _) => Some(false),
        (None, _) => None,
    }
}

/// The version of a local authorization list that a command or an answer tells.
pub fn list_version(payload: &Value) -> Option<i64> {
    payload.get("listVersion").or_else(|| payload.get("versionNumber"))?.as_i64()
}

/// The number of the request that a command makes: what the station tells later repeats it.
pub fn request_number(payload: &Value) -> Option<i64> {
    payload.get("requestId")?.as_i64()
}

#[cfg(test)]
#[path = "command_intent_tests.rs"]
mod tests;
