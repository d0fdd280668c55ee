"""Inputs that are alike: equal ones, and those whose long texts differ in a few characters alone.

Every other value must be equal, and so must the numbers in a text. Words that nearly all texts have, such as those of a
common form, are left aside: of `Greet Ann warmly, in one line.` only `Ann` then counts.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zlib import crc32

from promptctl.files.look_alikes import normal
from promptctl.files.plain import canonical_json, content_digest

# The share of equal characters from which texts are alike: about one word in ten may differ.
ALIKE = 0.9
# A shorter text is a name or an answer, a longer one a document or an image: both are alike only if they are equal.
_SHORTEST, _LONGEST = 24, 50_000
# The share of texts that differ in letter case and blanks alone: those that are equal have 1.
_NEARLY_EQUAL = 0.999
# A word of more texts than this is of their form; in a few texts nobody can tell.
_COMMON, _FEWEST_FOR_COMMON = 0.8, 8
# A text is found by the rarest of its pieces of four characters that another text has too.
_PIECE, _MOST_PIECES, _MOST_KEYS = 4, 512, 8
# Of more texts with one piece each is compared with the first ones alone.
_MOST_WITH_PIECE = 40
_WORD = re.compile(r"\w+|[^\w\s]")
_NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True, slots=True)
class Alike:
    """Two of the inputs that were compared, by their places in the list; `share` is 1 for equal ones."""

    first: int
    second: int
    share: float


class _Form(NamedTuple):
    """Inputs as they are compared: what must be equal, and the long texts as words."""

    key: str
    texts: tuple[str, ...]
    rests: tuple[str, ...] = ()


class Known:
    """Inputs that are there, to compare further ones with, one at a time."""

    def __init__(self, inputs: Iterable[Mapping[str, Any]]) -> None:
        forms = [_form(each) for each in inputs]
        self._common = _common_words(forms)
        self._of_key: defaultdict[str, list[tuple[int, _Form]]] = defaultdict(list)
        self._count = 0
        for form in forms:
            self._add(form)

    def add(self, inputs: Mapping[str, Any]) -> None:
        """Count inputs among those that are there."""
        self._add(_form(inputs))

    def like(self, inputs: Mapping[str, Any]) -> int | None:
        """Return the place of the first that these are like; None if there is none."""
        form = _with_rests(_form(inputs), self._common)
        return next((at for at, each in self._of_key[form.key] if _share(each, form, ALIKE) is not None), None)

    def _add(self, form: _Form) -> None:
        self._of_key[form.key].append((self._count, _with_rests(form, self._common)))
        self._count += 1


def alike(inputs: Sequence[Mapping[str, Any]], threshold: float = ALIKE) -> list[Alike]:
    """Return the pairs that are alike by at least `threshold`, by the place of the second.

    Each that equals an earlier one is paired with the first of them alone. Every pair that is returned is alike; among
    very many texts of one form a pair may be missed.
    """
    first_of: dict[str, int] = {}
    found: list[Alike] = []
    for place, each in enumerate(inputs):
        first = first_of.setdefault(canonical_json(dict(each)), place)
        if first != place:
            found.append(Alike(first, place, 1.0))
    forms = {place: _form(inputs[place]) for place in first_of.values()}
    common = _common_words(forms.values())
    for place, form in forms.items():
        forms[place] = _with_rests(form, common)
    for one, other in _candidates(forms):
        share = _share(forms[one], forms[other], threshold)
        if share is not None:
            found.append(Alike(one, other, share))
    return sorted(found, key=lambda each: (each.second, each.first))


def groups(pairs: Iterable[Alike]) -> list[list[int]]:
    """Return the places that pairs join, directly or through others, each group in order."""
    leader: dict[int, int] = {}

    def find(place: int) -> int:
        while leader.setdefault(place, place) != place:
            leader[place] = place = leader[leader[place]]
        return place

    for pair in pairs:
        one, other = find(pair.first), find(pair.second)
        leader[max(one, other)] = min(one, other)
    made: defaultdict[int, list[int]] = defaultdict(list)
    for place in sorted(leader):
        made[find(place)].append(place)
    return list(made.values())


def _form(inputs: Mapping[str, Any]) -> _Form:
    fixed: list[Any] = []
    texts: list[str] = []
    for path, value in sorted(_leaves(inputs, "")):
        text = " ".join(normal(value).casefold().split()) if isinstance(value, str) else None
        if text is None:
            fixed.append([path, value])
        elif _SHORTEST <= len(text) <= _LONGEST:
            fixed.append([path, _NUMBER.findall(text)])
            texts.append(text)
        else:
            fixed.append([path, text])
    return _Form(content_digest(fixed), tuple(texts))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else None
    if not items:
        yield path, value
        return
    for name, each in items:
        yield from _leaves(each, f"{path}/{name}")


def _common_words(forms: Iterable[_Form]) -> frozenset[str]:
    counts: Counter[str] = Counter()
    total = 0
    for form in forms:
        total += bool(form.texts)
        counts.update({word for text in form.texts for word in _WORD.findall(text)})
    if total < _FEWEST_FOR_COMMON:
        return frozenset()
    return frozenset(word for word, count in counts.items() if count > _COMMON * total)


def _with_rests(form: _Form, common: frozenset[str]) -> _Form:
    rests = (" ".join(word for word in _WORD.findall(text) if word not in common) for text in form.texts)
    return form._replace(rests=tuple(rests))


def _candidates(forms: Mapping[int, _Form]) -> Iterator[tuple[int, int]]:
    """Yield the pairs that may be alike, the earlier first: of equal rests each with the first, else by rare pieces."""
    by_rest: dict[tuple[str, tuple[str, ...]], int] = {}
    blocks: defaultdict[str, list[int]] = defaultdict(list)
    for place, form in forms.items():
        first = by_rest.setdefault((form.key, form.rests), place)
        if first != place:
            yield first, place
        elif form.texts:
            blocks[form.key].append(place)
    several = {key: places for key, places in blocks.items() if len(places) > 1}
    pieces = {place: _pieces(forms[place]) for places in several.values() for place in places}
    counts = Counter(piece for each in pieces.values() for piece in each)
    for places in several.values():
        yield from _sharing({place: pieces[place] for place in places}, counts)


def _pieces(form: _Form) -> frozenset[str]:
    """Return the pieces of the rests; of a very long one a sample that is the same in every text."""
    made: set[str] = set()
    for rest in form.rests:
        made.update(rest[at : at + _PIECE] for at in range(max(1, len(rest) - _PIECE + 1)))
    step = 1
    while len(made) > _MOST_PIECES:
        step *= 2
        made = {piece for piece in made if crc32(piece.encode()) % step == 0}
    return frozenset(made)


def _sharing(pieces: Mapping[int, frozenset[str]], counts: Counter[str]) -> Iterator[tuple[int, int]]:
    with_piece: defaultdict[str, list[int]] = defaultdict(list)
    for place, each in pieces.items():
        shared = sorted((counts[piece], piece) for piece in each if counts[piece] > 1)
        for _, piece in shared[:_MOST_KEYS]:
            with_piece[piece].append(place)
    seen: set[tuple[int, int]] = set()
    for places in with_piece.values():
        few = places[:_MOST_WITH_PIECE]
        for one in few:
            for other in places:
                if one < other and (one, other) not in seen:
                    seen.add((one, other))
                    yield one, other


def _share(one: _Form, other: _Form, threshold: float) -> float | None:
    """Return how much two forms of one key are alike; None if they are not."""
    from rapidfuzz.fuzz import ratio

    lowest = _NEARLY_EQUAL
    if threshold > lowest:
        return None
    for compared in (zip(one.rests, other.rests, strict=True), zip(one.texts, other.texts, strict=True)):
        for text, another in compared:
            share = 1.0 if text == another else ratio(text, another, score_cutoff=100 * threshold) / 100
            if share < threshold:
                return None
            lowest = min(lowest, share)
    return lowest
