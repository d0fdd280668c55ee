"""Two requests compared part by part, in words: the path of what differs, what was recorded, and what is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice, takewhile, zip_longest
from typing import Any

from promptctl.errors import printable
from promptctl.models.recorded_reply import Entry

_MOST = 3
_DEEPEST = 12
_WIDTH = 60
_ABSENT = object()
_ORDER = ("model", "parameters", "messages", "tools", "response_format", "repeat")


def difference(recorded: Entry, asked: Entry) -> str:
    """Return what differs from a recorded request to the one that is asked; empty if nothing does.

    >>> difference({"model": "m", "parameters": {"top_p": 1}}, {"model": "m", "parameters": {"top_p": 0.5}})
    '`parameters.top_p` 1 → 0.5'
    """
    found = (
        words
        for name in _ORDER
        for words in _differing(name, recorded.get(name, _ABSENT), asked.get(name, _ABSENT), _DEEPEST)
    )
    shown = list(islice(found, _MOST))
    more = sum(1 for _ in found)
    return "; ".join([*shown, *([f"and in {more} more parts"] if more > 1 else ["and in 1 more part"] if more else [])])


def _differing(path: str, old: Any, new: Any, depth: int) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping) and depth:
        for name in [*old, *(each for each in new if each not in old)]:
            yield from _differing(f"{path}.{name}", old.get(name, _ABSENT), new.get(name, _ABSENT), depth - 1)
    elif isinstance(old, list) and isinstance(new, list) and depth:
        for index, (one, other) in enumerate(zip_longest(old, new, fillvalue=_ABSENT)):
            yield from _differing(f"{path}[{index}]", one, other, depth - 1)
    elif old == new and type(old) is type(new):  # 0 and 0.0 are written differently
        return
    elif isinstance(old, str) and isinstance(new, str) and ("\n" in old or "\n" in new):
        yield _differing_line(path, old, new)
    else:
        yield f"`{printable(path)}` {_change(old, new)}"


def _differing_line(path: str, old: str, new: str) -> str:
    """Return the first line that differs, and how many lines do."""
    pairs = list(zip_longest(old.split("\n"), new.split("\n"), fillvalue=_ABSENT))
    numbers = [number for number, (one, other) in enumerate(pairs, 1) if one != other]
    more = f" (and {len(numbers) - 1} more)" if len(numbers) > 1 else ""
    return f"`{printable(path)}` line {numbers[0]}{more}: {_change(*pairs[numbers[0] - 1])}"


def _change(old: Any, new: Any) -> str:
    start = 0
    if isinstance(old, str) and isinstance(new, str):
        start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    return f"{_shown(old, start)} → {_shown(new, start)}"


def _shown(value: Any, start: int) -> str:
    """Return a value in few characters; of a long text those from a little before `start`."""
    if value is _ABSENT:
        return "none"
    if not isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return printable(text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…")
    begin = max(0, start - _WIDTH // 3) if len(value) > _WIDTH else 0
    text = value[begin : begin + _WIDTH]
    return f"“{'…' if begin else ''}{printable(text)}{'…' if begin + _WIDTH < len(value) else ''}”"
