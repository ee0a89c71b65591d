-- Indexes for what a run asks at its start or while it settles, so that neither takes longer the
-- more nights the database contains.

DROP INDEX sources_wanted;
CREATE INDEX sources_of_run ON sources (run_id, state);
DROP INDEX attempts_created;
CREATE INDEX attempts_created ON attempts (run_id, created_by) WHERE outcome = 'created';
CREATE INDEX items_left ON items (campaign_id) WHERE line IS NULL;
CREATE INDEX listings_of_workspace ON listings (workspace_id);
CREATE INDEX listings_by_length ON listings (workspace_id, shown);
CREATE INDEX runs_by_stamp ON runs (ledger_stamp) WHERE ledger_stamp IS NOT NULL;
CREATE INDEX runs_of_owner ON runs (me);
