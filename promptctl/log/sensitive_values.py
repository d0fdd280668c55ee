"""Sensitive values as texts may hold them, in many forms and in excerpts, and the places where a text does."""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from promptctl.files.wording import alike_until
from promptctl.log.encoding import to_json
from promptctl.log.redaction import SHORTEST_SECRET, Secret, forms_of

Leaf = str | int | float
SHORT = 5
# An excerpt of a value, such as the start of one that was cut, is known by so many characters of it in a row.
_EXCERPT = 16
_BLANK = "\0"
_STEP = 8
_MOST_LINES = 200
_MOST_GRAMS = 65_536


class _Needle(NamedTuple):
    """A form of a value to look for, in lower case; one that is short is hidden only where it is a word of its own."""

    form: str
    mark: str
    is_whole: bool


class ValueFinder:
    """Finds values in texts: the parts of each, with its mark, and by their own marks what else was `made` of them."""

    def __init__(self, leaves: Iterable[tuple[Leaf, str]], made: Mapping[str, str]) -> None:
        found = {
            form: _Needle(form, mark, is_whole)
            for leaf, mark in leaves
            for form, is_whole in _forms(leaf if isinstance(leaf, str) else to_json(leaf))
        }
        found = {form: _Needle(form, mark, is_whole=False) for form, mark in made.items()} | found
        # The longest first.
        self._needles = sorted(found.values(), key=lambda needle: -len(needle.form))
        self._grams = _grams(self._needles)

    def hidden_in(self, text: str) -> str:
        """Return the text with marks for the values; the very same object if they are not in it."""
        finding = _Finding(folded(text))
        finding.find_excerpts(self._grams)
        for needle in self._needles:
            finding.find(needle)
        return finding.hidden_in(text) if finding.spans else text


def leaves_of(value: Any, declared: str) -> Iterator[Leaf]:
    """Yield the texts, their lines, numbers and own keys of a value; true, false and null are words of any text.

    A text of very many lines is known by its excerpts.
    """
    if isinstance(value, Mapping):
        keys = (str(key) for key in value if to_json(str(key)) not in declared)
        value = [*(key for key in keys if len(key) >= SHORT), *value.values()]
    if isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from leaves_of(each, declared)
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield value
        lines = value.splitlines() if isinstance(value, str) else []
        if 1 < len(lines) <= _MOST_LINES:
            yield from (line for line in map(str.strip, lines) if len(line) >= SHORT)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def folded(text: str) -> str:
    """Return the text in lower case, each character in its place."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(each if len(each.lower()) != 1 else each.lower() for each in text)
    return lower.replace("ς", "σ")


def _forms(text: str) -> Iterator[tuple[str, bool]]:
    """Yield the forms of a text to look for; each is hidden in any case of its letters."""
    bare = text.strip()
    if not bare:
        return
    lines = bare.replace("\r\n", "\n")
    spaced = {bare, lines, lines.replace("\n", "\r\n"), " ".join(bare.split())}
    once = {escaped for form in spaced for escaped in _as_json(form)}
    twice = {escaped for form in once for escaped in _as_json(form)}  # JSON in JSON, such as a quoted request
    for form in {bare.upper(), *spaced, *once, *twice, *map(html.escape, spaced)}:
        yield folded(form), len(bare) < SHORT
    if len(bare) >= SHORTEST_SECRET:
        with suppress(UnicodeEncodeError):  # half a surrogate pair, which nothing encodes
            for plain in {bare, lines.replace("\n", "\r\n")}:
                for form, _ in forms_of(Secret("", plain)):
                    yield folded(form), False


def _as_json(text: str) -> tuple[str, str]:
    return json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


def _grams(needles: Sequence[_Needle]) -> dict[str, dict[str, tuple[int, str]]]:
    """Return the beginnings of excerpts: the forms that have so many characters, each with their place and its mark.

    Long values together have so many, whatever their size.
    """
    forms = {needle.form: needle.mark for needle in needles if len(needle.form) > _EXCERPT}
    step = max(_STEP, sum(map(len, forms)) // _MOST_GRAMS)
    found: dict[str, dict[str, tuple[int, str]]] = {}
    for form, mark in forms.items():
        for start in range(0, len(form) - _EXCERPT + 1, step):
            found.setdefault(form[start : start + _EXCERPT], {}).setdefault(form, (start, mark))
    return found


class _Finding:
    """The places of values in one folded text. What was found is blanked out there, so that it is found once."""

    def __init__(self, folded: str) -> None:
        self._folded = folded
        self.spans: list[tuple[int, int, str]] = []

    def find(self, needle: _Needle) -> None:
        """Find each place of a form."""
        form, folded, found = needle.form, self._folded, []
        at = folded.find(form)
        while at >= 0:
            end = at + len(form)
            is_part = needle.is_whole and (_goes_on(folded, at - 1, at) or _goes_on(folded, end - 1, end))
            if not is_part:
                found.append((at, end, needle.mark))
            at = folded.find(form, at + 1 if is_part else end)
        self._take(found)

    def find_excerpts(self, grams: Mapping[str, Mapping[str, tuple[int, str]]]) -> None:
        """Find each part of a form that is long enough to be known, before any line within it is taken."""
        folded, covered = self._folded, dict[str, int]()
        found: list[tuple[int, int, str]] = []
        for at in range(len(folded) - _EXCERPT + 1) if grams else ():
            for form, (start, mark) in grams.get(folded[at : at + _EXCERPT], {}).items():
                if at + _EXCERPT > covered.get(form, 0):
                    before = alike_until(form[:start][::-1], folded[max(0, at - start) : at][::-1])
                    covered[form] = at + alike_until(form[start:], folded[at : at + len(form)])
                    found.append((at - before, covered[form], mark))
        found.sort(reverse=True)
        apart = []
        while found:  # those that overlap are one
            begin, end, mark = found.pop()
            while found and found[-1][0] < end:
                end = max(end, found.pop()[1])
            apart.append((begin, end, mark))
        self._take(apart)

    def hidden_in(self, text: str) -> str:
        """Return the text with marks for what was found."""
        pieces, done = [], 0
        for begin, end, mark in sorted(self.spans):
            pieces += [text[done:begin], mark]
            done = max(done, end)
        return "".join([*pieces, text[done:]])

    def _take(self, spans: Sequence[tuple[int, int, str]]) -> None:
        """Add spans that do not overlap, in their order, and blank them out."""
        self.spans += spans
        pieces, done = [], 0
        for begin, end, _ in spans:
            pieces += [self._folded[done:begin], _BLANK * (end - begin)]
            done = end
        self._folded = "".join([*pieces, self._folded[done:]])


def _goes_on(text: str, left: int, right: int) -> bool:
    """Return True if a word or a number goes on from one character to the next; scripts without case have no words."""
    return (
        left >= 0
        and right < len(text)
        and all(each.isdigit() or each.upper() != each for each in text[left : right + 1])
    )
