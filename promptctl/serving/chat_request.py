"""A request for a chat completion, read from what a program sent: what is asked, and how the answer is to come."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.files.plain import Measure, NotPlain, plain, whole_numbers
from promptctl.files.wording import shown
from promptctl.formats.settings_file import sent_parameters
from promptctl.models.gateway import Request
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
