-- What an end rests on (nothing: the station told it), the key of a stop that was guessed before the true one came, what is
-- remembered of a session beside its bill, what persons corrected, and what was measured where a correction says otherwise.
-- The other columns hold the session that counts.
ALTER TABLE sessions ADD COLUMN stop_basis TEXT;
ALTER TABLE sessions ADD COLUMN guess_key TEXT;
ALTER TABLE sessions ADD COLUMN trail TEXT;
ALTER TABLE sessions ADD COLUMN corrections TEXT;
ALTER TABLE sessions ADD COLUMN measured TEXT;
CREATE INDEX sessions_by_guess ON sessions (station_id, guess_key) WHERE guess_key IS NOT NULL;
CREATE INDEX sessions_estimated_by_station ON sessions (station_id, started_at) WHERE stop_basis = 'estimated';
CREATE INDEX sessions_estimated_by_tag ON sessions (id_tag_matched, started_at) WHERE stop_basis = 'estimated';

-- What was known of the station's clock when a message came.
ALTER TABLE journal ADD COLUMN clock_offset_ms INTEGER;
ALTER TABLE journal ADD COLUMN clock_since INTEGER;

-- What an invoice leaves over of credit, less what it uses: members with some are found by it.
ALTER TABLE invoices ADD COLUMN left_over_hundredths INTEGER NOT NULL DEFAULT 0;
CREATE INDEX invoices_that_carry ON invoices (member_id) WHERE left_over_hundredths <> 0;

-- How a closed month's files are laid out: what was closed before keeps its columns.
ALTER TABLE months ADD COLUMN layout INTEGER NOT NULL DEFAULT 1;

-- A station's name in its certificate, when it was taken down, what it and its connectors tell of an error beside the standard's
-- word, and the standard of a connector's plug.
ALTER TABLE stations ADD COLUMN certificate_name TEXT;
ALTER TABLE stations ADD COLUMN retired_at INTEGER;
ALTER TABLE stations ADD COLUMN info TEXT;
ALTER TABLE stations ADD COLUMN vendor_error_code TEXT;
ALTER TABLE connectors ADD COLUMN info TEXT;
ALTER TABLE connectors ADD COLUMN vendor_error_code TEXT;
ALTER TABLE connectors ADD COLUMN connector_standard TEXT;

-- What is registered of sites: address, position, hours.
CREATE TABLE sites (
    site TEXT PRIMARY KEY,
    document TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Further readings of cards: what some readers read from a card that others read another way.
CREATE TABLE card_readings (
    id_tag_matched TEXT PRIMARY KEY,
    id_tag TEXT NOT NULL,
    card_number TEXT NOT NULL REFERENCES cards (card_number),
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX card_readings_by_card ON card_readings (card_number, id_tag_matched);

INSERT INTO schema_readable (version, readable_from) VALUES (8, 8);
