"""The ledger in a SQLite file: opening it, its lock, its schema."""
