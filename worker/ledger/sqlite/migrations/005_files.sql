-- How a run left its ledger file: a file that is still so tells nothing that the database does not know.

ALTER TABLE runs ADD COLUMN written TEXT; -- the file's size, time and number on its disk; NULL: not written to its end
