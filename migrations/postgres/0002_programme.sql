-- Sessions have a name made of what the station sent, and keep the site where they took place.
ALTER TABLE sessions ADD COLUMN reference text COLLATE "C" NOT NULL;
ALTER TABLE sessions ADD COLUMN site text NOT NULL;
CREATE UNIQUE INDEX sessions_by_reference ON sessions (reference);
CREATE INDEX sessions_by_member_stop ON sessions (member_id, stopped_at) WHERE member_id IS NOT NULL;

-- Whether a station can be used: 'open', 'closed' or 'maintenance'.
ALTER TABLE stations ADD COLUMN availability text NOT NULL DEFAULT 'open';

-- What happens to the programme as a whole, in order.
CREATE TABLE programme_events (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    kind text NOT NULL,
    detail text NOT NULL
);

-- Runs that close a month. What a run wrote counts once it is complete; an abandoned one writes no more.
CREATE TABLE runs (
    run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    month text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    completed_at timestamptz,
    is_abandoned boolean NOT NULL DEFAULT false
);
CREATE INDEX runs_by_month ON runs (month);

-- Months of members ('*': of all) that changed after a run for the month had begun.
CREATE TABLE rechecks (
    recheck bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    member_id text COLLATE "C" NOT NULL,
    usage_month text COLLATE "C" NOT NULL
);
CREATE INDEX rechecks_by_member ON rechecks (member_id, usage_month);

-- Issued invoices. run is empty for a final one, which is issued by itself.
CREATE TABLE invoices (
    month text COLLATE "C" NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    invoice_id text COLLATE "C" NOT NULL,
    run bigint REFERENCES runs (run),
    kind text NOT NULL,
    issued_at timestamptz NOT NULL,
    total_hundredths bigint NOT NULL,
    document text NOT NULL,
    PRIMARY KEY (month, member_id, invoice_id)
);
CREATE INDEX invoices_by_member ON invoices (member_id, issued_at);
CREATE INDEX invoices_final ON invoices (member_id) WHERE kind = 'final';
CREATE UNIQUE INDEX invoices_by_id ON invoices (invoice_id);
CREATE INDEX invoices_by_run ON invoices (run) WHERE run IS NOT NULL;

-- What was recorded of a member's billed sessions with a month's close.
CREATE TABLE billed_sessions (
    month text COLLATE "C" NOT NULL,
    member_id text COLLATE "C" NOT NULL,
    part bigint NOT NULL,
    run bigint REFERENCES runs (run),
    document text NOT NULL,
    PRIMARY KEY (month, member_id, part)
);
CREATE INDEX billed_sessions_by_member ON billed_sessions (member_id, month);
CREATE INDEX billed_sessions_by_run ON billed_sessions (run) WHERE run IS NOT NULL;

-- Memberships that the operator ends, until their final invoice is issued.
CREATE TABLE endings (
    member_id text COLLATE "C" PRIMARY KEY,
    due_at timestamptz NOT NULL
);
CREATE INDEX endings_by_time ON endings (due_at, member_id);

-- Who changed or looked up what, when, from where and why. Append only but for the outcome.
CREATE TABLE audit (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    actor text NOT NULL,
    peer text NOT NULL,
    action text NOT NULL,
    subject text COLLATE "C" NOT NULL,
    also text COLLATE "C",
    reason text NOT NULL,
    detail text NOT NULL,
    outcome text
);
CREATE INDEX audit_by_subject ON audit (subject, entry);
CREATE INDEX audit_by_other_subject ON audit (also, entry) WHERE also IS NOT NULL;

-- To whom, and for what, a consent was given.
ALTER TABLE events ADD COLUMN recipient text COLLATE "C";
ALTER TABLE events ADD COLUMN purpose text COLLATE "C";
CREATE INDEX events_admitted ON events (at) WHERE kind = 'admitted';
CREATE INDEX events_consents ON events (recipient, purpose, member_id) WHERE kind = 'consent_given';
