//! Several nodes on one PostgreSQL and one Redis, each test with servers of its own, driven over real sockets:
//! kills, outages, partitions, suspensions, upgrades. `tests/servers` says where the servers' binaries are.

#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    missing_docs,
    reason = "a test that fails says where"
)]

mod hammer;
mod input;
#[path = "../common/ledger.rs"]
mod ledger;
mod links;
mod moves;
mod nodes;
mod outages;
mod plans;
#[path = "../common/ports.rs"]
mod ports;
mod proxy;
mod servers;
mod struck;
mod suspension;
