//! Which node holds which station, how a command reaches it, and how nodes hear what changed. In-process for
//! one node.

mod fence;
mod local;
mod local_connections;
pub mod shared;

use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::sync::oneshot;

pub use fence::Fence;
pub use local::LocalCluster;
pub use local_connections::{LocalConnection, LocalConnections};
pub use shared::SharedCluster;

use juden_domain::ids::StationId;
use juden_ocpp::frame::Reply;
use juden_store::NodeRun;
use juden_store::nodes::ChangedItem;

/// How long a node trusts what it remembers after it asked what had changed. A change is confirmed once every
/// node has heard of it, or was silent for longer.
pub const TRUSTED_FOR: Duration = Duration::from_secs(1);

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
    /// Another node holds it, and cannot be reached now.
    #[error("the node that holds the station cannot be reached")]
    Unreachable,
}

/// A station's connection, as the operator sees it.
#[derive(Debug, Clone)]
pub struct Connection {
    /// The node that holds it.
    pub node: String,
    /// The protocol that it speaks.
    pub protocol: String,
    /// Since when.
    pub connected_since: DateTime<Utc>,
    /// When it was last heard.
    pub last_heard: DateTime<Utc>,
}

/// What a node remembers, and what is to become of it when something changed.
#[async_trait]
pub trait Memory: Send + Sync {
    /// Forgets, or reads again, what changed. `false`: it could not; it is to be told again.
    async fn apply(&self, changed: &[ChangedItem]) -> bool;
    /// Forgets everything: changes may have been missed.
    async fn forget_everything(&self) -> bool;
    /// All changes up to `asked_at` were applied.
    fn is_right_as_of(&self, asked_at: Instant);
    /// Waits until answers that were made before are with the stations.
    async fn settled(&self);
}

/// Which nodes heard of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Those that did.
    pub confirmed: Vec<String>,
    /// Those that did not. They trust their memory no longer.
    pub missing: Vec<String>,
}

/// What the use cases need of the cluster.
#[async_trait]
pub trait Cluster: Send + Sync {
    /// This node's name.
    fn node(&self) -> &str;
    /// This run of it.
    fn run(&self) -> &NodeRun;
    /// The name of the live node that a run is of.
    fn live_node(&self, run: &NodeRun) -> Option<String>;
    /// A station's connection, if it has one here.
    fn connection(&self, station: &StationId) -> Option<Connection>;
    /// The stations that are connected here.
    fn stations(&self) -> Vec<StationId>;
    /// Ends a station's connection here, where its fence is lower than this.
    fn evict(&self, station: &StationId, below: i64);
    /// Tells the other nodes that this one holds a station; an older connection elsewhere ends.
    async fn hold(&self, station: &StationId, fence: i64);
    /// Tells the other nodes that this one holds a station no longer.
    async fn release(&self, station: &StationId, fence: i64);
    /// Counts a failure that all nodes count together; how many there were within the window. `None`: it could
    /// not be counted.
    async fn count_failure(&self, what: &str, window: Duration) -> Option<u32>;
    /// Tells the other nodes that a simulated clock was moved.
    async fn move_clocks(&self, now: DateTime<Utc>);
    /// Hands a call to the station's connection, wherever it is.
    async fn route(&self, station: &StationId, call: OutgoingCall) -> Result<(), NotRouted>;
    /// Tells every node what changed, and waits until each has heard it or trusts its memory no longer.
    async fn announce(&self, changed: &[ChangedItem]) -> Heard;
    /// The last change that this node has heard of.
    fn heard_up_to(&self) -> i64;
    /// Whether the other nodes can be reached; why not.
    fn health(&self) -> Result<(), String>;
}
