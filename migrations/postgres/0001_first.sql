-- Instants are kept to the millisecond, energy is watt-hours, months are 'YYYY-MM' in Japan time. What is
-- ordered or compared as a name has the collation "C", so that every database orders it alike.

CREATE TABLE meta (
    name text PRIMARY KEY,
    value text NOT NULL
);

CREATE TABLE stations (
    station_id text COLLATE "C" PRIMARY KEY,
    site text NOT NULL,
    password_hash text,
    accept_hex_password boolean NOT NULL,
    security_profile bigint NOT NULL,
    default_protocol text,
    time_zone text,
    registration text NOT NULL,
    vendor text,
    model text,
    serial text,
    firmware text,
    booted_at timestamptz,
    status text,
    error_code text,
    last_seen_at timestamptz,
    firmware_status text,
    diagnostics_status text,
    configuration text,
    configuration_firmware text
) WITH (fillfactor = 80);

CREATE TABLE connectors (
    station_id text COLLATE "C" NOT NULL REFERENCES stations (station_id),
    connector_id bigint NOT NULL,
    charger_class text NOT NULL,
    power_w bigint,
    session_cap_min bigint,
    status text,
    error_code text,
    status_at timestamptz,
    PRIMARY KEY (station_id, connector_id)
) WITH (fillfactor = 80);

CREATE TABLE members (
    member_no bigint PRIMARY KEY,
    member_id text COLLATE "C" NOT NULL UNIQUE
);

-- One sequence over members and cards orders events of one instant. Who writes events has the lock of
-- changes, so the order of the numbers is that of the commits.
CREATE TABLE events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id text COLLATE "C",
    card_number text COLLATE "C",
    at timestamptz NOT NULL,
    kind text NOT NULL,
    detail text NOT NULL
);
CREATE INDEX events_by_member ON events (member_id, seq) WHERE card_number IS NULL;
CREATE INDEX events_by_card ON events (card_number, seq) WHERE card_number IS NOT NULL;

CREATE TABLE cards (
    card_no bigint PRIMARY KEY,
    card_number text COLLATE "C" NOT NULL UNIQUE,
    id_tag text NOT NULL,
    id_tag_matched text COLLATE "C" NOT NULL UNIQUE,
    code_hash text NOT NULL,
    member_id text COLLATE "C",
    created_at timestamptz NOT NULL
);
CREATE INDEX cards_by_member ON cards (member_id, card_no) WHERE member_id IS NOT NULL;

CREATE TABLE activation_failures (
    card_number text COLLATE "C" NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX activation_failures_by_card ON activation_failures (card_number, at);
CREATE INDEX activation_failures_by_member ON activation_failures (member_id, at);

CREATE TABLE sessions (
    session_id bigint PRIMARY KEY,
    station_id text COLLATE "C" NOT NULL,
    connector_id bigint NOT NULL,
    charger_class text,
    power_w bigint,
    session_cap_min bigint,
    id_tag text NOT NULL,
    id_tag_matched text COLLATE "C" NOT NULL,
    card_number text COLLATE "C",
    member_id text COLLATE "C",
    refusal text,
    start_key text COLLATE "C" NOT NULL,
    start_ordinal bigint NOT NULL,
    start_reported text NOT NULL,
    start_said_at timestamptz,
    start_received_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL,
    usage_month text COLLATE "C" NOT NULL,
    start_meter_wh bigint,
    start_answer text NOT NULL,
    stop_key text COLLATE "C",
    stop_reported text,
    stop_said_at timestamptz,
    stop_received_at timestamptz,
    stopped_at timestamptz,
    stop_meter_wh bigint,
    stop_reason text,
    stop_id_tag text,
    energy_wh bigint,
    stop_answer text,
    last_reading_wh bigint,
    flags text NOT NULL,
    repeats bigint NOT NULL,
    decision text,
    decision_note text,
    decided_at timestamptz,
    UNIQUE (station_id, start_key, start_ordinal)
);
CREATE INDEX sessions_open_by_station ON sessions (station_id) WHERE stopped_at IS NULL;
CREATE INDEX sessions_open_by_tag ON sessions (id_tag_matched) WHERE stopped_at IS NULL;
CREATE INDEX sessions_by_stop ON sessions (station_id, stop_key) WHERE stop_key IS NOT NULL;
CREATE INDEX sessions_by_connector ON sessions (station_id, connector_id, started_at);
CREATE INDEX sessions_by_member ON sessions (member_id, usage_month) WHERE member_id IS NOT NULL;
CREATE INDEX sessions_by_card ON sessions (card_number, started_at) WHERE card_number IS NOT NULL;
CREATE INDEX sessions_by_month ON sessions (usage_month, session_id);
CREATE INDEX sessions_listed_by_member ON sessions (member_id, session_id) WHERE member_id IS NOT NULL;
CREATE INDEX sessions_listed_by_station ON sessions (station_id, session_id);
CREATE INDEX sessions_listed_by_card ON sessions (card_number, session_id) WHERE card_number IS NOT NULL;

-- Every transaction message as it came, with what was answered. Append only. Whole months are forgotten by
-- dropping their parts; what no part was made for lies in the default one.
CREATE SEQUENCE journal_seq;
CREATE TABLE journal (
    seq bigint NOT NULL DEFAULT nextval('journal_seq'),
    station_id text COLLATE "C" NOT NULL,
    session_id bigint,
    action text NOT NULL,
    message_id text NOT NULL,
    payload text NOT NULL,
    answer text NOT NULL,
    effect text NOT NULL,
    received_at timestamptz NOT NULL,
    connected_since timestamptz NOT NULL,
    PRIMARY KEY (seq, received_at)
) PARTITION BY RANGE (received_at);
ALTER SEQUENCE journal_seq OWNED BY journal.seq;
CREATE INDEX journal_by_session ON journal (session_id, seq) WHERE session_id IS NOT NULL;
CREATE INDEX journal_by_station ON journal (station_id, seq);
CREATE INDEX journal_by_time ON journal USING brin (received_at);
CREATE TABLE journal_default PARTITION OF journal DEFAULT;

-- session_id 0: a reading outside every session.
CREATE TABLE readings (
    station_id text COLLATE "C" NOT NULL,
    connector_id bigint NOT NULL,
    session_id bigint NOT NULL,
    sampled_at timestamptz NOT NULL,
    measurand text COLLATE "C" NOT NULL,
    phase text COLLATE "C" NOT NULL,
    location text COLLATE "C" NOT NULL,
    context text COLLATE "C" NOT NULL,
    unit text NOT NULL,
    value text NOT NULL,
    PRIMARY KEY (session_id, station_id, connector_id, sampled_at, measurand, phase, location, context)
) PARTITION BY RANGE (sampled_at);
CREATE INDEX readings_by_time ON readings USING brin (sampled_at);
CREATE TABLE readings_default PARTITION OF readings DEFAULT;

CREATE TABLE months (
    month text COLLATE "C" PRIMARY KEY,
    closed_at timestamptz NOT NULL,
    members bigint NOT NULL,
    sessions bigint NOT NULL,
    total_hundredths bigint NOT NULL,
    sha256 text NOT NULL
);

CREATE TABLE commands (
    command_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id text COLLATE "C" NOT NULL,
    sent_by text NOT NULL,
    message_id text NOT NULL,
    action text NOT NULL,
    payload text NOT NULL,
    sent_at timestamptz NOT NULL,
    outcome text,
    answer text,
    answered_at timestamptz
);
CREATE INDEX commands_by_station ON commands (station_id, command_no);

CREATE TABLE idempotency_keys (
    key text COLLATE "C" NOT NULL,
    request text COLLATE "C" NOT NULL,
    body_sha256 text NOT NULL,
    status bigint NOT NULL,
    content_type text NOT NULL,
    answer text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (key, request)
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (at);
