"""The JSON objects of a registry's export, each with its line: one value, several one after another, or a list."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from promptctl.errors import InvalidFiles, printable
from promptctl.exchange.notes import Fate, ImportNote

if TYPE_CHECKING:
    from promptctl.errors import Place
    from promptctl.exchange.source import Source

_BLANKS = re.compile(r"[\s,]*")
_SEPARATOR = re.compile(r"\s*")
_MOST_DEPTH = 64
_LOOK_AT = 1 << 16  # characters of an object in which its keys are looked for
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class RegistryItem:
    """One object of a file, and where it begins there. `end` is where it ends, in characters."""

    data: Mapping[str, Any]
    source: Source
    start: int
    end: int

    def place(self, key: str | None = None) -> Place:
        """Return the place of the object, or of the first key of that name in it."""
        text, at = self.source.text, self.start
        if key is not None:
            found = text.find(json.dumps(key), self.start, min(self.end, self.start + _LOOK_AT))
            at = found if found >= 0 else self.start
        return self.source.place(_lines(self.source).of(at))

    def note(self, fate: Fate, part: str, message: str, hint: str | None = None) -> ImportNote:
        """Return a note about a part of the object, named by the object's key."""
        return ImportNote(fate, part, message, self.place(part.split(".")[-1].split("[")[0]), hint)

    def refuse(self, message: str, key: str | None = None, hint: str | None = None) -> InvalidFiles:
        """Return the error of an object that is not imported, to be raised."""
        place = self.place(key)
        return self.source.refuse(message, place.line, hint)


def collapsed(notes: Sequence[ImportNote]) -> tuple[ImportNote, ...]:
    """Return each note once, at its first place, with the number of objects that it holds for."""
    counts = Counter((note.fate, note.part, note.message) for note in notes)
    found: dict[tuple[Fate, str, str], ImportNote] = {}
    for note in notes:
        found.setdefault((note.fate, note.part, note.message), note)
    return tuple(
        replace(note, message=f"{note.message} ({counts[key]} times)") if counts[key] > 1 else note
        for key, note in found.items()
    )


class _Lines:
    """The lines of one text, found by the position of a character; asked for in rising order, it counts each once."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def of(self, at: int) -> int:
        from bisect import bisect_right

        return bisect_right(self._starts, at)


def _lines(source: Source) -> _Lines:
    kept = source.__dict__.get("_registry_lines")
    if kept is None:
        kept = source.__dict__["_registry_lines"] = _Lines(source.text)
    return kept


def listed(value: Any) -> list[Any]:
    """Return a list as it is, and an empty one for any other value."""
    return value if isinstance(value, list) else []


def first_object(source: Source, *signs: bytes) -> Mapping[str, Any] | None:
    """Return the first object of a file that holds all the signs; None if there is none. Never an error."""
    if not all(sign in source.data for sign in signs) or not source.data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(
        (b"{", b"[")
    ):
        return None
    try:
        text = source.text
        start = _BLANKS.match(text, text.index("[") + 1).end() if text.lstrip().startswith("[") else text.index("{")  # type: ignore[union-attr]
        found, _ = _DECODER.raw_decode(text, start)
    except (ValueError, RecursionError, InvalidFiles):
        return None
    return found if isinstance(found, dict) else None


def items_of(source: Source, *wrappers: str) -> list[RegistryItem]:
    """Return the objects of a file. Those of a list under one of the keys `wrappers` of an object take its place.

    Raises `InvalidFiles` for a file that is no JSON, for keys that are there twice, and for what is nested too deep.
    """
    text = source.text
    found: list[RegistryItem] = []
    for value, start, end in _values(source, text, 0, _SEPARATOR):
        if isinstance(value, list):
            found += _elements(source, text, text.index("[", start) + 1)
            continue
        wrapper = next((key for key in wrappers if isinstance(value, dict) and isinstance(value.get(key), list)), None)
        if wrapper is not None:
            opening = re.compile(rf'"{wrapper}"\s*:\s*\[').search(text, start, end)
            found += _elements(source, text, opening.end()) if opening else []
        else:
            found.append(_item(source, value, start, end))
    return found


def _elements(source: Source, text: str, start: int) -> Iterator[RegistryItem]:
    for value, at, end in _values(source, text, start, _BLANKS, until="]"):
        yield _item(source, value, at, end)


def _item(source: Source, value: Any, start: int, end: int) -> RegistryItem:
    if not isinstance(value, dict):
        raise source.refuse("this is no object", _lines(source).of(start), "each prompt version is a JSON object")
    return RegistryItem(value, source, start, end)


def _values(
    source: Source, text: str, start: int, between: re.Pattern[str], until: str = ""
) -> Iterator[tuple[Any, int, int]]:
    at = between.match(text, start).end()  # type: ignore[union-attr]
    while at < len(text) and (not until or text[at] != until):
        try:
            value, end = _DECODER.raw_decode(text, at)
            _check(value)
        except json.JSONDecodeError as error:
            raise source.refuse(
                f"this is no JSON: {error.msg}", _lines(source).of(error.pos), "export it again"
            ) from None
        except (ValueError, RecursionError) as error:
            why = "it is nested too deep" if isinstance(error, RecursionError) else str(error)
            raise source.refuse(f"this JSON cannot be read: {why}", _lines(source).of(at)) from None
        yield value, at, end
        at = between.match(text, end).end()  # type: ignore[union-attr]


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key `{printable(twice)}` is there twice")
    return found


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_number)


def inner_json(text: Any) -> Any:
    """Return the value of JSON within a text; None for anything else."""
    try:
        value = _DECODER.decode(text) if isinstance(text, str) else None
        _check(value)
    except (ValueError, RecursionError):
        return None
    return value


def _check(value: Any, depth: int = 0) -> None:
    """Raise `RecursionError` for what is nested too deep, and `ValueError` for a text that no file can hold."""
    if depth > _MOST_DEPTH:
        raise RecursionError
    if isinstance(value, str):
        if _HALF.search(value):
            raise ValueError("a text has half a character, an escape from \\ud800 to \\udfff without its pair")
    elif isinstance(value, dict):
        for key, each in value.items():
            _check(key, depth)
            _check(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            _check(each, depth + 1)
