"""GitHub Models' `.prompt.yml` files: read into native prompts with a dataset beside them, and written."""
