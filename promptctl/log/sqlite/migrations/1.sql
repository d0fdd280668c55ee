CREATE TABLE executions (
  id TEXT NOT NULL PRIMARY KEY,
  call_id TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  started_at TEXT NOT NULL,
  source TEXT NOT NULL,
  prompt TEXT NOT NULL,
  prompt_name TEXT NOT NULL,
  version INTEGER,
  version_display TEXT,
  digest TEXT NOT NULL,
  commit_id TEXT,
  is_dirty INTEGER NOT NULL,
  label TEXT,
  content_type TEXT,
  provider TEXT,
  model TEXT NOT NULL,
  model_resolved TEXT,
  parameters TEXT NOT NULL,
  input_tokens INTEGER,
  output_tokens INTEGER,
  cached_tokens INTEGER,
  reasoning_tokens INTEGER,
  cost_nano_usd INTEGER,
  price_source TEXT,
  latency_ms REAL,
  first_token_ms REAL,
  finish_reason TEXT,
  reply_source TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('ok', 'error', 'invalid_output', 'blocked', 'cancelled')),
  error_type TEXT,
  error_message TEXT,
  user TEXT,
  session TEXT,
  metadata TEXT NOT NULL,
  evaluation_id TEXT,
  case_id TEXT,
  repeat INTEGER,
  tool_version TEXT NOT NULL,
  content TEXT NOT NULL CHECK (content IN ('full', 'metadata', 'pruned')),
  inputs_hash BLOB,
  messages_hash BLOB,
  reply_hash BLOB,
  tool_calls_hash BLOB
) STRICT;

CREATE INDEX executions_by_time ON executions (started_at);

CREATE INDEX executions_by_prompt ON executions (prompt, started_at);

CREATE INDEX executions_by_call ON executions (call_id);

CREATE INDEX executions_by_user ON executions (user, started_at) WHERE user IS NOT NULL;

CREATE INDEX executions_by_session ON executions (session, started_at) WHERE session IS NOT NULL;

CREATE INDEX executions_by_evaluation ON executions (evaluation_id, started_at) WHERE evaluation_id IS NOT NULL;

CREATE INDEX executions_not_ok ON executions (started_at) WHERE status <> 'ok';

CREATE TABLE maintenance (is_open INTEGER NOT NULL CHECK (is_open IN (0, 1))) STRICT;

INSERT INTO maintenance (is_open) VALUES (0);

CREATE TRIGGER executions_refuse_update BEFORE UPDATE ON executions
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'executions are append-only');
END;

CREATE TRIGGER executions_refuse_delete BEFORE DELETE ON executions
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'executions are append-only');
END;

CREATE TABLE payloads (
  hash BLOB NOT NULL PRIMARY KEY,
  bytes INTEGER NOT NULL,
  content ANY NOT NULL
) STRICT;

CREATE TABLE prompt_stats (
  id INTEGER PRIMARY KEY,
  prompt TEXT NOT NULL,
  digest TEXT NOT NULL,
  version INTEGER,
  version_display TEXT,
  source TEXT NOT NULL,
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
  latency_sum_ms REAL NOT NULL,
  first_at TEXT NOT NULL,
  last_at TEXT NOT NULL
) STRICT;

CREATE UNIQUE INDEX prompt_stats_key ON prompt_stats (prompt, digest, ifnull(version, 0), source);

CREATE TABLE latency_histogram (
  stats_id INTEGER NOT NULL,
  bucket INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  PRIMARY KEY (stats_id, bucket)
) STRICT, WITHOUT ROWID;

CREATE TABLE latest_calls (
  prompt TEXT NOT NULL PRIMARY KEY,
  execution_id TEXT NOT NULL,
  started_at TEXT NOT NULL,
  execution TEXT NOT NULL
) STRICT;

CREATE TABLE evaluations (
  id TEXT NOT NULL PRIMARY KEY,
  started_at TEXT NOT NULL,
  finished_at TEXT,
  status TEXT NOT NULL,
  prompt TEXT NOT NULL,
  version INTEGER,
  version_display TEXT,
  digest TEXT NOT NULL,
  commit_id TEXT,
  is_dirty INTEGER NOT NULL,
  label TEXT,
  model TEXT NOT NULL,
  spec TEXT NOT NULL,
  totals TEXT NOT NULL,
  tool_version TEXT NOT NULL
) STRICT;

CREATE INDEX evaluations_by_prompt ON evaluations (prompt, started_at);

CREATE INDEX evaluations_by_digest ON evaluations (digest, started_at);

CREATE TABLE results (
  evaluation_id TEXT NOT NULL,
  case_id TEXT NOT NULL,
  repeat INTEGER NOT NULL,
  position INTEGER NOT NULL,
  case_digest TEXT,
  status TEXT NOT NULL CHECK (status IN ('passed', 'failed', 'error')),
  finished_at TEXT NOT NULL,
  score REAL,
  scores TEXT,
  output_hash BLOB,
  reply_source TEXT,
  cost_nano_usd INTEGER,
  latency_ms REAL,
  execution_id TEXT,
  error_type TEXT,
  error_message TEXT,
  PRIMARY KEY (evaluation_id, case_id, repeat)
) STRICT;

CREATE INDEX results_in_order ON results (evaluation_id, position, repeat);

CREATE TABLE taken_in (
  name TEXT NOT NULL PRIMARY KEY,
  taken_at TEXT NOT NULL
) STRICT;
