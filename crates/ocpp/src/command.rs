//! Commands from the server to a station, in a form that does not depend on the OCPP version.

use super::event::TagAnswer;
use super::further::Further;
use juden_domain::ids::SessionId;

/// A card in a local authorization list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry {
    /// The text that a station's reader reads from the card.
    pub id_tag: String,
    /// The `type` of the idToken (OCPP 2.0.1). `None` in OCPP 1.6, which has no types.
    pub kind: Option<&'static str>,
    /// Whether the list accepts, blocks or drops the card.
    pub standing: ListStanding,
}

/// What an entry of SendLocalList says of its card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListStanding {
    /// The station accepts the card, with this group and expiry.
    Accepted(TagAnswer),
    /// The station refuses the card.
    Blocked,
    /// The station removes the card from its list.
    Absent,
}

/// A CALL from the server to a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StationCommand {
    /// Start a transaction.
    RemoteStart {
        /// The card's idTag, or idToken.
        id_tag: String,
        /// The connector, or EVSE, to start at. `None`: the station chooses.
        connector_id: Option<i64>,
    },
    /// Stop a transaction.
    RemoteStop {
        /// The session of the transaction. OCPP 1.6 sends its number as transactionId.
        session: SessionId,
        /// The transaction's name, if the station gave one (OCPP 2.0.1).
        transaction: Option<String>,
    },
    /// Restart the station.
    Reset {
        /// Whether to restart at once (1.6 Hard, 2.0.1 Immediate), without stopping transactions
        /// gracefully.
        hard: bool,
    },
    /// Unlock a connector's plug.
    UnlockConnector {
        /// The connector, or EVSE, to unlock.
        connector_id: i64,
    },
    /// Clear the authorization cache.
    ClearCache,
    /// Report the version of the local authorization list.
    GetListVersion,
    /// Change the local authorization list, or replace it.
    UpdateList {
        /// The list's version after the update.
        version: i64,
        /// Whether updateType is Full: the entries replace the whole list. Else it is Differential.
        full: bool,
        /// The cards to add, change or remove.
        entries: Vec<ListEntry>,
    },
    /// Send a message of the station's own now.
    TriggerMessage {
        /// The requestedMessage, as the station's OCPP version names it.
        requested_message: String,
        /// The connector, or EVSE, that the message is about.
        connector_id: Option<i64>,
    },
    /// Put a connector or the station in or out of operation.
    ChangeAvailability {
        /// The connector, or EVSE; 0 is the whole station.
        connector_id: i64,
        /// Whether the type is Operative; else it is Inoperative.
        operative: bool,
    },
    /// Report settings.
    GetConfiguration {
        /// The names of the settings. Empty: all of them.
        keys: Vec<String>,
    },
    /// Change a setting.
    ChangeConfiguration {
        /// The setting's name.
        key: String,
        /// The setting's new value.
        value: String,
    },
    /// A command beyond daily work, such as a reservation or a firmware update.
    Further(Further),
    /// A vendor's own message.
    DataTransfer {
        /// The vendorId.
        vendor_id: String,
        /// The messageId.
        message_id: Option<String>,
        /// The message's data.
        data: Option<String>,
    },
}
