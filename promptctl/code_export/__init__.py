"""Prompts as typed code: TypeScript and Python modules whose callers no longer compile after a breaking change."""
