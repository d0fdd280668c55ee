-- Which prompt and version wrote each answer of a conversation.
SELECT id, created_at, meta->>'prompt_name' AS prompt_name, meta->>'prompt_version' AS prompt_version
FROM chat_messages
WHERE role = 'assistant'
  AND session_id = :session_id
ORDER BY id;
