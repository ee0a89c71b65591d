-- Which run found out what an attempt without an answer created, or recorded a person's decision. (A
-- run that sets the batch up later changes the item's run_id.)

ALTER TABLE attempts ADD COLUMN settled_run INTEGER; -- runs (id); NULL: an answer said it

UPDATE attempts SET settled_run = (SELECT i.run_id FROM items AS i WHERE i.id = attempts.item_id)
WHERE closed_by IN ('listing', 'person');

CREATE INDEX attempts_settled ON attempts (settled_run) WHERE settled_run IS NOT NULL;
