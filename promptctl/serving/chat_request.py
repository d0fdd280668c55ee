"""Chat completions as the protocol has them: a request, read from what a program sent, and the reply to it."""

from __future__ import annotations

import calendar
import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from promptctl.files.plain import Measure, NotPlain, plain, whole_numbers
from promptctl.files.wording import shown
from promptctl.formats.settings_file import sent_parameters
from promptctl.models.gateway import REFUSAL, Reply, Request, Usage
from promptctl.prompts.rendering import message_problem
from promptctl.serving.refusal import NotAnswered

# Keys that say how an answer comes, for whom and where it is kept. They decide nothing of the reply: they are no part
# of what a recording is found by, and are not sent on.
NOT_ASKED = frozenset({
    "stream", "stream_options", "n", "user", "metadata", "store", "safety_identifier",
    "prompt_cache_key", "prompt_cache_retention", "logprobs",
})  # fmt: skip
_ELSEWHERE = frozenset({"model", "messages", "tools", "response_format"})
_FLOATS = frozenset({"temperature", "top_p", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty"})
_SMALL = 1000
_EXAMPLE = '{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}'


@dataclass(frozen=True)
class ChatRequest:
    """A request as it was sent. `parameters` are those that decide the reply."""

    model: str
    messages: Sequence[Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Mapping[str, Any]] = ()
    response_format: Mapping[str, Any] | None = None
    is_streamed: bool = False
    includes_usage: bool = False
    user: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def of(self, model: str, parameters: Mapping[str, Any]) -> Request:
        """Return the request to a model, in the one form that equal requests have.

        That is without keys that are null, with whole numbers without a fraction. `parameters` are those that the
        settings have for the model: the request's own win over them, and one that is None there is left out.
        """
        sent = sent_parameters(parameters, self.parameters)
        kept = {name: value for name, value in sent.items() if value is not None}
        return Request(
            model,
            [{key: value for key, value in each.items() if value is not None or key == "content"}
             for each in whole_numbers(self.messages)],
            whole_numbers(kept),
            whole_numbers(self.tools),
            whole_numbers(self.response_format),
        )  # fmt: skip

    def forms(self, model: str, parameters: Mapping[str, Any]) -> Iterator[Request]:
        """Yield the forms in which a recording of this request may have been kept, ours first.

        The others are those of prompt files, which may write `0.0`, and keep what is null.
        """
        first = self.of(model, parameters)
        yield first
        as_sent = {**first.parameters, **self.parameters}
        yield Request(model, self.messages, as_sent, self.tools, self.response_format)
        with_fractions = {name: _with_fraction(name, value) for name, value in first.parameters.items()}
        yield Request(model, first.messages, with_fractions, first.tools, first.response_format)


def _with_fraction(name: str, value: Any) -> Any:
    is_small = value.__class__ is int and abs(value) < _SMALL
    return float(value) if name in _FLOATS and is_small else value


def read_chat_request(body: bytes) -> ChatRequest:
    """Return the request in a body. Raises `NotAnswered` for what is none, or asks for what no recording holds."""
    try:
        sent = plain(json.loads(body), Measure())
    except NotPlain as error:
        raise NotAnswered(400, f"the body cannot be taken: {error}", code="not_json") from None
    except (ValueError, RecursionError) as error:
        odd = "it is not UTF-8, nested too deeply, or has a number of too many digits"
        why = str(error) if isinstance(error, json.JSONDecodeError) else odd
        raise NotAnswered(400, f"the body is not JSON: {why}", code="not_json") from None
    if not isinstance(sent, dict):
        raise NotAnswered(400, f"the body is a JSON object, such as {_EXAMPLE}", code="not_json")
    _check(sent)
    return ChatRequest(
        model=sent["model"],
        messages=sent["messages"],
        parameters={name: value for name, value in sent.items() if name not in NOT_ASKED | _ELSEWHERE},
        tools=sent.get("tools") or [],
        response_format=sent.get("response_format"),
        is_streamed=bool(sent.get("stream")),
        includes_usage=bool((sent.get("stream_options") or {}).get("include_usage")),
        user=sent.get("user"),
        metadata=sent.get("metadata") or {},
    )


_KINDS: dict[str, tuple[type | tuple[type, ...], str]] = {
    "tools": (list, "a list"),
    "response_format": (dict, "an object"),
    "stream": (bool, "true or false"),
    "stream_options": (dict, "an object"),
    "user": (str, "a text"),
    "metadata": (dict, "an object"),
}


def _check(sent: Mapping[str, Any]) -> None:
    model, messages = sent.get("model"), sent.get("messages")
    if not isinstance(model, str) or not model:
        said = "null" if model is None else shown(model)
        raise NotAnswered(400, f"`model` is the name of a model, not {said}", param="model")
    if not isinstance(messages, list) or not messages:
        raise NotAnswered(400, f"`messages` is a list of messages, such as {_EXAMPLE}", param="messages")
    for index, message in enumerate(messages):
        if problem := message_problem(_with_content(message), may_instruct=True):
            raise NotAnswered(400, f"`messages[{index}]` cannot be sent: {problem}", param=f"messages[{index}]")
    for name, (kind, called) in _KINDS.items():
        value = sent.get(name)
        if value is not None and not isinstance(value, kind):
            raise NotAnswered(400, f"`{name}` is {called}, not {shown(value)}", param=name)
    for index, tool in enumerate(sent.get("tools") or ()):
        if not isinstance(tool, dict):
            raise NotAnswered(400, f"`tools[{index}]` is an object, not {shown(tool)}", param="tools")
    _check_what_is_answered(sent)


def _with_content(message: Any) -> Any:
    """Return a message as prompts have it: the protocol lets an assistant's have no content."""
    is_assistant = isinstance(message, dict) and message.get("role") == "assistant"
    return {**message, "content": ""} if is_assistant and message.get("content") is None else message


def _check_what_is_answered(sent: Mapping[str, Any]) -> None:
    if sent.get("n") not in (None, 1):
        raise NotAnswered(400, "only one choice is answered: leave `n` out, or ask several times", param="n")
    if sent.get("logprobs"):
        raise NotAnswered(400, "recordings hold no probabilities of words: leave `logprobs` out", param="logprobs")
    if sent.get("modalities") not in (None, ["text"]):
        raise NotAnswered(400, "recordings hold nothing but text: leave `modalities` out", param="modalities")


# Pieces of a streamed text: some words each, as models send some tokens.
_PIECE = re.compile(r"(?s).{1,24}?(?:\s+|\Z)|.{1,24}")
_ENCODE = json.JSONEncoder(separators=(",", ":")).encode
DONE = b"data: [DONE]\n\n"


def whole(asked: ChatRequest, reply: Reply, made_at: str | None) -> bytes:
    """Return the completion as one JSON object. `made_at` is the moment of the reply in ISO 8601, if it is known."""
    message: dict[str, Any] = {"role": "assistant", **_said(reply)}
    if reply.tool_calls:
        message["tool_calls"] = _tool_calls(reply)
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(reply)}
    head = _head(asked, reply, made_at, "chat.completion")
    return _ENCODE({**head, "choices": [choice], "usage": usage_of(reply.usage)}).encode()


def events(asked: ChatRequest, reply: Reply, made_at: str | None) -> Iterator[bytes]:
    """Yield the completion as events of a stream, the end of the protocol last."""
    head = _head(asked, reply, made_at, "chat.completion.chunk")
    usage = {"usage": None} if asked.includes_usage else {}

    def event(delta: Mapping[str, Any], finish_reason: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _event({**head, "choices": [choice], **usage})

    said = _said(reply)
    name, text = ("refusal", said["refusal"]) if said["refusal"] is not None else ("content", said["content"])
    yield event({"role": "assistant", "content": None if text is None or name == "refusal" else "", "refusal": None})
    for piece in _PIECE.findall(text or ""):
        yield event({name: piece})
    for index, call in enumerate(_tool_calls(reply)):
        function, arguments = call["function"], call["function"]["arguments"]
        yield event({"tool_calls": [{"index": index, **call, "function": {**function, "arguments": ""}}]})
        for piece in _PIECE.findall(arguments):
            yield event({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield event({}, _finish_reason(reply))
    if asked.includes_usage:
        yield _event({**head, "choices": [], "usage": usage_of(reply.usage)})
    yield DONE


def usage_of(usage: Usage) -> dict[str, Any] | None:
    """Return the tokens of a reply in the protocol's words; None if they were not counted, which is not zero."""
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    found: dict[str, Any] = {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
    if usage.cached_tokens is not None:
        found["prompt_tokens_details"] = {"cached_tokens": usage.cached_tokens}
    if usage.reasoning_tokens is not None:
        found["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return found


def _head(asked: ChatRequest, reply: Reply, made_at: str | None, kind: str) -> dict[str, Any]:
    said = _ENCODE([asked.model, list(asked.messages), reply.text, list(reply.tool_calls)])
    digest = hashlib.blake2b(said.encode(), digest_size=12).hexdigest()
    created = 0
    with suppress(ValueError):
        created = calendar.timegm(time.strptime((made_at or "")[:19], "%Y-%m-%dT%H:%M:%S"))
    return {"id": f"chatcmpl-{digest}", "object": kind, "created": created, "model": asked.model}


def _said(reply: Reply) -> dict[str, str | None]:
    if reply.finish_reason == REFUSAL:
        return {"content": None, "refusal": reply.text}
    return {"content": None if reply.tool_calls and not reply.text else reply.text, "refusal": None}


def _finish_reason(reply: Reply) -> str:
    if reply.finish_reason in (None, REFUSAL):
        return "tool_calls" if reply.tool_calls else "stop"
    return str(reply.finish_reason)


def _tool_calls(reply: Reply) -> list[dict[str, Any]]:
    """Return the calls of tools; one that was written by hand without an id gets one, the same each time."""
    calls = []
    for index, call in enumerate(reply.tool_calls):
        function: Any = call.get("function")
        function = function if isinstance(function, dict) else {}
        arguments = function.get("arguments")
        arguments = arguments if isinstance(arguments, str) else _ENCODE(arguments or {})
        calls.append({
            "id": call.get("id") or f"call_{index + 1}",
            "type": "function",
            "function": {"name": function.get("name") or "", "arguments": arguments},
        })  # fmt: skip
    return calls


def _event(data: Mapping[str, Any]) -> bytes:
    return b"data: " + _ENCODE(data).encode() + b"\n\n"
