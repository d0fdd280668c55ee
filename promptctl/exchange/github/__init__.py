"""GitHub Models' `.prompt.yml` files: read into native prompts with a dataset beside them, and written."""

from __future__ import annotations

from promptctl.exchange.github.reading import is_one, read
from promptctl.exchange.github.writing import write

__all__ = ["is_one", "read", "write"]
