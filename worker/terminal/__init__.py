"""What people and their scripts see of a run: log lines, the progress display, the summary, tables.

Everything here reads records and snapshots and writes text; nothing here decides anything.
Importing this package imports nothing else: only `live`, `log_formats` and `tables` need rich or
structlog."""
