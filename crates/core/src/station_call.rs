//! The one envelope of a station's message: made once from the frame, shared by whoever handles the message, up to the
//! journal.

use std::sync::Arc;

use juden_domain::instant::Heard;
use juden_ocpp::protocol::Protocol;
use juden_store::StationRecord;

use crate::cluster::Fence;

/// A CALL of a station.
#[derive(Debug)]
pub struct StationCall {
    /// The station's record when the message was heard.
    pub station: Arc<StationRecord>,
    /// The connection that the message came over.
    pub fence: Fence,
    /// When and how the message was heard.
    pub heard: Heard,
    /// The message id.
    pub message_id: String,
    /// The version in which the message came.
    pub protocol: Protocol,
    /// The action.
    pub action: String,
    /// The payload as it came.
    pub payload: String,
}
