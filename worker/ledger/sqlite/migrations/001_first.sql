-- The first schema. Times named *_at are ISO 8601 UTC by this machine's clock, for people; times named *_server
-- are seconds since 1970 by the API's `Date`, carried forward by the monotonic clock: those decide.

-- What holds for the whole database; 'api_url' is the API that its batches live in.
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE campaigns (
    id            INTEGER PRIMARY KEY,
    name          TEXT NOT NULL UNIQUE,
    created_at    TEXT NOT NULL,
    extra_columns TEXT NOT NULL DEFAULT '[]' -- the job's x_ columns in order, JSON
) STRICT;

CREATE TABLE runs (
    id             INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL UNIQUE,
    campaign_id    INTEGER NOT NULL REFERENCES campaigns (id),
    job            TEXT NOT NULL,    -- the job file's absolute path
    ledger         TEXT NOT NULL,    -- the ledger file's absolute path
    host           TEXT NOT NULL,
    pid            INTEGER NOT NULL,
    started_at     TEXT NOT NULL,
    ended_at       TEXT,             -- NULL: goes on, or died
    stopped_by     TEXT,
    exit_code      INTEGER,
    me             TEXT,             -- the API's user whose token this run used
    timeout_s      REAL NOT NULL,
    settle_after_s REAL NOT NULL,
    created        INTEGER NOT NULL DEFAULT 0, -- counts of this run, at its end
    requests       INTEGER NOT NULL DEFAULT 0,
    throttled      INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX runs_of_campaign ON runs (campaign_id, id);
CREATE INDEX runs_of_job ON runs (job, id);

-- What a source was like when it was looked at; copies are compared with the version that they were made of.
CREATE TABLE source_versions (
    id            INTEGER PRIMARY KEY,
    source_id     TEXT NOT NULL,
    name          TEXT NOT NULL,
    workspace_id  TEXT NOT NULL,
    details       TEXT NOT NULL, -- digest of the task details as they are
    loose_details TEXT NOT NULL, -- digest without case, spaces and Unicode form
    datasets      TEXT NOT NULL, -- dataset ids, sorted, JSON
    UNIQUE (source_id, name, workspace_id, details, datasets)
) STRICT;

-- What the latest run that wanted a source knows of it.
CREATE TABLE sources (
    source_id   TEXT PRIMARY KEY,
    run_id      INTEGER NOT NULL REFERENCES runs (id),
    state       TEXT NOT NULL CHECK (state IN ('wanted', 'found', 'missing', 'unclear')),
    version_id  INTEGER REFERENCES source_versions (id),
    http_status INTEGER,
    reason      TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX sources_wanted ON sources (run_id) WHERE state = 'wanted';

CREATE TABLE items (
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
                       CHECK (status IN ('pending', 'sent', 'created', 'failed', 'unknown')),
    name               TEXT,          -- as first sent ('' for none); NULL before that
    new_batch_id       TEXT,
    new_batch_name     TEXT,
    new_batch_status   TEXT,
    created_at         TEXT,          -- the API's
    settled_by         TEXT CHECK (settled_by IN ('response', 'listing', 'person')),
    attempts           INTEGER NOT NULL DEFAULT 0, -- requests that left
    http_status        INTEGER,
    error              TEXT,
    first_sent_at      TEXT,
    last_sent_at       TEXT,
    run_id             INTEGER REFERENCES runs (id), -- the run that last changed it
    UNIQUE (campaign_id, source_id, template, upload_new_dataset, copy),
    CHECK ((status = 'created') = (new_batch_id IS NOT NULL))
) STRICT;
-- A batch never gets two owners.
CREATE UNIQUE INDEX items_owner ON items (new_batch_id) WHERE new_batch_id IS NOT NULL;
CREATE INDEX items_in_job ON items (campaign_id, line, copy) WHERE line IS NOT NULL;
CREATE INDEX items_todo ON items (campaign_id, line, copy) WHERE line IS NOT NULL AND status = 'pending';
CREATE INDEX items_unclear ON items (status) WHERE status IN ('sent', 'unknown');

-- The job's own x_ cells, by line; only for lines that have some.
CREATE TABLE extras (
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id),
    line        INTEGER NOT NULL,
    cells       TEXT NOT NULL, -- JSON object
    PRIMARY KEY (campaign_id, line)
) STRICT, WITHOUT ROWID;

-- One row for each request that was about to leave.
CREATE TABLE attempts (
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
    outcome         TEXT CHECK (outcome IN ('created', 'refused', 'not_sent', 'unknown', 'not_left')),
    http_status     INTEGER,
    latency_s       REAL,
    error           TEXT,
    answered_id     TEXT,           -- the batch id that an answer named
    closed_by       TEXT CHECK (closed_by IN ('outcome', 'listing', 'absence', 'person')) -- NULL: open
) STRICT;
CREATE INDEX attempts_of_item ON attempts (item_id);
CREATE UNIQUE INDEX attempts_open ON attempts (item_id) WHERE closed_by IS NULL;

-- Listings, numbered through the life of the database.
CREATE TABLE listings (
    number       INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id       INTEGER NOT NULL REFERENCES runs (id),
    workspace_id TEXT NOT NULL,
    left_at      TEXT NOT NULL,
    left_server  REAL,
    meta_count   INTEGER, -- what the answer says
    shown        INTEGER, -- distinct ids that it shows
    error        TEXT     -- why it is no whole listing
) STRICT;

-- Every batch that any listing has shown, and the first that did: the baselines of all attempts in one table. A
-- source that only a GET has shown counts as shown by the listing before it (0: there was none).
CREATE TABLE seen (
    workspace_id TEXT NOT NULL,
    batch_id     TEXT NOT NULL,
    listing      INTEGER NOT NULL,
    PRIMARY KEY (workspace_id, batch_id)
) STRICT, WITHOUT ROWID;
