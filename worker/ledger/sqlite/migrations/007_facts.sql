-- Facts as facts: why a row is not created, the batches that could be an unknown duplicate's copy,
-- and what kind a run was. Until now the first two were parts of the text in `items.error`, which
-- people read; here, and nowhere else, that text is taken apart. Tables get the names that people
-- know.

ALTER TABLE facts RENAME TO meta;
ALTER TABLE elsewhere RENAME TO foreign_batches;
ALTER TABLE sightings RENAME TO unowned_batches;
DROP INDEX sightings_of_workspace;
CREATE INDEX unowned_batches_of_workspace ON unowned_batches (workspace_id);
ALTER TABLE paces RENAME TO rate_changes;
DROP INDEX paces_of_run;
CREATE INDEX rate_changes_of_run ON rate_changes (run_id);
ALTER TABLE runs RENAME COLUMN written TO ledger_stamp;

-- What a run was: run, settle or restore. Of those from before this was kept, what they did tells
-- it.
ALTER TABLE runs RENAME COLUMN command TO kind;
UPDATE runs
SET kind = coalesce((SELECT iif(max(a.restored), 'restore', 'run') FROM attempts AS a
                     WHERE a.run_id = runs.id GROUP BY a.run_id), 'settle')
WHERE kind IS NULL;

-- The batches that could be the copy of an unknown duplicate: the first ones of `items.candidates`,
-- in the order in which they are named. The columns *_fits say what speaks for a batch (1) and
-- against it (0); NULL: nobody knows.
CREATE TABLE candidates (
    item_id       INTEGER NOT NULL REFERENCES items (id),
    batch_id      TEXT NOT NULL,
    place         INTEGER NOT NULL,
    name_fits     INTEGER,
    details_fit   INTEGER,
    datasets_fit  INTEGER,
    time_fits     INTEGER,
    creator_fits  INTEGER,
    PRIMARY KEY (item_id, batch_id)
) STRICT, WITHOUT ROWID;

ALTER TABLE items ADD COLUMN reason TEXT; -- a code; `error` says it to people
-- How many batches could be its copy.
ALTER TABLE items ADD COLUMN candidates INTEGER NOT NULL DEFAULT 0;

-- "#12 may exist: these may be its copy (ID, ID and 3 more)" becomes its parts.
CREATE TEMP TABLE told AS
SELECT id AS item, substr(error, length('#' || id || ' may exist: ') + 1) AS what
FROM items WHERE status = 'unknown' AND error LIKE '#' || id || ' may exist: %';
CREATE TEMP TABLE named AS
SELECT item, substr(what, 1, instr(what, ' (') - 1) AS what,
       substr(what, instr(what, ' (') + 2, length(what) - instr(what, ' (') - 2) AS batches
FROM told
WHERE what LIKE 'several batches fit, or one fits several duplicates (%)'
   OR what LIKE 'these may be its copy (%)'
   OR what LIKE 'these may be its copy, or another''s with a name alike (%)'
   OR what LIKE 'an answer named this batch (%)';
CREATE TEMP TABLE listed AS
SELECT item, what, iif(cut, substr(batches, 1, cut - 1), batches) AS batches,
       iif(cut, CAST(substr(batches, cut + 5) AS INTEGER), 0) AS more
FROM (SELECT item, what, batches, instr(batches, ' and ') AS cut FROM named);
INSERT INTO candidates (item_id, batch_id, place)
SELECT l.item, e.value, e.key
FROM listed AS l CROSS JOIN json_each('["' || replace(l.batches, ', ', '","') || '"]') AS e;
UPDATE items
SET error = t.what,
    reason = CASE
        WHEN t.what LIKE 'the workspace''s listing is not complete%' THEN 'listing_incomplete'
        WHEN t.what LIKE 'the token is another person''s%' THEN 'hidden'
        ELSE 'not_shown_yet' END
FROM told AS t WHERE t.item = items.id;
UPDATE items
SET error = l.what,
    candidates = l.more + (SELECT count(*) FROM candidates AS c WHERE c.item_id = items.id),
    reason = CASE
        WHEN l.what LIKE 'several%' THEN 'several_fit'
        WHEN l.what LIKE 'an answer%' THEN 'answer_named'
        WHEN l.what LIKE '%alike' THEN 'names_alike'
        ELSE 'may_be_its' END
FROM listed AS l WHERE l.item = items.id;
UPDATE items
SET reason = CASE
    WHEN status = 'failed' AND error LIKE 'the source batch does not exist%' THEN 'source_missing'
    WHEN status = 'failed' THEN 'refused'
    WHEN error LIKE 'the source could not be looked up%' THEN 'source_unclear'
    WHEN error LIKE 'two complete listings%' THEN 'absent'
    WHEN error LIKE 'a person found%' THEN 'declared_absent'
    WHEN error LIKE 'the run ended before%' THEN 'interrupted'
    WHEN error LIKE 'restored from a ledger file%' THEN 'restored'
    WHEN error LIKE 'the answer names batch % already' THEN 'owned'
    WHEN error LIKE 'it was taken for batch %' THEN 'taken'
    WHEN status = 'pending' THEN 'not_sent'
    ELSE 'unanswered' END
WHERE reason IS NULL AND error IS NOT NULL AND status <> 'created';
DROP TABLE told;
DROP TABLE named;
DROP TABLE listed;
