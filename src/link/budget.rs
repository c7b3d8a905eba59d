//! How much a station may have us hold and do: bytes of calls that are not answered yet, for each connection and for the
//! node, and control frames a second. Beyond a limit nothing more is read: TCP has the station wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{Duration, Instant};

/// Calls of one connection that wait to be handled.
pub const CALLS_WAITING_MAX: usize = 64;

/// Bytes of them. One call beyond it may be under way, of the largest size.
pub const CALL_BYTES_WAITING_MAX: usize = 256 * 1024;

/// Bytes of calls that the whole node holds; at the first limit connections that have a call under way read no other, at
/// the second nobody does.
pub const NODE_BYTES_BUSY: usize = 128 * 1024 * 1024;
pub const NODE_BYTES_MAX: usize = 384 * 1024 * 1024;

/// When it is looked again whether the node holds less.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Pings, pongs and empty frames that are taken of one connection within a second.
const CONTROL_FRAMES_PER_S: u32 = 50;

/// Bytes of calls that the node holds.
#[derive(Debug, Default)]
pub struct NodeBytes(AtomicUsize);

impl NodeBytes {
    /// Counts bytes until the answer is dropped.
    pub fn hold(self: &Arc<Self>, bytes: usize) -> HeldBytes {
        self.0.fetch_add(bytes, Ordering::Relaxed);
        HeldBytes { node: self.clone(), bytes }
    }

    /// How many are held.
    pub fn held(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Bytes that are held until this is dropped.
#[derive(Debug)]
pub struct HeldBytes {
    node: Arc<NodeBytes>,
    /// How many.
    pub bytes: usize,
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.node.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What a connection has waiting, and whether anything is being handled.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Calls that wait.
    pub calls: usize,
    /// Their bytes.
    pub bytes: usize,
    /// Whether one is being handled.
    pub is_handling: bool,
}

/// Whether a connection may read on; until when it must not, where it is to look again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MayRead {
    /// It may.
    Now,
    /// Once an answer has left.
    AfterAnswer,
    /// From then on.
    From(Instant),
}

/// Decides whether a connection may read on.
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

/// Control frames of a connection in the second that runs.
#[derive(Debug)]
pub struct ControlFrames {
    since: Instant,
    count: u32,
    pause: Option<Instant>,
}

impl ControlFrames {
    /// None yet.
    pub fn new(now: Instant) -> Self {
        Self { since: now, count: 0, pause: None }
    }

    /// Counts one; beyond the limit nothing is read until the second is over.
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
