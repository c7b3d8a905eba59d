//! What stations are asked, free of versions.

use super::event::TagAnswer;
use super::further::Further;
use juden_domain::ids::SessionId;

/// A card in a local authorization list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// What readers read from it.
    pub id_tag: String,
    /// The type that readers tell it under, in versions that have one.
    pub kind: Option<&'static str>,
    /// How it stands there.
    pub standing: ListStanding,
}

/// How a card stands in a local authorization list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListStanding {
    /// It is accepted, with what goes with that.
    Accepted(TagAnswer),
    /// It is refused.
    Blocked,
    /// It is taken out.
    Absent,
}

/// What a station is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StationCommand {
    /// Start a transaction.
    RemoteStart {
        /// With this card.
        id_tag: String,
        /// At this connector.
        connector_id: Option<i64>,
    },
    /// Stop a transaction.
    RemoteStop {
        /// This one.
        session: SessionId,
        /// The name that the station gave it, where it did.
        transaction: Option<String>,
    },
    /// Restart.
    Reset {
        /// At once, without stopping transactions gracefully.
        hard: bool,
    },
    /// Release a plug.
    UnlockConnector {
        /// Of this connector.
        connector_id: i64,
    },
    /// Forget which cards were accepted.
    ClearCache,
    /// Tell the version of the local authorization list.
    GetListVersion,
    /// Change the local authorization list, or replace it.
    UpdateList {
        /// The version that the list has then.
        version: i64,
        /// Whether it replaces the list.
        full: bool,
        /// What is to be in it, or no longer.
        entries: Vec<ListEntry>,
    },
    /// Send a message.
    TriggerMessage {
        /// Which, as the station's version names it.
        requested_message: String,
        /// For this connector.
        connector_id: Option<i64>,
    },
    /// Serve or close.
    ChangeAvailability {
        /// This connector; 0 is the whole station.
        connector_id: i64,
        /// Serve.
        operative: bool,
    },
    /// Tell settings.
    GetConfiguration {
        /// These; all when empty.
        keys: Vec<String>,
    },
    /// Change a setting.
    ChangeConfiguration {
        /// Which.
        key: String,
        /// To what.
        value: String,
    },
    /// What a charger does not do every day.
    Further(Further),
    /// A vendor's own message.
    DataTransfer {
        /// Whose.
        vendor_id: String,
        /// Which.
        message_id: Option<String>,
        /// What.
        data: Option<String>,
    },
}
