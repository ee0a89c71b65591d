"""The ledger's database, which is the source of truth. Nothing here knows HTTP, and nothing outside
knows SQL.

`database` opens and migrates it, and `lock` allows one run at a time. `store`, `settlement` and
`decisions` change it; `views`, `rows`, `forecast`, `report` and `overlap` only read it. All SQL is
in `queries.sql` and `migrations/`. `worker.export` writes the ledger file from it."""
