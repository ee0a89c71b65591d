-- What a report tells of a night and attempts do not: the run's ceiling, its {date}, and when and why it waited.

ALTER TABLE runs ADD COLUMN ceiling REAL; -- duplicate requests a second; NULL: none, or a run from before this was kept
ALTER TABLE runs ADD COLUMN date TEXT;    -- the value of {date}: it is needed to go on with this run's job another day

-- One row for each time that all senders were told to wait, and for each time that the API answered well again.
CREATE TABLE paces (
    id     INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    at     TEXT NOT NULL, -- ISO 8601 UTC by this machine's clock
    wait_s REAL,          -- seconds of the pause that began then; NULL: the API answers well again
    rate   REAL,          -- requests a second from then on; NULL: as many as there are senders
    why    TEXT
) STRICT;
CREATE INDEX paces_of_run ON paces (run_id);
