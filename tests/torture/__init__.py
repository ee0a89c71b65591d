"""The real command over real HTTP and a real database, killed with SIGKILL at random moments and
resumed until it ends by itself, then judged by what the server has. `python -m tests.torture` runs
many. With `--shared`, two machines have a ledger on PostgreSQL."""
