-- Transactions that stations name themselves and tell step by step (OCPP 2.0.1): what is kept of their steps.
ALTER TABLE sessions ADD COLUMN transaction_name TEXT;
ALTER TABLE sessions ADD COLUMN evidence TEXT;
-- When the card was shown, where that was after the start.
ALTER TABLE sessions ADD COLUMN shown_at INTEGER;

-- The first answer to each step, word for word.
CREATE TABLE transaction_steps (
    session_id INTEGER NOT NULL,
    step INTEGER NOT NULL,
    step_key TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (session_id, step)
) STRICT, WITHOUT ROWID;

-- Messages of stations that are kept as they came: parts of what commands asked for, and news. The newest stay.
CREATE TABLE station_reports (
    report_no INTEGER PRIMARY KEY AUTOINCREMENT,
    station_id TEXT NOT NULL,
    action TEXT NOT NULL,
    request_id INTEGER,
    seq_no INTEGER,
    more INTEGER NOT NULL,
    payload TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE INDEX station_reports_by_station ON station_reports (station_id, report_no);

-- What a station's device model tells of its variables, each as it told it last.
CREATE TABLE device_variables (
    station_id TEXT NOT NULL,
    component TEXT NOT NULL,
    variable TEXT NOT NULL,
    document TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (station_id, component, variable)
) STRICT, WITHOUT ROWID;

-- A password and a security profile that a station was told to come with, and has not come with yet.
ALTER TABLE stations ADD COLUMN next_password_hash TEXT;
ALTER TABLE stations ADD COLUMN next_security_profile INTEGER;
ALTER TABLE stations ADD COLUMN next_after_reboot INTEGER NOT NULL DEFAULT 0;

INSERT INTO schema_readable (version, readable_from) VALUES (5, 3);
