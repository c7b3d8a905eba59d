//! Which node holds which station, and how a command reaches it. In-process for one node.

mod local;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

pub use local::{LocalCluster, Seat};

use crate::domain::ids::StationId;
use crate::ocpp::frame::Reply;

/// A call for a station, and where its answer goes.
#[derive(Debug)]
pub struct OutgoingCall {
    /// Its message id.
    pub message_id: String,
    /// Its action.
    pub action: String,
    /// Its payload's JSON text.
    pub payload: String,
    /// Where the answer goes.
    pub reply: oneshot::Sender<CallOutcome>,
}

/// What became of a call to a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallOutcome {
    /// It was answered.
    Answered(Reply),
    /// It was not answered in time: what the station did is unknown.
    TimedOut,
    /// The connection ended before an answer.
    Disconnected,
}

/// Why a call could not be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotRouted {
    /// The station is not connected.
    #[error("the station is not connected")]
    Offline,
    /// Too many calls wait for it.
    #[error("too many commands wait for the station")]
    Busy,
}

/// A station's connection, as the operator sees it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The node that holds it.
    pub node: String,
    /// The protocol that it speaks.
    pub protocol: &'static str,
    /// Since when.
    pub connected_since: DateTime<Utc>,
    /// When it was last heard.
    pub last_heard: DateTime<Utc>,
}

/// What the use cases need of the cluster.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// A station's connection, if it has one.
    fn connection(&self, station: &StationId) -> Option<Connection>;
    /// Hands a call to the station's connection.
    async fn route(&self, station: &StationId, call: OutgoingCall) -> Result<(), NotRouted>;
    /// The nodes that live, this one first.
    fn nodes(&self) -> Vec<String>;
    /// How many stations are connected here.
    fn connected(&self) -> usize;
}
