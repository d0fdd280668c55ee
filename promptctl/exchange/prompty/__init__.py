"""Prompty files, version 1 and 2: Markdown with a header, messages that begin at lines such as `system:`."""

from __future__ import annotations

from promptctl.exchange.prompty.reading import is_one, read
from promptctl.exchange.prompty.writing import write

__all__ = ["is_one", "read", "write"]
