"""promptfoo's configs: prompts, providers and tests read as prompts and datasets, and written."""
