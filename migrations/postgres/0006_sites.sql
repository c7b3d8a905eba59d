-- Cards that a site's chargers are to hold as accepted in their local lists.
CREATE TABLE site_lists (
    -- Compared with that of stations: under the same collation.
    site text NOT NULL,
    card_number text COLLATE "C" NOT NULL,
    PRIMARY KEY (site, card_number)
);
CREATE INDEX site_lists_by_card ON site_lists (card_number);
CREATE INDEX stations_by_site ON stations (site);

-- Whether a station's list is to hold the card as accepted, while it is not blocked.
ALTER TABLE card_deliveries ADD COLUMN listed boolean NOT NULL DEFAULT false;

-- What is otherwise at this station than the standard wants: names with commas between them.
ALTER TABLE stations ADD COLUMN quirks text;

-- Calls that it said it does not do, and the firmware that said so: a JSON object.
ALTER TABLE stations ADD COLUMN not_done text;

-- Stations are found by their name in whatever case where nothing else fits.
CREATE INDEX stations_by_name ON stations (lower(station_id));

INSERT INTO schema_readable (version, readable_from) VALUES (6, 3);
