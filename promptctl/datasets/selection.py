"""The cases of a dataset that are evaluated: by id, by tag, the first of them, or a sample that is always the same."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

from promptctl.errors import CaseNotFound, UsageError, quote
from promptctl.files.names import did_you_mean

if TYPE_CHECKING:
    from promptctl.datasets.cases import Case
    from promptctl.datasets.dataset import Dataset
    from promptctl.datasets.splitting import Split

_MOST_KNOWN = 50_000
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Selection:
    """Cases to evaluate. Each part narrows what the one before it left: part, ids, tags, sample, first.

    `part` is one of the parts of each dataset's split. `ids` None means any; a case without a matrix of its own is also
    meant by the id before the `[`. A case needs one of the `tags`. `sample` cases are drawn by a hash of `seed` and
    their ids, so a case that is added to the dataset changes the sample by at most one.
    """

    ids: frozenset[str] | None = None
    tags: tuple[str, ...] = ()
    sample: int | None = None
    seed: int = 0
    first: int | None = None
    part: str | None = None

    @property
    def is_everything(self) -> bool:
        """True if nothing is left out."""
        is_any = self.ids is None and not self.tags and self.sample is None
        return is_any and self.first is None and self.part is None

    def among(self, ids: frozenset[str]) -> Selection:
        """Return the same selection, of these cases only."""
        return replace(self, ids=ids if self.ids is None else ids & self.ids)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Cases that a selection comes to: how many, and their ids in the dataset's order unless they are all of them."""

    count: int
    ids: frozenset[str] | None = None

    def of(self, cases: Iterable[Case]) -> Iterator[Case]:
        """Yield the cases that were chosen, one at a time."""
        if self.ids is None:
            yield from islice(cases, self.count)
            return
        left = self.count
        for case in cases:
            if left and case.id in self.ids:
                left -= 1
                yield case
            if not left:
                return


def choose(cases: Callable[[], Iterable[Case]], selection: Selection, dataset: Dataset | None = None) -> Chosen:
    """Go through the cases once and choose; the dataset is needed for a part. Raises what `Choosing.finish` raises."""
    choosing = Choosing(selection)
    chosen = choosing.of(cases, dataset)
    choosing.finish()
    return chosen


class Choosing:
    """One selection of the cases of one or more datasets: an id or a tag has to be known to one of them.

    `sample` and `first` are of each dataset. Raises `UsageError` for a name of no part.
    """

    def __init__(self, selection: Selection) -> None:
        if selection.part is not None:
            from promptctl.datasets.splitting import check_part

            check_part(selection.part)
        self._selection = selection
        self._count = 0
        self._ids_left = set(selection.ids or ())
        self._tags_left = set(selection.tags)
        self._left_out: set[str] = set()
        self._known_ids: set[str] = set()
        self._known_tags: set[str] = set()

    def of(
        self, cases: Callable[[], Iterable[Case]], dataset: Dataset | None = None, left_out: Collection[str] = ()
    ) -> Chosen:
        """Return the choice in one dataset, which may be none.

        `dataset` is the one that they are of, whose split is needed for a part; its count is used if it is known.
        `left_out` are the ids of cases that it has and that are not checked, since they need code. Raises `UsageError`
        for a part of a dataset without a split.
        """
        selection, count = self._selection, None if dataset is None else dataset.count
        self._left_out |= self._ids_left & set(left_out)
        if selection.is_everything:
            chosen = Chosen(sum(1 for _ in cases()) if count is None else count)
        else:
            split = selection.part and dataset and needed_split(dataset, selection.part)
            ids = [
                case.id for case in cases() if self._takes(case) and (not split or split.part(case) == selection.part)
            ]
            if selection.sample is not None:
                drawn = set(heapq.nsmallest(selection.sample, ids, key=partial(drawn_rank, selection.seed)))
                ids = [id_ for id_ in ids if id_ in drawn]
            ids = ids[: selection.first]
            chosen = Chosen(len(ids), frozenset(ids))
        self._count += chosen.count
        return chosen

    def finish(self) -> None:
        """Raise `CaseNotFound` for an id or tag that no dataset's case has, and `UsageError` if no case is chosen.

        A mistyped one would silently test less.
        """
        if self._left_out:
            raise CaseNotFound(
                f"`{min(self._left_out)}` is left out: an assertion that runs code decides it",
                hint="--allow-code runs it, if you trust the workspace",
            )
        for what, left, known in (
            ("case", self._ids_left, self._known_ids),
            ("tag", self._tags_left, self._known_tags),
        ):
            if left:
                named = sorted(left)[:_MOST_NAMED]
                hint = did_you_mean(named[0], sorted(known)) or "list the cases with promptctl dataset show"
                raise CaseNotFound(f"no {what} is called {', '.join(f'`{name}`' for name in named)}", hint=hint)
        if not self._count:
            raise UsageError(
                "no case is selected", hint="select less narrowly, or list the cases with promptctl dataset show"
            )

    def _takes(self, case: Case) -> bool:
        """Return True if the case is of the ids and tags, which it is then noted to have."""
        if self._ids_left and len(self._known_ids) < _MOST_KNOWN:
            self._known_ids.add(case.id)
        self._known_tags.update(case.tags)
        self._tags_left.difference_update(case.tags)
        ids, tags = self._selection.ids, self._selection.tags
        if ids is not None:
            met = ids & {case.id, case.id.partition("[")[0]}
            self._ids_left -= met
            if not met:
                return False
        return not tags or any(tag in tags for tag in case.tags)


def needed_split(dataset: Dataset, part: str) -> Split:
    """Return the split of a dataset; raises `UsageError` if it has none, and so no such part."""
    if dataset.split is None:
        path = dataset.header.path
        hint = f"draw one: promptctl dataset split {quote(path)}"
        raise UsageError(f"{path} has no split, so it has no part `{part}`", hint=hint)
    return dataset.split


def part_of(dataset: Dataset, part: str | None) -> dict[str, Any] | None:
    """Return what an evaluation keeps of a part of the dataset's split; None for all of it."""
    return None if part is None else needed_split(dataset, part).spec(part)


def drawn_rank(seed: int, id_: str) -> bytes:
    """Return the place of a case in the random order of that seed, which the other cases do not change."""
    return hashlib.blake2b(f"{seed}\0{id_}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
