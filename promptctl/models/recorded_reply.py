"""One recorded reply: its shape in a file, its possible mistakes, and the reply that is made of it.

A JSONL file of recordings holds one on each line, as `--record` writes it:

    {"request": digest, "model": …, "reply": text, "finish_reason": …, "usage": {…}, "recorded_at": …}

with `tool_calls`, `cost_nano_usd` (what it cost then), `prompt` (its id) and `note` where there are any. A YAML file is
a list of the same, written by hand. There `request` may be replaced by the parts that it is the digest of: `messages`,
and if the request has them `parameters`, `tools`, `response_format` and `repeat`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.files.canonical_json import canonical_json
from promptctl.files.names import did_you_mean
from promptctl.models.gateway import Reply, Request, Usage, recorded_model

Entry = Mapping[str, Any]

REQUEST_KEYS = ("messages", "parameters", "tools", "response_format", "repeat")
USAGE_KEYS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
_LINE_KEYS = (
    *("request", "model", "reply", "tool_calls", "finish_reason", "usage", "cost_nano_usd"),
    *("recorded_at", "prompt", "note"),
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TYPES: dict[str, tuple[type, str]] = {
    "model": (str, "text"),
    "reply": (str, "text"),
    "finish_reason": (str, "text"),
    "recorded_at": (str, "text"),
    "prompt": (str, "text"),
    "note": (str, "text"),
    "tool_calls": (list, "a list"),
    "messages": (list, "a list"),
    "tools": (list, "a list"),
    "usage": (dict, "a mapping"),
    "parameters": (dict, "a mapping"),
    "response_format": (dict, "a mapping"),
    "cost_nano_usd": (int, "a whole number"),
    "repeat": (int, "a whole number"),
}


def digest_for(request: Request) -> str:
    """Return the digest under which the reply to a request is recorded: of the whole request to the recorded model."""
    return replace(request, model=recorded_model(request.model)).digest()


def entry_of(request: Request, reply: Reply, recorded_at: str, prompt: str | None, note: str | None) -> Entry:
    """Return the recording of a reply, ready to be written."""
    usage = {key: value for key in USAGE_KEYS if (value := getattr(reply.usage, key)) is not None}
    optional = {
        "tool_calls": list(reply.tool_calls) or None,
        "cost_nano_usd": reply.cost_nano_usd if reply.full_cost_nano_usd is None else reply.full_cost_nano_usd,
        "prompt": prompt,
        "note": note,
    }
    return {
        "request": digest_for(request),
        "model": recorded_model(request.model),
        "reply": reply.text,
        "finish_reason": reply.finish_reason,
        "usage": usage,
        "recorded_at": recorded_at,
        **{key: value for key, value in optional.items() if value is not None},
    }


def reply_of(entry: Entry) -> Reply:
    """Return the reply that was recorded; it costs nothing to give again."""
    return Reply(
        text=entry.get("reply") or "",
        model=entry["model"],
        provider="replay",
        tool_calls=tuple(entry.get("tool_calls") or ()),
        finish_reason=entry.get("finish_reason"),
        usage=Usage(**(entry.get("usage") or {})),
        cost_nano_usd=0,
        price_source="free",
        source="replay",
        full_cost_nano_usd=entry.get("cost_nano_usd"),
    )


def said(entry: Entry) -> str:
    """Return the answer of a recording as text to compare: two that say the same need not both be kept."""
    return canonical_json([entry.get("reply"), entry.get("tool_calls"), entry.get("finish_reason")])


def read_line(line: bytes, place: Place) -> tuple[Entry | None, list[Problem]]:
    """Return the recording on one line of a JSONL file, or its problems."""
    try:
        data = json.loads(line)
    except RecursionError:
        return None, [_problem("this line is nested too deeply", place, "bad-json")]
    except ValueError as error:
        return None, [_problem(f"this line is not JSON: {_why(error)}", place, "bad-json")]
    problems = _problems(data, lambda *_: place, _LINE_KEYS)
    if not problems and "request" not in data:
        problems = [_problem("this recording has no `request`", place, "missing-key")]
    return (None, problems) if problems else (data, [])


def read_handwritten(data: bytes, path: str) -> tuple[list[Entry], list[Problem]]:
    """Return the recordings of a YAML file, each with its `request` filled in, and the problems of the others."""
    from promptctl.files.yaml_reader import read_yaml

    try:
        document = read_yaml(data, path)
    except InvalidFiles as error:
        return [], list(error.problems)
    if not isinstance(document.data, list):
        return [], [_problem("a file of recordings is a list, each with `request` or `messages`", document.place())]
    entries: list[Entry] = []
    problems: list[Problem] = []
    for position, item in enumerate(document.data):
        found = _problems(item, lambda *keys, at=position: document.place(at, *keys), (*_LINE_KEYS, *REQUEST_KEYS))
        if not found and ("request" in item) == ("messages" in item):
            found = [_problem("a recording has either `request` or `messages`", document.place(position))]
        if found:
            problems += found
        else:
            entries.append(item if "request" in item else {**item, "request": _digest_of(item)})
    return entries, problems


def _digest_of(item: Entry) -> str:
    parts = {key: item[key] for key in REQUEST_KEYS if key in item}
    return Request(model=item["model"], **parts).digest()


def _problems(data: Any, place_of: Callable[..., Place], known: tuple[str, ...]) -> list[Problem]:
    """Return the problems of the keys and types of one recording."""
    if not isinstance(data, dict):
        return [_problem("a recording is an object with `request`, `model` and `reply`", place_of())]
    found = []
    for key, value in data.items():
        if key not in known:
            hint = did_you_mean(key, known) or f"the keys are {', '.join(known)}"
            found.append(Problem(f"unknown key `{key}`", place_of(key), hint, code="unknown-key"))
        elif key == "request" and not (isinstance(value, str) and _DIGEST.fullmatch(value)):
            found.append(_problem("`request` is not a digest of 64 hexadecimal digits", place_of(key)))
        elif key in _TYPES and not (_is(value, key) or (value is None and key == "finish_reason")):
            found.append(_problem(f"`{key}` is not {_TYPES[key][1]}", place_of(key), "wrong-type"))
    found += [
        _problem(f"this recording has no `{key}`", place_of(), "missing-key")
        for key in ("model", "reply")
        if key not in data and not (key == "reply" and "tool_calls" in data)
    ]
    return found or [
        _problem(f"`usage` has no key `{key}` with a number of tokens", place_of("usage"))
        for key, value in (data.get("usage") or {}).items()
        if key not in USAGE_KEYS or not isinstance(value, int) or isinstance(value, bool)
    ]


def _is(value: Any, key: str) -> bool:
    return isinstance(value, _TYPES[key][0]) and not isinstance(value, bool)


def _problem(message: str, place: Place, code: str = "invalid") -> Problem:
    return Problem(message, place, code=code)


def _why(error: ValueError) -> str:
    return f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else "not UTF-8"
