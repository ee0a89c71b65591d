-- A source that was edited and put back has an older version again: its newest one is not the latest.
-- 1: a look has shown the source of the attempt differently since.
ALTER TABLE attempts ADD COLUMN source_changed INTEGER NOT NULL DEFAULT 0;
