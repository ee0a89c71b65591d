-- What each run was, for the lists of runs.

ALTER TABLE runs ADD COLUMN command TEXT; -- run, settle or restore; NULL: one from before this was kept, and no run
UPDATE runs SET command = 'run' WHERE date IS NOT NULL;
