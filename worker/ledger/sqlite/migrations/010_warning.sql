-- Where a copy differs from its source, and how workspaces are called.

-- One row for each difference of a created duplicate: a code, and numbers if it is about numbers.
CREATE TABLE differences (
    item_id  INTEGER NOT NULL REFERENCES items (id),
    kind     TEXT NOT NULL,
    shown    INTEGER, -- what the copy has
    expected INTEGER, -- what its source has
    PRIMARY KEY (item_id, kind)
) STRICT, WITHOUT ROWID;

-- What copies are compared with, as the latest look-up of the source showed it. NULL: the API did
-- not say.
ALTER TABLE sources ADD COLUMN instructions INTEGER;
ALTER TABLE sources ADD COLUMN auto_sync INTEGER;

-- The same of batches that may be copies, as the latest listing showed them.
ALTER TABLE unowned_batches ADD COLUMN instructions INTEGER;
ALTER TABLE unowned_batches ADD COLUMN auto_sync INTEGER;

-- The workspaces that a token could name, as they were called then.
CREATE TABLE workspaces (
    id    TEXT PRIMARY KEY,
    title TEXT NOT NULL
) STRICT, WITHOUT ROWID;
