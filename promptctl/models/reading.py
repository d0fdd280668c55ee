"""A reply as it is read, in the one way that calls, assertions and judges share: as data, and whether it is whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from promptctl.errors import InvalidOutput, ReplyCut, ReplyWithheld
from promptctl.files.plain import MAX_DEPTH, depth_of
from promptctl.files.strict_json import finite, no_number
from promptctl.models.gateway import REFUSAL, Reply, Request, is_broken_off

# What providers say of a reply that they ended early, or kept back. LiteLLM says the first of each for most of them.
_CUT = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_length", "token_limit", "model_context_window_exceeded"}
)
FILTERED = "content_filter"
_WITHHELD = frozenset(
    {FILTERED, "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii"}
    | {"guardrail_intervened", "sensitive", "image_safety"}
)
_LIMITS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "num_predict")
_TAGS = ("<think>", "<thinking>", "<thought>", "<reasoning>")
_REASONING = re.compile(rf"\s*({'|'.join(_TAGS)})", re.IGNORECASE)
_FENCE = "```"
_LANGUAGE = re.compile(r"[A-Za-z][\w.+-]*(?=\s)")


def _object_of_unlike_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


_decoder = partial(json.JSONDecoder, parse_constant=no_number, parse_float=finite)
_DECODER = _decoder()
_STRICT_DECODER = _decoder(object_pairs_hook=_object_of_unlike_keys)


def read_data(text: str) -> Any:
    """Read a reply as JSON, in which NaN and Infinity are not. Raises `ValueError`; over 100 levels, `RecursionError`.

    A block of reasoning before it (`<think>…</think>`) and one code fence around the whole of it are left aside;
    nothing else is repaired.
    """
    return read_data_and_text(text)[0]


def read_data_and_text(text: str, *, is_strict: bool = False) -> tuple[Any, str]:
    """Return what `read_data` does, and the part of the text that it was read from.

    With `is_strict` a key that is given twice is an error.
    """
    decoder = _STRICT_DECODER if is_strict else _DECODER
    try:
        return shallow(decoder.decode(text), text), text.strip()
    except ValueError:
        bare = _unfenced(without_reasoning(text))
        if bare == text:
            raise
    return shallow(decoder.decode(bare), bare), bare.strip()


def shallow(data: Any, text: str) -> Any:
    """Return data that a text was read as. Raises `RecursionError` if it is nested deeper than inputs may be.

    So whatever keeps it and shows it can work with it.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH and depth_of(data) > MAX_DEPTH:
        raise RecursionError
    return data


def describe_json_error(error: Exception) -> str:
    """Return why a text is not JSON, in a few words with the place in the text."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)


def without_reasoning(text: str) -> str:
    """Return a text without the block of reasoning that it begins with; all of it is one if the block never ends.

    Some chat templates open the block themselves, so that only its end is in the reply.

    >>> without_reasoning("<think>easy</think> 42")
    '42'
    """
    opening = _REASONING.match(text)
    if opening is None:
        before, end, rest = text.partition("</think>")
        return rest.lstrip() if end and "<think>" not in before else text
    found = re.compile(f"</{opening[1][1:]}", re.IGNORECASE).search(text, opening.end())
    return text[found.end() :].lstrip() if found else ""


class AfterReasoning:
    """Passes on a streamed text without the block of reasoning that it begins with.

    Until a block ends the text may be all of one, even if no tag opens it: it is held, to the end if need be.
    """

    def __init__(self) -> None:
        self._held = ""
        self._is_through = self._ends_with_tag = False

    def pass_on(self, piece: str) -> str:
        """Return what can be shown by now."""
        if self._is_through:
            return piece
        self._held += piece
        # All that is held is looked at again only where a tag ends, and at what follows one.
        if ">" not in piece and not self._ends_with_tag:
            return ""
        self._ends_with_tag = self._held.rstrip().endswith(">")
        if not _REASONING.match(self._held) and "<think>" not in self._held and "</think>" not in self._held:
            return ""
        rest = without_reasoning(self._held)
        self._is_through = bool(rest)
        return rest

    def finish(self) -> str:
        """Return what is still to be shown when the text is whole."""
        return "" if self._is_through else without_reasoning(self._held)


def is_withheld(finish_reason: str | None) -> bool:
    """Return True if the provider gives this reason for a reply that it kept back, or that is a refusal."""
    return (finish_reason or "").lower() in {REFUSAL, *_WITHHELD}


def shortfall(request: Request, reply: Reply, *, wants_data: bool) -> InvalidOutput | None:
    """Return the error of a reply that was cut, kept back, or spent on reasoning alone; None if it is whole.

    A refusal is a whole reply, unless data was asked for.
    """
    of, ended = f"the reply of {request.model}", (reply.finish_reason or "").lower()
    hint = advice(reply.finish_reason, request.parameters)
    if ended in _WITHHELD:
        return ReplyWithheld(f"{of} was withheld by the provider ({ended})", hint=hint)
    if ended == REFUSAL and wants_data:
        return ReplyWithheld(f"{of} is a refusal: {reply.text}", hint=hint)
    is_empty = not reply.tool_calls and not reply.text.strip()
    is_reasoning = is_empty and bool(reply.usage.reasoning_tokens)
    if ended in _CUT:
        limit = _limit_of(request.parameters) or "the most tokens that the model gives"
        spent = ", all of it spent on reasoning" if is_reasoning else ""
        return ReplyCut(f"{of} was cut at {limit}{spent}", hint=hint)
    if is_broken_off(ended):
        return ReplyCut(f"{of} was broken off by the provider ({ended})", hint=hint)
    if is_reasoning:
        return ReplyCut(f"{of} is empty: all of its tokens were spent on reasoning", hint=hint)
    return None


def advice(finish_reason: str | None, parameters: Mapping[str, Any]) -> str:
    """Return what to do about a reply that is not whole, by why it ended and what was asked."""
    ended = (finish_reason or "").lower()
    if ended == REFUSAL or ended in _WITHHELD:
        return "change the prompt or its inputs"
    if ended in _CUT:
        return f"{'raise it' if _limit_of(parameters) else 'set `max_tokens`'}, or ask for a shorter reply"
    return "run it again" if is_broken_off(ended) else "raise `max_tokens`"


def _limit_of(parameters: Mapping[str, Any]) -> str | None:
    return next((f"{name}={parameters[name]}" for name in _LIMITS if parameters.get(name)), None)


def _unfenced(text: str) -> str:
    text = text.strip().removeprefix("\ufeff")
    if not (text.startswith(_FENCE) and text.endswith(_FENCE) and len(text) > 2 * len(_FENCE)):
        return text
    inner = text[len(_FENCE) : -len(_FENCE)]
    language = _LANGUAGE.match(inner)
    return inner[language.end() :] if language else inner
