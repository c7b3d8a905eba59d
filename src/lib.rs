//! Juden (充電, "charging"): the backend behind the charging card.
//!
//! This package puts the layers together and serves them: the rules are `juden-domain`, the wire `juden-ocpp`, what is
//! kept `juden-store`, the use cases `juden-core`. In reading order:
//!
//! - [`link`]: stations' connections
//! - [`http`]: the operator's API
//! - [`server`]: the layers put together over a store
//! - [`authority`]: who signs stations' certificates
//! - [`config`], [`tariff_files`], [`telemetry`]: what all of it stands on

pub mod authority;
pub mod config;
pub mod http;
pub mod link;
pub mod server;
pub mod tariff_files;
pub mod telemetry;
