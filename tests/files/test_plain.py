from __future__ import annotations

import datetime as dt
import enum
from types import MappingProxyType
from typing import Any

import pytest

from promptctl.files.plain import Measure, NotPlain, canonical_json, content_digest, plain, written_json
from promptctl.models.gateway import Request, embedding_request
from promptctl.models.recorded_reply import digest_for


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


VALUE = {"b": [1.0, 1, True, None, 0.5, 1e300], "a": {"é\u2028\U0001f600": "é\n\ud800"}, "c": -0.0}


def test_equal_values_have_one_text() -> None:
    assert canonical_json({"a": 1.0, "b": [2]}) == canonical_json({"b": (2.0,), "a": 1})
    assert canonical_json(MappingProxyType({"a": MappingProxyType({"b": 1.0})})) == '{"a":{"b":1}}'
    different: list[Any] = [1, True, "1", None, 0, False, [], {}, "", [1], 1.5]
    assert len({canonical_json(value) for value in different}) == 11


def test_the_order_of_keys_can_count() -> None:
    assert canonical_json({"b": 1.0, "a": 2}, keeps_order=True) == '{"b":1,"a":2}'


def test_its_text_is_the_one_that_digests_of_prompts_are_made_of() -> None:
    assert canonical_json(VALUE) == '{"a":{"é\u2028\U0001f600":"é\\n\ud800"},"b":[1,1,true,null,0.5,1e+300],"c":0}'
    assert canonical_json({"b": [1.0, -0.0, 1.5, 1e300]}) == '{"b":[1,0,1.5,1e+300]}'
    assert canonical_json([2.0**53 - 1, 2.0**53]) == "[9007199254740991,9007199254740992.0]"


def test_what_is_written_otherwise_is_different_in_the_texts_that_are_stored() -> None:
    assert written_json(VALUE) == ('{"a":{"é\u2028\U0001f600":"é\\n\ud800"},"b":[1.0,1,true,null,0.5,1e+300],"c":-0.0}')


# Written down when they came into being: logs, caches and recordings hold them.
@pytest.mark.parametrize(
    ("value", "digest"),
    [
        ({}, "2afb9b83f9314e5d029766197f539792"),
        (VALUE, "6a2c54bb5a5e3465766edb38d1adc930"),
        ([{"type": "equals", "value": 1.0}, "é"], "ff3afa6017f4a300ea2ae3298c683d86"),
    ],
)
def test_digests_of_content_stay(value: Any, digest: str) -> None:
    assert content_digest(value) == digest


def test_digests_of_requests_stay() -> None:
    request = Request(
        "openai/gpt-4o-mini",
        [{"role": "user", "content": "Grüße\n😀"}],
        {"temperature": 0.0, "top_p": 1, "max_tokens": 400},
        tools=[{"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}],
        response_format={"type": "json_object"},
        repeat=2,
    )
    assert request.digest() == "8c489913ec91cc987ed1ad5e9f0ea52a8b47d491a3d4660009332f0a90a76c09"
    assert (
        digest_for(embedding_request("replay/openai/text-embedding-3-small", ["é", "b"]))
        == "251c9229ca3d37b83115cc39a27c3bcec56a4b6a4924106195a35496e580e15e"
    )
