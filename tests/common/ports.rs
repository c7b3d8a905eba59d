//! Ports for servers that a test starts and stops.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the kernel hands out to connections by itself: one of those can be taken by any connection
/// between the asking and the server's start.
const FIRST: u16 = 11_000;
const COUNT: u16 = 9_000;

/// A port that nobody listens on and that no other test of this process is given.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes begin at different places.
    let begin = u16::try_from(u64::from(std::process::id()) * 997 % u64::from(COUNT)).unwrap();
    loop {
        let turn = NEXT.fetch_add(1, Ordering::Relaxed);
        assert!(turn < COUNT, "no port from {FIRST} on is free");
        let port = FIRST + (begin + turn) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
