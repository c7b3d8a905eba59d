//! Reads the intent of a command that was sent, and the parts of later messages that refer back to
//! it. A kept command has an action and no OCPP version. That is enough, because one action means
//! the same in both versions.

use rust_decimal::Decimal;
use serde_json::Value;

use juden_domain::ids::{IdTag, SessionId};

/// The actions that start transactions.
pub const STARTS: [&str; 2] = ["RemoteStartTransaction", "RequestStartTransaction"];

/// The actions that end transactions.
const STOPS: [&str; 2] = ["RemoteStopTransaction", "RequestStopTransaction"];

/// The action that sends a charging profile to a station.
pub const SET_PROFILE: &str = "SetChargingProfile";

/// Actions by which a station learns of a blocked card, beside those that stop a transaction.
const TELLS_OF_BLOCKS: [&str; 5] =
    ["GetLocalListVersion", "SendLocalList", "ClearCache", "ChangeConfiguration", "SetVariables"];

/// The intent of a command, if a later event can show that the station did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandIntent {
    /// The station is to start a transaction.
    Start(StartAsked),
    /// The station is to stop a transaction.
    Stop(TransactionAsked),
    /// The station is to restart. A BootNotification follows.
    Boot,
    /// The local authorization list is to get this version, and its entries name these cards.
    List(i64, Vec<IdTag>),
    /// The station is to erase its data of the customer with this card (CustomerInformation with
    /// `clear`).
    Forget(String),
}

/// The content of a remote start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartAsked {
    /// The card's id tag as the command spells it. After `as_meant`, as the card is registered.
    pub id_tag: IdTag,
    /// The connector, or EVSE, if the command names one.
    pub connector_id: Option<i64>,
    /// The remoteStartId (OCPP 2.0.1 F01.FR.25). OCPP 1.6 has none.
    pub number: Option<i64>,
}

/// The transaction that a remote stop names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransactionAsked {
    /// The transactionId that the server assigned (OCPP 1.6).
    Numbered(SessionId),
    /// The transactionId that the station assigned (OCPP 2.0.1).
    Named(String),
}

/// The highest limit of a charging profile that was sent for a vehicle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvAllowed {
    /// The transaction's name, if the profile names one.
    pub transaction: Option<String>,
    /// The unit of its limits: `W` or `A`.
    pub unit: String,
    /// The highest of the profile's limits.
    pub most: Decimal,
}

/// The intent of a command, by its action and payload.
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
        // A Reset of one EVSE does not restart the station.
        "Reset" if payload.get("evseId").is_none() => CommandIntent::Boot,
        "SendLocalList" => CommandIntent::List(list_version(payload)?, listed(payload)),
        "CustomerInformation" if payload.get("clear") == Some(&Value::Bool(true)) => {
            CommandIntent::Forget(token()?)
        }
        _ => return None,
    })
}

/// The id tags in a SendLocalList, as they are written there.
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

/// Whether a command starts or stops a transaction. Such a command is not sent to a station that is
/// not accepted (1.6 section 4.2, 2.0.1 B02.FR.05).
pub fn starts_or_stops(action: &str) -> bool {
    STARTS.contains(&action) || STOPS.contains(&action)
}

/// Whether a station can learn of a blocked card by this action.
pub fn tells_of_blocks(action: &str) -> bool {
    TELLS_OF_BLOCKS.contains(&action) || STOPS.contains(&action)
}

/// The transactionId in the answer to a remote start: a transaction that already runs (2.0.1
/// F01.FR.13).
pub fn transaction_told(answer: &Value) -> Option<&str> {
    answer.get("transactionId")?.as_str()
}

/// The remoteStartId in a TransactionEvent.
pub fn remote_start_told(event: &Value) -> Option<i64> {
    event.get("transactionInfo")?.get("remoteStartId")?.as_i64()
}

/// Whether the transaction still runs, by the answer to GetTransactionStatus (E14). `Some(true)`:
/// it runs, or its messages are still queued. `None`: the answer does not say.
pub fn goes_on(answer: &Value) -> Option<bool> {
    let told = |name: &str| answer.get(name).and_then(Value::as_bool);
    match (told("ongoingIndicator"), told("messagesInQueue")) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), _) => Some(false),
        (None, _) => None,
    }
}

/// The version of the local authorization list in a command or an answer.
pub fn list_version(payload: &Value) -> Option<i64> {
    payload.get("listVersion").or_else(|| payload.get("versionNumber"))?.as_i64()
}

/// The requestId of a command. The station's later reports repeat it.
pub fn request_number(payload: &Value) -> Option<i64> {
    payload.get("requestId")?.as_i64()
}

#[cfg(test)]
#[path = "command_intent_tests.rs"]
mod tests;
