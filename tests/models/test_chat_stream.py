from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from promptctl.models.chat_protocol import reply_of
from promptctl.models.chat_stream import EventDecoder, ReplyAssembler
from promptctl.models.gateway import Reply, Request, Usage
from promptctl.models.prices import Prices


def decode(*parts: bytes) -> list[bytes]:
    decoder = EventDecoder()
    return [event for part in parts for event in decoder.feed(part)] + decoder.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", [b"a", b"b"]),
        (b"data: a\r\rdata: b\r\r", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: one\ndata: two\n\n", [b"one\ntwo"]),
        (b": keep-alive\n\ndata: a\n\n", [b"a"]),
        (b"event: message\nid: 7\nretry: 10\ndata: a\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
        (b"data: a", [b"a"]),
        (b"data\n\n", [b""]),
        (b"", []),
    ],
)
def test_events_of_every_form_are_read(stream: bytes, events: list[bytes]) -> None:
    assert decode(stream) == events


@given(st.lists(st.integers(1, 60), max_size=8), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_events_are_the_same_wherever_the_bytes_are_cut(cuts: list[int], end: bytes) -> None:
    stream = end.join([b": hello", b'data: {"a":', b'data: "\xc3\xbc"}', b"", b"event: x", b"data: [DONE]", b"", b""])
    marks = sorted({0, *(cut for cut in cuts if cut < len(stream)), len(stream)})
    parts = [stream[start:stop] for start, stop in pairwise(marks)]
    assert decode(*parts) == decode(stream) == [b'{"a":\n"\xc3\xbc"}', b"[DONE]"]


def test_what_an_unfinished_event_holds_is_told() -> None:
    decoder = EventDecoder()
    decoder.feed(b"data: " + b"x" * 1000)
    assert decoder.pending_bytes == 1006
    decoder.feed(b"x\n" + b"data:\n" * 1000)
    assert decoder.pending_bytes == 1007 + 5000
    assert decoder.feed(b"\n") != []
    assert decoder.pending_bytes == 0


def test_an_event_of_many_parts_takes_time_by_its_size_alone() -> None:
    decoder, begun = EventDecoder(), time.process_time()
    events = [each for _ in range(400) for each in decoder.feed(b"data: ".ljust(1 << 14, b"x"))]
    assert events == []
    (event,) = decoder.feed(b"\n\n")
    assert len(event) == (400 << 14) - 6
    assert time.process_time() - begun < 1  # six seconds if all of it is looked at again with each part


def chunk(**delta: object) -> dict[str, object]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}


def assembled(assembler: ReplyAssembler) -> Reply:
    return reply_of(Request("openai/m", []), assembler.completion(), Prices(), 0.0)


def test_tool_calls_are_put_together_by_their_index() -> None:
    assembler = ReplyAssembler()
    assembler.add(chunk(tool_calls=[{"index": 1, "id": "b", "function": {"name": "two", "arguments": "{"}}]))
    assembler.add(chunk(tool_calls=[{"index": 0, "id": "a", "function": {"name": "one", "arguments": "{}"}}]))
    assembler.add(chunk(tool_calls=[{"index": 1, "function": {"arguments": '"x":1}'}}]))
    calls = assembled(assembler).tool_calls
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("a", "{}"), ("b", '{"x":1}')]


def test_whole_tool_calls_without_an_index_stay_apart() -> None:
    assembler = ReplyAssembler()
    for name in ("one", "two"):
        assembler.add(chunk(tool_calls=[{"id": name, "function": {"name": name, "arguments": "{}"}}]))
    assert [call["id"] for call in assembled(assembler).tool_calls] == ["one", "two"]


def test_arguments_without_an_end_to_their_nesting_are_not_whole() -> None:
    assembler = ReplyAssembler()
    for name, arguments in (("look", "[" * 100_000), ("_up", "]")):
        assembler.add(chunk(tool_calls=[{"function": {"name": name, "arguments": arguments}}]))
    (call,) = assembled(assembler).tool_calls
    assert (call["function"]["name"], len(call["function"]["arguments"])) == ("look_up", 100_001)


def test_a_refusal_stands_where_no_text_is() -> None:
    assembler = ReplyAssembler()
    assert assembler.add(chunk(refusal="I can")) == ""
    assembler.add(chunk(refusal="not."))
    assert assembled(assembler).text == "I cannot."


@pytest.mark.parametrize(
    ("usages", "tokens", "told"),
    [
        ([{"cost": 0.5}], None, 500_000_000),
        ([{"prompt_tokens": 0, "completion_tokens": 0, "cost": 0.5}], None, 500_000_000),
        ([{"prompt_tokens": 0}, {"prompt_tokens": 0, "cost": 0.5}], None, 500_000_000),
        ([{"prompt_tokens": 3, "completion_tokens": 1, "cost": 0.5}, {"prompt_tokens": 0, "cost": 0}], 3, 500_000_000),
    ],
)
def test_usage_that_counts_no_tokens_tells_the_cost_and_replaces_none_that_counts(
    usages: list[dict[str, object]], tokens: int | None, told: int
) -> None:
    assembler = ReplyAssembler()
    assembler.add(chunk(content="hi"))
    for usage in usages:
        assembler.add({"choices": [], "usage": usage})
    found = assembled(assembler)
    assert (found.usage.input_tokens, found.usage.told_nano_usd) == (tokens, told)
    assert found.cost_nano_usd == told


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"choices": None},
        {"choices": "x"},
        {"choices": [None, 3]},
        {"choices": [{"delta": None}]},
        {"choices": [{"delta": {"content": 3, "tool_calls": "x"}, "finish_reason": 7}]},
        {"choices": [{"delta": {"tool_calls": [{"index": "a", "function": None}]}}]},
        {"choices": [], "usage": {"prompt_tokens": "many", "prompt_tokens_details": 3}},
        {"choices": [{"index": 1, "delta": {"content": "the second of n"}}]},
    ],
)
def test_odd_chunks_bring_nothing_and_break_nothing(odd: dict[str, object]) -> None:
    assembler = ReplyAssembler()
    assert assembler.add(odd) == ""
    parsed = assembled(assembler)
    assert (parsed.text, parsed.finish_reason, parsed.usage) == ("", None, Usage())
