"""What the tests of our file kinds share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from promptctl.errors import InvalidFiles, Problem
from tests.files.conftest import Read

ProblemsOf = Callable[[Read, str], list[Problem]]


@pytest.fixture
def problems_of() -> ProblemsOf:
    """The problems for which a reader refuses a text."""

    def find(read: Read, text: str) -> list[Problem]:
        with pytest.raises(InvalidFiles) as refused:
            read(text.encode(), "file.yaml")
        return list(refused.value.problems)

    return find
