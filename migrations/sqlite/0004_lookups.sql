-- What changes here are indexes of the other engine: these name theirs in the statements.
INSERT INTO schema_readable (version, readable_from) VALUES (4, 3);
