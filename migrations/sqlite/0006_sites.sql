-- Cards that a site's chargers are to hold as accepted in their local lists.
CREATE TABLE site_lists (
    site TEXT NOT NULL,
    card_number TEXT NOT NULL,
    PRIMARY KEY (site, card_number)
) STRICT, WITHOUT ROWID;
CREATE INDEX site_lists_by_card ON site_lists (card_number);
CREATE INDEX stations_by_site ON stations (site);

-- Whether a station's list is to hold the card as accepted, while it is not blocked.
ALTER TABLE card_deliveries ADD COLUMN listed INTEGER NOT NULL DEFAULT 0;

-- What is otherwise at this station than the standard wants: names with commas between them.
ALTER TABLE stations ADD COLUMN quirks TEXT;

-- Calls that it said it does not do, and the firmware that said so: a JSON object.
ALTER TABLE stations ADD COLUMN not_done TEXT;

-- Stations are found by their name in whatever case where nothing else fits.
CREATE INDEX stations_by_name ON stations (lower(station_id));

INSERT INTO schema_readable (version, readable_from) VALUES (6, 3);
