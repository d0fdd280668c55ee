"""What the tests of reading files share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from promptctl.errors import InvalidFiles, Problem

Read = Callable[[bytes, str], Any]
ProblemsOf = Callable[[Read, str], list[Problem]]


def attempt(read: Read, data: bytes, path: str) -> tuple[Any, Sequence[Problem]]:
    """What a reader makes of bytes, or the problems for which it refuses them."""
    try:
        return read(data, path), ()
    except InvalidFiles as refused:
        return None, refused.problems


@pytest.fixture
def problems_of() -> ProblemsOf:
    """The problems for which a reader refuses a text."""

    def find(read: Read, text: str) -> list[Problem]:
        with pytest.raises(InvalidFiles) as refused:
            read(text.encode(), "file.yaml")
        return list(refused.value.problems)

    return find
