-- Who holds a station. A newer connection has a higher fence; what an older one writes late is refused.
ALTER TABLE stations ADD COLUMN fence bigint NOT NULL DEFAULT 0;
ALTER TABLE stations ADD COLUMN connected_node text;
ALTER TABLE stations ADD COLUMN connected_protocol text;
ALTER TABLE stations ADD COLUMN connected_since timestamptz;

-- Whether Juden may set what a station's local list needs, and the version that was last sent.
ALTER TABLE stations ADD COLUMN may_configure boolean NOT NULL DEFAULT false;
ALTER TABLE stations ADD COLUMN list_version bigint NOT NULL DEFAULT 0;

-- Stations that were told that a card is accepted, and may remember it.
CREATE TABLE card_exposures (
    card_number text COLLATE "C" NOT NULL,
    station_id text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (card_number, station_id)
) WITH (fillfactor = 80);

-- What stations are to learn of cards. reach: 'block' or 'allow'; state: 'pending', 'delivered' or 'unsupported'.
CREATE TABLE card_deliveries (
    card_number text COLLATE "C" NOT NULL,
    station_id text COLLATE "C" NOT NULL,
    reach text NOT NULL,
    state text NOT NULL,
    means text,
    tries bigint NOT NULL,
    since timestamptz NOT NULL,
    at timestamptz NOT NULL,
    next_try_at timestamptz NOT NULL,
    PRIMARY KEY (card_number, station_id)
);
CREATE INDEX card_deliveries_by_station ON card_deliveries (station_id, reach);
CREATE INDEX card_deliveries_pending ON card_deliveries (station_id, next_try_at) WHERE state = 'pending';

-- Cards whose standing may change at an instant, so that stations are told of it.
CREATE TABLE card_looks (
    card_number text COLLATE "C" NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (due_at, card_number)
);
CREATE INDEX card_looks_by_card ON card_looks (card_number, due_at);

-- Runs of nodes that share this store. Their instants are those of the store's own clock.
CREATE TABLE nodes (
    run text COLLATE "C" PRIMARY KEY,
    name text COLLATE "C" NOT NULL,
    is_linked boolean NOT NULL,
    joined_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    applied bigint NOT NULL,
    clock timestamptz NOT NULL
) WITH (fillfactor = 20);

-- What nodes remember and that changed: kind 'card' (by its tag's matched spelling), 'station' or 'programme'.
-- The numbers have no gaps, and their order is that of the commits. The newest one always stays. clock: that of the
-- node that made it, where the change has an instant.
CREATE TABLE changes (
    seq bigint PRIMARY KEY,
    at timestamptz NOT NULL,
    clock timestamptz,
    kind text NOT NULL,
    subject text NOT NULL
);

-- The last batch of each node's run that was committed.
CREATE TABLE ledger_marks (
    run text COLLATE "C" PRIMARY KEY,
    number bigint NOT NULL,
    at timestamptz NOT NULL
) WITH (fillfactor = 20);

-- Each version of the schema, and the oldest one that a program must know to work with it.
CREATE TABLE schema_readable (
    version bigint PRIMARY KEY,
    readable_from bigint NOT NULL
);
INSERT INTO schema_readable (version, readable_from) VALUES (3, 3);
