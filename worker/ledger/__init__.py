"""The ledger: the database that is the truth, and the file that is written from it. Nothing here
knows HTTP.

`database` opens and migrates, `lock` keeps one run at a time, `store` holds the operations that
change something, `views` those that only read. `export` writes the ledger file: `content` says what
is in it, `forms` which form it has (`csv_form`, `workbook/`). `as_job` writes rows as a job file.
All SQL is in `queries.sql` and `migrations/`."""
