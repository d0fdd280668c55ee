"""Prompts of other repositories: copied in at one commit, held by a lock, updated and removed again."""
