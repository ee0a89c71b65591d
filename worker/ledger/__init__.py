"""The ledger: the database that is the truth, and the file that is written from it. Nothing here knows HTTP.

`database` opens and migrates, `lock` keeps one run at a time, `store` holds the verbs that change something,
`views` those that only read, `export` writes the ledger file. All SQL is in `queries.sql` and `migrations/`.
"""
