//! Every setting: its key, default and meaning.

/// A setting's key, default and meaning.
#[derive(Debug, Clone, Copy)]
pub struct SettingKey {
    /// Its name, as the flag and the file spell it.
    pub name: &'static str,
    /// Its default.
    pub default: &'static str,
    /// The meaning of the setting, for `--help`.
    pub help: &'static str,
}

/// Settings whose URL may hold a password.
pub(super) const URLS: [&str; 2] = ["database-url", "redis-url"];

/// Secret settings, each with the setting that names a file with its value.
pub(super) const SECRETS: [(&str, &str); 3] = [
    ("database-url", "database-url-file"),
    ("redis-url", "redis-url-file"),
    ("admin-key", "admin-key-file"),
];

const fn key(name: &'static str, default: &'static str, help: &'static str) -> SettingKey {
    SettingKey { name, default, help }
}

/// Every setting.
pub const KEYS: [SettingKey; 52] = [
    key(
        "ocpp-listen",
        "127.0.0.1:9000",
        "plain WebSocket listener for stations; none turns it off",
    ),
    key(
        "ocpp-tls-listen",
        "",
        "TLS WebSocket listener for stations, such as 0.0.0.0:9443; empty: none",
    ),
    key(
        "tls-cert",
        "",
        "files of the server's certificate chains (PEM), separated by commas: such as one for RSA and one for ECDSA",
    ),
    key("tls-key", "", "files of their keys (PEM), in the same order"),
    key(
        "tls-client-ca",
        "",
        "file of the authorities that sign stations' certificates (PEM); empty: no station can show one",
    ),
    key(
        "tls-client-organization",
        "",
        "the organization that stations' certificates must name; empty: any",
    ),
    key(
        "tls-client-crl",
        "",
        "files of revoked certificates (PEM) of those authorities, separated by commas; empty: none is revoked",
    ),
    key(
        "tls-terminators",
        "",
        "addresses of TLS terminators in front of ocpp-listen whose headers are believed, separated by commas",
    ),
    key(
        "ca-cert",
        "",
        "file of the authority (PEM) that signs stations' certificates, its own first; empty: none are signed",
    ),
    key("ca-key", "", "file of its key (PEM, PKCS#8)"),
    key("ca-days", "365", "days that a certificate holds which it signs"),
    key(
        "ca-command",
        "",
        "a command that signs stations' certificates, in place of ca-cert: request on stdin, chain on stdout",
    ),
    key(
        "vehicle-pki-command",
        "",
        "a command that answers for vehicles' certificates (ISO 15118): message on stdin, answer on stdout",
    ),
    key("http-listen", "127.0.0.1:8080", "listener for API and metrics"),
    key(
        "http-host-names",
        "",
        "host names of this server beside addresses and names without dots, separated by commas: /metrics answers to them",
    ),
    key(
        "database-url",
        "sqlite://juden-data/juden.db",
        "the store: sqlite://PATH, or postgres://USER:PASSWORD@HOST:PORT/DATABASE",
    ),
    key(
        "database-url-file",
        "",
        "file that holds database-url, in its place: a secret of a container",
    ),
    key(
        "redis-url",
        "",
        "Redis, for nodes that share a postgres:// store; empty: this node is alone",
    ),
    key("redis-url-file", "", "file that holds redis-url, in its place"),
    key("redis-ca", "", "file of certificates (PEM) that sign Redis's; empty: the system's"),
    key("no-migrate", "false", "leave the schema as it is"),
    key("node-id", "", "this node's name; empty: host name and a random part"),
    key("admin-key", "", "the operator's API key; empty: made on first start and printed once"),
    key("admin-key-file", "", "file that holds admin-key, in its place"),
    key("tariffs", "", "folder of tariff files; empty: the built-in ZESP3 tariffs"),
    key(
        "simulated-clock",
        "",
        "RFC 3339 instant at which the server's clock starts; empty: the system's clock",
    ),
    key(
        "month-close-day",
        "5",
        "day of the next month on which a month is closed, 1 to 28, or manual",
    ),
    key("month-close-time", "03:00", "time of that day in Japan"),
    key("payment-due-days", "30", "days from an invoice's issue until it is due"),
    key("email-rule", "strict", "which addresses of members are taken: strict or rfc"),
    key(
        "issuer-name",
        "",
        "who issues the invoices; a month closes only once it is named, or none says that no qualified invoices are wanted",
    ),
    key(
        "issuer-registration-number",
        "",
        "its qualified invoice issuer number: T and 13 digits, the first of them the check digit",
    ),
    key(
        "confirm-over-yen",
        "10000",
        "corrections and entries above this sum count once a second person confirmed them",
    ),
    key("country-code", "JP", "the country in which charge records are issued, two letters (OCPI)"),
    key(
        "party-id",
        "",
        "who issues charge records, three letters or digits (OCPI); empty: ocpi-cdr is not exported",
    ),
    key("collection-agent", "", "who collects for it; empty: nobody"),
    key("heartbeat-interval-s", "300", "seconds between a station's heartbeats"),
    key("ping-interval-s", "60", "seconds between our pings; 0 turns them off"),
    key(
        "idle-timeout-s",
        "0",
        "seconds of silence after which a connection is closed; 0: three intervals",
    ),
    key("call-timeout-s", "30", "seconds that a station has to answer a command"),
    key("write-timeout-s", "30", "seconds that a station has to take what is sent to it"),
    key("max-connections", "20000", "connections of stations at once"),
    key("max-message-bytes", "1048576", "the largest message of a station in bytes"),
    key("min-security-profile", "0", "the lowest security profile that is let in"),
    key("card-cache-hours", "24", "hours that a station may believe an accepted card"),
    key(
        "remote-stop-on-lost",
        "false",
        "stop the running sessions of a card that is reported lost",
    ),
    key(
        "display-language",
        "ja,en",
        "languages of what drivers are shown at chargers: ja, en, both in order, or none",
    ),
    key(
        "cost-update-s",
        "60",
        "seconds between messages with a running session's cost, to stations that show it; 0: none",
    ),
    key(
        "onboarding-delay-s",
        "5",
        "seconds after boot before Juden asks a station anything; none asks nothing",
    ),
    key("log-format", "text", "log lines: text or json"),
    key("log-level", "info", "what is logged, as a tracing filter"),
    key(
        "otlp-endpoint",
        "",
        "OpenTelemetry collector that spans go to, http://HOST:PORT; empty: none",
    ),
];
