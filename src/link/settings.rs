//! The settings of stations' connections.

use std::net::IpAddr;
use std::time::Duration;

/// The settings of stations' connections.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// The time between our pings; `None`: none are sent.
    pub ping_interval: Option<Duration>,
    /// The silence after which a connection is closed.
    pub idle_timeout: Duration,
    /// The time for a station to answer a command.
    pub call_timeout: Duration,
    /// The time for a station to take what is sent.
    pub write_timeout: Duration,
    /// The most connections at once.
    pub max_connections: usize,
    /// The largest message in bytes.
    pub max_message_bytes: usize,
    /// The addresses of TLS terminators whose headers are trusted.
    pub terminators: Vec<IpAddr>,
    /// The wait after a boot before a station is asked anything; `None`: it is asked nothing.
    pub onboarding_delay: Option<Duration>,
}
