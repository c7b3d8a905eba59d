//! What a peer, a disk, a clock or a second process may do to a server: the real binary, measured from outside in
//! seconds and in bytes of memory. One test at a time, so that a figure is the server's own.

#![allow(
    clippy::unwrap_used,
    clippy::float_arithmetic,
    missing_docs,
    reason = "a test that fails says where"
)]

mod awkward;
mod clock;
mod costs;
mod disk;
#[path = "../../benches/common/fill.rs"]
#[allow(dead_code, reason = "others need more of it")]
mod fill;
mod memory;
mod node;
mod once;
#[path = "../common/ports.rs"]
mod ports;
#[path = "../common/shim.rs"]
mod shim;
