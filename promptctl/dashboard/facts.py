"""The numbers of the charts: sums by bucket of time, prompt, version, label, model and source, in columns.

Whatever a chart shows and whatever it is filtered by, it adds these up. If there are too many, buckets get wider, and
rare versions, models, labels and prompts become one rest, which is said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from promptctl.dashboard.time_axis import TimeAxis, seconds_of
from promptctl.log.call_cells import CallCells, CellKey, CellSums
from promptctl.log.call_totals import FIELD_OF_STATUS, REUSED_SOURCES

NUMBERS = (
    "attempts", "input_tokens", "output_tokens", "cached_tokens", "cost_nano_usd", "priced", "unpriced", "calls",
    "retries", "ok", "errors", "invalid_outputs", "blocked", "cancelled", "reused", "cache_hits",
)  # fmt: skip
_AT = {name: number for number, name in enumerate(NUMBERS)}
_COARSEST = 8
REST = "\x00rest"
"""The name of all that is rare, until the document gives it words; nobody can be called so."""
# The most names that are kept apart, level by level; a wider axis comes after each.
_LEVELS = (
    {"prompt": 300, "version": 30, "model": 20, "label": 10},
    {"prompt": 100, "version": 10, "model": 8, "label": 5},
    {"prompt": 40, "version": 5, "model": 5, "label": 3},
    {"prompt": 15, "version": 3, "model": 3, "label": 2},
)


class FactKey(NamedTuple):
    """The key of a fact; `who` is its version or its user."""

    time: int
    prompt: str
    who: str | None
    label: str | None
    model: str
    source: str


@dataclass(slots=True)
class Fact:
    """The sums of one key: `numbers` as `NUMBERS` names them, attempts by kind of error, fresh replies by bucket."""

    numbers: list[int] = field(default_factory=lambda: [0] * len(NUMBERS))
    latencies: dict[int, int] = field(default_factory=dict)
    failures: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> int:
        return self.numbers[_AT[name]]

    def count(self, key: CellKey, sums: CellSums) -> None:
        """Add the attempts of a cell."""
        numbers, attempts = self.numbers, sums.attempts
        numbers[0] += attempts
        numbers[1] += sums.input_tokens
        numbers[2] += sums.output_tokens
        numbers[3] += sums.cached_tokens
        numbers[4] += sums.cost_nano_usd
        numbers[5] += sums.priced
        numbers[6] += sums.unpriced
        if not key.is_later:
            numbers[_AT["calls"]] += attempts
        elif key.status != "blocked":
            numbers[_AT["retries"]] += attempts
        if key.status != "blocked" or not key.is_later:
            numbers[_AT[FIELD_OF_STATUS[key.status]]] += attempts
        if key.reply_source in REUSED_SOURCES:
            numbers[_AT["reused"]] += attempts
            numbers[_AT["cache_hits"]] += attempts * (key.reply_source == "cache")
        if key.status != "ok":
            add_counts(self.failures, {key.error or key.status: attempts})
        add_counts(self.latencies, sums.latencies)

    def add(self, other: Fact) -> None:
        """Add another fact."""
        self.numbers = [mine + theirs for mine, theirs in zip(self.numbers, other.numbers, strict=True)]
        add_counts(self.latencies, other.latencies)
        add_counts(self.failures, other.failures)


Facts = dict[FactKey, Fact]


def add_counts(mine: dict[Any, int], others: dict[Any, int]) -> None:
    """Add counts by name to others."""
    for name, number in others.items():
        mine[name] = mine.get(name, 0) + number


@dataclass(slots=True)
class FactTable:
    """Facts on an axis of time that may be wider than that of the calls.

    `rests` has the names of each kind that became one rest; those of `who`, versions, with their prompt before them.
    """

    axis: TimeAxis
    facts: Facts
    rests: dict[str, set[str]] = field(default_factory=dict)

    def narrow(self, most: int) -> FactTable:
        """Merge what is rare, and widen the axis, until there are no more facts than that; return the table."""
        levels = iter(_LEVELS)
        while len(self.facts) > most:
            level, wider = next(levels, None), self.axis.wider
            if level is not None:
                self._merge_rare(level)
            if len(self.facts) > most and wider is not None:
                self._widen(wider)
            if level is None and wider is None:
                break
        return self

    def _merge_rare(self, most: Mapping[str, int]) -> None:
        for kind in ("prompt", "model", "label"):
            attempts: dict[Any, int] = {}
            for key, fact in self.facts.items():
                name = getattr(key, kind)
                attempts[name] = attempts.get(name, 0) + fact["attempts"]
            names = sorted(attempts.keys() - {REST}, key=lambda name: (-attempts[name], str(name)))
            self._merge(kind, {(None, name) for name in names[most[kind] :]})
        last_use: dict[tuple[str, Any], int] = {}
        for key in self.facts:
            if key.who != REST:
                used = key.prompt, key.who
                last_use[used] = max(key.time, last_use.get(used, 0))
        newest = sorted(last_use, key=lambda used: (used[0], -last_use[used], str(used[1])))
        rare: set[tuple[str | None, Any]] = set()
        for _, of_prompt in groupby(newest, itemgetter(0)):
            rare.update(list(of_prompt)[most["version"] :])
        self._merge("who", rare)

    def _merge(self, kind: str, rare: set[tuple[str | None, Any]]) -> None:
        if rare:
            self.rests.setdefault(kind, set()).update(" ".join(map(str, filter(None, name))) for name in rare)
            self._rename(
                lambda key: (
                    key._replace(**{kind: REST})  # type: ignore[arg-type]
                    if (key.prompt if kind == "who" else None, getattr(key, kind)) in rare
                    else key
                )
            )

    def _widen(self, axis: TimeAxis) -> None:
        begins = [axis.index(self.axis.first + number * self.axis.width) for number in range(self.axis.count)]
        self._rename(lambda key: key._replace(time=begins[key.time]))
        self.axis = axis

    def _rename(self, renamed: Callable[[FactKey], FactKey]) -> None:
        found: Facts = {}
        for key, fact in self.facts.items():
            new = renamed(key)
            if new in found:
                found[new].add(fact)
            else:
                found[new] = fact
        self.facts = found


def fact_tables(cells: CallCells, axis: TimeAxis) -> tuple[FactTable, FactTable]:
    """Return the facts by version, and those by user of the users who have most calls."""
    by_version: Facts = defaultdict(Fact)
    by_user: Facts = defaultdict(Fact)
    for step, found in cells.cells.items():
        time = axis.index(seconds_of(step))
        for key, sums in found.items():
            by_version[FactKey(time, key.prompt, key.version, key.label, key.model, key.source)].count(key, sums)
            if key.user:
                by_user[FactKey(time, key.prompt, key.user, key.label, key.model, key.source)].count(key, sums)
    return FactTable(axis, dict(by_version)), FactTable(axis, dict(by_user))


class Names:
    """The names of one kind by their numbers in the document; the rest has the last one, if there is a rest."""

    def __init__(self, names: Iterable[str | None], rest: str) -> None:
        found = set(names)
        has_rest = REST in found
        known = sorted(found - {REST}, key=_in_order)
        self.rest = len(known) if has_rest else None
        self.words = [*known, *([rest] if has_rest else [])]
        self.numbers = {name: number for number, name in enumerate([*known, *([REST] if has_rest else [])])}


def columns(table: FactTable, common: TimeAxis, who: str, names: Mapping[str, Names], growth: int) -> dict[str, Any]:
    """Return the facts as columns; `time` is the first of the common buckets that a bucket of theirs holds.

    Latencies are in buckets of which each is so many of `CallTotals`.
    """
    rows = sorted(table.facts.items(), key=lambda row: row[0].time)
    begins = [max(0, common.index(table.axis.first + number * table.axis.width)) for number in range(table.axis.count)]
    kinds = {"prompt": "prompt", "who": who, "label": "label", "model": "model", "source": "source"}
    keys = {kind: [names[kind].numbers[getattr(key, column)] for key, _ in rows] for column, kind in kinds.items()}
    errors = names["error"].numbers
    return {
        "rows": len(rows),
        "time_step": table.axis.width // common.width,
        "time": [begins[key.time] for key, _ in rows],
        **keys,
        **{name: [fact.numbers[at] for _, fact in rows] for name, at in _AT.items()},
        "latency": _sparse("bucket", [_coarser(fact.latencies, growth) for _, fact in rows]),
        "failures": _sparse("error", [{errors[kind]: n for kind, n in fact.failures.items()} for _, fact in rows]),
    }


def growth_for(tables: Iterable[FactTable], most: int) -> int:
    """Return how many buckets of `CallTotals` become one, for there to be no more counts of latencies than that."""
    facts = [fact.latencies for table in tables for fact in table.facts.values()]
    for growth in range(1, _COARSEST):
        if sum(len(_coarser(counts, growth)) for counts in facts) <= most:
            return growth
    return _COARSEST


def _coarser(counts: Mapping[int, int], growth: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for number, attempts in counts.items():
        wider = -(-number // growth)  # its upper limit is one of theirs
        found[wider] = found.get(wider, 0) + attempts
    return found


def _sparse(name: str, counts: Sequence[Mapping[int, int]]) -> dict[str, list[int]]:
    """Return counts by row and number as three columns; a row is told by its distance from the one before."""
    row, number, attempts, last = [], [], [], 0
    for position, of_row in enumerate(counts):
        for key in sorted(of_row):
            row.append(position - last)
            number.append(key)
            attempts.append(of_row[key])
            last = position
    return {"row": row, name: number, "count": attempts}


def _in_order(name: str | None) -> tuple[bool, list[tuple[bool, int, str]]]:
    """Sort numbers in names by their value: v9 comes before v10. None comes last."""
    parts = re.split(r"(\d+)", name or "")
    return name is None, [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
