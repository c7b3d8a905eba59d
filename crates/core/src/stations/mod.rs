//! What is known of stations: how they are registered, how they come, and what they send beside the standard.

pub mod access;
pub mod credentials;
pub mod deviations;
pub mod quirks;
pub mod refusals;
pub mod registry;

use std::sync::Arc;

use juden_store::Store;

use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::directory::CardDirectory;
use crate::directory::StationDirectory;
use crate::passwords::Passwords;

use deviations::Deviations;

/// Who is let in.
#[derive(Debug, Clone)]
pub struct AccessRules {
    /// The lowest security profile that is let in.
    pub min_security_profile: u8,
    /// The organization that stations' certificates must name; empty: any.
    pub client_organization: String,
}

/// Which stations there are, and which of them are let in.
pub struct Stations {
    /// What is kept.
    pub(crate) store: Arc<dyn Store>,
    /// What time it is.
    pub(crate) clock: Arc<Clock>,
    /// Which node holds which station.
    pub(crate) cluster: Arc<dyn Cluster>,
    /// Which stations there are, in memory.
    pub(crate) directory: Arc<StationDirectory>,
    /// Which cards there are.
    pub(crate) cards: Arc<CardDirectory>,
    /// Hashing of passwords.
    pub(crate) passwords: Passwords,
    /// What stations sent beside the standard.
    pub deviations: Deviations,
    /// Who is let in.
    pub(crate) rules: AccessRules,
}

#[cfg(test)]
mod tests;
