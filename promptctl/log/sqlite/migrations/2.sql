CREATE VIEW executions_readable AS
SELECT
  e.id, e.call_id, e.attempt, e.started_at, e.source, e.prompt, e.version_display AS version, e.label, e.model,
  e.status, e.finish_reason, e.error_type, e.error_message, e.user, e.session,
  e.input_tokens, e.output_tokens, e.cost_nano_usd / 1e9 AS cost_usd, e.latency_ms,
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
