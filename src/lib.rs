//! Juden (充電, "charging"): the backend behind the charging card.
//!
//! This package assembles the layers and serves them: `juden-domain` has the rules, `juden-ocpp`
//! the wire format, `juden-store` the stored data, `juden-core` the use cases. In reading order:
//!
//! - [`link`]: stations' connections
//! - [`http`]: the operator's API
//! - [`server`]: the layers assembled over a store
//! - [`authority`]: the signer of stations' certificates
//! - [`config`], [`tariff_files`], [`telemetry`]: settings, prices and logs

pub mod authority;
pub mod config;
pub mod http;
pub mod link;
pub mod server;
pub mod tariff_files;
pub mod telemetry;
