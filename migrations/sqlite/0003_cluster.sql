-- Who holds a station. A newer connection has a higher fence; what an older one writes late is refused.
ALTER TABLE stations ADD COLUMN fence INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stations ADD COLUMN connected_node TEXT;
ALTER TABLE stations ADD COLUMN connected_protocol TEXT;
ALTER TABLE stations ADD COLUMN connected_since INTEGER;

-- Whether Juden may set what a station's local list needs, and the version that was last sent.
ALTER TABLE stations ADD COLUMN may_configure INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stations ADD COLUMN list_version INTEGER NOT NULL DEFAULT 0;

-- Stations that were told that a card is accepted, and may remember it.
CREATE TABLE card_exposures (
    card_number TEXT NOT NULL,
    station_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (card_number, station_id)
) STRICT, WITHOUT ROWID;

-- What stations are to learn of cards. reach: 'block' or 'allow'; state: 'pending', 'delivered' or 'unsupported'.
CREATE TABLE card_deliveries (
    card_number TEXT NOT NULL,
    station_id TEXT NOT NULL,
    reach TEXT NOT NULL,
    state TEXT NOT NULL,
    means TEXT,
    tries INTEGER NOT NULL,
    since INTEGER NOT NULL,
    at INTEGER NOT NULL,
    next_try_at INTEGER NOT NULL,
    PRIMARY KEY (card_number, station_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX card_deliveries_by_station ON card_deliveries (station_id, reach);
CREATE INDEX card_deliveries_pending ON card_deliveries (station_id, next_try_at) WHERE state = 'pending';

-- Cards whose standing may change at an instant, so that stations are told of it.
CREATE TABLE card_looks (
    card_number TEXT NOT NULL,
    due_at INTEGER NOT NULL,
    PRIMARY KEY (due_at, card_number)
) STRICT, WITHOUT ROWID;

-- Each version of the schema, and the oldest one that a program must know to work with it.
CREATE TABLE schema_readable (
    version INTEGER PRIMARY KEY,
    readable_from INTEGER NOT NULL
) STRICT;
INSERT INTO schema_readable (version, readable_from) VALUES (3, 3);
