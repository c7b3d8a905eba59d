//! Juden (充電, "charging"): the backend behind the charging card.
pub mod app;
pub mod clock;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod directory;
pub mod domain;
pub mod export;
pub mod http;
pub mod ledger;
pub mod link;
pub mod ocpp;
pub mod server;
pub mod store;
pub mod tariff_files;
pub mod telemetry;
