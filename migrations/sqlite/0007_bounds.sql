-- Open sessions that a message's decision looks at: the newest of a station, of a connector, and of a card.
DROP INDEX sessions_open_by_station;
CREATE INDEX sessions_open_by_station ON sessions (station_id, started_at) WHERE stopped_at IS NULL;
DROP INDEX sessions_open_by_tag;
CREATE INDEX sessions_open_newest ON sessions (station_id, connector_id, started_at)
    WHERE stopped_at IS NULL AND instr(flags, 'superseded') = 0;
CREATE INDEX sessions_busy_by_tag ON sessions (id_tag_matched, started_at)
    WHERE stopped_at IS NULL AND refusal IS NULL AND instr(flags, 'superseded') = 0 AND instr(' ' || flags, ' concurrent') = 0;

-- Whether a station takes unknown cards while it is cut off: it must learn of every block.
ALTER TABLE stations ADD COLUMN takes_unknown INTEGER NOT NULL DEFAULT 0;
CREATE INDEX stations_that_take_unknown ON stations (station_id) WHERE takes_unknown = 1;

-- Cards that were shown, accepted or not: of strangers' the end of what was read, and a keyed hash of it.
CREATE TABLE authorizations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    station_id TEXT NOT NULL,
    id_tag_hint TEXT NOT NULL,
    id_tag_hash TEXT NOT NULL,
    card_number TEXT,
    member_id TEXT,
    reason TEXT,
    occasion TEXT NOT NULL
) STRICT;
CREATE INDEX authorizations_by_time ON authorizations (at);

-- Changes that were made under an idempotency key, written with the change: a repeat of the request makes none again, also
-- where its answer was lost.
CREATE TABLE idempotent_changes (
    key TEXT NOT NULL,
    request TEXT NOT NULL,
    body_sha256 TEXT NOT NULL,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (key, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotent_changes_by_age ON idempotent_changes (at);

INSERT INTO schema_readable (version, readable_from) VALUES (7, 7);
