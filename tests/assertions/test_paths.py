from __future__ import annotations

from typing import Any

import pytest

from promptctl.assertions.effort import Effort
from promptctl.assertions.outcome import Unmet
from promptctl.assertions.paths import InvalidPath, compile_path

REPLY = {"label": "bug", "items": [{"name": "a", "n": 1}, {"name": "bb", "n": None}], "odd key": {"-": 3}, "s": "[1]"}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$", REPLY),
        ("$.label", "bug"),
        ("$.items[1].name", "bb"),
        ("$.items[1].n", None),
        ("$['odd key'][\"-\"]", 3),
        ("$.items[-1].name", "bb"),
        ("$.items[*].name", ["a", "bb"]),
        ("$..name", ["a", "bb"]),
        ("$.items[?@.n == 1].name", ["a"]),
        ("$.items[?match(@.name, 'b+')].name", ["bb"]),
        ("$.items[?search(@.name, 'a')].n", [1]),
    ],
)
def test_a_path_gives_one_value_or_a_list_of_several(path: str, value: Any) -> None:
    assert compile_path(path)(REPLY, Effort()) == value


@pytest.mark.parametrize("path", ["$.lable", "$.items[2]", "$.label.x", "$..lable", "$.items[?@.n > 9]", "$.s[0]"])
def test_nothing_at_a_path_is_said_and_never_passes_for_an_empty_list(path: str) -> None:
    with pytest.raises(Unmet, match="nothing at"):
        compile_path(path)(REPLY, Effort())


@pytest.mark.parametrize("path", ["label", "$.items[", "$.a b", "$.items[?@.x==]", "$..a..b..c"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        compile_path(path)


def test_a_pattern_in_a_path_cannot_hang() -> None:
    find = compile_path("$[?match(@, '(a+)+$')]")
    with pytest.raises(Unmet):
        find(["a" * 50_000 + "!"], Effort())
