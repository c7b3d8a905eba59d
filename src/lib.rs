//! Juden (充電, "charging"): the backend behind the charging card.
//!
//! In reading order:
//!
//! - [`domain`]: the programme's rules, pure
//! - [`ocpp`]: the wire; messages to version-free events and answers back
//! - [`store`]: what is kept, in domain words; SQLite behind it
//! - [`directory`]: a node's memory of cards and stations
//! - [`cluster`]: which node holds which station
//! - [`ledger`]: durable before answered, each message once
//! - [`app`]: the use cases
//! - [`export`]: bills as files
//! - [`link`]: stations' connections
//! - [`http`]: the operator's API
//! - [`server`]: the rooms put together
//! - [`authority`]: who signs stations' certificates
//! - [`clock`], [`config`], [`hex`], [`tariff_files`], [`telemetry`]: what all of it stands on

pub mod app;
pub mod authority;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod directory;
pub mod domain;
pub mod export;
pub mod hex;
pub mod http;
pub mod ledger;
pub mod link;
pub mod ocpp;
pub mod server;
pub mod store;
pub mod tariff_files;
pub mod telemetry;
