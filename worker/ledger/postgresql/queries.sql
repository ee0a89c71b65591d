-- The statements that PostgreSQL needs in a form of its own. The others are in `../queries.sql`.

-- name: make_listed_names
-- Its tables are not temporary ones: they must survive a connection that breaks.
DELETE FROM temp.listed_names;

-- name: make_skipped
DELETE FROM temp.skipped;

-- name: make_denied
DELETE FROM temp.denied;

-- name: index_listed_names
-- The index is always there. But the planner knows nothing yet about what was just written, and would
-- look up each duplicate's source in a loop. A table that somebody vacuums is left out.
ANALYZE (SKIP_LOCKED) items, sources, source_versions, listed_names;

-- name: of_ledger_rows
SELECT i.line, i.source_id, i.new_batch_name, i.upload_new_dataset, i.copy, i.status,
    i.new_batch_id, i.new_batch_status,
       i.created_at, i.settled_by, i.attempts, i.http_status, i.error, i.first_sent_at,
           i.last_sent_at, CAST(:name AS TEXT), r.run_id,
       CASE WHEN i.tasks_per_group IS NOT NULL THEN coalesce(
           (SELECT t.tasks_per_group FROM setups AS t
            WHERE t.batch_id = i.new_batch_id AND t.void IS NULL AND (t.outcome = 'accepted'
                OR (t.outcome = 'unknown' AND i.new_batch_status IN ('PROCESSING', 'READY')))),
           i.tasks_per_group) END AS tasks_per_group,
       CASE WHEN i.tasks_per_group IS NULL THEN '' ELSE
           (SELECT s.status FROM setup_statuses AS s WHERE s.item_id = i.id) END AS setup_status,
       (SELECT CAST(json_agg(json_build_array(d.kind, d.shown, d.expected)) AS TEXT)
        FROM differences AS d WHERE d.item_id = i.id),
       CASE WHEN i.tasks_per_group IS NULL OR i.status <> 'created' THEN NULL
           WHEN i.new_batch_status = 'ERROR' THEN i.setup_error ELSE
               (SELECT t.error FROM setups AS t
                WHERE t.batch_id = i.new_batch_id AND t.void IS NULL) END AS setup_error,
       i.id AS item, i.name AS sent_name, i.template, coalesce(i.copies, i.copy) AS copies,
       v.name AS source_name, e.cells, i.reason, i.candidates,
       CASE WHEN i.candidates > 0 THEN (SELECT CAST(json_agg(c.batch_id ORDER BY c.place) AS TEXT)
           FROM candidates AS c WHERE c.item_id = i.id) END AS named
FROM items AS i
LEFT JOIN runs AS r ON r.id = i.run_id
LEFT JOIN sources AS s ON s.source_id = i.source_id
LEFT JOIN source_versions AS v ON v.id = s.version_id
LEFT JOIN extras AS e ON e.campaign_id = i.campaign_id AND e.line = i.line;

-- name: checkpoint
-- VACUUM gives the space back.
SELECT 1;

-- name: owners
-- The planner believes that no item has a batch until the table is analyzed again. It would read all of
-- `items_owner` to join it; an array is looked up one by one.
SELECT i.id, i.new_batch_id, i.settled_by, i.line, c.name AS campaign
FROM items AS i JOIN campaigns AS c ON c.id = i.campaign_id
WHERE i.new_batch_id = ANY (ARRAY(SELECT json_array_elements_text(CAST(:batches AS JSON))));

-- name: shown_first
-- As in `owners`, arrays are looked up in the index.
SELECT batch_id, min(listing) AS listing FROM seen
WHERE workspace_id = ANY (ARRAY(SELECT json_array_elements_text(CAST(:workspaces AS JSON))))
  AND batch_id = ANY (ARRAY(SELECT json_array_elements_text(CAST(:batches AS JSON))))
GROUP BY batch_id;

-- The statements that run once for each duplicate, in the form for many at once: `rows` is a JSON array of
-- the rows' values. One statement for a hundred rows takes a fraction of a hundred statements' time.

-- name: many_add_attempt
INSERT INTO attempts (id, item_id, run_id, started_at, date_before, left_server, listing,
    version_id, sent_name)
SELECT CAST(r ->> 0 AS BIGINT), CAST(r ->> 1 AS BIGINT), CAST(r ->> 2 AS BIGINT), r ->> 3,
    CAST(r ->> 4 AS DOUBLE PRECISION), CAST(r ->> 5 AS DOUBLE PRECISION), CAST(r ->> 6 AS BIGINT),
    CAST(r ->> 7 AS BIGINT), r ->> 8
FROM json_array_elements(CAST(:rows AS JSON)) AS e (r);

-- name: many_mark_sent
UPDATE items SET status = 'sent', name = coalesce(name, r ->> 1), run_id = CAST(r ->> 2 AS BIGINT)
FROM json_array_elements(CAST(:rows AS JSON)) AS e (r)
WHERE id = CAST(r ->> 0 AS BIGINT);

-- name: many_end_attempt
UPDATE attempts
SET ended_at = r ->> 1, left_server = CAST(r ->> 2 AS DOUBLE PRECISION),
    ended_server = CAST(r ->> 3 AS DOUBLE PRECISION),
    answer_date = CAST(r ->> 4 AS DOUBLE PRECISION), outcome = r ->> 5,
    http_status = CAST(r ->> 6 AS BIGINT), latency_s = CAST(r ->> 7 AS DOUBLE PRECISION),
    error = r ->> 8, answered_id = r ->> 9, closed_by = r ->> 10,
    created_server = CAST(r ->> 11 AS DOUBLE PRECISION), created_by = r ->> 12
FROM json_array_elements(CAST(:rows AS JSON)) AS e (r)
WHERE id = CAST(r ->> 0 AS BIGINT);

-- name: many_end_item
UPDATE items
SET name = CASE WHEN attempts + CAST(r ->> 1 AS BIGINT) > 0 THEN name END,
    attempts = attempts + CAST(r ->> 1 AS BIGINT),
    first_sent_at = CASE WHEN r ->> 1 = '1' THEN coalesce(first_sent_at, r ->> 2)
        ELSE first_sent_at END,
    last_sent_at = CASE WHEN r ->> 1 = '1' THEN r ->> 2 ELSE last_sent_at END,
    status = r ->> 3, run_id = CAST(r ->> 4 AS BIGINT), http_status = CAST(r ->> 5 AS BIGINT),
    error = r ->> 6, new_batch_id = r ->> 7, new_batch_name = r ->> 8,
    new_batch_status = CASE WHEN tasks_per_group IS NULL OR r ->> 9 = 'UNINITIALISED'
        THEN r ->> 9 END,
    created_at = r ->> 10, settled_by = r ->> 11, reason = r ->> 12
FROM json_array_elements(CAST(:rows AS JSON)) AS e (r)
WHERE id = CAST(r ->> 0 AS BIGINT);

-- name: many_add_seen
INSERT INTO seen (workspace_id, batch_id, listing)
SELECT workspace_id, batch_id, listing
FROM json_to_recordset(CAST(:rows AS JSON)) AS r (workspace_id TEXT, batch_id TEXT, listing BIGINT)
ON CONFLICT DO NOTHING;

-- name: many_add_listed_name
INSERT INTO temp.listed_names (batch_id, name, workspace_id, listing)
SELECT batch_id, name, workspace_id, listing
FROM json_to_recordset(CAST(:rows AS JSON))
    AS r (batch_id TEXT, name TEXT, workspace_id TEXT, listing BIGINT)
ON CONFLICT (batch_id) DO UPDATE SET name = excluded.name, listing = excluded.listing;

-- name: many_add_source_version
INSERT INTO source_versions (source_id, name, workspace_id, details, loose_details, datasets)
SELECT source_id, name, workspace_id, details, loose_details, datasets
FROM json_to_recordset(CAST(:rows AS JSON))
    AS r (source_id TEXT, name TEXT, workspace_id TEXT, details TEXT, loose_details TEXT,
        datasets TEXT)
ON CONFLICT DO NOTHING;

-- name: many_record_source
UPDATE sources SET state = 'found', instructions = r.instructions, auto_sync = r.auto_sync,
    version_id = (SELECT v.id FROM source_versions AS v WHERE v.source_id = r.source_id
        AND v.name = r.name AND v.workspace_id = r.workspace_id AND v.details = r.details
        AND v.datasets = r.datasets)
FROM json_to_recordset(CAST(:rows AS JSON))
    AS r (source_id TEXT, name TEXT, workspace_id TEXT, details TEXT, datasets TEXT, run BIGINT,
        instructions BIGINT, auto_sync BIGINT)
WHERE sources.source_id = r.source_id AND sources.run_id = r.run AND sources.state = 'wanted';

-- The statements of the seat.

-- name: enter
-- Every transaction of the holder begins with this. It fails for a run whose seat another one took, and
-- the row's lock makes the other one wait for the end of this transaction.
UPDATE seat SET commits = commits + 1, alive_at = clock_timestamp()
WHERE epoch = :epoch AND since = :since
RETURNING commits;

-- name: seat
SELECT epoch, commits, host, machine, process, session, since, alive_at, released, system, timeline,
    clock_timestamp() AS now
FROM seat;

-- name: lock
SELECT pg_try_advisory_lock(CAST(:space AS INT), CAST(:ledger AS INT));

-- name: unlock
SELECT pg_advisory_unlock(CAST(:space AS INT), CAST(:ledger AS INT));

-- name: holder_session
-- Which session has the lock, and when it last did something (NULL: this role may not see that).
SELECT l.pid, a.backend_start,
    CASE WHEN a.state = 'active' AND a.wait_event_type IS DISTINCT FROM 'Client'
        THEN clock_timestamp() ELSE a.state_change END AS active_at
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.classid = CAST(:space AS OID) AND l.objid = CAST(:ledger AS OID)
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: end_session
-- Only if it still has the lock: a number may belong to another session by now.
SELECT pg_terminate_backend(l.pid)
FROM pg_locks AS l LEFT JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.pid = :session AND a.backend_start IS NOT DISTINCT FROM CAST(:began AS TIMESTAMPTZ)
  AND l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.classid = CAST(:space AS OID) AND l.objid = CAST(:ledger AS OID)
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database());

-- name: own_session
SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid();

-- name: take
-- Nothing if somebody has written since the seat was read. The lineage of the last run stays until a
-- person accepts another one.
UPDATE seat SET epoch = epoch + 1, commits = 0, host = :host, machine = :machine, process = :process,
    session = pg_backend_pid(), since = clock_timestamp(), alive_at = clock_timestamp(),
    released = NULL, timeline = CASE WHEN system IS NULL THEN :timeline ELSE timeline END,
    system = coalesce(system, :system)
WHERE epoch = :epoch AND alive_at IS CAST(:alive_at AS TIMESTAMPTZ)
RETURNING epoch, since;

-- name: retake
UPDATE seat SET session = pg_backend_pid(), alive_at = clock_timestamp()
WHERE epoch = :epoch AND since = :since
RETURNING commits;

-- name: live
-- A sign of life of a holder without the lock. It counts no commit: that number says which took place.
UPDATE seat SET alive_at = clock_timestamp() WHERE epoch = :epoch AND since = :since;

-- name: keep_lineage
-- A run that finds all of its commits on another server knows that none was lost.
UPDATE seat SET system = :system, timeline = :timeline
WHERE epoch = :epoch AND system = :was_system AND timeline = :was_timeline;

-- name: accept_lineage
UPDATE seat SET system = :system, timeline = :timeline WHERE epoch = :epoch;

-- name: release
UPDATE seat SET released = clock_timestamp() WHERE epoch = :epoch AND since = :since;

-- name: server
-- What identifies the server, this schema's tables, and the line of its commits. The control file would
-- show a new timeline only after a checkpoint; the name of the file being written has it in its first
-- eight hexadecimal digits.
SELECT system_identifier || '/' || CAST(CAST('seat' AS regclass) AS OID) AS system,
    CAST(CAST('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) AS BIT(32)) AS INT) AS timeline
FROM pg_control_system();

-- name: durability
SELECT current_setting('synchronous_commit'), current_setting('fsync'), current_database(),
    pg_is_in_recovery();

-- name: server_version
SELECT split_part(current_setting('server_version'), ' ', 1);

-- name: rights
SELECT current_user AS role, current_database() AS database,
    has_database_privilege(current_database(), 'CREATE') AS may_create,
    has_database_privilege(current_database(), 'TEMPORARY') AS may_stage,
    (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = :schema) AS owner,
    (SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :schema) AS owns;

-- name: roles_not_ended
-- Roles that may write to the ledger and whose sessions the current role may not end.
WITH used AS (
    SELECT c.relowner AS role FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = :schema AND c.relname = 'seat'
    UNION
    SELECT a.grantee FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,
        aclexplode(c.relacl) AS a
    WHERE n.nspname = :schema AND c.relname = 'seat' AND a.privilege_type = 'UPDATE'
)
SELECT r.rolname FROM used JOIN pg_roles AS r ON r.oid = used.role
WHERE NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
  AND (r.rolsuper OR NOT (pg_has_role(r.oid, 'USAGE') OR pg_has_role('pg_signal_backend', 'USAGE')))
ORDER BY 1;

-- name: ledger_number
-- The second number of the schema's advisory lock.
SELECT hashtext(:schema) & 2147483647;

-- name: bind_to_api
INSERT INTO meta (key, value) VALUES ('api_url', :api_url) ON CONFLICT DO NOTHING;
