-- What was sent about a run (heartbeats, the command of --on-finish, the metrics file), for its
-- report. An address or a command is never kept: it may be a secret.
CREATE TABLE notifications (
    id      INTEGER PRIMARY KEY,
    run_id  INTEGER NOT NULL REFERENCES runs (id),
    kind    TEXT NOT NULL CHECK (kind IN ('start', 'success', 'fail', 'on_finish', 'metrics')),
    at      TEXT NOT NULL, -- when it was sent
    trouble TEXT           -- what went wrong; NULL: nothing
) STRICT;
CREATE INDEX notifications_of_run ON notifications (run_id);
