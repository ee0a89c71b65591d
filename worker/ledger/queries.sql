-- Every statement that the ledger runs, by name. A comment after the name says what it is for.

-- name: add_campaign
INSERT INTO campaigns (name, created_at) VALUES (:name, :now) ON CONFLICT (name) DO NOTHING;

-- name: campaign_id
SELECT id FROM campaigns WHERE name = :name;

-- name: campaign_name
SELECT name FROM campaigns WHERE id = :campaign;

-- name: add_run
INSERT INTO runs (run_id, campaign_id, job, ledger, host, pid, started_at, timeout_s,
    settle_after_s, ceiling, date, kind)
VALUES (:run_id, :campaign, :job, :ledger, :host, :pid, :now, :timeout_s, :settle_after_s, :ceiling,
    :date, :kind)
RETURNING id;

-- name: application
PRAGMA application_id;

-- name: add_rate_change
INSERT INTO rate_changes (run_id, at, wait_s, rate, why) VALUES (:run, :at, :wait_s, :rate, :why);

-- name: add_notification
-- Adds nothing if the run did not begin.
INSERT INTO notifications (run_id, kind, at, trouble)
SELECT id, :kind, :at, :trouble FROM runs WHERE run_id = :run_id;

-- name: campaign_of_run
SELECT c.name AS campaign, r.ledger FROM runs AS r JOIN campaigns AS c ON c.id = r.campaign_id
WHERE r.run_id = :run_id;

-- name: end_run
UPDATE runs
SET ended_at = :now, stopped_by = :stopped_by, exit_code = :exit_code,
    created = :created, requests = :requests, throttled = :throttled, ledger_stamp = :ledger_stamp
WHERE id = :run;

-- name: wrote
-- Whether a run of the campaign wrote its ledger file as it is now.
SELECT 1 FROM runs AS r CROSS JOIN campaigns AS c ON c.id = r.campaign_id
WHERE c.name = :campaign AND r.ledger = :path AND r.ledger_stamp = :stamp;

-- name: finished
-- Whether every duplicate of the job is created, none must be set up or looked at, and nothing has
-- changed since the campaign's previous run wrote its ledger file.
SELECT 1 FROM runs AS r
WHERE r.id = (SELECT max(id) FROM runs WHERE campaign_id = :campaign AND id < :run)
  AND r.ledger = :path AND r.ledger_stamp = :stamp AND NOT EXISTS (
    SELECT 1 FROM items AS i
    WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND (i.status <> 'created'
        OR i.run_id > r.id))
  AND NOT EXISTS (
    SELECT 1 FROM items AS i CROSS JOIN setup_statuses AS s ON s.item_id = i.id
    WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
      AND s.status <> 'ready');

-- name: set_me
UPDATE runs SET me = :me WHERE id = :run;

-- name: mark_started
-- Before the ledger file is first written: the file then mentions this run, even if the database is
-- lost.
UPDATE items SET run_id = :run WHERE id = (
    SELECT id FROM items WHERE campaign_id = :campaign AND line IS NOT NULL AND status = 'pending'
    ORDER BY line, copy LIMIT 1);

-- name: last_item
SELECT max(id) FROM items;

-- name: abandon_items
-- A dead run may have sent these requests, so their batches may exist. They count as having left.
-- Only a condition that reads like the one of `items_unclear` makes SQLite use this index.
UPDATE items
SET status = 'unknown', attempts = attempts + 1, run_id = :run,
    last_sent_at = a.started_at, first_sent_at = coalesce(items.first_sent_at, a.started_at),
    http_status = NULL, error = 'the run ended before an answer was recorded; it may exist',
        reason = 'interrupted'
FROM attempts AS a
WHERE items.status IN ('sent', 'unknown') AND items.status = 'sent'
  AND a.item_id = items.id AND a.closed_by IS NULL;

-- name: abandon_attempts
-- Their attempts count as given up now.
UPDATE attempts
SET outcome = 'unknown', ended_at = :now, error = 'the run ended before an answer was recorded'
WHERE closed_by IS NULL AND outcome IS NULL;

-- name: any_item
SELECT 1 FROM items WHERE campaign_id = :campaign LIMIT 1;

-- name: wants_less
-- Whether the ledger has more items in the job than the plan has, after the plan was added.
SELECT (SELECT count(*) FROM items WHERE campaign_id = :campaign
    AND line IS NOT NULL) > (SELECT count(*) FROM plan.staged);

-- name: leaving_unfinished
-- Of the items that are no longer in the job: how many are not created, how many are unknown, and how
-- many have a batch that is not set up.
SELECT count(*) FILTER (WHERE i.status = 'pending') AS not_created,
       count(*) FILTER (WHERE i.status IN ('sent', 'unknown')) AS unknown,
       count(*) FILTER (WHERE i.status = 'created' AND t.status IN ('pending', 'unknown'))
           AS not_set_up
FROM items AS i CROSS JOIN setup_statuses AS t ON t.item_id = i.id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM plan.staged AS s
    WHERE s.source_id = i.source_id AND s.template = i.template
      AND s.upload_new_dataset = i.upload_new_dataset AND s.copy = i.copy);

-- name: previous_date
-- The {date} of the campaign's latest earlier run that had one.
SELECT date FROM runs WHERE campaign_id = :campaign AND id < :run AND date IS NOT NULL
ORDER BY id DESC LIMIT 1;

-- name: drop_from_job
-- Items that are no longer in the job.
UPDATE items SET line = NULL, copies = NULL
WHERE campaign_id = :campaign AND line IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM plan.staged AS s
    WHERE s.source_id = items.source_id AND s.template = items.template
      AND s.upload_new_dataset = items.upload_new_dataset AND s.copy = items.copy);

-- name: add_to_job
-- The job's duplicates: adds new ones, and updates the lines of the others. Those that already have
-- the right line are left out first, found by line and copy, which is the order of the rows. To let
-- them conflict and then change nothing takes four times as long. Where a setup is newly wanted, and
-- none is known to have been sent, a status other than UNINITIALISED is forgotten: see `end_item`.
INSERT INTO items (campaign_id, source_id, template, upload_new_dataset, copy, line, copies,
    tasks_per_group)
SELECT :campaign, source_id, template, upload_new_dataset, copy, line, copies, tasks_per_group
FROM plan.staged AS s
WHERE NOT EXISTS (
    SELECT 1 FROM items AS i INDEXED BY items_in_job
    WHERE i.campaign_id = :campaign AND i.line = s.line AND i.copy = s.copy AND i.copies IS s.copies
      AND i.tasks_per_group IS s.tasks_per_group
      AND i.source_id = s.source_id AND i.template = s.template
          AND i.upload_new_dataset = s.upload_new_dataset)
ORDER BY s.place
ON CONFLICT (campaign_id, source_id, template, upload_new_dataset, copy)
DO UPDATE SET line = excluded.line, copies = excluded.copies,
    tasks_per_group = excluded.tasks_per_group,
    new_batch_status = CASE WHEN items.tasks_per_group IS NOT NULL
        OR excluded.tasks_per_group IS NULL OR items.new_batch_status = 'UNINITIALISED'
        OR EXISTS (SELECT 1 FROM setups AS t WHERE t.batch_id = items.new_batch_id
            AND t.void IS NULL AND t.tasks_per_group IS NOT NULL) THEN items.new_batch_status END
WHERE items.line IS NOT excluded.line OR items.copies IS NOT excluded.copies
    OR items.tasks_per_group IS NOT excluded.tasks_per_group;

-- name: add_first_to_job
-- The same for a campaign without items, which takes half the time: nothing can be there already.
INSERT INTO items (campaign_id, source_id, template, upload_new_dataset, copy, line, copies,
    tasks_per_group)
SELECT :campaign, source_id, template, upload_new_dataset, copy, line, copies, tasks_per_group
FROM plan.staged ORDER BY place;

-- name: drop_extras
DELETE FROM extras
WHERE campaign_id = :campaign AND NOT EXISTS (SELECT 1 FROM plan.staged_extras AS s
    WHERE s.line = extras.line);

-- name: add_extras
INSERT INTO extras (campaign_id, line, cells) SELECT :campaign, line, cells
    FROM plan.staged_extras WHERE true
ON CONFLICT (campaign_id, line) DO UPDATE SET cells = excluded.cells
    WHERE extras.cells <> excluded.cells;

-- name: set_extra_columns
UPDATE campaigns SET extra_columns = :columns WHERE id = :campaign AND extra_columns <> :columns;

-- name: retry_failed
UPDATE items SET status = 'pending', error = NULL, reason = NULL, http_status = NULL, run_id = :run
WHERE campaign_id = :campaign AND line IS NOT NULL AND status = 'failed';

-- name: queue_sources
-- The sources that this run must look up: those of the items that it may send, now or after settling
-- proved that they are absent.
INSERT INTO sources (source_id, run_id, state)
SELECT DISTINCT source_id, :run, 'wanted' FROM items INDEXED BY items_in_job
WHERE campaign_id = :campaign AND line IS NOT NULL AND status IN ('pending', 'unknown')
ON CONFLICT (source_id) DO UPDATE
SET run_id = excluded.run_id, state = 'wanted', version_id = NULL, http_status = NULL,
    reason = NULL, instructions = NULL, auto_sync = NULL;

-- name: queued_sources
SELECT source_id FROM sources WHERE run_id = :run AND state = 'wanted' LIMIT :limit;

-- name: add_source_version
INSERT INTO source_versions (source_id, name, workspace_id, details, loose_details, datasets)
VALUES (:source_id, :name, :workspace_id, :details, :loose_details, :datasets)
ON CONFLICT DO NOTHING;

-- name: older_than_newest_version
-- The version that was just seen, if the source was seen differently after it was first seen so.
SELECT v.id FROM source_versions AS v
WHERE v.source_id = :source_id AND v.name = :name AND v.workspace_id = :workspace_id
  AND v.details = :details AND v.datasets = :datasets
  AND EXISTS (SELECT 1 FROM source_versions AS o WHERE o.source_id = v.source_id AND o.id > v.id);

-- name: note_source_changed
-- The source of these open attempts looks as it did before they were sent. Newer versions need no
-- note.
UPDATE attempts SET source_changed = 1
WHERE closed_by IS NULL AND version_id > :version
  AND EXISTS (SELECT 1 FROM items AS i WHERE i.id = attempts.item_id AND i.source_id = :source_id);

-- name: record_source
UPDATE sources SET state = 'found', instructions = :instructions, auto_sync = :auto_sync, version_id = (
    SELECT id FROM source_versions WHERE source_id = :source_id AND name = :name
        AND workspace_id = :workspace_id AND details = :details AND datasets = :datasets)
WHERE source_id = :source_id AND run_id = :run AND state = 'wanted';

-- name: queued_of_listed
SELECT source_id FROM sources
WHERE run_id = :run AND state = 'wanted'
  AND source_id IN (SELECT value FROM json_each(:batches));

-- name: found_as_before
-- Of the sources that this run has just found: those that look as they did before another look.
SELECT s.source_id, s.version_id FROM sources AS s
WHERE s.run_id = :run AND s.state = 'found'
  AND s.source_id IN (SELECT value FROM json_each(:batches))
  AND EXISTS (SELECT 1 FROM source_versions AS o
    WHERE o.source_id = s.source_id AND o.id > s.version_id);

-- name: record_source_failure
-- 'missing': its own 404 · 'unclear': it could not be looked up
UPDATE sources SET state = :state, http_status = :http_status, reason = :reason
WHERE source_id = :source_id AND run_id = :run;

-- name: fail_missing
UPDATE items
SET status = 'failed', http_status = s.http_status, error = s.reason, reason = 'source_missing',
    run_id = :run
FROM sources AS s
WHERE items.campaign_id = :campaign AND items.line IS NOT NULL AND items.status = 'pending'
  AND s.source_id = items.source_id AND s.run_id = :run AND s.state = 'missing';

-- name: explain_unclear
UPDATE items
SET http_status = s.http_status, error = s.reason, reason = 'source_unclear', run_id = :run
FROM sources AS s
WHERE items.campaign_id = :campaign AND items.line IS NOT NULL AND items.status = 'pending'
  AND s.source_id = items.source_id AND s.run_id = :run AND s.state = 'unclear';

-- name: begin_listing
INSERT INTO listings (run_id, workspace_id, left_at, left_server)
VALUES (:run, :workspace_id, :now, :left_server)
RETURNING number;

-- name: end_listing
UPDATE listings SET meta_count = :meta_count, shown = :shown, error = :error WHERE number = :number;

-- name: add_seen
INSERT INTO seen (workspace_id, batch_id, listing) VALUES (:workspace_id, :batch_id, :listing)
    ON CONFLICT DO NOTHING;

-- name: last_numbers
SELECT (SELECT coalesce(max(id), 0) FROM attempts) AS attempt,
    (SELECT coalesce(max(number), 0) FROM listings) AS listing;

-- name: make_listed_names
-- The batches that this run's listings and GETs showed, and the last listing that showed each (0: a
-- GET). The run warns about names that already exist, and a complete listing must show every batch
-- that was shown before.
CREATE TEMP TABLE IF NOT EXISTS listed_names (
    batch_id TEXT PRIMARY KEY, name TEXT NOT NULL, workspace_id TEXT NOT NULL,
        listing INTEGER NOT NULL
) WITHOUT ROWID;

-- name: make_skipped
-- Items that this run skips: it does not send them again.
CREATE TEMP TABLE IF NOT EXISTS skipped (item_id INTEGER PRIMARY KEY);

-- name: make_denied
-- Batches whose own GET answered 404 in this run.
CREATE TEMP TABLE IF NOT EXISTS denied (batch_id TEXT PRIMARY KEY) WITHOUT ROWID;

-- name: skip
INSERT INTO temp.skipped (item_id) VALUES (:item) ON CONFLICT DO NOTHING;

-- name: add_listed_name
INSERT INTO temp.listed_names (batch_id, name, workspace_id, listing)
VALUES (:batch_id, :name, :workspace_id, :listing)
ON CONFLICT (batch_id) DO UPDATE SET name = excluded.name, listing = excluded.listing;

-- name: index_listed_names
CREATE INDEX IF NOT EXISTS temp.listed_by_name ON listed_names (name);

-- name: latest_baseline
-- The last listing before the campaign's latest request left, or before it was last shown or said
-- that a request had created nothing. A run that was declined decided nothing, whatever it listed.
-- Before restored requests there was no listing (0).
SELECT max(listing) AS listing FROM (
    SELECT listing FROM (SELECT a.listing FROM attempts AS a CROSS JOIN items AS i
        WHERE i.id = a.item_id AND i.campaign_id = :campaign
        ORDER BY a.id DESC LIMIT 1) AS sent
    UNION ALL SELECT max(l.number) FROM listings AS l JOIN runs AS r ON r.id = l.run_id
        WHERE coalesce(r.stopped_by, '') <> 'declined' AND l.run_id <= (
            SELECT max(a.settled_run) FROM attempts AS a JOIN items AS i ON i.id = a.item_id
            WHERE a.settled_run IS NOT NULL AND i.campaign_id = :campaign
              AND a.closed_by IN ('absence', 'person'))
) AS shown;

-- name: names_taken
-- How many duplicates this run would send, how many of them would get a name that exists on a batch
-- which this database does not know, one such name, and how many of those have their own name. Then
-- for how many of all a batch with their name has appeared since the listing :latest, and one such
-- name.
-- A duplicate without a name gets the name that the API gives to copies. Of these, only as many
-- count as there are batches with that name, since one batch explains one copy. Batches that are
-- sources do not count: a name may be just {source_name}.
WITH wanted AS (
    SELECT coalesce(nullif(coalesce(i.name, render_name(i.template, v.name, i.copies)), ''),
        v.name || ' (Copy)') AS name,
           coalesce(i.name, i.template) = '' AS unnamed
    FROM items AS i
    JOIN sources AS s ON s.source_id = i.source_id AND s.run_id = :run AND s.state = 'found'
    JOIN source_versions AS v ON v.id = s.version_id
    WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.status = 'pending'
),
named AS MATERIALIZED (
    SELECT name, unnamed, count(*) AS items FROM wanted GROUP BY name, unnamed
),
-- Batches that an unanswered request may have created do not count either: one of this database, or
-- one of another, whose :unsettled names are given.
unsettled AS (
    SELECT u.name, count(*) AS items FROM (
        SELECT coalesce(a.sent_name, v.name || ' (Copy)') AS name
        FROM attempts AS a LEFT JOIN source_versions AS v ON v.id = a.version_id
        WHERE a.closed_by IS NULL
        UNION ALL SELECT e.value FROM json_each(:unsettled) AS e
    ) AS u GROUP BY u.name
),
-- Elsewhere nothing is known to have appeared since: no listing of the campaign was whole by then.
looked AS MATERIALIZED (
    SELECT DISTINCT l.workspace_id FROM listings AS l JOIN runs AS r ON r.id = l.run_id
    WHERE r.campaign_id = :campaign AND l.number <= CAST(:latest AS BIGINT) AND l.error IS NULL
),
strange AS (
    SELECT l.name, count(*) AS batches, count(*) FILTER (
        WHERE l.workspace_id IN (SELECT workspace_id FROM looked) AND NOT EXISTS (
            SELECT 1 FROM seen AS w WHERE w.workspace_id = l.workspace_id
              AND w.batch_id = l.batch_id AND w.listing <= CAST(:latest AS BIGINT))) AS appeared
    FROM temp.listed_names AS l
    WHERE l.name IN (SELECT name FROM named)
      AND NOT EXISTS (SELECT 1 FROM items AS o WHERE o.new_batch_id = l.batch_id)
      AND NOT EXISTS (SELECT 1 FROM foreign_batches AS f WHERE f.batch_id = l.batch_id)
      AND NOT EXISTS (SELECT 1 FROM sources AS s
        WHERE s.run_id = :run AND s.source_id = l.batch_id)
    GROUP BY l.name
),
taken AS MATERIALIZED (
    SELECT n.name, n.items, n.unnamed,
        greatest(0, coalesce(k.batches, 0) - coalesce(u.items, 0)) AS batches,
        least(n.items, greatest(0, coalesce(k.appeared, 0) - coalesce(u.items, 0))) AS appeared
    FROM named AS n LEFT JOIN strange AS k ON k.name = n.name
    LEFT JOIN unsettled AS u ON u.name = n.name
)
SELECT coalesce(sum(items), 0) AS items,
       coalesce(sum(CASE WHEN batches = 0 THEN 0 WHEN unnamed THEN least(items, batches) ELSE items
           END), 0) AS taken,
       min(name) FILTER (WHERE batches > 0) AS example,
       coalesce(sum(items) FILTER (WHERE batches > 0 AND NOT unnamed), 0) AS own_taken,
       coalesce(sum(appeared), 0) AS appeared,
       min(name) FILTER (WHERE appeared > 0) AS appeared_example
FROM taken;

-- name: claimable
-- Items that may be sent next, in the job's order, after the line and copy that were claimed last.
SELECT i.id, i.line, i.copy, i.copies, i.source_id, i.template, i.upload_new_dataset, i.name,
    i.attempts,
       v.id AS version_id, v.name AS source_name, v.datasets, s.instructions, s.auto_sync
FROM items AS i
CROSS JOIN sources AS s ON s.source_id = i.source_id AND s.run_id = :run AND s.state = 'found'
CROSS JOIN source_versions AS v ON v.id = s.version_id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.status = 'pending'
  AND (i.line, i.copy) > (:line, :copy) AND i.id NOT IN (SELECT item_id FROM temp.skipped)
ORDER BY i.line, i.copy
LIMIT :limit;

-- name: claimable_again
-- The same for items to send again, in their order.
SELECT i.id, i.line, i.copy, i.copies, i.source_id, i.template, i.upload_new_dataset, i.name,
    i.attempts,
       v.id AS version_id, v.name AS source_name, v.datasets, s.instructions, s.auto_sync
FROM json_each(:items) AS e
CROSS JOIN items AS i ON i.id = CAST(e.value AS BIGINT)
CROSS JOIN sources AS s ON s.source_id = i.source_id AND s.run_id = :run AND s.state = 'found'
CROSS JOIN source_versions AS v ON v.id = s.version_id
WHERE i.line IS NOT NULL AND i.status = 'pending' AND i.id NOT IN (SELECT item_id FROM temp.skipped)
ORDER BY e.key;

-- name: count_left
SELECT count(*) FROM items WHERE campaign_id = :campaign AND line IS NULL;

-- name: plan_left
-- How many duplicates of the campaign are not in the plan.
SELECT count(*) FROM items AS i WHERE i.campaign_id = :campaign AND NOT EXISTS (
    SELECT 1 FROM plan.staged AS s
    WHERE s.source_id = i.source_id AND s.template = i.template
      AND s.upload_new_dataset = i.upload_new_dataset AND s.copy = i.copy);

-- name: owned_batches
SELECT new_batch_id AS batch_id FROM items WHERE new_batch_id IS NOT NULL
UNION SELECT batch_id FROM foreign_batches;

-- name: looked_at
-- The workspaces of which a listing of the campaign, up to number :listing, was whole.
SELECT DISTINCT l.workspace_id FROM listings AS l JOIN runs AS r ON r.id = l.run_id
WHERE r.campaign_id = :campaign AND l.number <= :listing AND l.error IS NULL;

-- name: add_listing_before
INSERT INTO listings (number, run_id, workspace_id, left_at)
VALUES (:number, :run, :workspace_id, '');

-- name: seen_by
-- The batches that the listings up to :listing showed.
SELECT workspace_id, batch_id FROM seen WHERE listing <= :listing;

-- name: unsettled_names
-- The names of the batches that unanswered requests may have created.
SELECT coalesce(a.sent_name, v.name || ' (Copy)') AS name
FROM attempts AS a LEFT JOIN source_versions AS v ON v.id = a.version_id
WHERE a.closed_by IS NULL;

-- name: plan_left_out
-- The duplicates of the plan that a run would not send.
SELECT s.line, s.copy FROM campaigns AS c CROSS JOIN plan.staged AS s
CROSS JOIN items AS i ON i.campaign_id = c.id AND i.source_id = s.source_id
    AND i.template = s.template
    AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy
WHERE c.id = :campaign AND (i.status IN ('created', 'sent', 'unknown')
    OR (i.status = 'failed' AND :retry_failed = 0));

-- name: leave_out
-- In the temporary ledger of a check, an item that does not count.
UPDATE items SET status = 'failed' WHERE campaign_id = :campaign AND line = :line AND copy = :copy;

-- name: first_claimable
SELECT i.name, i.template, i.copies, v.name AS source_name, v.workspace_id
FROM items AS i
CROSS JOIN sources AS s ON s.source_id = i.source_id AND s.run_id = :run AND s.state = 'found'
CROSS JOIN source_versions AS v ON v.id = s.version_id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.status = 'pending'
ORDER BY i.line, i.copy
LIMIT :limit;

-- name: claimable_to_set_up
-- How many of the first :limit duplicates that the run may send it sets up afterwards.
SELECT count(c.tasks_per_group) FROM (
    SELECT i.tasks_per_group
    FROM items AS i
    JOIN sources AS s ON s.source_id = i.source_id AND s.run_id = :run AND s.state = 'found'
    WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.status = 'pending'
    ORDER BY i.line, i.copy
    LIMIT :limit) AS c;

-- name: workspaces_of_run
SELECT v.workspace_id, count(*) AS sources
FROM sources AS s JOIN source_versions AS v ON v.id = s.version_id
WHERE s.run_id = :run AND s.state = 'found'
GROUP BY v.workspace_id ORDER BY count(*) DESC;

-- name: sources_lost
SELECT min(i.line) AS line, s.source_id, s.reason
FROM sources AS s
CROSS JOIN items AS i ON i.campaign_id = :campaign AND i.source_id = s.source_id
    AND i.line IS NOT NULL
WHERE s.run_id = :run AND s.state = :state
GROUP BY s.source_id ORDER BY 1;

-- The next four run for each request. Their parameters are numbered, in the order of the tuples
-- from `commit_writer.py`: a named parameter costs a quarter of a microsecond each.

-- name: add_attempt
INSERT INTO attempts (id, item_id, run_id, started_at, date_before, left_server, listing,
    version_id, sent_name)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);

-- name: mark_sent
UPDATE items SET status = 'sent', name = coalesce(name, ?2), run_id = ?3 WHERE id = ?1;

-- name: end_attempt
UPDATE attempts
SET ended_at = ?2, left_server = ?3, ended_server = ?4, answer_date = ?5, outcome = ?6,
    http_status = ?7,
    latency_s = ?8, error = ?9, answered_id = ?10, closed_by = ?11, created_server = ?12,
        created_by = ?13
WHERE id = ?1;

-- name: end_item
-- ?2 says whether the request left: a name that never left is not the item's name yet. Where a
-- setup is wanted, an answer that shows the new batch set up proves nothing: nobody can have asked
-- for that yet. A look must show it later.
UPDATE items
SET name = CASE WHEN attempts + ?2 > 0 THEN name END, attempts = attempts + ?2,
    first_sent_at = CASE WHEN ?2 = 1 THEN coalesce(first_sent_at, ?3) ELSE first_sent_at END,
    last_sent_at = CASE WHEN ?2 = 1 THEN ?3 ELSE last_sent_at END,
    status = ?4, run_id = ?5, http_status = ?6, error = ?7,
    new_batch_id = ?8, new_batch_name = ?9,
    new_batch_status = CASE WHEN tasks_per_group IS NULL OR ?10 = 'UNINITIALISED' THEN ?10 END,
    created_at = ?11, settled_by = ?12, reason = ?13
WHERE id = ?1;

-- name: owns
SELECT 1 FROM items WHERE new_batch_id = :batch_id;

-- name: has_run
SELECT 1 FROM runs WHERE run_id = :run_id;

-- name: latest_restore
-- A refused one restored nothing.
SELECT r.run_id FROM runs AS r JOIN campaigns AS c ON c.id = r.campaign_id
WHERE c.name = :campaign AND r.kind = 'restore' AND r.exit_code = 0 ORDER BY r.id DESC LIMIT 1;

-- name: open_attempt
-- The open attempt of an item, and the run that restored it from a ledger file, if one did.
SELECT a.id, CASE WHEN a.restored = 1 THEN r.run_id END AS restored_by
FROM attempts AS a JOIN runs AS r ON r.id = a.run_id
WHERE a.item_id = :item AND a.closed_by IS NULL;

-- name: unowned_batch
SELECT name, status, created_at, instructions, auto_sync FROM unowned_batches WHERE batch_id = :batch_id;

-- name: owners
SELECT i.id, i.new_batch_id, i.settled_by, i.line, c.name AS campaign
FROM json_each(:batches) AS e
CROSS JOIN items AS i ON i.new_batch_id = e.value
CROSS JOIN campaigns AS c ON c.id = i.campaign_id;

-- name: listed_workspaces
-- The workspaces that were listed after the listing :after. (For DISTINCT, SQLite would read all.)
SELECT workspace_id FROM listings WHERE number > :after;

-- name: shown_first
-- The first listing that showed each of these batches.
SELECT batch_id, min(listing) AS listing FROM seen
WHERE workspace_id IN (SELECT value FROM json_each(:workspaces))
  AND batch_id IN (SELECT value FROM json_each(:batches))
GROUP BY batch_id;

-- name: owner
SELECT i.id, i.settled_by, i.line, c.name AS campaign
FROM items AS i JOIN campaigns AS c ON c.id = i.campaign_id
WHERE i.new_batch_id = :batch_id;

-- name: counts
SELECT CASE status WHEN 'sent' THEN 'unknown' ELSE status END AS status, count(*) AS items
FROM items WHERE campaign_id = :campaign AND line IS NOT NULL GROUP BY 1;

-- name: reasons
SELECT reason, error, count(*) AS items FROM items
WHERE campaign_id = :campaign AND line IS NOT NULL AND error IS NOT NULL
  AND status IN ('failed', 'pending', 'unknown')
GROUP BY reason, error;

-- name: count_undecided
-- Unknown duplicates of the job that a person must decide: some batches could be their copies.
SELECT count(*) FROM items
WHERE campaign_id = :campaign AND line IS NOT NULL AND status = 'unknown' AND candidates > 0;

-- The next three also run on databases that earlier versions wrote, so they use only tables and
-- columns that the first version has.

-- name: sent_before
-- Whether a request of the campaign has left, or a batch of it is known.
SELECT 1 FROM campaigns AS c JOIN items AS i ON i.campaign_id = c.id
WHERE c.name = :campaign AND (i.new_batch_id IS NOT NULL OR i.attempts > 0 OR i.status IN ('sent',
    'unknown')) LIMIT 1;

-- name: plan_not_created
SELECT count(*) FROM plan.staged AS s WHERE NOT EXISTS (
    SELECT 1 FROM campaigns AS c JOIN items AS i ON i.campaign_id = c.id
    WHERE c.name = :campaign AND i.source_id = s.source_id AND i.template = s.template
      AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy AND i.status = 'created');

-- name: shared_with_plan
-- What each campaign shares with a plan, and what the campaign with this name has, with the files
-- of their latest runs. Duplicates are the same here if source, name and flag are: a job that was
-- written again has a row for each copy, or has the names that were sent. `sent_in_all` is
-- how many of the plan's duplicates any campaign has sent.
WITH wanted AS MATERIALIZED (
    SELECT source_id, template, upload_new_dataset, count(*) AS items
    FROM plan.staged GROUP BY source_id, template, upload_new_dataset
),
known AS MATERIALIZED (
    SELECT i.campaign_id, w.source_id, w.template, w.upload_new_dataset, w.items AS wanted,
           count(*) AS items,
           count(*) FILTER (WHERE i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown'))
               AS sent
    FROM items AS i CROSS JOIN wanted AS w
        ON w.source_id = i.source_id AND w.template = i.template
        AND w.upload_new_dataset = i.upload_new_dataset
    GROUP BY i.campaign_id, w.source_id, w.template, w.upload_new_dataset, w.items
    UNION ALL
    SELECT i.campaign_id, w.source_id, w.template, w.upload_new_dataset, w.items, count(*),
           count(*) FILTER (WHERE i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown'))
    FROM items AS i CROSS JOIN wanted AS w
        ON w.source_id = i.source_id AND w.template = i.name
        AND w.upload_new_dataset = i.upload_new_dataset
    WHERE i.name <> i.template
    GROUP BY i.campaign_id, w.source_id, w.template, w.upload_new_dataset, w.items
),
shared AS (
    SELECT campaign_id, CAST(sum(least(items, wanted)) AS BIGINT) AS same,
           CAST(sum(least(sent, wanted)) AS BIGINT) AS same_sent
    FROM known GROUP BY campaign_id
)
SELECT c.name, coalesce(s.same, 0), coalesce(s.same_sent, 0),
       (SELECT count(*) FROM items AS i
        WHERE i.campaign_id = c.id AND (i.new_batch_id IS NOT NULL OR i.status IN ('sent',
            'unknown'))),
       r.job, r.ledger,
       (SELECT CAST(coalesce(sum(least(k.sent, k.wanted)), 0) AS BIGINT) FROM (
           SELECT wanted, sum(sent) AS sent FROM known
           GROUP BY source_id, template, upload_new_dataset, wanted) AS k) AS sent_in_all
FROM campaigns AS c
LEFT JOIN shared AS s ON s.campaign_id = c.id
JOIN runs AS r ON r.id = (SELECT max(id) FROM runs WHERE campaign_id = c.id)
WHERE s.same > 0 OR c.name = :campaign
ORDER BY c.id;

-- name: plan_by_name
SELECT source_id, template, upload_new_dataset, count(*) AS items
FROM plan.staged GROUP BY source_id, template, upload_new_dataset;

-- name: sent_of_plan_sources
-- What each campaign has sent of the plan's sources, by source, name and flag.
SELECT i.campaign_id, i.source_id, i.template, i.upload_new_dataset, count(*) AS items
FROM items AS i
WHERE i.source_id IN (SELECT source_id FROM plan.staged)
  AND (i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown'))
GROUP BY i.campaign_id, i.source_id, i.template, i.upload_new_dataset
ORDER BY i.campaign_id, i.source_id, i.template, i.upload_new_dataset;

-- name: files_of_campaign
-- A campaign's name, and the files of its latest run.
SELECT c.name, r.job, r.ledger FROM campaigns AS c
JOIN runs AS r ON r.id = (SELECT max(id) FROM runs WHERE campaign_id = c.id)
WHERE c.id = :campaign;

-- name: of_plan_to_create
-- Part of the two statements below: the plan's duplicates that the campaign has neither sent nor
-- given up. With :retry_failed, nothing is given up. As in `add_to_job`, those on the right line are
-- left out first.
SELECT s.source_id, s.template, s.upload_new_dataset FROM plan.staged AS s
WHERE NOT EXISTS (
    SELECT 1 FROM items AS i INDEXED BY items_in_job
    WHERE i.campaign_id = (SELECT id FROM campaigns WHERE name = :campaign)
      AND i.line = s.line AND i.copy = s.copy
      AND i.source_id = s.source_id AND i.template = s.template
      AND i.upload_new_dataset = s.upload_new_dataset
      AND (i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown')
          OR (i.status = 'failed' AND :retry_failed = 0)))
  AND NOT EXISTS (
    SELECT 1 FROM items AS i
    WHERE i.campaign_id = (SELECT id FROM campaigns WHERE name = :campaign)
      AND i.source_id = s.source_id AND i.template = s.template
      AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy
      AND (i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown')
          OR (i.status = 'failed' AND :retry_failed = 0)))

-- name: plan_to_create
SELECT count(*) FROM (<<of_plan_to_create>>) AS w;

-- name: shared_with_plan_later
-- What other campaigns share with them: the same source, name and flag. Of those that the campaign
-- never sent, all that others have sent counts. If somebody has agreed to create them since they were
-- planned, what others had planned by then does not: items up to the number in the fact :agreed. Of the
-- rest, what others planned later (a higher number), or sent after the campaign's last run that sent
-- something. A run that crashed counts if one of its requests was answered. Campaigns that ran since
-- then are compared, and the latest one of each of the 100 jobs that ran last: this is asked every
-- night. `sent_in_all` counts each duplicate once.
WITH RECURSIVE latest AS (
    SELECT coalesce((SELECT q.id FROM campaigns AS c CROSS JOIN runs AS q
            ON q.campaign_id = c.id AND (q.requests > 0 OR EXISTS (
                SELECT 1 FROM attempts AS a WHERE a.run_id = q.id AND a.outcome = 'created'))
        WHERE c.name = :campaign ORDER BY q.id DESC LIMIT 1), 0) AS run,
        coalesce((SELECT CAST(value AS BIGINT) FROM meta WHERE key = :agreed), 0) AS agreed
),
jobs AS ( -- each step finds the next one in the index, so that not all runs are read
    SELECT min(job) AS job FROM runs
    UNION ALL
    SELECT (SELECT min(r.job) FROM runs AS r WHERE r.job > j.job) FROM jobs AS j
    WHERE j.job IS NOT NULL
),
others AS MATERIALIZED (
    SELECT r.campaign_id FROM runs AS r WHERE r.id > (SELECT run FROM latest)
    UNION
    SELECT r.campaign_id FROM (
        SELECT (SELECT max(r.id) FROM runs AS r WHERE r.job = j.job) AS run FROM jobs AS j
        WHERE j.job IS NOT NULL ORDER BY 1 DESC LIMIT 100) AS l
    JOIN runs AS r ON r.id = l.run
    EXCEPT
    SELECT id FROM campaigns WHERE name = :campaign
),
wanted AS MATERIALIZED (
    SELECT w.source_id, w.template, w.upload_new_dataset, count(*) AS items,
           (SELECT greatest(
                   CASE WHEN max(i.id) <= (SELECT agreed FROM latest)
                       THEN (SELECT agreed FROM latest) ELSE 0 END,
                   coalesce(max(i.id) FILTER (WHERE i.attempts > 0 OR i.status <> 'pending'), 0))
               FROM items AS i
               WHERE i.campaign_id = (SELECT id FROM campaigns WHERE name = :campaign)
                 AND i.source_id = w.source_id AND i.template = w.template
                 AND i.upload_new_dataset = w.upload_new_dataset) AS since
    FROM (<<of_plan_to_create>>) AS w GROUP BY w.source_id, w.template, w.upload_new_dataset
),
known AS MATERIALIZED (
    SELECT i.campaign_id, w.source_id, w.template, w.upload_new_dataset, w.items AS wanted,
           count(*) AS items,
           count(*) FILTER (WHERE (i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown'))
               AND (i.id > w.since OR EXISTS (SELECT 1 FROM attempts AS a
                   WHERE a.item_id = i.id AND a.run_id > (SELECT run FROM latest)))) AS sent
    FROM wanted AS w CROSS JOIN others AS o
    CROSS JOIN items AS i ON i.campaign_id = o.campaign_id AND i.source_id = w.source_id
        AND i.template = w.template AND i.upload_new_dataset = w.upload_new_dataset
    GROUP BY i.campaign_id, w.source_id, w.template, w.upload_new_dataset, w.items
),
shared AS (
    SELECT campaign_id, CAST(sum(least(items, wanted)) AS BIGINT) AS same,
           CAST(sum(least(sent, wanted)) AS BIGINT) AS same_sent
    FROM known GROUP BY campaign_id
)
SELECT c.id, c.name, s.same, s.same_sent, r.job, r.ledger,
       (SELECT CAST(coalesce(sum(least(k.sent, k.wanted)), 0) AS BIGINT) FROM (
           SELECT wanted, sum(sent) AS sent FROM known
           GROUP BY source_id, template, upload_new_dataset, wanted) AS k) AS sent_in_all
FROM shared AS s
JOIN campaigns AS c ON c.id = s.campaign_id
JOIN runs AS r ON r.id = (SELECT max(id) FROM runs WHERE campaign_id = c.id)
ORDER BY c.id;

-- name: plan_never_sent
-- The plan's duplicates that the campaign has never sent, by source, name and flag.
SELECT s.source_id, s.template, s.upload_new_dataset, count(*) AS items FROM plan.staged AS s
WHERE NOT EXISTS (SELECT 1 FROM items AS i
    WHERE i.campaign_id = (SELECT id FROM campaigns WHERE name = :campaign)
      AND i.source_id = s.source_id AND i.template = s.template
      AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy
      AND (i.attempts > 0 OR i.status <> 'pending'))
GROUP BY s.source_id, s.template, s.upload_new_dataset;

-- name: of_leaving
-- Part of the two statements below: what the campaign has sent, was in the job so far, and is not in
-- the plan. (Years of rows that are no longer in the job are not read.)
SELECT i.source_id, i.template, i.name, i.upload_new_dataset FROM items AS i INDEXED BY items_in_job
WHERE i.campaign_id = (SELECT id FROM campaigns WHERE name = :campaign) AND i.line IS NOT NULL
  AND (i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown'))
  AND NOT EXISTS (SELECT 1 FROM plan.staged AS s WHERE s.source_id = i.source_id
      AND s.template = i.template AND s.upload_new_dataset = i.upload_new_dataset
      AND s.copy = i.copy)

-- name: leaving
SELECT l.source_id, l.template, l.upload_new_dataset, count(*) AS items FROM (<<of_leaving>>) AS l
GROUP BY l.source_id, l.template, l.upload_new_dataset;

-- name: plan_written_again
-- How many of the plan's duplicates the campaign has never sent, although it has sent as many with
-- the same source, name and flag that are not in the plan; or with the same sent name, that were in
-- the job so far. (The names of years are not compared.)
WITH wanted AS MATERIALIZED (<<plan_never_sent>>),
leaving AS MATERIALIZED (
    SELECT l.source_id, l.name, l.upload_new_dataset FROM (<<of_leaving>>) AS l
    WHERE l.name <> l.template
),
known AS (
    SELECT w.source_id, w.template, w.upload_new_dataset, w.items AS wanted, count(*) AS items
    FROM wanted AS w CROSS JOIN items AS i
        ON i.campaign_id = (SELECT id FROM campaigns WHERE name = :campaign)
        AND i.source_id = w.source_id AND i.template = w.template
        AND i.upload_new_dataset = w.upload_new_dataset
    WHERE (i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown'))
      AND NOT EXISTS (SELECT 1 FROM plan.staged AS s WHERE s.source_id = i.source_id
          AND s.template = i.template AND s.upload_new_dataset = i.upload_new_dataset
          AND s.copy = i.copy)
    GROUP BY w.source_id, w.template, w.upload_new_dataset, w.items
    UNION ALL
    SELECT w.source_id, w.template, w.upload_new_dataset, w.items, count(*)
    FROM leaving AS l CROSS JOIN wanted AS w ON w.source_id = l.source_id
        AND w.template = l.name AND w.upload_new_dataset = l.upload_new_dataset
    GROUP BY w.source_id, w.template, w.upload_new_dataset, w.items
)
SELECT CAST(coalesce(sum(least(k.items, k.wanted)), 0) AS BIGINT) FROM (
    SELECT wanted, sum(items) AS items FROM known
    GROUP BY source_id, template, upload_new_dataset, wanted) AS k;

-- name: count_sent
-- How many duplicates of a campaign exist or may exist, counted up to :limit.
SELECT count(*) FROM (
    SELECT 1 FROM items AS i
    WHERE i.campaign_id = :campaign
      AND (i.new_batch_id IS NOT NULL OR i.status IN ('sent', 'unknown'))
    LIMIT :limit) AS s;

-- name: campaigns_with_jobs
-- Every campaign and the job of its latest run, the latest first.
SELECT c.name, r.job FROM campaigns AS c
JOIN runs AS r ON r.id = (SELECT max(id) FROM runs WHERE campaign_id = c.id)
ORDER BY r.id DESC;

-- name: plan_counts
-- How many of a job's duplicates the ledger has, by status. The rest is new.
SELECT CASE i.status WHEN 'sent' THEN 'unknown' ELSE i.status END AS status, count(*) AS items
FROM plan.staged AS s
CROSS JOIN items AS i ON i.campaign_id = :campaign AND i.source_id = s.source_id
    AND i.template = s.template
    AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy
GROUP BY 1;

-- name: plan_missing
-- The duplicates that a run of the job would create, in the job's order.
SELECT s.line, s.copy, s.copies, s.source_id, s.template, s.upload_new_dataset, i.name
FROM plan.staged AS s
LEFT JOIN items AS i ON i.campaign_id = :campaign AND i.source_id = s.source_id
    AND i.template = s.template
    AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy
WHERE i.status IS NULL OR i.status = 'pending' OR (:retry_failed = 1 AND i.status = 'failed')
ORDER BY s.place LIMIT :limit;

-- name: plan_missing_to_set_up
-- How many of the first :limit of them it sets up afterwards.
SELECT count(m.tasks_per_group) FROM (
    SELECT s.tasks_per_group
    FROM plan.staged AS s
    LEFT JOIN items AS i ON i.campaign_id = :campaign AND i.source_id = s.source_id
        AND i.template = s.template
        AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy
    WHERE i.status IS NULL OR i.status = 'pending' OR (:retry_failed = 1 AND i.status = 'failed')
    ORDER BY s.place LIMIT :limit) AS m;

-- name: plan_sources
SELECT count(DISTINCT source_id) FROM plan.staged;

-- name: source_name
SELECT v.name FROM sources AS s JOIN source_versions AS v ON v.id = s.version_id
WHERE s.source_id = :source_id AND s.run_id = :run AND s.state = 'found';

-- name: extra_columns
SELECT extra_columns FROM campaigns WHERE id = :campaign;

-- name: abandon_setups
-- A dead run may have sent these setup requests.
UPDATE setups SET outcome = 'unknown', ended_at = :now,
    error = 'the run ended before an answer was recorded'
WHERE outcome IS NULL;

-- name: suspect_setups
-- Items whose history was restored: the lost database may have known of a setup request.
INSERT INTO setups (batch_id, item_id, run_id, started_at, ended_at, outcome, error)
SELECT i.new_batch_id, i.id, :run, :now, :now, 'unknown',
    'restored from a ledger file: it may have been set up since'
FROM items AS i
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
  AND i.status = 'created'
  AND EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND a.restored = 1)
  AND NOT EXISTS (SELECT 1 FROM setups AS s WHERE s.batch_id = i.new_batch_id);

-- name: restore_setup
INSERT INTO setups (batch_id, item_id, run_id, tasks_per_group, started_at, ended_at, outcome,
    error)
VALUES (:batch_id, :item, :run, :tasks_per_group, :now, :now, :outcome, :error);

-- name: retry_setups
UPDATE setups SET void = 'retry'
WHERE outcome = 'refused' AND void IS NULL AND batch_id IN (
    SELECT new_batch_id FROM items
    WHERE campaign_id = :campaign AND line IS NOT NULL AND tasks_per_group IS NOT NULL);

-- name: wants_setups
SELECT EXISTS (SELECT 1 FROM items
    WHERE campaign_id = :campaign AND line IS NOT NULL AND tasks_per_group IS NOT NULL);

-- name: setup_counts
SELECT s.status, count(*) AS items
FROM items AS i CROSS JOIN setup_statuses AS s ON s.item_id = i.id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
GROUP BY 1;

-- name: setup_counts_of_all
-- The same for every campaign whose job asks for setups.
SELECT c.name AS campaign, s.status, count(*) AS items
FROM items AS i CROSS JOIN setup_statuses AS s ON s.item_id = i.id
CROSS JOIN campaigns AS c ON c.id = i.campaign_id
WHERE i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
GROUP BY c.id, s.status ORDER BY c.id;

-- name: setup_work
-- What a run could do for the batches that exist: set up, follow, look at an ERROR again.
SELECT count(*) FILTER (WHERE s.status IN ('pending', 'unknown')) AS open,
       count(*) FILTER (WHERE s.status = 'requested') AS requested,
       count(*) FILTER (WHERE i.new_batch_status = 'ERROR') AS errors
FROM items AS i CROSS JOIN setup_statuses AS s ON s.item_id = i.id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
  AND i.status = 'created';

-- name: count_to_set_up
-- Batches that exist and whose setup was not requested.
SELECT count(*)
FROM items AS i CROSS JOIN setup_statuses AS s ON s.item_id = i.id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
  AND i.status = 'created' AND s.status = 'pending';

-- name: plan_to_set_up
-- The same for a job that is not in the ledger yet. With :retry_failed, rejected ones count too.
SELECT count(*)
FROM plan.staged AS s
JOIN items AS i ON i.campaign_id = :campaign AND i.source_id = s.source_id
    AND i.template = s.template
    AND i.upload_new_dataset = s.upload_new_dataset AND i.copy = s.copy
WHERE s.tasks_per_group IS NOT NULL AND i.status = 'created'
  AND coalesce(i.new_batch_status, 'UNINITIALISED') = 'UNINITIALISED'
  AND NOT EXISTS (SELECT 1 FROM setups AS t WHERE t.batch_id = i.new_batch_id AND t.void IS NULL
      AND NOT (:retry_failed = 1 AND t.outcome IS 'refused'));

-- name: batches_to_set_up
-- The created batches of the job whose setup has one of these statuses, each with the request that
-- stands, and a workspace in which it probably is. `fresh`: its own answer in this run says that it
-- is not set up.
SELECT i.id, i.line, i.copy, i.new_batch_id, i.new_batch_status, t.outcome,
       t.id AS setup, greatest(r.timeout_s, coalesce(o.timeout_s, 0), CASE WHEN EXISTS (
           SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND a.restored = 1)
           THEN :default_timeout_s ELSE 0 END) AS timeout_s,
       i.settled_by = 'response' AND i.new_batch_status = 'UNINITIALISED' AND EXISTS (
           SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND a.run_id = :run
             AND a.outcome = 'created' AND a.answered_id = i.new_batch_id) AS fresh,
       coalesce(
           (SELECT v.workspace_id FROM attempts AS a
            CROSS JOIN source_versions AS v ON v.id = a.version_id
            WHERE a.item_id = i.id ORDER BY a.id DESC LIMIT 1),
           (SELECT v.workspace_id FROM source_versions AS v WHERE v.source_id = i.source_id
            ORDER BY v.id DESC LIMIT 1)) AS workspace_id
FROM items AS i
CROSS JOIN setup_statuses AS s ON s.item_id = i.id
CROSS JOIN runs AS r ON r.id = :run
LEFT JOIN setups AS t ON t.batch_id = i.new_batch_id AND t.void IS NULL
LEFT JOIN runs AS o ON o.id = t.run_id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.status = 'created'
  AND s.status IN (SELECT value FROM json_each(:statuses))
ORDER BY i.line, i.copy;

-- name: add_setup
-- The intent. Nothing is inserted if the item has another batch by now, if its batch is set up, or
-- if a request for it stands.
INSERT INTO setups (batch_id, item_id, run_id, tasks_per_group, started_at)
SELECT i.new_batch_id, i.id, :run, i.tasks_per_group, :now
FROM items AS i
WHERE i.id = :item AND i.status = 'created' AND i.new_batch_id = :batch_id AND i.line IS NOT NULL
  AND i.tasks_per_group IS NOT NULL
  AND coalesce(i.new_batch_status, 'UNINITIALISED') = 'UNINITIALISED'
  AND NOT EXISTS (SELECT 1 FROM setups AS s WHERE s.batch_id = i.new_batch_id AND s.void IS NULL)
RETURNING id, tasks_per_group;

-- name: touch_item
UPDATE items SET run_id = :run WHERE id = :item;

-- name: setup_label
SELECT i.id, i.line, i.copy, i.source_id, i.new_batch_name AS name, i.new_batch_id,
       i.tasks_per_group, s.status, i.new_batch_status,
       CASE WHEN i.new_batch_status = 'ERROR' THEN i.setup_error ELSE
           (SELECT t.error FROM setups AS t WHERE t.batch_id = i.new_batch_id
              AND t.void IS NULL) END AS setup_error,
       (SELECT count(*) FROM setups AS t WHERE t.batch_id = i.new_batch_id
          AND t.tasks_per_group IS NOT NULL AND t.outcome IS NOT 'not_left') AS sent
FROM items AS i CROSS JOIN setup_statuses AS s ON s.item_id = i.id
WHERE i.id = :item;

-- name: end_setup
UPDATE setups SET outcome = :outcome, ended_at = :now, http_status = :http_status, error = :error,
    void = :void
WHERE id = :setup;

-- name: void_setup
UPDATE setups SET void = 'absence' WHERE id = :setup AND void IS NULL AND outcome = 'unknown';

-- name: see_batch
-- The status of a batch as the API shows it. A batch that was seen set up stays so: a listing may
-- be late.
UPDATE items SET new_batch_status = :status, setup_error = :error, run_id = :run
WHERE new_batch_id = :batch_id
  AND (new_batch_status IS NOT :status OR setup_error IS NOT :error)
  AND (:status <> 'UNINITIALISED'
       OR coalesce(new_batch_status, 'UNINITIALISED') = 'UNINITIALISED')
RETURNING id;

-- name: mark_setup_started
-- As `mark_started`, before the first setup request.
UPDATE items SET run_id = :run WHERE id = (
    SELECT i.id FROM items AS i CROSS JOIN setup_statuses AS s ON s.item_id = i.id
    WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
      AND i.status = 'created' AND s.status IN ('pending', 'unknown')
    ORDER BY i.line, i.copy LIMIT 1);

-- name: changed_setups
-- Batches that were set up with another number than the job asks for now.
SELECT t.tasks_per_group AS sent, i.tasks_per_group AS wanted, count(*) AS items
FROM items AS i CROSS JOIN setups AS t ON t.batch_id = i.new_batch_id AND t.void IS NULL
    AND t.outcome IN ('accepted', 'unknown') AND t.tasks_per_group <> i.tasks_per_group
CROSS JOIN setup_statuses AS s ON s.item_id = i.id AND s.status <> 'unknown'
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: plan_changed_setups
-- The same for a job that is not in the ledger yet.
SELECT t.tasks_per_group AS sent, p.tasks_per_group AS wanted, count(*) AS items
FROM plan.staged AS p
CROSS JOIN items AS i ON i.campaign_id = :campaign AND i.source_id = p.source_id
    AND i.template = p.template
    AND i.upload_new_dataset = p.upload_new_dataset AND i.copy = p.copy
CROSS JOIN setups AS t ON t.batch_id = i.new_batch_id AND t.void IS NULL
    AND t.outcome IN ('accepted', 'unknown') AND t.tasks_per_group <> p.tasks_per_group
CROSS JOIN setup_statuses AS s ON s.item_id = i.id AND s.status <> 'unknown'
WHERE p.tasks_per_group IS NOT NULL
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: setup_reasons
-- Why batches are not set up.
SELECT s.status, CASE WHEN i.new_batch_status = 'ERROR' THEN i.setup_error ELSE t.error END AS error,
       i.new_batch_status = 'ERROR' AS is_error, count(*) AS items
FROM items AS i
CROSS JOIN setup_statuses AS s ON s.item_id = i.id
LEFT JOIN setups AS t ON t.batch_id = i.new_batch_id AND t.void IS NULL
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.tasks_per_group IS NOT NULL
  AND i.status = 'created' AND s.status IN ('failed', 'unknown')
GROUP BY 1, 2, 3;

-- name: of_ledger_rows
-- Part of the two statements below: first the file's columns in their order, then the values that
-- some of them depend on. An item without a line has no cells.
SELECT i.line, i.source_id, i.new_batch_name, i.upload_new_dataset, i.copy, i.status,
    i.new_batch_id, i.new_batch_status,
       i.created_at, i.settled_by, i.attempts, i.http_status, i.error, i.first_sent_at,
           i.last_sent_at, :name, r.run_id,
       CASE WHEN i.tasks_per_group IS NOT NULL THEN coalesce(
           -- What was sent, also without an answer, if it took effect.
           (SELECT t.tasks_per_group FROM setups AS t
            WHERE t.batch_id = i.new_batch_id AND t.void IS NULL AND (t.outcome = 'accepted'
                OR (t.outcome = 'unknown' AND i.new_batch_status IN ('PROCESSING', 'READY')))),
           i.tasks_per_group) END AS tasks_per_group,
       CASE WHEN i.tasks_per_group IS NULL THEN '' ELSE
           (SELECT s.status FROM setup_statuses AS s WHERE s.item_id = i.id) END AS setup_status,
       (SELECT json_group_array(json_array(d.kind, d.shown, d.expected))
        FROM differences AS d WHERE d.item_id = i.id GROUP BY d.item_id),
       CASE WHEN i.tasks_per_group IS NULL OR i.status <> 'created' THEN NULL
           WHEN i.new_batch_status = 'ERROR' THEN i.setup_error ELSE
               (SELECT t.error FROM setups AS t
                WHERE t.batch_id = i.new_batch_id AND t.void IS NULL) END AS setup_error,
       i.id AS item, i.name AS sent_name, i.template, coalesce(i.copies, i.copy) AS copies,
       v.name AS source_name, e.cells, i.reason, i.candidates,
       CASE WHEN i.candidates > 0 THEN (SELECT json_group_array(c.batch_id)
           FROM (SELECT batch_id FROM candidates WHERE item_id = i.id ORDER BY place) AS c)
           END AS named
FROM items AS i
LEFT JOIN runs AS r ON r.id = i.run_id
LEFT JOIN sources AS s ON s.source_id = i.source_id
LEFT JOIN source_versions AS v ON v.id = s.version_id
LEFT JOIN extras AS e ON e.campaign_id = i.campaign_id AND e.line = i.line;

-- name: ledger_rows
-- The ledger file's rows, in the job's order. With :created 1 only the created ones, with 0 only the
-- others.
<<of_ledger_rows>>
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND (CAST(:created AS INTEGER) IS NULL
    OR CASE WHEN i.status = 'created' THEN 1 ELSE 0 END = CAST(:created AS INTEGER))
ORDER BY i.line, i.copy;

-- name: dropped_rows
-- The same for items that are no longer in the job.
<<of_ledger_rows>>
WHERE i.campaign_id = :campaign AND i.line IS NULL
ORDER BY i.id;

-- name: of_latest_run
-- With the campaign's latest {date}: runs that settle or restore have none.
SELECT r.run_id, r.ledger, r.job, r.host, c.name AS campaign,
       (SELECT d.date FROM runs AS d WHERE d.campaign_id = c.id AND d.date IS NOT NULL
           ORDER BY d.id DESC LIMIT 1) AS date
FROM runs AS r JOIN campaigns AS c ON c.id = r.campaign_id;

-- name: latest_run_of_job
<<of_latest_run>>
WHERE r.job = :job ORDER BY r.id DESC LIMIT 1;

-- name: latest_run_of_job_on
<<of_latest_run>>
WHERE r.job = :job AND r.host = :host ORDER BY r.id DESC LIMIT 1;

-- name: latest_run_of_name
-- Of a job file of this name in any folder: `slash` and `backslash` are the name after them.
<<of_latest_run>>
WHERE substr(r.job, greatest(1, length(r.job) - length(CAST(:slash AS TEXT)) + 1))
      IN (:slash, :backslash)
ORDER BY r.id DESC LIMIT 1;

-- name: latest_run_of_campaign
<<of_latest_run>>
WHERE c.name = :campaign ORDER BY r.id DESC LIMIT 1;

-- name: api_url
SELECT value FROM meta WHERE key = 'api_url';

-- name: api_url_of_old
-- The same for a database with a schema before 7.
SELECT value FROM facts WHERE key = 'api_url';

-- name: version
PRAGMA user_version;

-- name: path
-- The name under which the database was last opened for writing.
SELECT value FROM meta WHERE key = 'path';

-- name: path_of_old
-- The same for a database with a schema before 7.
SELECT value FROM facts WHERE key = 'path';

-- name: holder
-- The newest run, unless it has ended. An older one without an end has died: the next one began after
-- it.
SELECT host, pid, started_at FROM runs
WHERE ended_at IS NULL AND id = (SELECT max(id) FROM runs);

-- name: last_elsewhere
-- Part of the statement below: the campaign of the job file's latest run in another campaign. Only
-- with :dated, if each date has a campaign: for other jobs, every run would be read.
SELECT r.campaign_id FROM runs AS r JOIN campaigns AS o ON o.id = r.campaign_id
WHERE CAST(:dated AS INTEGER) = 1 AND r.job = :job AND o.name <> :campaign
ORDER BY r.id DESC LIMIT 1

-- name: unfinished_elsewhere
-- Other campaigns of the same job file that have unfinished rows, and the one before this (`is_last`)
-- also if it has batches that are not set up. The rows come from the indexes of unfinished rows: a
-- job may have had a campaign each night for years.
SELECT c.name AS campaign, sum(i.item) AS items, sum(i.set_up) AS set_up,
    c.id = (<<last_elsewhere>>) AS is_last
FROM (
    SELECT campaign_id, 1 AS item, 0 AS set_up FROM items INDEXED BY items_todo
    WHERE line IS NOT NULL AND status = 'pending'
      AND campaign_id < coalesce((SELECT id FROM campaigns WHERE name = :campaign), 0)
    UNION ALL
    SELECT campaign_id, 1, 0 FROM items INDEXED BY items_todo
    WHERE line IS NOT NULL AND status = 'pending'
      AND campaign_id > coalesce((SELECT id FROM campaigns WHERE name = :campaign), 0)
    UNION ALL
    SELECT campaign_id, 1, 0 FROM items INDEXED BY items_unclear
    WHERE line IS NOT NULL AND status IN ('sent', 'unknown')
    UNION ALL
    SELECT t.campaign_id, 0, 1
    FROM items AS t CROSS JOIN setup_statuses AS s ON s.item_id = t.id
    WHERE t.campaign_id = (<<last_elsewhere>>) AND t.line IS NOT NULL
      AND t.tasks_per_group IS NOT NULL AND t.status = 'created'
      AND s.status IN ('pending', 'unknown', 'failed')
) AS i CROSS JOIN campaigns AS c ON c.id = i.campaign_id
WHERE c.name <> :campaign
  AND EXISTS (SELECT 1 FROM runs AS r WHERE r.campaign_id = c.id AND r.job = :job)
  -- If all runs of a campaign were declined, nobody meant to create it.
  AND EXISTS (SELECT 1 FROM runs AS r WHERE r.campaign_id = c.id AND r.stopped_by IS NOT 'declined')
GROUP BY c.id ORDER BY c.id DESC;

-- name: campaigns
SELECT c.name AS campaign, c.created_at,
       count(i.id) AS items,
       count(*) FILTER (WHERE i.status = 'created') AS created,
       count(*) FILTER (WHERE i.status = 'failed') AS failed,
       count(*) FILTER (WHERE i.status IN ('unknown', 'sent')) AS unknown,
       count(*) FILTER (WHERE i.status = 'pending') AS pending
FROM campaigns AS c LEFT JOIN items AS i ON i.campaign_id = c.id AND i.line IS NOT NULL
GROUP BY c.id ORDER BY c.id;

-- name: runs
-- A run records at its end how many it created; until then, its attempts are counted.
SELECT r.run_id, c.name AS campaign, r.job, r.ledger, r.host, r.pid, r.started_at, r.ended_at,
    r.stopped_by, r.exit_code,
       CASE WHEN r.ended_at IS NULL
            THEN (SELECT count(*) FROM attempts AS a WHERE a.run_id = r.id
                AND a.outcome = 'created')
            ELSE r.created END AS created,
       r.requests, r.throttled, r.kind, r.kind AS command
FROM runs AS r JOIN campaigns AS c ON c.id = r.campaign_id
WHERE CAST(:since AS TEXT) IS NULL OR r.started_at >= CAST(:since AS TEXT)
ORDER BY r.id;

-- name: report_counts
-- The job's duplicates, by status and by how the created ones are known.
SELECT status, settled_by, count(*) AS items FROM items WHERE campaign_id = :campaign
    AND line IS NOT NULL GROUP BY 1, 2;

-- name: report_size
SELECT count(*) FILTER (WHERE line IS NULL) AS dropped,
    count(DISTINCT source_id) FILTER (WHERE line IS NOT NULL) AS sources
FROM items WHERE campaign_id = :campaign;

-- name: report_tries
-- How many of the job's duplicates took how many requests.
SELECT attempts, count(*) AS items FROM items
WHERE campaign_id = :campaign AND line IS NOT NULL GROUP BY attempts ORDER BY attempts;

-- name: report_runs
-- The campaign's runs, the latest first. A run records at its end how many it created; until then,
-- its attempts are counted.
SELECT r.id, r.run_id, c.name AS campaign, r.job, r.ledger, r.host, r.pid, r.started_at, r.ended_at,
       r.stopped_by, r.exit_code,
       CASE WHEN r.ended_at IS NULL
            THEN (SELECT count(*) FROM attempts AS a WHERE a.run_id = r.id
                AND a.outcome = 'created')
            ELSE r.created END AS created,
       r.requests, r.throttled, r.kind
FROM runs AS r JOIN campaigns AS c ON c.id = r.campaign_id
WHERE r.campaign_id = :campaign ORDER BY r.id DESC LIMIT :limit;

-- name: report_comparable_runs
-- The runs up to :run that sent something, of its job or its campaign, the latest first.
SELECT r.id, r.run_id, c.name AS campaign, r.job, r.ledger, r.host, r.pid, r.started_at, r.ended_at,
       r.stopped_by, r.exit_code,
       CASE WHEN r.ended_at IS NULL
            THEN (SELECT count(*) FROM attempts AS a WHERE a.run_id = r.id
                AND a.outcome = 'created')
            ELSE r.created END AS created,
       r.requests, r.throttled, r.kind
FROM runs AS l
JOIN runs AS r ON r.id <= l.id AND (r.job = l.job OR r.campaign_id = l.campaign_id)
JOIN campaigns AS c ON c.id = r.campaign_id
WHERE l.id = :run AND r.kind = 'run' AND (r.requests > 0 OR r.ended_at IS NULL)
ORDER BY r.id DESC LIMIT :limit;

-- name: report_unknown_outcomes
-- By run, from the run :first on: requests that may have created a batch. Attempts are numbered in the
-- order of runs.
SELECT run_id AS run, count(*) AS requests FROM attempts
WHERE id > coalesce((SELECT id FROM attempts WHERE run_id < :first ORDER BY id DESC LIMIT 1), 0)
    AND outcome = 'unknown'
GROUP BY run_id;

-- name: report_run_count
SELECT count(*) AS runs FROM runs WHERE campaign_id = :campaign;

-- name: report_last_sending_run
-- The campaign's latest run that sent a request, and when its last attempt began. Attempts are
-- numbered in the order of runs. A run whose details were forgotten does not count.
SELECT r.id, r.run_id, r.host, r.pid, r.started_at, r.ended_at, r.ceiling, a.started_at AS last_at
FROM attempts AS a CROSS JOIN runs AS r ON r.id = a.run_id
WHERE r.campaign_id = :campaign AND a.restored = 0
  AND r.started_at >= coalesce((SELECT value FROM meta WHERE key = 'forgotten_before'), '')
ORDER BY a.id DESC LIMIT 1;

-- name: report_attempts
SELECT started_at, ended_at, latency_s, outcome, http_status FROM attempts
WHERE run_id = :run AND id > coalesce((SELECT id FROM attempts WHERE run_id < :run
    ORDER BY id DESC LIMIT 1), 0)
ORDER BY id;

-- name: report_rate_changes
SELECT at, wait_s, rate, why FROM rate_changes WHERE run_id = :run ORDER BY id LIMIT :limit;

-- name: report_notifications
-- What was sent about the campaign's latest run; `settle` and `--restore` send nothing.
SELECT kind, at, trouble FROM notifications
WHERE run_id = (SELECT max(id) FROM runs WHERE campaign_id = :campaign AND kind = 'run') ORDER BY at, id;

-- name: report_settled
-- How many duplicates a run found by its listings, how many became created after it, and when it
-- last listed a workspace.
SELECT (SELECT count(*) FROM attempts AS a CROSS JOIN items AS i ON i.id = a.item_id
        WHERE a.settled_run = :run AND a.closed_by = 'listing'
          AND i.campaign_id = :campaign AND i.line IS NOT NULL) AS settled,
       (SELECT count(*) FROM items AS i
        WHERE i.campaign_id = :campaign AND i.line IS NOT NULL AND i.status = 'created'
          AND EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND (
              (a.run_id > :run AND a.outcome = 'created') OR a.settled_run > :run))) AS later,
       (SELECT max(left_at) FROM listings WHERE run_id = :run) AS at;

-- name: report_source
SELECT name FROM source_versions WHERE source_id = :source_id ORDER BY id DESC LIMIT 1;

-- name: report_candidate
-- A batch that could be the copy of :item: as a listing showed it, and what speaks for it (1) and
-- against it (0). No row if the batch has an owner by now.
SELECT s.name, s.created_at, s.status, c.name_fits, c.details_fit, c.datasets_fit, c.time_fits,
    c.creator_fits
FROM (SELECT CAST(:batch_id AS TEXT) AS id) AS b
LEFT JOIN unowned_batches AS s ON s.batch_id = b.id
LEFT JOIN candidates AS c ON c.item_id = :item AND c.batch_id = b.id
WHERE NOT EXISTS (SELECT 1 FROM items AS i WHERE i.new_batch_id = b.id);

-- name: proposals
-- The unknown duplicates of the job, in its order, each with the batches that could be its copy, as
-- a listing showed them, and what speaks for (1) and against (0) each. With :under_way also those
-- whose request is recorded as under way. A batch may have an owner by now.
SELECT i.id AS item, i.line, i.copy, i.copies, i.source_id, v.name AS source_name,
    i.name AS sent_name, i.template, i.status, i.attempts + CASE WHEN i.status = 'sent' THEN 1 ELSE 0 END AS attempts,
    i.last_sent_at, i.reason, i.error,
    i.candidates, c.batch_id, s.name, s.created_at, s.status AS batch_status, c.name_fits,
    c.details_fit, c.datasets_fit, c.time_fits, c.creator_fits, r.run_id AS restored_by,
    EXISTS (SELECT 1 FROM items AS w WHERE w.new_batch_id = c.batch_id) AS is_owned
FROM items AS i
LEFT JOIN sources AS o ON o.source_id = i.source_id
LEFT JOIN source_versions AS v ON v.id = o.version_id
LEFT JOIN attempts AS t ON t.item_id = i.id AND t.closed_by IS NULL AND t.restored = 1
LEFT JOIN runs AS r ON r.id = t.run_id
LEFT JOIN candidates AS c ON c.item_id = i.id AND i.status = 'unknown'
LEFT JOIN unowned_batches AS s ON s.batch_id = c.batch_id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL
    AND (i.status = 'unknown' OR (i.status = 'sent' AND :under_way = 1))
ORDER BY i.line, i.copy, c.place;

-- name: shared_candidates
-- The batches that could be the copy of several unknown duplicates, of any campaign: each with those
-- duplicates, and what speaks for and against it.
SELECT c.batch_id, c.item_id, s.name, i.name AS sent_name, i.template, i.copy, i.copies,
    v.name AS source_name,
    c.name_fits, c.details_fit, c.datasets_fit, c.time_fits, c.creator_fits
FROM candidates AS c JOIN items AS i ON i.id = c.item_id AND i.status = 'unknown'
LEFT JOIN unowned_batches AS s ON s.batch_id = c.batch_id
LEFT JOIN sources AS o ON o.source_id = i.source_id
LEFT JOIN source_versions AS v ON v.id = o.version_id
WHERE c.batch_id IN (SELECT batch_id FROM candidates GROUP BY batch_id HAVING count(*) > 1)
ORDER BY c.batch_id, c.item_id;

-- name: open_attempts
-- Every open attempt of all campaigns, with everything that settling compares. A source counts as
-- unchanged only if the latest listing shows it unchanged: one that is no longer shown may have been
-- edited before it disappeared.
WITH
-- The listings that showed this token a batch which only one person's requests can have created.
shown AS MATERIALIZED (
    SELECT min(pr.me) AS me, l.listing
    FROM temp.listed_names AS l
    CROSS JOIN items AS oi ON oi.new_batch_id = l.batch_id AND oi.settled_by <> 'person'
    CROSS JOIN attempts AS oa ON oa.item_id = oi.id
    CROSS JOIN runs AS pr ON pr.id = oa.run_id
    GROUP BY oi.id, l.listing HAVING count(DISTINCT coalesce(pr.me, '')) = 1),
-- The users whom every 201 with a creator named as the creator of what they had requested. An API
-- may also copy the creator of the source.
told_apart AS MATERIALIZED (
    SELECT u.me
    FROM (SELECT DISTINCT q.me FROM attempts AS o INDEXED BY attempts_open
          CROSS JOIN runs AS q ON q.id = o.run_id WHERE o.closed_by IS NULL) AS u
    WHERE EXISTS (
        SELECT 1 FROM runs AS p
        CROSS JOIN attempts AS o ON o.run_id = p.id AND o.created_by = p.me
        WHERE p.me = u.me AND o.outcome = 'created')
      AND NOT EXISTS (
        SELECT 1 FROM runs AS p
        CROSS JOIN attempts AS o ON o.run_id = p.id AND (o.created_by < p.me OR o.created_by > p.me)
        WHERE p.me = u.me AND o.outcome = 'created'))
SELECT a.id, a.item_id, a.run_id, a.listing, a.date_before, a.left_server, a.ended_server,
    a.date_after, a.answer_date, a.answered_id,
       a.sent_name, i.source_id, i.upload_new_dataset, i.campaign_id,
       CASE a.restored WHEN 1 THEN n.me ELSE r.me END AS me,
       CASE a.restored WHEN 1 THEN greatest(r.timeout_s, n.timeout_s, :default_timeout_s)
           ELSE r.timeout_s END AS timeout_s,
       greatest(r.settle_after_s, n.settle_after_s) AS settle_after_s, a.restored, a.unsent,
       a.restored = 1 AND i.name IS NULL AND i.template <> '' AS name_guessed,
       a.restored = 0 AND r.me IS NOT n.me AND NOT (
           EXISTS (SELECT 1 FROM temp.listed_names AS l WHERE l.batch_id = i.source_id
               AND l.listing = t.number)
           AND EXISTS (SELECT 1 FROM shown AS s WHERE s.me = r.me
               AND s.listing = t.number)) AS hidden,
       EXISTS (SELECT 1 FROM items AS o WHERE o.new_batch_id = i.source_id)
           OR i.source_id IN (SELECT batch_id FROM foreign_batches) AS of_known_copy,
       (SELECT o.listing FROM unowned_batches AS o WHERE o.batch_id = i.source_id)
           AS source_listing,
       v.name AS source_name, v.workspace_id, v.details, v.loose_details, v.datasets,
       a.source_changed = 1
           OR EXISTS (SELECT 1 FROM source_versions AS o WHERE o.source_id = i.source_id
               AND o.id > a.version_id)
           OR EXISTS (SELECT 1 FROM sources AS o WHERE o.source_id = i.source_id
               AND o.version_id <> a.version_id)
           OR NOT EXISTS (
               SELECT 1 FROM temp.listed_names AS l WHERE l.batch_id = i.source_id
                   AND l.listing = t.number)
           AS source_changed,
       -- A complete listing lacks the source, and it exists.
       NOT EXISTS (SELECT 1 FROM temp.listed_names AS l WHERE l.batch_id = i.source_id
               AND l.listing = t.number)
           AND i.source_id NOT IN (SELECT batch_id FROM temp.denied) AS moved,
       r.me IS NOT NULL AND r.me IN (SELECT me FROM told_apart) AS tells_people_apart
FROM attempts AS a INDEXED BY attempts_open
CROSS JOIN items AS i ON i.id = a.item_id
CROSS JOIN runs AS r ON r.id = a.run_id
CROSS JOIN runs AS n ON n.id = :run
LEFT JOIN source_versions AS v ON v.id = a.version_id
LEFT JOIN listings AS t ON t.number = (SELECT max(number) FROM listings AS w
    WHERE w.workspace_id = v.workspace_id)
WHERE a.closed_by IS NULL
ORDER BY a.id;

-- name: open_sources
SELECT DISTINCT i.source_id FROM attempts AS a CROSS JOIN items AS i ON i.id = a.item_id
    WHERE a.closed_by IS NULL;

-- name: has_open_attempts
SELECT EXISTS (SELECT 1 FROM attempts WHERE closed_by IS NULL);

-- name: count_own_unknown
SELECT count(*) FROM items WHERE campaign_id = :campaign AND line IS NOT NULL
    AND status IN ('unknown', 'sent');

-- name: campaigns_with_open_attempts
SELECT c.name FROM attempts AS a JOIN items AS i ON i.id = a.item_id JOIN campaigns AS c
    ON c.id = i.campaign_id
WHERE a.closed_by IS NULL GROUP BY c.id, c.name ORDER BY c.id;

-- name: count_unknown
-- A request that is under way in a run that works is not unknown.
SELECT count(*) FROM items WHERE status = 'unknown' OR (status = 'sent' AND :active = 0);

-- name: note_date_after
-- The first Date that came after these attempts were given up.
UPDATE attempts SET date_after = :date WHERE closed_by IS NULL AND outcome = 'unknown'
    AND date_after IS NULL;

-- name: offset
-- created_at minus server time: what all 201s of these runs allow, with a margin at both ends for
-- the header's whole second and for jitter.
SELECT max(created_server - coalesce(answer_date + 1, ended_server)) - 1 AS low,
       min(created_server - left_server) + 1 AS high
FROM attempts
WHERE run_id IN (:run, :other) AND outcome = 'created' AND created_server IS NOT NULL
    AND left_server IS NOT NULL;

-- name: add_unowned_batch
-- What a GET showed has the number that the next listing was expected to get. Numbers may be left
-- out: a server forgets some when it crashes.
INSERT INTO unowned_batches (batch_id, workspace_id, listing, name, created_at, created_s,
    created_by, status, details,
                       loose_details, datasets, instructions, auto_sync)
SELECT :batch_id, :workspace_id, (SELECT min(number) FROM listings WHERE number >= s.listing),
    :name, :created_at,
    CAST(:created_s AS DOUBLE PRECISION), :created_by, :status, :details, :loose_details, :datasets,
    CAST(:instructions AS INTEGER), CAST(:auto_sync AS INTEGER)
FROM seen AS s
WHERE s.workspace_id = :workspace_id AND s.batch_id = :batch_id AND s.listing > :baseline
  AND NOT EXISTS (SELECT 1 FROM items AS i WHERE i.new_batch_id = :batch_id)
-- The latest look counts, because a batch may be listed before it is complete. If looks differ, they
-- no longer prove anything.
ON CONFLICT (batch_id) DO UPDATE
SET workspace_id = excluded.workspace_id, name = excluded.name, status = excluded.status,
    created_at = excluded.created_at, created_s = excluded.created_s,
    created_by = excluded.created_by, details = excluded.details, datasets = excluded.datasets,
    instructions = excluded.instructions, auto_sync = excluded.auto_sync,
    loose_details = CASE WHEN unowned_batches.name = excluded.name
        AND unowned_batches.loose_details = excluded.loose_details
        AND unowned_batches.datasets = excluded.datasets THEN excluded.loose_details ELSE '' END;

-- name: oldest_open_baseline
SELECT min(listing) FROM attempts WHERE closed_by IS NULL;

-- name: unowned_batches_of
-- The batches that listings have shown in a workspace and that nobody owns.
SELECT s.* FROM unowned_batches AS s
WHERE s.workspace_id = :workspace_id AND NOT EXISTS (SELECT 1 FROM items AS i
    WHERE i.new_batch_id = s.batch_id)
  AND s.batch_id NOT IN (SELECT batch_id FROM foreign_batches);

-- name: fidelity_of
-- A batch that one of our 201s named: what was sent, to compare with what a listing shows. It shows
-- whether copying keeps name, details and datasets.
SELECT a.sent_name, v.name AS source_name, v.details, v.datasets, i.upload_new_dataset
FROM items AS i
CROSS JOIN attempts AS a ON a.item_id = i.id AND a.outcome = 'created' AND a.answered_id = :batch_id
CROSS JOIN source_versions AS v ON v.id = a.version_id
WHERE i.new_batch_id = :batch_id AND i.settled_by = 'response';

-- name: changed_details
-- The task details of sources that were seen with different ones.
SELECT DISTINCT v.details FROM source_versions AS v
WHERE EXISTS (SELECT 1 FROM source_versions AS o
    WHERE o.source_id = v.source_id AND o.details <> v.details);

-- name: found_name_of
-- How a batch without a 201 in this database was named when it was requested: a ledger file says
-- that an answer named it (`answered`), or settling found it. One row for each name that its source
-- was seen with.
SELECT i.name, i.template, i.copies, v.name AS source_name, i.settled_by = 'response' AS answered
FROM items AS i
LEFT JOIN source_versions AS v ON v.source_id = i.source_id
WHERE i.new_batch_id = :batch_id AND i.settled_by IN ('response', 'listing')
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND a.outcome = 'created'
      AND a.answered_id = i.new_batch_id);

-- name: sources_of_file
-- The sources of a campaign's rows that were restored: its ledger file named them.
SELECT DISTINCT i.source_id FROM items AS i
WHERE i.campaign_id = :campaign AND (
    EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND a.restored = 1)
    OR i.status = 'created' AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id));

-- name: latest_of_file
-- When the newest batch was created that the campaign's ledger file names, as `created_at` has it.
SELECT max(i.created_at) FROM items AS i
WHERE i.campaign_id = :campaign AND i.status = 'created'
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id);

-- name: not_shown
-- The batches that this listing should show but does not: those that earlier listings of this run
-- and GETs showed, those that this run created long enough ago, and the sources of all open attempts
-- there.
SELECT batch_id FROM temp.listed_names WHERE workspace_id = :workspace_id AND listing < :number
UNION
SELECT a.answered_id FROM attempts AS a CROSS JOIN source_versions AS v ON v.id = a.version_id
WHERE a.run_id = :run AND a.outcome = 'created' AND v.workspace_id = :workspace_id
    AND a.ended_server < :made_before
  AND a.answered_id NOT IN (SELECT batch_id FROM temp.listed_names)
UNION
SELECT i.source_id FROM attempts AS a
CROSS JOIN items AS i ON i.id = a.item_id CROSS JOIN source_versions AS v ON v.id = a.version_id
WHERE a.closed_by IS NULL AND v.workspace_id = :workspace_id
  AND i.source_id NOT IN (SELECT batch_id FROM temp.listed_names WHERE listing = :number)
  AND i.source_id NOT IN (SELECT batch_id FROM temp.denied)
LIMIT :limit;

-- name: known_and_not_shown
-- The batches that this listing does not show although any listing, an answer of an earlier run, or a
-- restored ledger file named them in the workspace.
SELECT k.batch_id FROM (
    SELECT s.batch_id FROM seen AS s WHERE s.workspace_id = :workspace_id
    UNION
    SELECT a.answered_id FROM attempts AS a CROSS JOIN source_versions AS v ON v.id = a.version_id
    WHERE a.answered_id IS NOT NULL AND a.run_id <> :run AND v.workspace_id = :workspace_id
    UNION
    SELECT i.new_batch_id FROM items AS i
    CROSS JOIN sources AS o ON o.source_id = i.source_id
    CROSS JOIN source_versions AS v ON v.id = o.version_id
    WHERE i.status = 'created' AND v.workspace_id = :workspace_id
      AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id)) AS k
WHERE k.batch_id NOT IN (SELECT batch_id FROM temp.listed_names WHERE listing = :number)
  AND k.batch_id NOT IN (SELECT batch_id FROM temp.denied)
LIMIT :limit;

-- name: shows_nothing_known
-- Whether batches were seen in the workspace before, and this listing shows none of them.
SELECT EXISTS (SELECT 1 FROM seen WHERE workspace_id = :workspace_id AND listing < :number)
   AND NOT EXISTS (
       SELECT 1 FROM temp.listed_names AS l
       CROSS JOIN seen AS s ON s.workspace_id = :workspace_id AND s.batch_id = l.batch_id
       WHERE l.listing = :number AND s.listing < :number);

-- name: forget_listed
DELETE FROM temp.listed_names WHERE batch_id = :batch_id;

-- name: forget_moved
DELETE FROM temp.listed_names WHERE batch_id = :batch_id AND workspace_id = :workspace_id;

-- name: deny
INSERT INTO temp.denied (batch_id) VALUES (:batch_id) ON CONFLICT DO NOTHING;

-- name: shows_our_newest
-- Whether a listing shows the newest batch that this database created in the workspace, and the
-- sources of all open attempts there. A page in order of age that shows both cuts off nothing
-- between them.
SELECT NOT EXISTS (
    SELECT 1 FROM attempts AS a
    CROSS JOIN source_versions AS v ON v.id = a.version_id
    WHERE a.closed_by IS NULL AND v.workspace_id = :workspace_id
      AND v.source_id NOT IN (SELECT batch_id FROM temp.listed_names WHERE listing = :number)
      AND v.source_id NOT IN (SELECT batch_id FROM temp.denied)
) AND EXISTS (
    SELECT 1 FROM temp.listed_names AS l WHERE l.listing = :number AND l.batch_id = (
        SELECT a.answered_id FROM attempts AS a CROSS JOIN source_versions AS v
            ON v.id = a.version_id
        WHERE a.outcome = 'created' AND v.workspace_id = :workspace_id ORDER BY a.id DESC LIMIT 1));

-- name: close_attempt
UPDATE attempts SET closed_by = :closed_by, answered_id = coalesce(:batch_id, answered_id),
    settled_run = :run
WHERE id = :attempt;

-- name: reopen_attempt
UPDATE attempts SET closed_by = NULL, answered_id = NULL, settled_run = NULL WHERE item_id = :item
    AND closed_by = 'listing' AND answered_id = :batch_id;

-- name: settle_created
-- PROCESSING may come from the copying itself: where a setup is wanted, a look must show it later.
UPDATE items
SET status = 'created', settled_by = :settled_by, new_batch_id = :batch_id, new_batch_name = :name,
    new_batch_status = CASE WHEN tasks_per_group IS NULL OR :batch_status <> 'PROCESSING'
        THEN :batch_status END,
    created_at = :created_at, error = NULL, reason = NULL,
    -- Of a restored item without requests it is only the earliest possible time.
    first_sent_at = CASE WHEN attempts > 0 THEN first_sent_at END,
    candidates = 0, run_id = :run
WHERE id = :item;

-- name: settle_absent
UPDATE items
SET status = 'pending', error = :error, reason = :reason, candidates = 0, http_status = NULL,
    first_sent_at = CASE WHEN attempts > 0 THEN first_sent_at END, run_id = :run
WHERE id = :item;

-- name: settle_unknown
UPDATE items
SET status = 'unknown', settled_by = NULL, new_batch_id = NULL, new_batch_name = NULL,
    new_batch_status = NULL,
    created_at = NULL, error = :error, reason = :reason, candidates = :candidates, run_id = :run
WHERE id = :item;

-- name: source_content
-- What is known of an item's source, to compare its copy with.
SELECT s.instructions, s.auto_sync, v.datasets, i.upload_new_dataset
FROM items AS i
CROSS JOIN sources AS s ON s.source_id = i.source_id
CROSS JOIN source_versions AS v ON v.id = s.version_id
WHERE i.id = :item;

-- name: add_difference
INSERT INTO differences (item_id, kind, shown, expected) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (item_id, kind) DO UPDATE SET shown = excluded.shown, expected = excluded.expected;

-- name: forget_differences
DELETE FROM differences WHERE item_id = :item;

-- name: count_differing
-- How many of the job's copies differ from their source.
SELECT count(DISTINCT d.item_id) FROM differences AS d CROSS JOIN items AS i ON i.id = d.item_id
WHERE i.campaign_id = :campaign AND i.line IS NOT NULL;

-- name: name_workspace
INSERT INTO workspaces (id, title) VALUES (:id, :title) ON CONFLICT (id) DO UPDATE SET title = excluded.title;

-- name: workspace_titles
SELECT id, title FROM workspaces;

-- name: workspaces_of_campaign
-- The workspaces of the sources of a campaign's job.
SELECT DISTINCT v.workspace_id
FROM (SELECT DISTINCT source_id FROM items WHERE campaign_id = :campaign AND line IS NOT NULL) AS i
CROSS JOIN sources AS s ON s.source_id = i.source_id
CROSS JOIN source_versions AS v ON v.id = s.version_id
ORDER BY 1;

-- name: candidates_of
-- The batches that could be the copy of an unknown item, as `proposals` has them, how many there are
-- with those that are not stored, and why it is unknown.
SELECT c.batch_id, i.candidates, i.reason,
    EXISTS (SELECT 1 FROM items AS w WHERE w.new_batch_id = c.batch_id) AS is_owned
FROM items AS i
LEFT JOIN candidates AS c ON c.item_id = i.id
WHERE i.id = :item AND i.status = 'unknown';

-- name: has_candidates
-- Whether the item is unknown, and a look has found candidates.
SELECT 1 FROM items AS i CROSS JOIN candidates AS c ON c.item_id = i.id
WHERE i.id = :item AND i.status = 'unknown' LIMIT 1;

-- name: forget_candidates
DELETE FROM candidates WHERE item_id = :item;

-- name: add_candidate
INSERT INTO candidates (item_id, batch_id, place, name_fits, details_fit, datasets_fit, time_fits,
    creator_fits)
VALUES (:item, :batch_id, :place, :name, :details, :datasets, :time, :creator);

-- name: dispute
UPDATE unowned_batches SET disputed = 1 WHERE batch_id = :batch_id;

-- name: item_label
SELECT i.id, i.line, i.copy, i.source_id, i.name, i.attempts, v.name AS source_name
FROM items AS i LEFT JOIN sources AS s ON s.source_id = i.source_id LEFT
    JOIN source_versions AS v ON v.id = s.version_id
WHERE i.id = :item;

-- name: item_by_place
SELECT id FROM items WHERE campaign_id = :campaign AND line = :line AND copy = :copy;

-- name: copies_on_line
SELECT count(*) FROM items WHERE campaign_id = :campaign AND line = :line;

-- name: item_by_number
-- A request that is recorded as under way counts as having left, as in `abandon_items`.
SELECT i.id, i.status, i.source_id, i.name AS sent_name, i.template, i.line, i.copy, i.copies,
    i.attempts + CASE WHEN i.status = 'sent' THEN 1 ELSE 0 END AS attempts, i.last_sent_at,
    i.new_batch_id, i.reason, c.name AS campaign, v.name AS source_name
FROM items AS i JOIN campaigns AS c ON c.id = i.campaign_id
LEFT JOIN sources AS o ON o.source_id = i.source_id
LEFT JOIN source_versions AS v ON v.id = o.version_id
WHERE i.id = :item;

-- name: count_attempts
SELECT coalesce(sum(i.attempts), 0) FROM items AS i JOIN campaigns AS c
    ON c.id = i.campaign_id WHERE c.name = :campaign;

-- name: add_foreign_batch
INSERT INTO foreign_batches (batch_id) VALUES (:batch_id) ON CONFLICT DO NOTHING;

-- name: item_by_identity
SELECT id, template, status, line FROM items
WHERE campaign_id = :campaign AND source_id = :source_id
    AND upload_new_dataset = :upload_new_dataset AND copy = :copy;

-- name: items_that_may_be_named
-- Of these, those whose name is :literal or is filled in later. The others need not be compared one
-- by one.
SELECT id, template, status, line FROM items
WHERE campaign_id = :campaign AND source_id = :source_id
    AND upload_new_dataset = :upload_new_dataset AND copy = :copy
  AND (template = :literal OR template = ''
      OR replace(replace(template, '{source_name}', ''), '{copies}', '') <> template);

-- name: restore_created
-- The name that was sent is not known: the API may have changed it to the name in the file. About
-- PROCESSING see `settle_created`.
UPDATE items
SET status = 'created', settled_by = :settled_by, new_batch_id = :batch_id, new_batch_name = :name,
    new_batch_status = CASE WHEN tasks_per_group IS NULL OR :batch_status <> 'PROCESSING'
        THEN :batch_status END,
    created_at = :created_at, attempts = :attempts,
        http_status = :http_status,
    first_sent_at = :first_sent_at, last_sent_at = :last_sent_at, error = NULL, reason = NULL,
    run_id = :run
WHERE id = :item;

-- name: restore_unknown
UPDATE items
SET status = 'unknown', name = :name, error = :error, reason = 'restored', attempts = :attempts,
    first_sent_at = :first_sent_at,
    last_sent_at = :last_sent_at, run_id = :run
WHERE id = :item;

-- name: restore_missing
-- Duplicates that the ledger file does not have. What the source or the job may have changed is
-- filled in when the source is looked up.
UPDATE items
SET status = 'unknown', error = :error, reason = 'restored', first_sent_at = :any_time, run_id = :run,
    name = CASE WHEN replace(replace(template, '{source_name}', ''), '{copies}', '') <> template
        THEN NULL ELSE render_name(template, NULL, copies) END
WHERE campaign_id = :campaign AND line IS NOT NULL AND status = 'pending'
RETURNING id;

-- name: restore_attempts
-- The attempts have no baseline (listing 0), and begin long before the campaign's first attempt: a
-- ledger file has this machine's times, which may be wrong by hours. They are in the order in which
-- they were sent: first the items that had been :sent when the file was written, and of those, last
-- the ones that were under way then (without a time). Those that were :unsent then have a note.
-- Those that are :missing in the file probably left after :likely_after, but not certainly.
INSERT INTO attempts (id, item_id, run_id, started_at, date_before, left_server, ended_at, listing,
    sent_name, outcome, error, restored, unsent)
SELECT (SELECT coalesce(max(id), 0) FROM attempts) + row_number() OVER (
        ORDER BY id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(:sent)),
            last_sent_at IS NULL, last_sent_at, line, copy),
    id, :run, :now,
    CASE WHEN id NOT IN (SELECT CAST(value AS BIGINT) FROM json_each(:missing))
        THEN CAST(:date_before AS DOUBLE PRECISION) END,
    CASE WHEN id IN (SELECT CAST(value AS BIGINT) FROM json_each(:missing))
        THEN CAST(:likely_after AS DOUBLE PRECISION) END,
    :now, 0, nullif(name, ''), 'unknown', 'restored from a ledger file', 1,
    CASE WHEN id IN (SELECT CAST(value AS BIGINT) FROM json_each(:unsent)) THEN 1 ELSE 0 END
FROM items AS i
WHERE status = 'unknown' AND run_id = :run
  AND NOT EXISTS (SELECT 1 FROM attempts AS a WHERE a.item_id = i.id AND a.closed_by IS NULL);

-- name: open_restored
-- A restored row has a batch that turned out to be another row's.
INSERT INTO attempts (id, item_id, run_id, started_at, ended_at, listing, sent_name, outcome, error,
    restored)
SELECT :attempt, id, :run, coalesce(first_sent_at, ''), coalesce(last_sent_at, ''), 0, nullif(name, ''),
    'unknown',
       'restored from a ledger file', 1
FROM items WHERE id = :item;

-- name: sources_to_look_up
-- The sources of restored open attempts that are not looked up yet.
SELECT DISTINCT i.source_id FROM attempts AS a JOIN items AS i ON i.id = a.item_id
WHERE a.closed_by IS NULL AND a.version_id IS NULL;

-- name: set_version
UPDATE attempts SET version_id = (
    SELECT id FROM source_versions WHERE source_id = :source_id AND name = :name
        AND workspace_id = :workspace_id AND details = :details AND datasets = :datasets)
WHERE closed_by IS NULL AND version_id IS NULL
  AND EXISTS (SELECT 1 FROM items AS i WHERE i.id = attempts.item_id AND i.source_id = :source_id);

-- name: name_restored
-- The name that was sent, if anything was, for items that had no name yet when their ledger file was
-- written.
UPDATE attempts SET sent_name = (
    SELECT nullif(render_name(i.template, :name, i.copies), '') FROM items AS i
        WHERE i.id = attempts.item_id)
WHERE closed_by IS NULL AND restored = 1 AND sent_name IS NULL
  AND EXISTS (SELECT 1 FROM items AS i WHERE i.id = attempts.item_id AND i.source_id = :source_id
      AND i.template <> '' AND i.name IS NULL);

-- The next ones forget details of runs that started before :before (see `forget.py` for the rule).

-- name: forget_vain_attempts
-- Requests that certainly created nothing: not sent, or rejected. Their number stays in the items.
-- The latest of each campaign stays: batches that appeared after its listing show that the database
-- is an old copy (see `latest_baseline`).
DELETE FROM attempts
WHERE closed_by IS NOT NULL AND outcome IN ('not_sent', 'not_left', 'refused')
  AND run_id IN (SELECT id FROM runs WHERE started_at < :before)
  AND id NOT IN (SELECT max(a.id) FROM attempts AS a CROSS JOIN items AS i
      WHERE i.id = a.item_id GROUP BY i.campaign_id);

-- name: forget_measurements
-- Times, statuses and texts of requests that were answered with their batch, except in runs whose
-- 201s may still be needed to compare clocks: one of their attempts is open, or may be opened again.
UPDATE attempts
SET date_before = NULL, left_server = NULL, ended_at = NULL, ended_server = NULL,
    answer_date = NULL, date_after = NULL, http_status = NULL, latency_s = NULL, error = NULL,
    created_server = NULL
WHERE outcome = 'created' AND closed_by = 'outcome' AND ended_at IS NOT NULL
  AND run_id IN (SELECT id FROM runs WHERE started_at < :before)
  AND run_id NOT IN (SELECT run_id FROM attempts WHERE closed_by IS NULL OR closed_by = 'listing');

-- name: forget_old_rate_changes
DELETE FROM rate_changes WHERE run_id IN (SELECT id FROM runs WHERE started_at < :before);

-- name: fact
-- One fact about the database as a whole.
SELECT value FROM meta WHERE key = :key;

-- name: moves
-- Where the ledger is now, and where it comes from if it has not fully arrived.
SELECT key, value FROM meta WHERE key IN (:to, :origin);

-- name: note_fact
INSERT INTO meta (key, value) VALUES (:key, :value)
ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- name: forget_fact
DELETE FROM meta WHERE key = :key;

-- name: any_campaign
SELECT 1 FROM campaigns LIMIT 1;

-- name: note_forgotten
INSERT INTO meta (key, value) VALUES ('forgotten_before', :before)
ON CONFLICT (key) DO UPDATE SET value = greatest(meta.value, excluded.value);

-- name: vacuum
VACUUM;

-- name: checkpoint
PRAGMA wal_checkpoint(TRUNCATE);

-- The next ones forget a rehearsal. Rows that other campaigns refer to are deleted too, because they
-- are not about real batches.

-- name: forget_candidates_of_campaign
DELETE FROM candidates WHERE item_id IN (SELECT id FROM items WHERE campaign_id = :campaign);

-- name: forget_differences_of_campaign
DELETE FROM differences WHERE item_id IN (SELECT id FROM items WHERE campaign_id = :campaign);

-- name: forget_attempts
DELETE FROM attempts
WHERE item_id IN (SELECT id FROM items WHERE campaign_id = :campaign)
   OR run_id IN (SELECT id FROM runs WHERE campaign_id = :campaign);

-- name: forget_setups
DELETE FROM setups
WHERE item_id IN (SELECT id FROM items WHERE campaign_id = :campaign)
   OR run_id IN (SELECT id FROM runs WHERE campaign_id = :campaign);

-- name: forget_items
DELETE FROM items WHERE campaign_id = :campaign;

-- name: forget_extras
DELETE FROM extras WHERE campaign_id = :campaign;

-- name: forget_rate_changes
DELETE FROM rate_changes WHERE run_id IN (SELECT id FROM runs WHERE campaign_id = :campaign);

-- name: forget_sources
DELETE FROM sources WHERE run_id IN (SELECT id FROM runs WHERE campaign_id = :campaign);

-- name: forget_unowned_batches
DELETE FROM unowned_batches
WHERE listing IN (
    SELECT number FROM listings WHERE run_id IN (SELECT id FROM runs
        WHERE campaign_id = :campaign));

-- name: forget_listings
DELETE FROM listings WHERE run_id IN (SELECT id FROM runs WHERE campaign_id = :campaign);

-- name: forget_notifications
DELETE FROM notifications
WHERE run_id IN (SELECT id FROM runs WHERE campaign_id = :campaign);

-- name: forget_changes
-- Its runs may have settled rows of other campaigns.
UPDATE items SET run_id = NULL WHERE run_id IN (SELECT id FROM runs WHERE campaign_id = :campaign);

-- name: forget_runs
DELETE FROM runs WHERE campaign_id = :campaign;

-- name: forget_campaign
DELETE FROM campaigns WHERE id = :campaign;
