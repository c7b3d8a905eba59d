-- Sessions have a name made of what the station sent, and keep the site where they took place.
ALTER TABLE sessions ADD COLUMN reference TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN site TEXT NOT NULL DEFAULT '';
UPDATE sessions SET reference = printf('S-%09d', session_id),
    site = coalesce((SELECT s.site FROM stations s WHERE s.station_id = sessions.station_id), '');
CREATE UNIQUE INDEX sessions_by_reference ON sessions (reference);
CREATE INDEX sessions_by_member_stop ON sessions (member_id, stopped_at) WHERE member_id IS NOT NULL;

-- Whether a station can be used: 'open', 'closed' or 'maintenance'.
ALTER TABLE stations ADD COLUMN availability TEXT NOT NULL DEFAULT 'open';

-- What happens to the programme as a whole, in order.
CREATE TABLE programme_events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

-- Runs that close a month. What a run wrote counts once it is complete.
CREATE TABLE runs (
    run INTEGER PRIMARY KEY AUTOINCREMENT,
    month TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    completed_at INTEGER
) STRICT;
CREATE INDEX runs_by_month ON runs (month);

-- Months of members ('*': of all) that changed after a run for the month had begun.
CREATE TABLE rechecks (
    recheck INTEGER PRIMARY KEY AUTOINCREMENT,
    member_id TEXT NOT NULL,
    usage_month TEXT NOT NULL
) STRICT;
CREATE INDEX rechecks_by_member ON rechecks (member_id, usage_month);

-- Issued invoices. run is empty for a final one, which is issued by itself.
CREATE TABLE invoices (
    month TEXT NOT NULL,
    member_id TEXT NOT NULL,
    invoice_id TEXT NOT NULL,
    run INTEGER REFERENCES runs (run),
    kind TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    total_hundredths INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (month, member_id, invoice_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX invoices_by_member ON invoices (member_id, issued_at);
CREATE INDEX invoices_final ON invoices (member_id) WHERE kind = 'final';
CREATE UNIQUE INDEX invoices_by_id ON invoices (invoice_id);
CREATE INDEX invoices_by_run ON invoices (run) WHERE run IS NOT NULL;

-- What was recorded of a member's billed sessions with a month's close.
CREATE TABLE billed_sessions (
    month TEXT NOT NULL,
    member_id TEXT NOT NULL,
    part INTEGER NOT NULL,
    run INTEGER REFERENCES runs (run),
    document TEXT NOT NULL,
    PRIMARY KEY (month, member_id, part)
) STRICT, WITHOUT ROWID;
CREATE INDEX billed_sessions_by_member ON billed_sessions (member_id, month);
CREATE INDEX billed_sessions_by_run ON billed_sessions (run) WHERE run IS NOT NULL;

-- Memberships that the operator ends, until their final invoice is issued.
CREATE TABLE endings (
    member_id TEXT PRIMARY KEY,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who changed or looked up what, when, from where and why. Append only but for the outcome.
CREATE TABLE audit (
    entry INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    peer TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    also TEXT,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    outcome TEXT
) STRICT;
CREATE INDEX audit_by_subject ON audit (subject, entry);
CREATE INDEX audit_by_other_subject ON audit (also, entry) WHERE also IS NOT NULL;

CREATE INDEX events_admitted ON events (at) WHERE kind = 'admitted';
CREATE INDEX events_consents ON events (member_id) WHERE kind = 'consent_given';

-- The bills of months that were closed before become their invoices.
INSERT INTO runs (month, started_at, completed_at) SELECT month, closed_at, closed_at FROM months ORDER BY month;
INSERT INTO invoices (month, member_id, invoice_id, run, kind, issued_at, total_hundredths, document)
SELECT b.month, b.member_id, b.month || '-' || b.member_id, r.run, 'regular', m.closed_at,
    (SELECT coalesce(sum(l.value->>'amount_hundredths'), 0) FROM json_each(b.bill, '$.lines') l),
    json_object(
        'recipient_name', a.detail->>'name', 'payment', a.detail->>'payment', 'brand', a.detail->>'brand',
        'due_on', date(m.closed_at / 1000 + 32400, 'unixepoch', '+30 days'),
        'lines', (SELECT json_group_array(json_set(l.value, '$.sessions',
            (SELECT json(json_group_array(printf('S-%09d', s.value))) FROM json_each(l.value, '$.sessions') s)))
            FROM json_each(b.bill, '$.lines') l))
FROM bills b JOIN months m ON m.month = b.month JOIN runs r ON r.month = b.month
    JOIN events a ON a.member_id = b.member_id AND a.card_number IS NULL AND a.kind = 'admitted';
DROP TABLE bills;

-- What came late to those months was never billed: they are rated again by the next close.
INSERT INTO rechecks (member_id, usage_month) SELECT '*', min(month) FROM months HAVING min(month) IS NOT NULL;

-- Details of events are JSON.
UPDATE events SET detail = json_object('member_id', member_id, 'role', detail, 'replaces', NULL) WHERE kind = 'activated';
UPDATE events SET detail = json_object('reason', detail) WHERE kind IN ('suspended', 'resumed');
UPDATE events SET detail = 'null' WHERE kind = 'deactivated';
UPDATE events SET detail = json_set(json_remove(detail, '$.term_auto_renew'),
    '$.term', json(CASE WHEN detail->>'term_auto_renew' IS NULL THEN 'false' ELSE 'true' END))
WHERE kind = 'admitted';
