-- Instants are Unix milliseconds (UTC), energy is watt-hours, months are 'YYYY-MM' in Japan time.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE stations (
    station_id TEXT PRIMARY KEY,
    site TEXT NOT NULL,
    password_hash TEXT,
    accept_hex_password INTEGER NOT NULL,
    security_profile INTEGER NOT NULL,
    default_protocol TEXT,
    time_zone TEXT,
    registration TEXT NOT NULL,
    vendor TEXT,
    model TEXT,
    serial TEXT,
    firmware TEXT,
    booted_at INTEGER,
    status TEXT,
    error_code TEXT,
    last_seen_at INTEGER,
    firmware_status TEXT,
    diagnostics_status TEXT,
    configuration TEXT,
    configuration_firmware TEXT
) STRICT;

CREATE TABLE connectors (
    station_id TEXT NOT NULL REFERENCES stations (station_id),
    connector_id INTEGER NOT NULL,
    charger_class TEXT NOT NULL,
    power_w INTEGER,
    session_cap_min INTEGER,
    status TEXT,
    error_code TEXT,
    status_at INTEGER,
    PRIMARY KEY (station_id, connector_id)
) STRICT;

CREATE TABLE members (
    member_no INTEGER PRIMARY KEY AUTOINCREMENT,
    member_id TEXT NOT NULL UNIQUE
) STRICT;

-- One sequence over members and cards orders events of one instant.
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    member_id TEXT,
    card_number TEXT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_member ON events (member_id, seq) WHERE card_number IS NULL;
CREATE INDEX events_by_card ON events (card_number, seq) WHERE card_number IS NOT NULL;

CREATE TABLE cards (
    card_no INTEGER PRIMARY KEY AUTOINCREMENT,
    card_number TEXT NOT NULL UNIQUE,
    id_tag TEXT NOT NULL,
    id_tag_matched TEXT NOT NULL UNIQUE,
    code_hash TEXT NOT NULL,
    member_id TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX cards_by_member ON cards (member_id) WHERE member_id IS NOT NULL;

CREATE TABLE activation_failures (
    card_number TEXT NOT NULL,
    member_id TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX activation_failures_by_card ON activation_failures (card_number, at);
CREATE INDEX activation_failures_by_member ON activation_failures (member_id, at);

CREATE TABLE sessions (
    session_id INTEGER PRIMARY KEY,
    station_id TEXT NOT NULL,
    connector_id INTEGER NOT NULL,
    charger_class TEXT,
    power_w INTEGER,
    session_cap_min INTEGER,
    id_tag TEXT NOT NULL,
    id_tag_matched TEXT NOT NULL,
    card_number TEXT,
    member_id TEXT,
    refusal TEXT,
    start_key TEXT NOT NULL,
    start_ordinal INTEGER NOT NULL,
    start_reported TEXT NOT NULL,
    start_said_at INTEGER,
    start_received_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    usage_month TEXT NOT NULL,
    start_meter_wh INTEGER,
    start_answer TEXT NOT NULL,
    stop_key TEXT,
    stop_reported TEXT,
    stop_said_at INTEGER,
    stop_received_at INTEGER,
    stopped_at INTEGER,
    stop_meter_wh INTEGER,
    stop_reason TEXT,
    stop_id_tag TEXT,
    energy_wh INTEGER,
    stop_answer TEXT,
    last_reading_wh INTEGER,
    flags TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    decision TEXT,
    decision_note TEXT,
    decided_at INTEGER,
    UNIQUE (station_id, start_key, start_ordinal)
) STRICT;
CREATE INDEX sessions_open_by_station ON sessions (station_id) WHERE stopped_at IS NULL;
CREATE INDEX sessions_open_by_tag ON sessions (id_tag_matched) WHERE stopped_at IS NULL;
CREATE INDEX sessions_by_stop ON sessions (station_id, stop_key) WHERE stop_key IS NOT NULL;
CREATE INDEX sessions_by_connector ON sessions (station_id, connector_id, started_at);
CREATE INDEX sessions_by_member ON sessions (member_id, usage_month) WHERE member_id IS NOT NULL;
CREATE INDEX sessions_by_card ON sessions (card_number, started_at) WHERE card_number IS NOT NULL;
CREATE INDEX sessions_by_month ON sessions (usage_month, session_id);

-- Every transaction message as it came, with what was answered. Append only.
CREATE TABLE journal (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    station_id TEXT NOT NULL,
    session_id INTEGER,
    action TEXT NOT NULL,
    message_id TEXT NOT NULL,
    payload TEXT NOT NULL,
    answer TEXT NOT NULL,
    effect TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    connected_since INTEGER NOT NULL
) STRICT;
CREATE INDEX journal_by_session ON journal (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX journal_by_station ON journal (station_id, seq);

-- session_id 0: a reading outside every session.
CREATE TABLE readings (
    station_id TEXT NOT NULL,
    connector_id INTEGER NOT NULL,
    session_id INTEGER NOT NULL,
    sampled_at INTEGER NOT NULL,
    measurand TEXT NOT NULL,
    phase TEXT NOT NULL,
    location TEXT NOT NULL,
    context TEXT NOT NULL,
    unit TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (session_id, station_id, connector_id, sampled_at, measurand, phase, location, context)
) STRICT, WITHOUT ROWID;

CREATE TABLE months (
    month TEXT PRIMARY KEY,
    closed_at INTEGER NOT NULL,
    members INTEGER NOT NULL,
    sessions INTEGER NOT NULL,
    total_hundredths INTEGER NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;

CREATE TABLE bills (
    month TEXT NOT NULL REFERENCES months (month),
    member_id TEXT NOT NULL,
    bill TEXT NOT NULL,
    PRIMARY KEY (month, member_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE commands (
    command_no INTEGER PRIMARY KEY AUTOINCREMENT,
    station_id TEXT NOT NULL,
    sent_by TEXT NOT NULL,
    message_id TEXT NOT NULL,
    action TEXT NOT NULL,
    payload TEXT NOT NULL,
    sent_at INTEGER NOT NULL,
    outcome TEXT,
    answer TEXT,
    answered_at INTEGER
) STRICT;
CREATE INDEX commands_by_station ON commands (station_id, command_no);

CREATE TABLE idempotency_keys (
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    status INTEGER NOT NULL,
    content_type TEXT NOT NULL,
    answer TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);
