//! Limits on a station's load: bytes of calls that are not answered yet, per connection and per
//! node, and control frames a second. Beyond a limit nothing more is read, and TCP makes the
//! station wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{Duration, Instant};

/// The most calls of one connection that wait to be handled.
pub const CALLS_WAITING_MAX: usize = 64;

/// The most bytes of those calls. One call of the largest size may be handled beside them.
pub const CALL_BYTES_WAITING_MAX: usize = 256 * 1024;

/// Bytes of calls that the whole node holds. From the first limit on, connections with a call in
/// progress read no further call. From the second limit on, no connection reads.
pub const NODE_BYTES_BUSY: usize = 128 * 1024 * 1024;
pub const NODE_BYTES_MAX: usize = 384 * 1024 * 1024;

/// The time after which a connection checks again whether the node holds less.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Control frames that are read from one connection within a second.
const CONTROL_FRAMES_PER_S: u32 = 50;

/// The count of bytes of calls that the node holds.
#[derive(Debug, Default)]
pub struct NodeBytes(AtomicUsize);

impl NodeBytes {
    /// Counts bytes until the returned value is dropped.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> HeldBytes {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        HeldBytes { node: self.clone(), bytes }
    }

    /// The number of bytes held now.
    pub fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number of bytes that count as held until this is dropped.
#[derive(Debug)]
pub struct HeldBytes {
    node: Arc<NodeBytes>,
    /// The number of bytes.
    pub bytes: usize,
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.node.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The load of a connection: its waiting calls, and whether one is being handled.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The number of waiting calls.
    pub calls: usize,
    /// The bytes of the waiting calls.
    pub bytes: usize,
    /// Whether a call is being handled.
    pub is_handling: bool,
}

/// The decision whether a connection may read the next message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayRead {
    /// It may read now.
    Now,
    /// It may read after an answer was sent.
    AfterAnswer,
    /// It may read from this instant on.
    From(Instant),
}

/// Decides whether a connection may read the next message.
pub fn may_read(load: Load, node_bytes: usize, controls: &ControlFrames, now: Instant) -> MayRead {
    if load.calls >= CALLS_WAITING_MAX || load.bytes >= CALL_BYTES_WAITING_MAX {
        return MayRead::AfterAnswer;
    }
    let limit = if load.calls > 0 || load.is_handling { NODE_BYTES_BUSY } else { NODE_BYTES_MAX };
    if node_bytes >= limit {
        return MayRead::From(now + LOOK_AGAIN);
    }
    match controls.pause {
        Some(until) if until > now => MayRead::From(until),
        Some(_) | None => MayRead::Now,
    }
}

/// The control frames of a connection within the current second.
#[derive(Debug)]
pub struct ControlFrames {
    since: Instant,
    count: u32,
    pause: Option<Instant>,
}

impl ControlFrames {
    /// A count that starts at zero.
    pub fn new(now: Instant) -> Self {
        Self { since: now, count: 0, pause: None }
    }

    /// Counts a control frame. Beyond the limit nothing is read until the second is over.
    pub fn count(&mut self, now: Instant) {
        if now - self.since >= Duration::from_secs(1) {
            *self = Self::new(now);
        }
        self.count += 1;
        if self.count >= CONTROL_FRAMES_PER_S {
            self.pause = Some(self.since + Duration::from_secs(1));
        }
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
