ALTER TABLE executions ADD COLUMN experiment TEXT;

ALTER TABLE executions ADD COLUMN arm TEXT;

ALTER TABLE executions ADD COLUMN arm_key TEXT;

CREATE INDEX executions_by_experiment ON executions (experiment, started_at) WHERE experiment IS NOT NULL;
