"""Requests as programs send them: whatever is sent is a request, or is refused with words."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from promptctl.models.recorded_reply import asked_of, digest_for
from promptctl.models.replay import difference
from promptctl.serving.chat_request import NOT_ASKED, ChatRequest, read_chat_request
from promptctl.serving.refusal import NotAnswered

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
CONTENT = (
    st.none() | st.text(max_size=20) | st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": st.text()}))
)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool", "king"]), "content": CONTENT},
        optional={"name": st.none() | st.text(max_size=3), "tool_calls": VALUES},
    ),
    max_size=3,
)
KEYS = ("temperature", "top_p", "stop", "stream", "stream_options", "tools", "response_format", "n", "user", "metadata")
BODIES = st.fixed_dictionaries(
    {"model": st.just("gpt-4o-mini"), "messages": MESSAGES | VALUES},
    optional=dict.fromkeys((*KEYS, "modalities", "logprobs", "seed", "extra_body"), VALUES),
)
SOUND = st.fixed_dictionaries(
    {
        "model": st.just("gpt-4o-mini"),
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(("system", "user", "assistant")), "content": st.text(min_size=1, max_size=20)},
                optional={"name": st.none() | st.just("ada")},
            ),
            min_size=1,
            max_size=3,
        ),
    },
    optional={
        **dict.fromkeys(("temperature", "top_p"), st.none() | st.floats(0, 2) | st.integers(0, 2)),
        **dict.fromkeys(("stop", "seed", "extra_body"), VALUES),
        "response_format": st.none() | st.just({"type": "json_object"}),
    },
)


def read(body: Any) -> ChatRequest | None:
    try:
        return read_chat_request(json.dumps(body).encode())
    except NotAnswered:
        return None


@given(BODIES | VALUES)
@settings(max_examples=100, derandomize=True, deadline=None)
def test_whatever_is_sent_is_a_request_or_is_refused(body: Any) -> None:
    read(body)


@given(SOUND)
@settings(max_examples=150, derandomize=True, deadline=None)
def test_two_forms_of_a_request_have_one_digest_if_nothing_differs(body: Any) -> None:
    asked = read(body)
    assume(asked is not None)
    assert asked is not None
    ours, *others = asked.forms("openai/gpt-4o-mini", {"temperature": 0.5, "seed": None})
    assert len(others) == 2
    for other in others:
        is_same = digest_for(other) == digest_for(ours)
        assert (difference(asked_of(other), asked_of(ours)) == "") is is_same


@given(st.floats(0, 2) | st.integers(0, 2), st.sampled_from(sorted(NOT_ASKED - {"n", "logprobs"})), st.booleans())
@settings(max_examples=100, derandomize=True, deadline=None)
def test_what_decides_nothing_changes_no_digest(temperature: float, name: str, has_null: bool) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "temperature": temperature}
    value: Any = {"stream": True, "stream_options": {"include_usage": True}, "metadata": {"a": "b"}}.get(name, "x")
    other = {**body, name: value, **({"stop": None} if has_null else {})}
    first, second = (read(each) for each in (body, other))
    assert first is not None
    assert second is not None
    assert digest_for(first.of("m", {})) == digest_for(second.of("m", {}))


def test_a_parameter_that_a_model_leaves_out_is_left_out() -> None:
    asked = read({"model": "m", "messages": [{"role": "user", "content": "a"}], "temperature": 1})
    assert asked is not None
    assert asked.of("m", {"temperature": None, "top_p": 0.5}).parameters == {"top_p": 0.5}
