from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest

from promptctl.errors import ModelConfigurationError, RequestRejected
from promptctl.models.echo import Echo
from promptctl.models.gateway import Delta, Reply, Request, Usage, embedding_request


def ask(*messages: tuple[str, Any], **fields: Any) -> Request:
    return Request("echo/echo", [{"role": role, "content": content} for role, content in messages], **fields)


def answer(request: Request) -> Reply:
    return asyncio.run(Echo().complete(request))


def test_the_last_user_message_comes_back() -> None:
    reply = answer(ask(("system", "Be kind."), ("user", "one"), ("assistant", "1"), ("user", "two"), ("assistant", "")))
    assert reply.text == "two"
    assert (reply.source, reply.provider, reply.model, reply.finish_reason) == ("echo", "echo", "echo/echo", "stop")


def test_text_parts_come_back_joined() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = [{"type": "text", "text": "what is "}, image, {"type": "text", "text": "this?"}]
    assert answer(ask(("user", parts))).text == "what is this?"


def test_where_no_user_speaks_the_last_message_comes_back() -> None:
    assert answer(ask(("system", "Be kind."))).text == "Be kind."
    assert answer(ask()).text == ""


def test_four_characters_are_a_token_and_all_are_free() -> None:
    reply = answer(ask(("system", "12345"), ("user", "123")))
    assert reply.usage == Usage(input_tokens=3, output_tokens=1)
    assert (reply.cost_nano_usd, reply.price_source) == (0, "free")


def test_a_schema_gets_a_value_that_fits_it() -> None:
    schema = {
        "type": "object",
        "properties": {"label": {"enum": ["billing", "other"]}, "score": {"type": "integer", "minimum": 3}},
        "required": ["label", "score"],
    }
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    value = json.loads(answer(ask(("user", "hello"), response_format=wanted)).text)
    assert value["label"] in {"billing", "other"}
    assert value["score"] >= 3


def test_a_schema_that_cannot_be_filled_is_refused_with_a_way_out() -> None:
    schema = {"type": "object", "required": ["code"], "properties": {"code": {"type": "string", "pattern": "^[A-Z]$"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    with pytest.raises(RequestRejected) as caught:
        answer(ask(("user", "hello"), response_format=wanted))
    assert str(caught.value) == "echo/echo cannot fill the output schema at $.code: must match the pattern ^[A-Z]$"
    assert "--record" in (caught.value.hint or "")
    assert "--model replay/" in (caught.value.hint or "")
    assert caught.value.is_unbilled


def test_any_json_object_is_an_empty_one() -> None:
    assert answer(ask(("user", "hello"), response_format={"type": "json_object"})).text == "{}"


def test_a_stream_has_a_few_pieces_and_then_the_same_reply() -> None:
    async def collect() -> list[Delta | Reply]:
        return [piece async for piece in Echo().stream(ask(("user", "abcdefghij")))]

    *pieces, reply = asyncio.run(collect())
    assert [piece.text for piece in pieces if isinstance(piece, Delta)] == ["abc", "def", "ghi", "j"]
    assert isinstance(reply, Reply)
    assert reply.text == "abcdefghij"


def test_another_echo_is_no_model() -> None:
    with pytest.raises(ModelConfigurationError) as caught:
        answer(Request("echo/louder", []))
    assert caught.value.hint == "the only model of echo is echo/echo"


def test_texts_with_common_words_are_near_each_other() -> None:
    texts = ["The card was charged twice.", "The card was charged twice.", "My card was charged once", "zzz qqq"]
    found = asyncio.run(Echo().complete(embedding_request("echo/echo", texts)))
    first, same, near, far = found.vectors
    assert first == same
    assert _similarity(first, near) > _similarity(first, far)
    assert math.isclose(_similarity(first, first), 1)
    assert found.cost_nano_usd == 0


def test_an_empty_text_has_a_vector_too() -> None:
    found = asyncio.run(Echo().complete(embedding_request("echo/echo", [""])))
    assert math.isclose(_similarity(found.vectors[0], found.vectors[0]), 1)


def _similarity(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
