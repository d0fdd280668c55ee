"""Calls of JavaScript that ask a model: which they are, and under which keys their messages stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SDK = ("generateText", "streamText", "generateObject", "streamObject")
_SAME = (
    "temperature", "top_p", "max_tokens", "max_completion_tokens", "seed", "stop", "presence_penalty",
    "frequency_penalty", "reasoning_effort",
)  # fmt: skip
PARAMETERS = {
    **{name: name for name in _SAME},
    "topP": "top_p", "maxTokens": "max_tokens", "maxOutputTokens": "max_tokens", "max_output_tokens": "max_tokens",
    "stop_sequences": "stop", "stopSequences": "stop", "presencePenalty": "presence_penalty",
    "frequencyPenalty": "frequency_penalty",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class CallKind:
    """A kind of call: the keys of its messages, of a system text, and of a user's text in their place."""

    provider: str
    messages: str
    system: str | None = None
    prompt: str | None = None


_KINDS = (
    (re.compile(r"\.chat\.completions\.(?:create|parse|stream)$"), CallKind("openai", "messages")),
    (re.compile(r"\.responses\.(?:create|parse|stream)$"), CallKind("openai", "input", "instructions", "input")),
    (re.compile(r"\.messages\.(?:create|stream)$"), CallKind("anthropic", "messages", "system")),
    (re.compile(rf"(?:^|\.)(?:{'|'.join(_SDK)})$"), CallKind("", "messages", "system", "prompt")),
)
# Bytes without one of which a file asks no model.
SIGNS = (
    b".completions.",
    b".responses.",
    b".messages.",
    *(name.encode() for name in _SDK),
    b"fromMessages",
    b"fromTemplate",
)


def kind_of(callee: str) -> CallKind | None:
    """Return the kind of the call of a function, by its source without blanks; None if it asks no model.

    >>> kind_of("this.openai.chat.completions.create").messages
    'messages'
    """
    return next((kind for sign, kind in _KINDS if sign.search(callee)), None)
