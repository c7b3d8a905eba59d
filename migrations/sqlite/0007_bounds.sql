-- Open sessions that a message's decision looks at: the newest of a station, of a connector, and of a card.
DROP INDEX sessions_open_by_station;
CREATE INDEX sessions_open_by_station ON sessions (station_id, started_at) WHERE stopped_at IS NULL;
DROP INDEX sessions_open_by_tag;
CREATE INDEX sessions_open_newest ON sessions (station_id, connector_id, started_at)
    WHERE stopped_at IS NULL AND instr(flags, 'superseded') = 0;
CREATE INDEX sessions_busy_by_tag ON sessions (id_tag_matched, started_at)
    WHERE stopped_at IS NULL AND refusal IS NULL AND instr(flags, 'superseded') = 0 AND instr(' ' || flags, ' concurrent') = 0;

INSERT INTO schema_readable (version, readable_from) VALUES (7, 7);
