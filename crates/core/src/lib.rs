//! The core of Juden: what the server does, without the wire and the API around it.
//!
//! In reading order:
//!
//! - [`clock`]: the only place that reads the system's time
//! - [`directory`]: a node's memory of cards, stations and the programme
//! - [`cluster`]: which node holds which station
//! - [`ledger`]: durable before answered, each message once
//! - [`app`]: the use cases
//! - [`export`]: bills as files

pub mod app;
pub mod clock;
pub mod cluster;
pub mod directory;
pub mod export;
pub mod ledger;
