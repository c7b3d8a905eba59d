-- The ledger looks sessions up by these. Each gives an order that no other index gives and that the statement asks
-- for: so the server takes it, whatever it knows of the tables' size.
DROP INDEX sessions_open_by_station;
CREATE INDEX sessions_open_by_station ON sessions (station_id, started_at) WHERE stopped_at IS NULL;
DROP INDEX sessions_open_by_tag;
CREATE INDEX sessions_open_by_tag ON sessions (id_tag_matched, started_at) WHERE stopped_at IS NULL;
DROP INDEX sessions_by_stop;
CREATE INDEX sessions_by_stop ON sessions (station_id, stop_key, stopped_at) WHERE stop_key IS NOT NULL;

-- A running session changes with every reading: with room beside it, no index does.
ALTER TABLE sessions SET (fillfactor = 60);

-- Every stop enters the session anew into each index; sessions_by_card and sessions_by_member serve for these.
DROP INDEX sessions_listed_by_card;
DROP INDEX sessions_listed_by_member;

-- Nothing looks for a station's messages but by their session.
DROP INDEX journal_by_station;

INSERT INTO schema_readable (version, readable_from) VALUES (4, 3);
