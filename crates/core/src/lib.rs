//! The core of Juden: what the server does, without the wire and the API around it.
//!
//! In reading order:
//!
//! - [`clock`]: the only place that reads the system's time
//! - [`directory`]: a node's memory of cards, stations and the programme
//! - [`cluster`]: which node holds which station
//! - [`station_call`]: the one envelope of a station's message
//! - [`ledger`]: durable before answered, each message once
//! - the services, each a struct with what it needs, from the ground up: [`health`], [`requests`], [`stations`],
//!   [`commands`], [`deliveries`], [`changes`], [`cards`], [`programme`], [`overdue`], [`billing`], [`sessions`], [`members`], [`calls`]
//! - [`app`]: the services put together
//! - [`export`]: bills as files
//! - [`error`], [`passwords`]: what several services use

pub mod app;
pub mod billing;
pub mod calls;
pub mod cards;
pub mod changes;
pub mod clock;
pub mod cluster;
pub mod commands;
pub mod deliveries;
pub mod directory;
pub mod error;
pub mod export;
mod found;
pub mod health;
pub mod ledger;
pub mod members;
pub mod overdue;
pub mod passwords;
pub mod programme;
pub mod requests;
pub mod sessions;
pub mod station_call;
pub mod stations;

/// Records of the store that services give and take.
pub mod records {
    pub use juden_store::blocks::Delivery;
    pub use juden_store::exchanges::{KeptReport, KeptVariable, ReportFilter, SentCommand};
    pub use juden_store::records::AuditEntry;
    pub use juden_store::sites::{ListChange, ListChanged, ListedStation};
    pub use juden_store::{
        JournalEntry, JournalFilter, KeptAnswer, KeptEvent, Once, Page, SessionFilter,
    };
}

#[cfg(test)]
mod testing;
