ALTER TABLE executions ADD COLUMN usage_details TEXT;

CREATE TABLE cost_corrections (
  execution_id TEXT NOT NULL,
  number INTEGER NOT NULL,
  corrected_at TEXT NOT NULL,
  old_nano_usd INTEGER,
  new_nano_usd INTEGER NOT NULL,
  new_price_source TEXT,
  PRIMARY KEY (execution_id, number)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER cost_corrections_refuse_update BEFORE UPDATE ON cost_corrections
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'corrections are append-only');
END;

CREATE TRIGGER cost_corrections_refuse_delete BEFORE DELETE ON cost_corrections
WHEN (SELECT is_open FROM maintenance) = 0
BEGIN
  SELECT RAISE(ABORT, 'corrections are append-only');
END;

CREATE TRIGGER cost_corrections_reach_totals AFTER INSERT ON cost_corrections
BEGIN
  UPDATE prompt_stats SET
    cost_nano_usd = cost_nano_usd + new.new_nano_usd - ifnull(new.old_nano_usd, 0),
    priced = priced + (new.old_nano_usd IS NULL),
    unpriced = unpriced - (new.old_nano_usd IS NULL AND (
      SELECT status IN ('ok', 'invalid_output') OR output_tokens IS NOT NULL FROM executions WHERE id = new.execution_id
    ))
  WHERE (prompt, digest, ifnull(version, 0), source) = (
    SELECT prompt, digest, ifnull(CASE WHEN is_dirty = 0 THEN version END, 0), source
    FROM executions WHERE id = new.execution_id
  );
END;

DROP VIEW executions_readable;

CREATE VIEW executions_readable AS
SELECT
  e.id, e.call_id, e.attempt, e.started_at, e.source, e.prompt, e.version_display AS version, e.label, e.model,
  e.status, e.finish_reason, e.error_type, e.error_message, e.user, e.session,
  e.input_tokens, e.output_tokens,
  ifnull(
    (SELECT new_nano_usd FROM cost_corrections WHERE execution_id = e.id ORDER BY number DESC LIMIT 1), e.cost_nano_usd
  ) / 1e9 AS cost_usd,
  e.latency_ms,
  CASE typeof(inputs.content) WHEN 'blob' THEN '(compressed: promptctl log show ' || e.id || ')'
    ELSE inputs.content END AS inputs,
  CASE typeof(messages.content) WHEN 'blob' THEN '(compressed: promptctl log show ' || e.id || ')'
    ELSE messages.content END AS messages,
  CASE typeof(reply.content) WHEN 'blob' THEN '(compressed: promptctl log show ' || e.id || ')'
    ELSE reply.content END AS reply,
  CASE typeof(tool_calls.content) WHEN 'blob' THEN '(compressed: promptctl log show ' || e.id || ')'
    ELSE tool_calls.content END AS tool_calls,
  e.reply_source, e.parameters, e.metadata, e.evaluation_id, e.case_id, e.repeat, e.commit_id, e.digest
FROM executions AS e
LEFT JOIN payloads AS inputs ON inputs.hash = e.inputs_hash
LEFT JOIN payloads AS messages ON messages.hash = e.messages_hash
LEFT JOIN payloads AS reply ON reply.hash = e.reply_hash
LEFT JOIN payloads AS tool_calls ON tool_calls.hash = e.tool_calls_hash;
