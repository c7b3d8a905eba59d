//! Juden (充電, "charging"): the backend behind the charging card.
pub mod app;
pub mod clock;
pub mod cluster;
pub mod directory;
pub mod domain;
pub mod export;
pub mod ledger;
pub mod ocpp;
pub mod store;
