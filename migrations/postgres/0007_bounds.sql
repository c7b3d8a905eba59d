-- Open sessions that a message's decision looks at: the newest of a station, of a connector, and of a card.
CREATE INDEX sessions_open_newest ON sessions (station_id, connector_id, started_at)
    WHERE stopped_at IS NULL AND strpos(flags, 'superseded') = 0;
CREATE INDEX sessions_busy_by_tag ON sessions (id_tag_matched, started_at)
    WHERE stopped_at IS NULL AND refusal IS NULL AND strpos(flags, 'superseded') = 0 AND strpos(' ' || flags, ' concurrent') = 0;

INSERT INTO schema_readable (version, readable_from) VALUES (7, 3);
