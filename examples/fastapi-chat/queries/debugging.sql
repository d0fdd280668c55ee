-- All messages that one version of a prompt wrote.
SELECT session_id, content, created_at
FROM chat_messages
WHERE role = 'assistant'
  AND meta->>'prompt_id' = :prompt_id
ORDER BY id;
