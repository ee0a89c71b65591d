-- The two tables that each request writes to, as they were, with checks that cost less: SQLite fills a table for each
-- IN of three values or more, in each statement, which took four tenths of what an exchange with the ledger computes.
-- (Foreign keys are not looked at while this runs; the rows stay what they are.)

CREATE TABLE new_items (
    id                 INTEGER PRIMARY KEY,
    -- identity: one wanted duplicate
    campaign_id        INTEGER NOT NULL REFERENCES campaigns (id),
    source_id          TEXT NOT NULL,
    template           TEXT NOT NULL, -- the name with everything filled in but {source_name} and {copies}
    upload_new_dataset INTEGER NOT NULL CHECK (upload_new_dataset IN (0, 1)),
    copy               INTEGER NOT NULL CHECK (copy >= 1),
    -- where the job wants it now; NULL: the job wants it no longer
    line               INTEGER,
    copies             INTEGER,
    -- pending: not tried, or surely not created · sent: its intent is written, no outcome yet · created · failed:
    -- refused for good · unknown: may exist
    status             TEXT NOT NULL DEFAULT 'pending'
                       CHECK (status = 'pending' OR status = 'sent' OR status = 'created' OR status = 'failed'
                              OR status = 'unknown'),
    name               TEXT,          -- as first sent ('' for none); NULL before that
    new_batch_id       TEXT,
    new_batch_name     TEXT,
    new_batch_status   TEXT,
    created_at         TEXT,          -- the API's
    settled_by         TEXT CHECK (settled_by = 'response' OR settled_by = 'listing' OR settled_by = 'person'),
    attempts           INTEGER NOT NULL DEFAULT 0, -- requests that left
    http_status        INTEGER,
    error              TEXT,
    first_sent_at      TEXT,
    last_sent_at       TEXT,
    run_id             INTEGER REFERENCES runs (id), -- the run that last changed it
    UNIQUE (campaign_id, source_id, template, upload_new_dataset, copy),
    CHECK ((status = 'created') = (new_batch_id IS NOT NULL))
) STRICT;
INSERT INTO new_items SELECT * FROM items;
DROP TABLE items;
ALTER TABLE new_items RENAME TO items;
-- A batch never gets two owners.
CREATE UNIQUE INDEX items_owner ON items (new_batch_id) WHERE new_batch_id IS NOT NULL;
CREATE INDEX items_in_job ON items (campaign_id, line, copy) WHERE line IS NOT NULL;
CREATE INDEX items_todo ON items (campaign_id, line, copy) WHERE line IS NOT NULL AND status = 'pending';
CREATE INDEX items_unclear ON items (status) WHERE status IN ('sent', 'unknown');

-- One row for each request that was about to leave.
CREATE TABLE new_attempts (
    id              INTEGER PRIMARY KEY,
    item_id         INTEGER NOT NULL REFERENCES items (id),
    run_id          INTEGER NOT NULL REFERENCES runs (id),
    started_at      TEXT NOT NULL,  -- the intent
    date_before     REAL,           -- server time: the last Date received before the intent
    left_server     REAL,           -- server time when it left; the intent's until the outcome is recorded
    listing         INTEGER NOT NULL, -- baseline: all that listings up to this number had shown
    version_id      INTEGER REFERENCES source_versions (id),
    sent_name       TEXT,           -- NULL: none was sent
    ended_at        TEXT,
    ended_server    REAL,           -- server time when it was answered or given up
    answer_date     REAL,           -- the answer's own Date
    date_after      REAL,           -- the first Date received after it was given up
    outcome         TEXT CHECK (outcome = 'created' OR outcome = 'refused' OR outcome = 'not_sent'
                                OR outcome = 'unknown' OR outcome = 'not_left'),
    http_status     INTEGER,
    latency_s       REAL,
    error           TEXT,
    answered_id     TEXT,           -- the batch id that an answer named
    closed_by       TEXT CHECK (closed_by = 'outcome' OR closed_by = 'listing' OR closed_by = 'absence'
                                OR closed_by = 'person'), -- NULL: open
    created_server  REAL,           -- the new batch's created_at, seconds since 1970
    created_by      TEXT,           -- the user that a 201 names
    restored        INTEGER NOT NULL DEFAULT 0 -- made from a ledger file: its times are vague
) STRICT;
INSERT INTO new_attempts SELECT * FROM attempts;
DROP TABLE attempts;
ALTER TABLE new_attempts RENAME TO attempts;
CREATE INDEX attempts_of_item ON attempts (item_id);
CREATE UNIQUE INDEX attempts_open ON attempts (item_id) WHERE closed_by IS NULL;
CREATE INDEX attempts_created ON attempts (run_id) WHERE outcome = 'created';
