//! Nodes that share a store: which are alive, and how far each has read the change feed. No bill
//! depends on this data.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Stored;
use juden_domain::ids::StationId;

/// One run of a node's process: a random name, new at every start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeRun(pub String);

/// A changed item that nodes may have in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedItem {
    /// A card or its member, by the id tag's matched spelling.
    Card(String),
    /// A station's record.
    Station(StationId),
    /// The programme.
    Programme,
}

/// A node that joins.
#[derive(Debug, Clone)]
pub struct NewNode {
    /// The node's name.
    pub name: String,
    /// The node's run.
    pub run: NodeRun,
    /// Whether the node receives other nodes' announcements at once, over Redis.
    pub is_linked: bool,
}

/// The result of joining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// The node joined, and reads the change feed after this change.
    At(i64),
    /// A live node has this name. The value is the time since its last pulse, in milliseconds.
    NameTaken(i64),
    /// A second live node needs Redis, and so does this one. The value is the other node's name.
    NotLinked(String),
}

/// A node as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// The node's name.
    pub name: String,
    /// The node's run.
    pub run: NodeRun,
    /// The last change up to which the node has sent all answers that older data decided.
    pub applied: i64,
    /// The time since the node's last pulse, in milliseconds, by the store's clock.
    pub silent_ms: i64,
}

/// The store's answer to a node's pulse.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// The store's clock.
    pub now: DateTime<Utc>,
    /// Changes after the last that the node had read, in order.
    pub changes: Vec<ChangedItem>,
    /// The number of the last change.
    pub last: i64,
    /// Whether some changes since then are not in the answer, because they were removed or are too
    /// many. The node must then clear its memory.
    pub missed: bool,
    /// The latest clock time among all live nodes and the changes since then.
    pub furthest_clock: DateTime<Utc>,
    /// All nodes that have not left, including this one.
    pub nodes: Vec<NodeState>,
}

/// The data of nodes that share a store.
#[async_trait]
pub trait NodeStore: Send + Sync {
    /// Adds a node. A name is free if its node sent no pulse for `silent_ms`.
    async fn join(&self, node: &NewNode, silent_ms: i64) -> Stored<Joined>;
    /// Records that a node is alive, and returns the changes after `heard`. `applied` is the last
    /// change up to which the node has sent all answers that older data decided. Nodes without a
    /// pulse for `forget_ms` are removed.
    async fn pulse(
        &self,
        node: &NewNode,
        heard: i64,
        applied: i64,
        clock: DateTime<Utc>,
        forget_ms: i64,
    ) -> Stored<Pulse>;
    /// The nodes.
    async fn nodes(&self) -> Stored<Vec<NodeState>>;
    /// The number of the last change.
    async fn last_change(&self) -> Stored<i64>;
    /// Removes a node that leaves.
    async fn leave(&self, run: &NodeRun) -> Stored<()>;
}
