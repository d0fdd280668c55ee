"""promptfoo's configs: prompts, providers and tests read as prompts and datasets, and written."""

from __future__ import annotations

from promptctl.exchange.promptfoo.reading import is_one, read
from promptctl.exchange.promptfoo.writing import write

__all__ = ["is_one", "read", "write"]
