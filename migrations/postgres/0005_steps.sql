-- Transactions that stations name themselves and tell step by step (OCPP 2.0.1): what is kept of their steps.
ALTER TABLE sessions ADD COLUMN transaction_name text;
ALTER TABLE sessions ADD COLUMN evidence text;
-- When the card was shown, where that was after the start.
ALTER TABLE sessions ADD COLUMN shown_at timestamptz;

-- The first answer to each step, word for word.
CREATE TABLE transaction_steps (
    session_id bigint NOT NULL,
    step bigint NOT NULL,
    step_key text NOT NULL,
    answer text NOT NULL,
    PRIMARY KEY (session_id, step)
);

-- Messages of stations that are kept as they came: parts of what commands asked for, and news. The newest stay.
CREATE TABLE station_reports (
    report_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id text COLLATE "C" NOT NULL,
    action text NOT NULL,
    request_id bigint,
    seq_no bigint,
    more boolean NOT NULL,
    payload text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX station_reports_by_station ON station_reports (station_id, report_no);

-- What a station's device model tells of its variables, each as it told it last.
CREATE TABLE device_variables (
    station_id text COLLATE "C" NOT NULL,
    component text COLLATE "C" NOT NULL,
    variable text COLLATE "C" NOT NULL,
    document text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (station_id, component, variable)
);

-- A password and a security profile that a station was told to come with, and has not come with yet.
ALTER TABLE stations ADD COLUMN next_password_hash text;
ALTER TABLE stations ADD COLUMN next_security_profile bigint;
ALTER TABLE stations ADD COLUMN next_after_reboot boolean NOT NULL DEFAULT false;

INSERT INTO schema_readable (version, readable_from) VALUES (5, 3);
