//! Juden (充電, "charging"): the backend behind the charging card.
pub mod domain;
pub mod ocpp;
