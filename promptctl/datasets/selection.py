"""Which cases of a dataset are evaluated: by id, by tag, the first of them, or a sample that is the same each time."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from promptctl.datasets.cases import Case
from promptctl.errors import CaseNotFound, UsageError
from promptctl.files.names import did_you_mean

_MOST_KNOWN = 50_000
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Selection:
    """What to evaluate. Each part narrows what the one before it left: ids, tags, sample, first.

    `ids` None means any; a case without a matrix of its own is also meant by the id before the `[`. A case needs one
    of the `tags`. `sample` cases are drawn by a hash of `seed` and their ids, so a case that is added to the dataset
    changes the sample by at most one.
    """

    ids: frozenset[str] | None = None
    tags: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    first: int | None = None

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.ids is None and not self.tags and self.sample is None and self.first is None

    def among(self, ids: frozenset[str]) -> Selection:
        """The same, of these cases only."""
        return replace(self, ids=ids if self.ids is None else ids & self.ids)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a selection comes to: how many cases, and their ids in the dataset's order where it is not all of them."""

    count: int
    ids: frozenset[str] | None = None

    def of(self, cases: Iterable[Case]) -> Iterator[Case]:
        """Those of the cases that were chosen, one at a time."""
        if self.ids is None:
            yield from cases
            return
        left = self.count
        for case in cases:
            if left and case.id in self.ids:
                left -= 1
                yield case
            if not left:
                return


def choose(cases: Callable[[], Iterable[Case]], selection: Selection) -> Chosen:
    """Go through the cases once and choose. Raises what `Choosing.finish` raises."""
    choosing = Choosing(selection)
    chosen = choosing.of(cases)
    choosing.finish()
    return chosen


class Choosing:
    """One selection of the cases of one or more datasets: an id or a tag has to be known to one of them.

    `sample` and `first` are of each dataset.
    """

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._wanted = _SelectionUse(selection)
        self._count = 0

    def of(self, cases: Callable[[], Iterable[Case]], count: int | None = None) -> Chosen:
        """The choice in one dataset, which may be none; `count` is how many cases it has, where that is known."""
        chosen = self._choice(cases, count)
        self._count += chosen.count
        return chosen

    def finish(self) -> None:
        """Raise `CaseNotFound` for an id or tag that no dataset's case has, and `UsageError` if no case is chosen."""
        self._wanted.raise_for_unknown()
        if not self._count:
            raise UsageError(
                "no case is selected", hint="select less narrowly, or list the cases with promptctl dataset show"
            )

    def _choice(self, cases: Callable[[], Iterable[Case]], count: int | None) -> Chosen:
        if self._selection.is_everything:
            return Chosen(sum(1 for _ in cases()) if count is None else count)
        ids = self._wanted.drawn(case.id for case in cases() if self._wanted.takes(case))
        ids = ids[: self._selection.first]
        return Chosen(len(ids), frozenset(ids))


class _SelectionUse:
    """A selection at work: which of its ids and tags were met, and what ids and tags there are."""

    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._ids_left = set(selection.ids or ())
        self._tags_left = set(selection.tags)
        self._known_ids: set[str] = set()
        self._known_tags: set[str] = set()

    def takes(self, case: Case) -> bool:
        if self._ids_left and len(self._known_ids) < _MOST_KNOWN:
            self._known_ids.add(case.id)
        self._known_tags.update(case.tags)
        self._tags_left.difference_update(case.tags)
        return self._is_of_ids(case.id) and self._is_of_tags(case.tags)

    def drawn(self, ids: Iterator[str]) -> list[str]:
        """The ids, or as many of them as the sample has, in the order they came."""
        selection = self._selection
        if selection.sample is None:
            return list(ids)
        placed = ((_rank(selection.seed, id_), place, id_) for place, id_ in enumerate(ids))
        return [id_ for _, _, id_ in sorted(heapq.nsmallest(selection.sample, placed), key=lambda each: each[1])]

    def raise_for_unknown(self) -> None:
        """Every id and tag asked for must be there: a mistyped one would silently test less."""
        for what, left, known in (
            ("case", self._ids_left, self._known_ids),
            ("tag", self._tags_left, self._known_tags),
        ):
            if left:
                named = sorted(left)[:_MOST_NAMED]
                hint = did_you_mean(named[0], sorted(known)) or f"the dataset has no such {what}"
                raise CaseNotFound(f"no {what} is called {', '.join(f'`{name}`' for name in named)}", hint=hint)

    def _is_of_ids(self, id_: str) -> bool:
        wanted = self._selection.ids
        if wanted is None:
            return True
        for name in (id_, id_.partition("[")[0]):
            if name in wanted:
                self._ids_left.discard(name)
                return True
        return False

    def _is_of_tags(self, tags: tuple[str, ...]) -> bool:
        wanted = self._selection.tags
        return not wanted or any(tag in wanted for tag in tags)


def _rank(seed: int, id_: str) -> bytes:
    return hashlib.blake2b(f"{seed}\0{id_}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
