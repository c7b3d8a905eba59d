//! Requests to the API: each under its key is done once, and each stands in the audit trail.

mod audit;
pub mod once;

use std::sync::Arc;

use juden_store::Store;

use crate::clock::Clock;

/// Keeps requests.
pub struct Requests {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
}

impl Requests {
    /// Makes the service of the parts that it uses.
    pub fn new(store: Arc<dyn Store>, clock: Arc<Clock>) -> Self {
        Self { store, clock }
    }
}

#[cfg(test)]
mod tests;
