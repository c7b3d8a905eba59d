//! How station connections are kept.

use std::net::IpAddr;
use std::time::Duration;

/// How station connections are kept.
#[derive(Debug, Clone)]
pub struct LinkSettings {
    /// Between our pings; `None`: none are sent.
    pub ping_interval: Option<Duration>,
    /// Silence after which a connection is closed.
    pub idle_timeout: Duration,
    /// What a station has to answer a command.
    pub call_timeout: Duration,
    /// What a station has to take what is sent.
    pub write_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// The largest message in bytes.
    pub max_message_bytes: usize,
    /// TLS terminators whose headers are believed.
    pub terminators: Vec<IpAddr>,
    /// After boot, before a station is asked anything; `None`: it is asked nothing.
    pub onboarding_delay: Option<Duration>,
}
