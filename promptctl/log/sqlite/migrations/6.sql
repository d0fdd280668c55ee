ALTER TABLE executions ADD COLUMN number INTEGER;

ALTER TABLE executions ADD COLUMN link BLOB;

ALTER TABLE executions ADD COLUMN seal BLOB;

ALTER TABLE maintenance ADD COLUMN unchained INTEGER NOT NULL DEFAULT 0;

UPDATE maintenance SET unchained = (SELECT count(*) FROM executions);

CREATE TABLE events (
  number INTEGER NOT NULL PRIMARY KEY,
  id TEXT NOT NULL,
  at TEXT NOT NULL,
  kind TEXT NOT NULL,
  by TEXT NOT NULL,
  reason TEXT,
  detail TEXT NOT NULL,
  changes_hash BLOB,
  link BLOB NOT NULL,
  seal BLOB NOT NULL
) STRICT;

CREATE TABLE gone (
  number INTEGER NOT NULL PRIMARY KEY,
  id TEXT NOT NULL,
  link BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;

CREATE TABLE changes (
  number INTEGER NOT NULL,
  event INTEGER NOT NULL,
  hash BLOB,
  salt BLOB,
  PRIMARY KEY (number, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE kept_out (id TEXT NOT NULL PRIMARY KEY) STRICT, WITHOUT ROWID;

CREATE TABLE unlisted (
  stats_id INTEGER NOT NULL PRIMARY KEY,
  calls INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  ok INTEGER NOT NULL,
  errors INTEGER NOT NULL,
  invalid_outputs INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  cancelled INTEGER NOT NULL,
  reused INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cached_tokens INTEGER NOT NULL,
  reasoning_tokens INTEGER NOT NULL,
  cost_nano_usd INTEGER NOT NULL,
  priced INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  timed INTEGER NOT NULL,
  latency_sum_ms REAL NOT NULL
) STRICT;

INSERT INTO unlisted
SELECT
  s.id, s.calls - ifnull(r.calls, 0), s.attempts - ifnull(r.attempts, 0), s.ok - ifnull(r.ok, 0),
  s.errors - ifnull(r.errors, 0), s.invalid_outputs - ifnull(r.invalid_outputs, 0),
  s.blocked - ifnull(r.blocked, 0), s.cancelled - ifnull(r.cancelled, 0), s.reused - ifnull(r.reused, 0),
  s.input_tokens - ifnull(r.input_tokens, 0), s.output_tokens - ifnull(r.output_tokens, 0),
  s.cached_tokens - ifnull(r.cached_tokens, 0), s.reasoning_tokens - ifnull(r.reasoning_tokens, 0),
  s.cost_nano_usd - ifnull(r.cost_nano_usd, 0), s.priced - ifnull(r.priced, 0), s.unpriced - ifnull(r.unpriced, 0),
  s.timed - ifnull(r.timed, 0), s.latency_sum_ms - ifnull(r.latency_sum_ms, 0)
FROM prompt_stats AS s LEFT JOIN (
  SELECT
    prompt, digest, CASE WHEN is_dirty = 0 THEN version END AS version, source,
    sum(attempt = 1) AS calls, count(*) AS attempts, sum(status = 'ok') AS ok, sum(status = 'error') AS errors,
    sum(status = 'invalid_output') AS invalid_outputs, sum(status = 'blocked' AND attempt = 1) AS blocked,
    sum(status = 'cancelled') AS cancelled, sum(reply_source IN ('cache', 'recorded')) AS reused,
    sum(ifnull(input_tokens, 0)) AS input_tokens, sum(ifnull(output_tokens, 0)) AS output_tokens,
    sum(ifnull(cached_tokens, 0)) AS cached_tokens, sum(ifnull(reasoning_tokens, 0)) AS reasoning_tokens,
    sum(ifnull(cost_nano_usd, 0)) AS cost_nano_usd, count(cost_nano_usd) AS priced,
    sum(cost_nano_usd IS NULL AND (status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL)) AS unpriced,
    sum(status IN ('ok', 'invalid_output') AND reply_source NOT IN ('cache', 'recorded') AND latency_ms IS NOT NULL)
      AS timed,
    total(CASE WHEN status IN ('ok', 'invalid_output') AND reply_source NOT IN ('cache', 'recorded')
      THEN latency_ms END) AS latency_sum_ms
  FROM executions GROUP BY 1, 2, 3, 4
) AS r ON r.prompt = s.prompt AND r.digest = s.digest AND r.version IS s.version AND r.source = s.source;

CREATE TRIGGER events_refuse_update BEFORE UPDATE ON events
BEGIN
  SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TRIGGER events_refuse_delete BEFORE DELETE ON events
BEGIN
  SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TRIGGER changes_refuse_update BEFORE UPDATE ON changes
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'changes are append-only');
END;

CREATE TRIGGER changes_refuse_delete BEFORE DELETE ON changes
BEGIN
  SELECT RAISE(ABORT, 'changes are append-only');
END;

CREATE TRIGGER gone_refuse_update BEFORE UPDATE ON gone
BEGIN
  SELECT RAISE(ABORT, 'the chain is append-only');
END;

CREATE TRIGGER gone_refuse_delete BEFORE DELETE ON gone
BEGIN
  SELECT RAISE(ABORT, 'the chain is append-only');
END;
