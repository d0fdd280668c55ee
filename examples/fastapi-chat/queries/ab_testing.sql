-- The versions of the prompts side by side.
SELECT
  meta->>'prompt_name' AS prompt_name,
  meta->>'prompt_version' AS version,
  COUNT(*) AS message_count,
  AVG(LENGTH(content)) AS avg_response_length
FROM chat_messages
WHERE role = 'assistant'
  AND meta->>'prompt_id' IS NOT NULL
GROUP BY meta->>'prompt', meta->>'prompt_id', meta->>'prompt_name', meta->>'prompt_version'
ORDER BY prompt_name, version;
