"""Two versions of a prompt side by side: who breaks, and every line that differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from promptctl.browse.views import PageRequest, View
from promptctl.reports.prompt_diff import DiffLine, diff_parts
from promptctl.reports.wording import alike_until, without_commit

if TYPE_CHECKING:
    from promptctl import Difference

_ALIKE = 0.3


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One line of a difference, before and after; None if a side has no such line.

    Each side is what both begin with, what differs, and what both end with.
    """

    before: tuple[str, str, str] | None
    after: tuple[str, str, str] | None

    @property
    def is_same(self) -> bool:
        """True for a line that is there to be found by."""
        return self.before == self.after


def diff(request: PageRequest) -> View:
    """Return what differs from one ref to another."""
    old, new = request.needed("old"), request.one("new")
    found = request.workspace.diff(old, new)
    names = _names(found)
    values = {
        "found": found,
        "names": names,
        "refs": (old, new),
        "parts": [(title, list(blocks(lines))) for title, lines in diff_parts(found.diff)],
        "breaks": (("callers", found.diff.breaks_callers), ("consumers of replies", found.diff.breaks_consumers)),
    }
    return View("diff.html", f"{found.new.prompt.id}: {names[0]} → {names[1]}", values)


def _names(found: Difference) -> list[str]:
    is_one = found.old.prompt.id == found.new.prompt.id
    return [
        ("" if is_one else f"{side.prompt.id} ")
        + without_commit(side.version.display)
        + (f" @{side.version.label}" if side.version.label else "")
        for side in (found.old, found.new)
    ]


def blocks(lines: Iterable[DiffLine]) -> Iterator[tuple[DiffLine | None, list[SideBySide]]]:
    """Yield each thing that differs in a part, with its lines side by side; further lines of it have no heading."""
    heading: DiffLine | None = None
    texts: list[str] = []
    for line in lines:
        if line.sign:
            if heading is not None or texts:
                yield heading, list(side_by_side(texts))
            heading, texts = line, []
        elif not line.text.startswith("@@"):
            texts.append(line.text)
        elif texts:
            yield heading, list(side_by_side(texts))
            heading, texts = None, []
    if heading is not None or texts:
        yield heading, list(side_by_side(texts))


def side_by_side(lines: Iterable[str]) -> Iterator[SideBySide]:
    """Yield the lines of a unified difference side by side: a removed one beside the added one in its place."""
    gone: list[str] = []
    come: list[str] = []
    for line in lines:
        if line.startswith("+"):
            come.append(line[1:])
            continue
        if come or not line.startswith("-"):
            yield from _paired(gone, come)
            gone, come = [], []
        if line.startswith("-"):
            gone.append(line[1:])
        else:
            yield SideBySide((line[1:], "", ""), (line[1:], "", ""))
    yield from _paired(gone, come)


def _paired(gone: Sequence[str], come: Sequence[str]) -> Iterator[SideBySide]:
    for before, after in zip_longest(gone, come):
        if before is None or after is None:
            yield SideBySide(*(None if text is None else ("", text, "") for text in (before, after)))
            continue
        start = alike_until(before, after)
        end = min(alike_until(before[::-1], after[::-1]), len(before) - start, len(after) - start)
        if start + end < _ALIKE * max(len(before), len(after)):
            start = end = 0
        sides = [(text[:start], text[start : len(text) - end], text[len(text) - end :]) for text in (before, after)]
        yield SideBySide(sides[0], sides[1])
