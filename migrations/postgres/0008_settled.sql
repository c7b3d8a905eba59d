-- What an end rests on (nothing: the station told it), the key of a stop that was guessed before the true one came, what is
-- remembered of a session beside its bill, what persons corrected, and what was measured where a correction says otherwise.
-- The other columns hold the session that counts.
ALTER TABLE sessions ADD COLUMN stop_basis text;
ALTER TABLE sessions ADD COLUMN guess_key text;
ALTER TABLE sessions ADD COLUMN trail text;
ALTER TABLE sessions ADD COLUMN corrections text;
ALTER TABLE sessions ADD COLUMN measured text;
CREATE INDEX sessions_by_guess ON sessions (station_id, guess_key, started_at) WHERE guess_key IS NOT NULL;
CREATE INDEX sessions_estimated_by_station ON sessions (station_id, started_at) WHERE stop_basis = 'estimated';
CREATE INDEX sessions_estimated_by_tag ON sessions (id_tag_matched, started_at) WHERE stop_basis = 'estimated';

-- What was known of the station's clock when a message came; and a station's messages in their order.
ALTER TABLE journal ADD COLUMN clock_offset_ms bigint;
ALTER TABLE journal ADD COLUMN clock_since timestamptz;
CREATE INDEX journal_by_station ON journal (station_id, seq);

-- What an invoice leaves over of credit, less what it uses: members with some are found by it.
ALTER TABLE invoices ADD COLUMN left_over_hundredths bigint NOT NULL DEFAULT 0;
CREATE INDEX invoices_that_carry ON invoices (member_id) WHERE left_over_hundredths <> 0;

-- How a closed month's files are laid out: what was closed before keeps its columns.
ALTER TABLE months ADD COLUMN layout bigint NOT NULL DEFAULT 1;

-- A station's name in its certificate, when it was taken down, what it and its connectors tell of an error beside the standard's
-- word, and the standard of a connector's plug.
ALTER TABLE stations ADD COLUMN certificate_name text;
ALTER TABLE stations ADD COLUMN retired_at timestamptz;
ALTER TABLE stations ADD COLUMN info text;
ALTER TABLE stations ADD COLUMN vendor_error_code text;
ALTER TABLE connectors ADD COLUMN info text;
ALTER TABLE connectors ADD COLUMN vendor_error_code text;
ALTER TABLE connectors ADD COLUMN connector_standard text;

-- What is registered of sites: address, position, hours.
CREATE TABLE sites (
    site text PRIMARY KEY,
    document text NOT NULL
);

-- Further readings of cards: what some readers read from a card that others read another way.
CREATE TABLE card_readings (
    id_tag_matched text PRIMARY KEY,
    id_tag text NOT NULL,
    card_number text NOT NULL REFERENCES cards (card_number),
    created_at timestamptz NOT NULL
);
CREATE INDEX card_readings_by_card ON card_readings (card_number, id_tag_matched);

INSERT INTO schema_readable (version, readable_from) VALUES (8, 8);
