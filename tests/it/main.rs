//! The server driven from outside: over real sockets, with its own API, its own fleet, and kills.

#![allow(clippy::unwrap_used, clippy::float_arithmetic, missing_docs, reason = "a test that fails says where")]

mod api;
mod bad_input;
mod boundaries;
mod cli;
mod commands;
mod handshakes;
mod harness;
mod house;
mod kills;
mod months;
mod rebuild;
mod repeats;
mod stops;
