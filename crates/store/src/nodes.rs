//! Nodes that share a store: who lives, and what each has heard of changes. Nothing that money hangs on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::Stored;
use juden_domain::ids::StationId;

/// One run of a node's process: a random name, new at every start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeRun(pub String);

/// Something that nodes remember, and that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangedItem {
    /// A card, by its tag's matched spelling: it, or its member.
    Card(String),
    /// A station's record.
    Station(StationId),
    /// The programme.
    Programme,
}

/// A node that joins.
#[derive(Debug, Clone)]
pub struct NewNode {
    /// Its name.
    pub name: String,
    /// This run of it.
    pub run: NodeRun,
    /// Whether it can hear other nodes at once, over Redis.
    pub is_linked: bool,
}

/// What became of joining.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// It is one of the nodes, and starts at this change.
    At(i64),
    /// A live node has the name; for how long it has not been heard, in milliseconds.
    NameTaken(i64),
    /// Another live node cannot be heard at once: nodes that share a store need Redis, all of them.
    NotLinked(String),
}

/// A node, as the store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// This run of it.
    pub run: NodeRun,
    /// The last change before which all of its answers have left.
    pub applied: i64,
    /// For how long it has not been heard, in milliseconds, by the store's clock.
    pub silent_ms: i64,
}

/// What a node hears when it shows that it lives.
#[derive(Debug, Clone)]
pub struct Pulse {
    /// The store's clock.
    pub now: DateTime<Utc>,
    /// Changes after the last that it had heard of, in order.
    pub changes: Vec<ChangedItem>,
    /// The last change.
    pub last: i64,
    /// Whether changes that it had not heard of are forgotten already: it is to forget everything.
    pub missed: bool,
    /// The furthest clock of all live nodes, and of those that made the changes.
    pub furthest_clock: DateTime<Utc>,
    /// All nodes that did not leave, this one too.
    pub nodes: Vec<NodeState>,
}

/// What nodes that share a store keep there.
#[async_trait]
pub trait NodeStore: Send + Sync {
    /// Joins. A name whose node was not heard for `silent_ms` is free.
    async fn join(&self, node: &NewNode, silent_ms: i64) -> Stored<Joined>;
    /// Shows that a node lives, and hears what changed after `heard`. `applied`: the last change before which all
    /// of its answers have left. Nodes that were not heard for `forget_ms` are forgotten.
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
    /// The last change.
    async fn last_change(&self) -> Stored<i64>;
    /// Leaves.
    async fn leave(&self, run: &NodeRun) -> Stored<()>;
}
