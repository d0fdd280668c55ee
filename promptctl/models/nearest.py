"""The recording whose request is most like one that was not recorded, found among many in a bounded time.

An index holds the lines of the messages, the words of the last one, and the other parts of each request. Those that a
request shares with few recordings choose the candidates; the texts of these are compared in full.
"""

from __future__ import annotations

import threading
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from heapq import nlargest
from itertools import islice
from typing import Any

from promptctl.files.plain import canonical_json
from promptctl.models.gateway import text_of
from promptctl.models.recorded_reply import Entry, Located

_MOST_RECORDINGS = 50_000
_MOST_LINES = 400
_MOST_WORDS = 200
_MOST_COUNTED = 200_000
_CANDIDATES = 16
_LONGEST_COMPARED = 20_000


class NearestRecordings:
    """An index of recordings by what was asked. It is made at the first search; threads may share it."""

    def __init__(self, recordings: Callable[[], Iterable[tuple[Located, Entry]]]) -> None:
        self._recordings = recordings
        self._lock = threading.Lock()
        self._located: list[Located] = []
        self._with: dict[int, array[int]] | None = None

    def find(self, asked: Entry) -> tuple[Located, Entry] | None:
        """Return the recording of the most similar request; None if none keeps what was asked."""
        candidates = ((self._located[number], self._located[number].read()) for number in self._candidates(asked))
        found = [(located, entry) for located, entry in candidates if entry is not None]
        if not found:
            return None
        return min(found, key=lambda each: _distance(asked, each[1]))

    def _candidates(self, asked: Entry) -> list[int]:
        index = self._index()
        postings = sorted((found for each in _features(asked) if (found := index.get(each))), key=len)
        counts: Counter[int] = Counter()
        counted = 0
        for numbers in postings:
            counts.update(numbers[:_MOST_COUNTED])
            counted += len(numbers)
            if counted > _MOST_COUNTED:
                break
        return nlargest(_CANDIDATES, counts, key=lambda number: (counts[number], number))

    def _index(self) -> Mapping[int, array[int]]:
        with self._lock:
            if self._with is None:
                made: dict[int, array[int]] = {}
                for located, entry in islice(self._recordings(), _MOST_RECORDINGS):
                    if "messages" not in entry:
                        continue
                    with suppress(RecursionError):  # of one that is nested as no request is
                        for feature in _features(entry):
                            made.setdefault(feature, array("I")).append(len(self._located))
                        self._located.append(located)
                self._with = made
            return self._with


def _distance(one: Entry, other: Entry) -> float:
    """Return by how many parts two requests differ; a message of other words counts by how different they are."""
    from rapidfuzz.fuzz import ratio

    mine, theirs = _messages(one), _messages(other)
    parts = {name for name, _ in _others(one) ^ _others(other)}
    pairs = zip(mine, theirs, strict=False)
    differing = sum((a[0] != b[0]) + 1 - ratio(a[1], b[1]) / 100 for a, b in pairs)
    return differing + abs(len(mine) - len(theirs)) + len(parts)


def _messages(asked: Entry) -> list[tuple[str, str]]:
    """Return the role and the text of each message, which together have a bounded length."""
    given = [each for each in asked.get("messages") or () if isinstance(each, Mapping)]
    most = max(_LONGEST_COMPARED // max(len(given), 1), 2)
    texts = [(str(each.get("role")), _content(each)) for each in given]
    return [(role, text if len(text) <= most else text[: most // 2] + text[-most // 2 :]) for role, text in texts]


def _features(asked: Entry) -> set[int]:
    """Return the hashes of the parts by which requests are alike."""
    messages = [each for each in asked.get("messages") or () if isinstance(each, Mapping)]
    lines = [(str(each.get("role")), line) for each in messages for line in _content(each).splitlines() if line.strip()]
    if len(lines) > _MOST_LINES:
        lines = lines[: _MOST_LINES // 2] + lines[-_MOST_LINES // 2 :]
    words = islice(_content(messages[-1]).split(), _MOST_WORDS) if messages else ()
    return {hash(each) for each in (*lines, *words)} | {hash(each) for each in _others(asked)}


def _others(asked: Entry) -> set[tuple[str, str]]:
    """Return the parts beside the messages, each with its value."""
    parts = {("model", asked["model"])}
    parts |= {(name, canonical_json(value)) for name, value in (asked.get("parameters") or {}).items()}
    parts |= {("tool", canonical_json(tool)) for tool in asked.get("tools") or ()}
    if asked.get("response_format"):
        parts.add(("response_format", canonical_json(asked["response_format"])))
    return parts


def _content(message: Mapping[str, Any]) -> str:
    content, calls = message.get("content"), message.get("tool_calls")
    text = text_of(content)
    if isinstance(content, list) and len(content) > 1:  # an image, say
        text += f"\n{canonical_json(content)}"
    return text + (f"\n{canonical_json(calls)}" if calls else "")
