"""Prompts in TypeScript and JavaScript: found and written as files, with the call to write shown."""
