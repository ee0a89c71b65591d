-- Every run has a kind, of a closed list: the table of runs as it was, but for that. (Foreign keys
-- are not checked while this runs; the rows stay what they are.)

CREATE TABLE new_runs (
    id             INTEGER PRIMARY KEY,
    run_id         TEXT NOT NULL UNIQUE,
    campaign_id    INTEGER NOT NULL REFERENCES campaigns (id),
    kind           TEXT NOT NULL CHECK (kind IN ('run', 'settle', 'restore')),
    job            TEXT NOT NULL,    -- the job file's absolute path
    ledger         TEXT NOT NULL,    -- the ledger file's absolute path
    host           TEXT NOT NULL,
    pid            INTEGER NOT NULL,
    started_at     TEXT NOT NULL,
    ended_at       TEXT,             -- NULL: the run continues, or it crashed
    stopped_by     TEXT,
    exit_code      INTEGER,
    me             TEXT,             -- the API's user whose token this run used
    timeout_s      REAL NOT NULL,
    settle_after_s REAL NOT NULL,
    created        INTEGER NOT NULL DEFAULT 0, -- counts of this run, at its end
    requests       INTEGER NOT NULL DEFAULT 0,
    throttled      INTEGER NOT NULL DEFAULT 0,
    ceiling        REAL, -- duplicate requests a second; NULL: none, or not kept at the time
    date           TEXT, -- the value of {date}: needed to continue this run's job another day
    ledger_stamp   TEXT  -- the ledger file as this run left it; NULL: not written to its end
) STRICT;
INSERT INTO new_runs (id, run_id, campaign_id, kind, job, ledger, host, pid, started_at, ended_at,
    stopped_by, exit_code, me, timeout_s, settle_after_s, created, requests, throttled, ceiling,
    date, ledger_stamp)
SELECT id, run_id, campaign_id, kind, job, ledger, host, pid, started_at, ended_at,
    stopped_by, exit_code, me, timeout_s, settle_after_s, created, requests, throttled, ceiling,
    date, ledger_stamp
FROM runs;
DROP TABLE runs;
ALTER TABLE new_runs RENAME TO runs;
CREATE INDEX runs_of_campaign ON runs (campaign_id, id);
CREATE INDEX runs_of_job ON runs (job, id);
