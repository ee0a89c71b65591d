"""The ledger on a PostgreSQL server, for several machines: connection, seat, schema."""
