"""The chat-completions protocol on this machine: answers from recordings, an echo, or a model that is recorded."""
