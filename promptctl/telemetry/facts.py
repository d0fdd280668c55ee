"""Attributes of a call's span, event and metrics, made of what the log keeps of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from promptctl.log.encoding import Fields
from promptctl.log.records import WITH_REPLY
from promptctl.models.gateway import Request
from promptctl.telemetry import names

Attributes = dict[str, Any]

_NANO = 1_000_000_000
_PORTS = {"http": 80, "https": 443}
_JSON_FORMATS = frozenset({"json_object", "json_schema"})
_SAME = {
    "model_resolved": names.RESPONSE_MODEL,
    "input_tokens": names.INPUT_TOKENS,
    "output_tokens": names.OUTPUT_TOKENS,
    "cached_tokens": names.CACHE_READ_TOKENS,
    "reasoning_tokens": names.REASONING_TOKENS,
    "session": names.CONVERSATION,
    "error_type": names.ERROR_TYPE,
    "price_source": names.PRICE_SOURCE,
    **names.OF_EXECUTION,
}
# Parts of the tokens that are all counted: none is not told.
_PARTS = frozenset({names.CACHE_READ_TOKENS, names.REASONING_TOKENS})
# What a request for embeddings has none of.
_OF_TEXT = frozenset({names.OUTPUT_TOKENS, names.FINISH_REASONS})


def of_model(operation: str, model: str, provider: str | None = None) -> Attributes:
    """Return the attributes that say what is done by which model; `provider` is that of the id if None."""
    first, _, rest = model.partition("/")
    provider = provider or first
    name = rest if rest and first == provider else model
    return {
        names.OPERATION: operation,
        names.PROVIDER: names.PROVIDERS.get(provider, provider),
        names.REQUEST_MODEL: name,
    }


def of_request(operation: str, request: Request, *, is_streamed: bool) -> Attributes:
    """Return the attributes that are known before a request is sent, by which a span may be sampled."""
    found = of_model(operation, request.model) | _server(request.endpoint.api_base)
    if is_streamed:
        found[names.IS_STREAMED] = True
    if request.response_format is not None:
        is_json = request.response_format.get("type") in _JSON_FORMATS
        found[names.OUTPUT_TYPE] = "json" if is_json else "text"
    return found


def _server(address: str | None) -> Attributes:
    try:
        parts = urlsplit(address or "")
        port = parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return {}
    if not parts.hostname:
        return {}
    return {names.SERVER_ADDRESS: parts.hostname, **({} if port is None else {names.SERVER_PORT: port})}


def of_attempt(fields: Fields, begun: Attributes) -> Attributes:
    """Return the attributes of an attempt out of its fields as the log would store them, with those it began with."""
    found = begun | _of_fields(fields, is_streamed=names.IS_STREAMED in begun)
    if begun[names.OPERATION] == names.EMBEDDINGS:
        return {name: value for name, value in found.items() if name not in _OF_TEXT}
    return found


def _of_fields(fields: Fields, *, is_streamed: bool) -> Attributes:
    found = {name: fields[key] for key, name in _SAME.items() if fields.get(key) is not None and fields[key] != ""}
    found = {name: value for name, value in found.items() if value != 0 or name not in _PARTS}
    found[names.PROMPT_NAME] = fields["prompt"]
    if fields["version"] is not None:
        found[names.PROMPT_VERSION] = str(fields["version"])
    if fields["is_dirty"]:
        found[names.IS_DIRTY] = True
    found |= _of_parameters(json.loads(fields["parameters"] or "{}"))
    if fields["status"] != "blocked":
        found |= _of_reply(fields, is_streamed=is_streamed) | _of_cost(fields)
    return found


def _of_parameters(parameters: Mapping[str, Any]) -> Attributes:
    found: Attributes = {}
    for name, value in parameters.items():
        attribute, kind = names.PARAMETERS.get(name, ("", object))
        if not attribute or (name == "n" and value == 1):
            continue
        if kind is list:
            words = [value] if isinstance(value, str) else value
            if isinstance(words, list) and all(isinstance(each, str) for each in words):
                found[attribute] = words
        elif isinstance(value, kind) or (kind is float and isinstance(value, int)):
            found[attribute] = kind(value)
    return found


def _of_reply(fields: Fields, *, is_streamed: bool) -> Attributes:
    found: Attributes = {}
    has_failed = fields["status"] in ("error", "cancelled")
    if reason := fields["finish_reason"] or ("error" if has_failed else None):
        found[names.FINISH_REASONS] = [reason]
    if is_streamed and fields["first_token_ms"] is not None:
        found[names.FIRST_CHUNK_S] = round(fields["first_token_ms"] / 1000, 6)
    details = json.loads(fields["usage_details"] or "{}")
    if written := details.get("cache_write_tokens"):
        found[names.CACHE_WRITE_TOKENS] = written
    return found


def _of_cost(fields: Fields) -> Attributes:
    cost = fields["cost_nano_usd"]
    if cost is None:
        has_reply = fields["status"] in WITH_REPLY or fields["output_tokens"] is not None
        return {names.IS_PRICED: False} if has_reply else {}
    return {names.IS_PRICED: True, names.COST: cost / _NANO, names.COST_CURRENCY: "USD"}


def of_content(fields: Fields) -> Attributes:
    """Return messages, reply and inputs as far as the fields have them; each is JSON, but for the inputs' texts."""
    found: Attributes = {}
    if fields["messages"] is not None:
        found[names.INPUT_MESSAGES] = _json([_message(each) for each in json.loads(fields["messages"])])
    answer = list(_answer(fields["reply"], json.loads(fields["tool_calls"] or "[]")))
    if answer:
        found[names.OUTPUT_MESSAGES] = _json([{"role": "assistant", "parts": answer}])
    for name, value in json.loads(fields["inputs"] or "{}").items():
        found[f"{names.VARIABLE}{name}"] = value if isinstance(value, str) else _json(value)
    return found


def has_text_alone(messages: Iterable[Mapping[str, Any]] | None) -> bool:
    """Return True if all that is sent is text, so that all tokens are of text."""
    return messages is not None and all(isinstance(each.get("content"), str | None) for each in messages)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    content, calls = message.get("content"), message.get("tool_calls") or ()
    role = message.get("role")
    if role == "tool":
        parts = [{"type": "tool_call_response", "id": message.get("tool_call_id"), "response": content}]
    else:
        parts = [*_parts(content), *map(_tool_call, calls)]
    return {"role": role, "parts": parts, **({"name": message["name"]} if message.get("name") else {})}


def _parts(content: Any) -> list[dict[str, Any]]:
    if content is None or isinstance(content, str):
        return [{"type": "text", "content": content}] if content else []
    return [_part(each) for each in content] if isinstance(content, Sequence) else []


def _part(part: Any) -> dict[str, Any]:
    """Return a part of a message as the conventions write it; one that they do not know stays as it is."""
    if not isinstance(part, Mapping):
        return {"type": "text", "content": str(part)}
    if part.get("type") == "text":
        return {"type": "text", "content": part.get("text", "")}
    if part.get("type") == "image_url":
        address = part.get("image_url")
        url = str(address.get("url", "") if isinstance(address, Mapping) else address)
        if not url.startswith("data:"):
            return {"type": "uri", "modality": "image", "uri": url}
        kind, _, data = url.removeprefix("data:").partition(";base64,")
        return {"type": "blob", "modality": "image", "mime_type": kind, "content": data}
    return {**part, "type": str(part.get("type", "unknown"))}


def _answer(reply: str | None, parts: Sequence[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for part in parts:
        if part.get("type") == "reasoning":
            yield {"type": "reasoning", "content": part.get("text", "")}
    if reply:
        yield {"type": "text", "content": reply}
    yield from (_tool_call(part) for part in parts if part.get("type") != "reasoning")


def _tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        with suppress(ValueError, RecursionError):
            arguments = json.loads(arguments)
    return {"type": "tool_call", "id": call.get("id"), "name": function.get("name", ""), "arguments": arguments}
