//! The order of a station's connections, over all nodes.

use std::sync::{Arc, OnceLock};

/// A connection's place in the order of its station's connections. It is known once its opening is durable.
#[derive(Debug, Clone, Default)]
pub struct Fence(Arc<OnceLock<i64>>);

impl Fence {
    /// Its number, once it is known: one more than that of the connection before.
    pub fn number(&self) -> Option<i64> {
        self.0.get().copied()
    }

    /// Sets it, once.
    pub fn set(&self, number: i64) {
        let _ = self.0.set(number);
    }
}
