-- What settling needs besides: what a 201 says of clocks and people, and what listings show that is not ours.

ALTER TABLE attempts ADD COLUMN created_server REAL; -- the new batch's created_at, seconds since 1970
ALTER TABLE attempts ADD COLUMN created_by TEXT;     -- the user that a 201 names
ALTER TABLE attempts ADD COLUMN restored INTEGER NOT NULL DEFAULT 0; -- made from a ledger file: its times are vague
CREATE INDEX attempts_created ON attempts (run_id) WHERE outcome = 'created';

-- Batches that a listing showed while some attempt was open and no baseline had them: an open attempt's own copy is
-- one of these, if it was made. Kept for good, because absence asks whether any listing ever showed one.
CREATE TABLE sightings (
    batch_id      TEXT PRIMARY KEY,
    workspace_id  TEXT NOT NULL,
    listing       INTEGER NOT NULL REFERENCES listings (number), -- the first that showed it
    name          TEXT NOT NULL,
    created_at    TEXT,
    created_s     REAL,  -- the same in seconds since 1970
    created_by    TEXT,
    status        TEXT,
    details       TEXT NOT NULL,
    loose_details TEXT NOT NULL,
    datasets      TEXT NOT NULL,
    disputed      INTEGER NOT NULL DEFAULT 0 CHECK (disputed IN (0, 1)) -- only a person may give it an owner
) STRICT, WITHOUT ROWID;
CREATE INDEX sightings_of_workspace ON sightings (workspace_id);

-- Batches that other ledger files name, taken in when a lost database was rebuilt: they are somebody's.
CREATE TABLE elsewhere (batch_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
