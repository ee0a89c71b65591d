-- What is known of the sources of open attempts.

-- 1: a look has shown the source of the attempt differently since. A source that was edited and put
-- back has an older version again, so the newest version is not always the latest.
ALTER TABLE attempts ADD COLUMN source_changed INTEGER NOT NULL DEFAULT 0;

-- 1: restored from a ledger file that says that the item had not been sent. So the sources that the
-- file names existed before.
ALTER TABLE attempts ADD COLUMN unsent INTEGER NOT NULL DEFAULT 0;
