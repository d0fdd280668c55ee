"""What the tests of reading files share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from promptctl.errors import InvalidFiles, Problem

Read = Callable[[bytes, str], Any]


def attempt(read: Read, data: bytes, path: str) -> tuple[Any, Sequence[Problem]]:
    """What a reader makes of bytes, or the problems for which it refuses them."""
    try:
        return read(data, path), ()
    except InvalidFiles as refused:
        return None, refused.problems
