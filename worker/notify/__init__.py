"""Notifies others of a run's start and end: a heartbeat, a command, metrics.

Nothing here fails a run, or delays it by more than ten seconds. A heartbeat's address is a secret:
it is in no message."""
