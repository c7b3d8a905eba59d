//! The server driven from outside: over real sockets, with its own API, its own fleet, and kills.

#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    missing_docs,
    reason = "a test that fails says where"
)]

mod api;
mod api_at_once;
mod bad_input;
mod blocking;
mod both_versions;
mod boundaries;
mod cdrs;
mod cli;
mod closing;
mod commands;
mod deliveries;
mod deploy;
mod displays;
mod effects;
mod engine;
mod examples;
#[path = "../../benches/common/fill.rs"]
mod fill;
mod further_commands;
mod fuzzed;
mod golden;
mod guesses;
mod handshakes;
mod harness;
mod history;
mod house;
mod house_docs;
mod invariants;
mod kills;
#[path = "../common/ledger.rs"]
mod ledger;
mod migration;
mod mistakes;
mod months;
mod newer;
mod newer_station;
mod onboarding;
mod ongoing;
mod own_lists;
#[path = "../common/ports.rs"]
mod ports;
mod power;
mod readings;
mod rebuild;
mod recorded;
mod refusals;
mod refused_changes;
mod repeats;
mod settling;
mod sharing;
#[path = "../common/shim.rs"]
mod shim;
mod site_lists;
mod spans;
mod stops;
mod stores;
mod stores_over_time;
mod strays;
mod unknown_cards;
#[path = "../common/wire.rs"]
mod wire;
mod year;
