-- All messages that one version of a prompt wrote; with the id of a row, such as 5, those from before the move.
SELECT session_id, content, created_at
FROM chat_messages
WHERE role = 'assistant'
  AND CAST(meta->>'prompt_id' AS TEXT) = :prompt_id
  AND COALESCE(meta->>'prompt', :prompt) = :prompt
ORDER BY id;
