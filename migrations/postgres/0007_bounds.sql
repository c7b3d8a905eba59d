-- Open sessions that a message's decision looks at: the newest of a station, of a connector, and of a card.
CREATE INDEX sessions_open_newest ON sessions (station_id, connector_id, started_at)
    WHERE stopped_at IS NULL AND strpos(flags, 'superseded') = 0;
CREATE INDEX sessions_busy_by_tag ON sessions (id_tag_matched, started_at)
    WHERE stopped_at IS NULL AND refusal IS NULL AND strpos(flags, 'superseded') = 0 AND strpos(' ' || flags, ' concurrent') = 0;

-- Whether a station takes unknown cards while it is cut off: it must learn of every block.
ALTER TABLE stations ADD COLUMN takes_unknown boolean NOT NULL DEFAULT false;
CREATE INDEX stations_that_take_unknown ON stations (station_id) WHERE takes_unknown;

-- Cards that were shown, accepted or not: of strangers' the end of what was read, and a keyed hash of it.
CREATE TABLE authorizations (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    station_id text NOT NULL,
    id_tag_hint text NOT NULL,
    id_tag_hash text NOT NULL,
    card_number text,
    member_id text,
    reason text,
    occasion text NOT NULL
);
CREATE INDEX authorizations_by_time ON authorizations (at);

-- Changes that were made under an idempotency key, written with the change: a repeat of the request makes none again, also
-- where its answer was lost.
CREATE TABLE idempotent_changes (
    key text NOT NULL,
    request text NOT NULL,
    body_sha256 text NOT NULL,
    subject text NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (key, request)
);
CREATE INDEX idempotent_changes_by_age ON idempotent_changes (at);

INSERT INTO schema_readable (version, readable_from) VALUES (7, 3);
