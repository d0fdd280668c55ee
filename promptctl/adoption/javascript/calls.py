"""Calls of JavaScript that ask a model: which they are, and under which keys their messages stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SDK = ("generateText", "streamText", "generateObject", "streamObject")


@dataclass(frozen=True, slots=True)
class CallKind:
    """A kind of call: the keys of its messages, of a system text, and of a user's text in their place.

    `provider` is None if nothing says whose its model is.
    """

    provider: str | None
    messages: str
    system: str | None = None
    prompt: str | None = None


_KINDS = (
    (re.compile(r"\bchat\.completions\.(?:create|parse|stream)$"), CallKind("openai", "messages")),
    (re.compile(r"\.responses\.(?:create|parse|stream)$"), CallKind("openai", "input", "instructions", "input")),
    (re.compile(r"\.messages\.(?:create|stream)$"), CallKind("anthropic", "messages", "system")),
    (re.compile(rf"(?:^|\.)(?:{'|'.join(_SDK)})$"), CallKind("", "messages", "system", "prompt")),
)
POSTED = CallKind(None, "messages", "system")
"""A mapping with messages, as it is posted."""
LISTED = CallKind(None, "messages")
"""A list of LangChain's messages."""
# Bytes without one of which a file asks no model.
_SIGNS = (
    b".completions.",
    b".responses.",
    b".messages.",
    *(name.encode() for name in _SDK),
    b"fromMessages",
    b"fromTemplate",
    b"SystemMessage",
    b"HumanMessage",
    b"getPrompt",
    b".prompt.get",
)
_COMPLETING = re.compile(r"(?<!\bchat)\.completions\.create$")
_FETCHING = re.compile(r"(?:^|\.)(?:getPrompt|prompt\.get)$")


def may_ask(data: bytes) -> bool:
    """Return True if a file holds something of what begins a prompt."""
    return any(sign in data for sign in _SIGNS) or (b"JSON.stringify" in data and b"role" in data)


def why_left(callee: str, text: str) -> tuple[str, str] | None:
    """Return why a call in a file of that text stays, and what to do; None for one that may be adopted, or is none."""
    if _COMPLETING.search(callee):
        return "it completes one text: a prompt file has messages", "ask by chat.completions"
    if _FETCHING.search(callee) and "langfuse" in text.lower():
        return "Langfuse keeps its prompt", "export it from Langfuse, and take it in with: promptctl import FILE"
    return None


def kind_of(callee: str) -> CallKind | None:
    """Return the kind of the call of a function, by its source without blanks; None if it asks no model.

    >>> kind_of("this.openai.chat.completions.create").messages
    'messages'
    """
    return next((kind for sign, kind in _KINDS if sign.search(callee)), None)
