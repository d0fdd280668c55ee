CREATE TABLE quarter_stats (
  quarter TEXT NOT NULL,
  source TEXT NOT NULL,
  calls INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  last_at TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX quarter_stats_key ON quarter_stats (quarter, source);

INSERT INTO quarter_stats (quarter, source,
  calls, attempts, blocked, input_tokens, output_tokens, cached_tokens, cost_nano_usd, priced, unpriced, last_at)
SELECT
  substr(started_at, 1, 14) || CASE WHEN substr(started_at, 15, 2) < '15' THEN '00'
    WHEN substr(started_at, 15, 2) < '30' THEN '15' WHEN substr(started_at, 15, 2) < '45' THEN '30' ELSE '45' END, source,
  sum(attempt = 1),
  count(*),
  sum(status = 'blocked' AND attempt = 1),
  ifnull(sum(input_tokens), 0),
  ifnull(sum(output_tokens), 0),
  ifnull(sum(cached_tokens), 0),
  ifnull(sum(cost_nano_usd), 0),
  count(cost_nano_usd),
  sum(cost_nano_usd IS NULL AND (status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL)),
  max(started_at)
FROM executions GROUP BY 1, 2;

CREATE TABLE user_stats (
  user TEXT,
  source TEXT NOT NULL,
  calls INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  last_at TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX user_stats_key ON user_stats (user IS NULL, ifnull(user, ''), source);

INSERT INTO user_stats (user, source,
  calls, attempts, blocked, input_tokens, output_tokens, cached_tokens, cost_nano_usd, priced, unpriced, last_at)
SELECT
  user, source,
  sum(attempt = 1),
  count(*),
  sum(status = 'blocked' AND attempt = 1),
  ifnull(sum(input_tokens), 0),
  ifnull(sum(output_tokens), 0),
  ifnull(sum(cached_tokens), 0),
  ifnull(sum(cost_nano_usd), 0),
  count(cost_nano_usd),
  sum(cost_nano_usd IS NULL AND (status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL)),
  max(started_at)
FROM executions WHERE source <> 'eval' GROUP BY 1, 2;

CREATE TABLE day_stats (
  day TEXT NOT NULL,
  prompt TEXT NOT NULL,
  version INTEGER,
  version_display TEXT,
  label TEXT,
  model TEXT NOT NULL,
  source TEXT NOT NULL,
  calls INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  last_at TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX day_stats_key ON day_stats (
  day, prompt, ifnull(version, 0), ifnull(version_display, ''), label IS NULL, ifnull(label, ''), model, source
);

INSERT INTO day_stats (day, prompt, version, version_display, label, model, source,
  calls, attempts, blocked, input_tokens, output_tokens, cached_tokens, cost_nano_usd, priced, unpriced, last_at)
SELECT
  substr(started_at, 1, 10), prompt, CASE WHEN is_dirty = 0 THEN version END, version_display, label, model, source,
  sum(attempt = 1),
  count(*),
  sum(status = 'blocked' AND attempt = 1),
  ifnull(sum(input_tokens), 0),
  ifnull(sum(output_tokens), 0),
  ifnull(sum(cached_tokens), 0),
  ifnull(sum(cost_nano_usd), 0),
  count(cost_nano_usd),
  sum(cost_nano_usd IS NULL AND (status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL)),
  max(started_at)
FROM executions WHERE source <> 'eval' GROUP BY 1, 2, 3, 4, 5, 6, 7;

CREATE TABLE rollup_mark (execution_id TEXT) STRICT;

INSERT INTO rollup_mark SELECT (SELECT id FROM executions ORDER BY rowid DESC LIMIT 1);

CREATE TRIGGER executions_keep_mark AFTER DELETE ON executions
WHEN OLD.id = (SELECT execution_id FROM rollup_mark)
BEGIN
  UPDATE rollup_mark SET execution_id = (
    SELECT id FROM executions WHERE rowid < OLD.rowid ORDER BY rowid DESC LIMIT 1
  );
END;

CREATE TRIGGER cost_corrections_reach_rollups AFTER INSERT ON cost_corrections
WHEN (SELECT rowid FROM executions WHERE id = new.execution_id) <=
  (SELECT rowid FROM executions WHERE id = (SELECT execution_id FROM rollup_mark))
BEGIN
  UPDATE quarter_stats SET
    cost_nano_usd = cost_nano_usd + new.new_nano_usd - ifnull(new.old_nano_usd, 0),
    priced = priced + (new.old_nano_usd IS NULL),
    unpriced = unpriced - (new.old_nano_usd IS NULL AND (
      SELECT status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL FROM executions WHERE id = new.execution_id
    ))
  WHERE (quarter, source) = (
    SELECT substr(started_at, 1, 14) || CASE WHEN substr(started_at, 15, 2) < '15' THEN '00'
      WHEN substr(started_at, 15, 2) < '30' THEN '15' WHEN substr(started_at, 15, 2) < '45' THEN '30' ELSE '45' END, source
    FROM executions WHERE id = new.execution_id
  );
  UPDATE user_stats SET
    cost_nano_usd = cost_nano_usd + new.new_nano_usd - ifnull(new.old_nano_usd, 0),
    priced = priced + (new.old_nano_usd IS NULL),
    unpriced = unpriced - (new.old_nano_usd IS NULL AND (
      SELECT status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL FROM executions WHERE id = new.execution_id
    ))
  WHERE (user IS NULL, ifnull(user, ''), source) = (
    SELECT user IS NULL, ifnull(user, ''), source
    FROM executions WHERE id = new.execution_id
  );
  UPDATE day_stats SET
    cost_nano_usd = cost_nano_usd + new.new_nano_usd - ifnull(new.old_nano_usd, 0),
    priced = priced + (new.old_nano_usd IS NULL),
    unpriced = unpriced - (new.old_nano_usd IS NULL AND (
      SELECT status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL FROM executions WHERE id = new.execution_id
    ))
  WHERE (day, prompt, ifnull(version, 0), ifnull(version_display, ''), label IS NULL, ifnull(label, ''), model, source) = (
    SELECT substr(started_at, 1, 10), prompt, ifnull(CASE WHEN is_dirty = 0 THEN version END, 0), ifnull(version_display, ''), label IS NULL, ifnull(label, ''), model, source
    FROM executions WHERE id = new.execution_id
  );
END;
