from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import pytest

from promptctl.files.plain import Measure, NotPlain, plain


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


def test_values_become_plain_types_of_their_own() -> None:
    given: dict[Any, Any] = {Colour.RED: (Level.HIGH, Colour.RED, True, None, 1.5, {"a": []})}
    made = plain(given, Measure())
    assert made == {"red": [3, "red", True, None, 1.5, {"a": []}]}
    assert {type(key) for key in made} == {str}
    assert [type(item) for item in made["red"][:3]] == [int, str, bool]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (dt.date(2026, 5, 3), "date is not text"),
        ({"a": [b"x"]}, "bytes is not text"),
        ({1: "a"}, "a key that is not text but int"),
        ({"a"}, "set is not text"),
        (float("nan"), "not a number"),
        ([float("inf")], "infinite"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any, words: str) -> None:
    with pytest.raises(NotPlain, match=words):
        plain(value, Measure())


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(NotPlain, match="nested"):
        plain(endless, Measure())


def test_the_text_is_measured() -> None:
    measure = Measure()
    plain({"ab": ["cde"]}, measure)
    assert measure.chars > 100
    assert measure.is_ascii
    plain(["é"], measure)
    assert not measure.is_ascii
