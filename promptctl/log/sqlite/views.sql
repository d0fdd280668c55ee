CREATE VIEW calls AS
SELECT
  e.call_id, e.started_at, e.source, e.prompt, CASE WHEN e.is_dirty = 0 THEN e.version END AS version,
  e.version_display, e.label, e.model, e.provider, e.status, e.error_type, e.error_message,
  (SELECT count(*) FROM executions AS a WHERE a.call_id = e.call_id) AS attempts,
  (SELECT sum(a.input_tokens) FROM executions AS a WHERE a.call_id = e.call_id) AS input_tokens,
  (SELECT sum(a.output_tokens) FROM executions AS a WHERE a.call_id = e.call_id) AS output_tokens,
  (SELECT sum(a.cached_tokens) FROM executions AS a WHERE a.call_id = e.call_id) AS cached_tokens,
  (
    SELECT sum(ifnull(
      (SELECT new_nano_usd FROM cost_corrections WHERE execution_id = a.id ORDER BY number DESC LIMIT 1), a.cost_nano_usd
    )) FROM executions AS a WHERE a.call_id = e.call_id
  ) / 1e9 AS cost_usd,
  (
    SELECT count(*) FROM executions AS a
    WHERE a.call_id = e.call_id AND a.cost_nano_usd IS NULL
      AND (a.status IN ('ok', 'invalid_output') OR a.output_tokens IS NOT NULL)
      AND NOT EXISTS (SELECT 1 FROM cost_corrections WHERE execution_id = a.id)
  ) AS unpriced,
  e.latency_ms, e.first_token_ms, e.finish_reason, e.user, e.session, e.experiment, e.arm, e.evaluation_id, e.case_id,
  e.reply_source, e.metadata, e.commit_id, e.digest, e.id AS execution_id
FROM executions AS e
WHERE NOT EXISTS (SELECT 1 FROM executions AS l WHERE l.call_id = e.call_id AND l.attempt > e.attempt);

CREATE VIEW costs_by_day AS
SELECT
  day, prompt, version, version_display, label, model, source,
  sum(calls) AS calls, sum(attempts) AS attempts, sum(input_tokens) AS input_tokens,
  sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens, sum(cost_nano_usd) / 1e9 AS cost_usd,
  sum(unpriced) AS unpriced
FROM (
  SELECT
    day, prompt, version, version_display, label, model, source, calls, attempts, input_tokens, output_tokens,
    cached_tokens, cost_nano_usd, unpriced
  FROM day_stats
  UNION ALL
  SELECT
    substr(e.started_at, 1, 10), e.prompt, CASE WHEN e.is_dirty = 0 THEN e.version END, e.version_display, e.label,
    e.model, e.source, e.attempt = 1, 1, ifnull(e.input_tokens, 0), ifnull(e.output_tokens, 0),
    ifnull(e.cached_tokens, 0), ifnull(ifnull(c.new_nano_usd, e.cost_nano_usd), 0),
    c.new_nano_usd IS NULL AND e.cost_nano_usd IS NULL
      AND (e.status IN ('ok', 'invalid_output') OR e.output_tokens IS NOT NULL)
  FROM executions AS e
  LEFT JOIN cost_corrections AS c ON c.execution_id = e.id AND c.number = (
    SELECT max(number) FROM cost_corrections WHERE execution_id = e.id
  )
  WHERE e.source <> 'eval' AND e.rowid > ifnull(
    (SELECT rowid FROM executions WHERE id = (SELECT execution_id FROM rollup_mark)), 0
  )
)
GROUP BY day, prompt, version, version_display, label, model, source;

CREATE VIEW answers_by_version AS
SELECT
  e.prompt, CASE WHEN e.is_dirty = 0 THEN e.version END AS version, e.version_display, e.label, e.model, e.started_at,
  e.source, e.status,
  CASE typeof(inputs.content) WHEN 'blob' THEN '(compressed: promptctl log show ' || e.id || ')'
    ELSE inputs.content END AS inputs,
  CASE typeof(reply.content) WHEN 'blob' THEN '(compressed: promptctl log show ' || e.id || ')'
    ELSE reply.content END AS reply,
  CASE typeof(tool_calls.content) WHEN 'blob' THEN '(compressed: promptctl log show ' || e.id || ')'
    ELSE tool_calls.content END AS tool_calls,
  hex(e.inputs_hash) AS inputs_hash,
  (SELECT avg(score) FROM feedback_scores WHERE call_id = e.call_id) AS score,
  e.output_tokens, e.latency_ms, e.user, e.session, e.digest, e.call_id, e.id AS execution_id
FROM executions AS e
LEFT JOIN payloads AS inputs ON inputs.hash = e.inputs_hash
LEFT JOIN payloads AS reply ON reply.hash = e.reply_hash
LEFT JOIN payloads AS tool_calls ON tool_calls.hash = e.tool_calls_hash
WHERE (e.reply_hash IS NOT NULL OR e.tool_calls_hash IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM executions AS l WHERE l.call_id = e.call_id AND l.attempt > e.attempt);

CREATE VIEW feedback_given AS
SELECT
  f.created_at, f.name, f.score, f.by, f.comment, f.expected, e.prompt,
  CASE WHEN e.is_dirty = 0 THEN e.version END AS version, e.version_display, e.label, e.model, e.user, e.session,
  e.started_at, f.call_id, f.execution_id
FROM feedback AS f
LEFT JOIN executions AS e ON e.id = f.execution_id;

CREATE VIEW evaluation_totals AS
SELECT
  id AS evaluation_id, started_at, finished_at, status, prompt, CASE WHEN is_dirty = 0 THEN version END AS version,
  version_display, label, model, json_extract(spec, '$.dataset') AS dataset, json_extract(totals, '$.verdict') AS verdict,
  json_extract(totals, '$.cases') AS cases, json_extract(totals, '$.passed') AS passed,
  json_extract(totals, '$.failed') AS failed, json_extract(totals, '$.errors') AS errors,
  json_extract(totals, '$.pass_rate') AS pass_rate, json_extract(totals, '$.low') AS low,
  json_extract(totals, '$.high') AS high, json_extract(totals, '$.cost_nano_usd') / 1e9 AS cost_usd,
  json_extract(totals, '$.unpriced') AS unpriced, commit_id, digest
FROM evaluations;

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

CREATE VIEW results_readable AS
SELECT
  r.evaluation_id, v.started_at, v.prompt, v.version_display AS version, v.model,
  json_extract(v.spec, '$.dataset') AS dataset, r.case_id, r.repeat, r.status, r.score,
  CASE typeof(output.content) WHEN 'blob' THEN '(compressed: promptctl results show ' || r.evaluation_id || ')'
    ELSE output.content END AS output,
  r.error_type, r.error_message, r.cost_nano_usd / 1e9 AS cost_usd, r.latency_ms, r.reply_source, r.execution_id
FROM results AS r
JOIN evaluations AS v ON v.id = r.evaluation_id
LEFT JOIN payloads AS output ON output.hash = r.output_hash;
