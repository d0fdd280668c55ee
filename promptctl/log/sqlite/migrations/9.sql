CREATE TABLE feedback (
  id TEXT NOT NULL PRIMARY KEY,
  execution_id TEXT NOT NULL,
  call_id TEXT NOT NULL,
  name TEXT NOT NULL,
  score REAL CHECK (score BETWEEN 0 AND 1),
  comment TEXT,
  expected TEXT,
  by TEXT,
  created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX feedback_by_call ON feedback (call_id, name, by, score, created_at);

CREATE TRIGGER feedback_refuse_update BEFORE UPDATE ON feedback
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'feedback is append-only');
END;

CREATE TRIGGER feedback_refuse_delete BEFORE DELETE ON feedback
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'feedback is append-only');
END;

CREATE VIEW feedback_scores AS
SELECT call_id, name, avg(score) AS score, count(*) AS people
FROM (
  SELECT call_id, name, by, score, max(created_at || id) FROM feedback WHERE score IS NOT NULL GROUP BY call_id, name, by
)
GROUP BY call_id, name;
