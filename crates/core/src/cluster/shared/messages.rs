//! Messages between nodes over Redis.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cluster::{CallOutcome, NotRouted};
use juden_domain::ids::StationId;
use juden_ocpp::frame::Reply;
use juden_store::nodes::ChangedItem;

/// A message. Its kind is the outer key: a tag within would have numbers read twice.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeMessage {
    /// Something changed: apply it, then tell so.
    Changed {
        /// Names the announcement.
        id: String,
        /// The run of the node that announces it.
        from: String,
        /// Its clock.
        clock: DateTime<Utc>,
        /// What changed.
        changed: Vec<Item>,
    },
    /// An announcement was applied.
    Heard {
        /// Which.
        id: String,
        /// The run of the node that applied it.
        by: String,
    },
    /// A call for a station.
    Call {
        /// Names it between the nodes.
        id: String,
        /// The run of the node that wants the answer.
        from: String,
        /// For which station.
        station: String,
        /// Its message id.
        message_id: String,
        /// Its action.
        action: String,
        /// Its payload.
        payload: String,
    },
    /// What became of a call.
    Outcome {
        /// Which.
        id: String,
        /// What.
        outcome: RoutedOutcome,
    },
    /// A newer connection of a station came elsewhere.
    Evict {
        /// Which station.
        station: String,
        /// Its fence.
        below: i64,
    },
    /// A simulated clock was moved.
    Clock(DateTime<Utc>),
}

/// Something that changed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Item {
    /// A card, by its tag's matched spelling.
    Card(String),
    /// A station.
    Station(String),
    /// The programme.
    Programme,
}

/// What became of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutedOutcome {
    /// It was answered.
    Result(String),
    /// It was answered with an error.
    Error {
        /// Its code.
        code: String,
        /// Its description.
        description: String,
        /// Its details.
        details: String,
    },
    /// It was not answered in time.
    TimedOut,
    /// The connection ended before an answer.
    Disconnected,
    /// The station is not connected there.
    Offline,
    /// Too many calls wait for it.
    Busy,
}

impl From<&ChangedItem> for Item {
    fn from(changed: &ChangedItem) -> Self {
        match changed {
            ChangedItem::Card(tag) => Self::Card(tag.clone()),
            ChangedItem::Station(station) => Self::Station(station.as_str().to_owned()),
            ChangedItem::Programme => Self::Programme,
        }
    }
}

impl Item {
    /// What it names; `None`: no station can be called so.
    pub fn changed(&self) -> Option<ChangedItem> {
        match self {
            Self::Card(tag) => Some(ChangedItem::Card(tag.clone())),
            Self::Station(station) => StationId::parse(station).ok().map(ChangedItem::Station),
            Self::Programme => Some(ChangedItem::Programme),
        }
    }
}

impl From<Result<CallOutcome, NotRouted>> for RoutedOutcome {
    fn from(outcome: Result<CallOutcome, NotRouted>) -> Self {
        match outcome {
            Ok(CallOutcome::Answered(Reply::Result(payload))) => Self::Result(payload),
            Ok(CallOutcome::Answered(Reply::Error { code, description, details })) => {
                Self::Error { code, description, details }
            }
            Ok(CallOutcome::TimedOut) => Self::TimedOut,
            Ok(CallOutcome::Disconnected) => Self::Disconnected,
            Err(NotRouted::Busy) => Self::Busy,
            Err(NotRouted::Offline | NotRouted::Unreachable) => Self::Offline,
        }
    }
}

impl From<RoutedOutcome> for CallOutcome {
    fn from(told: RoutedOutcome) -> Self {
        match told {
            RoutedOutcome::Result(payload) => Self::Answered(Reply::Result(payload)),
            RoutedOutcome::Error { code, description, details } => {
                Self::Answered(Reply::Error { code, description, details })
            }
            RoutedOutcome::TimedOut => Self::TimedOut,
            RoutedOutcome::Disconnected | RoutedOutcome::Offline | RoutedOutcome::Busy => {
                Self::Disconnected
            }
        }
    }
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
