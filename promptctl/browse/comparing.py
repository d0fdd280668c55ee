"""Two versions of a prompt side by side: who breaks, and every line that differs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from promptctl.browse.views import PageRequest, View
from promptctl.reports.prompt_diff import DiffLine, diff_parts, version_names
from promptctl.reports.wording import alike_until, without_commit

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
    names = version_names(found, without_commit)
    values = {
        "found": found,
        "names": names,
        "refs": (old, new),
        "parts": [(title, list(blocks(lines))) for title, lines in diff_parts(found.diff)],
        "breaks": (("callers", found.diff.breaks_callers), ("consumers of replies", found.diff.breaks_consumers)),
    }
    return View("diff.html", f"{found.new.prompt.id}: {names[0]} → {names[1]}", values)


def blocks(lines: Iterable[DiffLine]) -> Iterator[tuple[DiffLine | None, list[SideBySide]]]:
    """Yield each thing that differs in a part, with its lines side by side; further lines of it have no heading."""
    heading: DiffLine | None = None
    texts: list[str] = []
    for line in lines:
        is_place = not line.sign and line.text.startswith("@@")
        if not line.sign and not is_place:
            texts.append(line.text)
        elif line.sign or texts:
            if heading is not None or texts:
                yield heading, list(side_by_side(texts))
            heading, texts = line if line.sign else None, []
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
