from __future__ import annotations

from typing import Any

import pytest

from promptctl.assertions.effort import Effort
from promptctl.assertions.outcome import Ungraded, Unmet
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
        ("$.items[?match(@.n, '1') || match(@.name, @.n) || match(@.name, 'a')].name", ["a"]),
    ],
)
def test_a_path_gives_one_value_or_a_list_of_several(path: str, value: Any) -> None:
    assert compile_path(path)(REPLY, Effort()) == value


@pytest.mark.parametrize("path", ["$.lable", "$.items[2]", "$.label.x", "$..lable", "$.items[?@.n > 9]", "$.s[0]"])
def test_nothing_at_a_path_is_said_and_never_passes_for_an_empty_list(path: str) -> None:
    with pytest.raises(Unmet, match="nothing at"):
        compile_path(path)(REPLY, Effort())


@pytest.mark.parametrize(
    "path", ["label", "$.items[", "$.a b", "$.items[?@.x==]", "$..a..b..c", "$[?@.n==1e999]", "$[:1e5]"]
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidPath):
        compile_path(path)


def test_a_pattern_in_a_path_cannot_hang() -> None:
    find = compile_path("$[?match(@, '(a+)+$')]")
    with pytest.raises(Unmet):
        find(["a" * 50_000 + "!"], Effort())


@pytest.mark.parametrize(("pattern", "said"), [("(", "missing )"), ("\ud800", "it is no Unicode text")])
def test_a_pattern_in_a_path_that_is_none_is_said(pattern: str, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Ungraded, match="in the path is not a regular expression of RE2: ") as caught:
        compile_path("$[?match('a', @)]")([pattern], Effort())
    assert f"RE2: {said}" in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_reply_that_was_cut_within_a_character_is_matched_as_any_other() -> None:
    assert compile_path("$[?match(@, 'a.?')]")(["a\ud83d", "b\ud83d"], Effort()) == ["a\ud83d"]
