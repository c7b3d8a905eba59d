-- Nothing looks for a station's messages but by their session.
DROP INDEX journal_by_station;

INSERT INTO schema_readable (version, readable_from) VALUES (4, 3);
