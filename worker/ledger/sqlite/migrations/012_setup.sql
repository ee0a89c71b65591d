-- Setting up what was created: what the job asks for, the requests, and what the API says.

ALTER TABLE items ADD COLUMN tasks_per_group INTEGER; -- NULL: the job does not ask for a setup
ALTER TABLE items ADD COLUMN setup_error TEXT; -- why its status is ERROR, in the API's words
CREATE INDEX items_to_set_up ON items (campaign_id, line, copy)
    WHERE line IS NOT NULL AND tasks_per_group IS NOT NULL;

-- One row for each setup request that was about to leave. A request stands while it may have had an
-- effect, or was rejected: while one stands, none is sent for its batch.
CREATE TABLE setups (
    id              INTEGER PRIMARY KEY,
    batch_id        TEXT NOT NULL,
    item_id         INTEGER NOT NULL REFERENCES items (id),
    run_id          INTEGER NOT NULL REFERENCES runs (id),
    tasks_per_group INTEGER,        -- as sent; NULL: restored, so nobody knows whether one was sent
    started_at      TEXT NOT NULL,  -- the intent
    ended_at        TEXT,
    outcome         TEXT CHECK (outcome IN ('accepted', 'refused', 'not_sent', 'not_left',
                        'unknown')), -- NULL: it is under way
    http_status     INTEGER,
    error           TEXT,
    -- why it stands no more: it certainly had no effect · looks show that · it is tried again
    void            TEXT CHECK (void IN ('no_effect', 'absence', 'retry'))
) STRICT;
CREATE INDEX setups_of_item ON setups (item_id);
CREATE UNIQUE INDEX setups_standing ON setups (batch_id) WHERE void IS NULL;
CREATE INDEX setups_under_way ON setups (id) WHERE outcome IS NULL;

-- What is known about the setup of each item's batch. What the API shows counts more than an answer.
CREATE VIEW setup_statuses AS
SELECT i.id AS item_id, CASE
    WHEN i.tasks_per_group IS NULL THEN ''
    WHEN i.new_batch_id IS NULL THEN 'pending'
    WHEN i.new_batch_status = 'READY' THEN 'ready'
    WHEN i.new_batch_status = 'ERROR' THEN 'failed'
    WHEN i.new_batch_status <> 'UNINITIALISED' THEN 'requested'
    ELSE coalesce((
        SELECT CASE s.outcome WHEN 'accepted' THEN 'requested' WHEN 'refused' THEN 'failed'
            ELSE 'unknown' END
        FROM setups AS s WHERE s.batch_id = i.new_batch_id AND s.void IS NULL), 'pending')
    END AS status
FROM items AS i;
