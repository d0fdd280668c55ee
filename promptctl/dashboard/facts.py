"""The numbers of the charts: sums by bucket of time, prompt, version, label, model and source, in columns.

Whatever a chart shows and whatever it is filtered by, it adds these up. If there are too many, buckets get wider, and
rare versions, models, labels and prompts become one rest, which is said.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
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
_KINDS = ("prompt", "model", "label", "version", "user")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
REST = "\x00rest"
"""The name of all that is rare, until the document gives it words; nobody can be called so."""


class FactLimits(NamedTuple):
    """The most facts of a table, the fewest buckets before names are merged, and the most names, level by level."""

    facts: int
    buckets: int
    levels: tuple[Mapping[str, int], ...]


LIMITS = FactLimits(
    8_500,
    30,
    (
        {"prompt": 300, "version": 30, "model": 20, "label": 10},
        {"prompt": 100, "version": 10, "model": 8, "label": 5},
        {"prompt": 40, "version": 5, "model": 5, "label": 3},
        {"prompt": 15, "version": 3, "model": 3, "label": 2},
    ),
)
USER_LIMITS = FactLimits(4_000, 4, ({"user": 8}, {"user": 4}, {"user": 2, "prompt": 100}))


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

    @property
    def asked(self) -> int:
        """The number of calls of which something was sent."""
        return self["calls"] - self["blocked"]

    @property
    def failed(self) -> int:
        """The number of these that did not come out well."""
        return max(0, self.asked - self["ok"])

    @property
    def untold(self) -> int:
        """The number of attempts that were sent and never told their cost."""
        return max(0, self["attempts"] - self["blocked"] - self["priced"] - self["unpriced"])

    @property
    def is_cost_known(self) -> bool:
        """True if an attempt told its cost: not only refused ones, beside others that never did."""
        is_open = self.untold or self["unpriced"]
        has_free = not is_open or self["ok"] + self["invalid_outputs"] > self["unpriced"]
        return bool(self["priced"] and (self["cost_nano_usd"] or has_free))

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
    if not mine:
        mine.update(others)
        return
    for name, number in others.items():
        mine[name] = mine.get(name, 0) + number


@dataclass(slots=True)
class FactTable:
    """Facts on an axis of time; `rests` has the names of each kind that became one rest, or were left out."""

    axis: TimeAxis
    facts: Facts
    rests: Mapping[str, Set[Any]] = field(default_factory=dict)

    def narrowed(self, limits: FactLimits) -> FactTable:
        """Return the facts in buckets that a chart can show, and no more of them than the limits say, if possible.

        First buckets get wider, as long as there are many, then what is rare is merged, level by level.
        """
        table, axes = self, list(self.axis.wider())
        for level in ({}, *limits.levels):
            table = table._without_rare(level)
            is_last = level is limits.levels[-1]
            for axis in axes:
                if (is_last or axis.count >= limits.buckets or axis is axes[0]) and table._size(axis) <= limits.facts:
                    return table._on(axis)
        return table._on(axes[-1])

    def _size(self, axis: TimeAxis) -> int:
        begins = self._begins(axis)
        return len({(begins[key[0]], *key[1:]) for key in self.facts})

    def _on(self, axis: TimeAxis) -> FactTable:
        begins = self._begins(axis)
        return FactTable(axis, self._renamed(lambda key: FactKey(begins[key[0]], *key[1:])), self.rests)

    def _begins(self, axis: TimeAxis) -> list[int]:
        return [axis.index(self.axis.first + number * self.axis.width) for number in range(self.axis.count)]

    def merged(self, rare: Mapping[str, Set[Any]]) -> FactTable:
        """Return the facts with one rest for the names of each kind. Users are left out: it is not theirs.

        A version is named with its prompt.
        """
        prompts, models, labels, versions, users = (rare.get(kind, frozenset()) for kind in _KINDS)

        def renamed(key: FactKey) -> FactKey | None:
            if key.who in users:
                return None
            return FactKey(
                key.time,
                REST if key.prompt in prompts else key.prompt,
                REST if (key.prompt, key.who) in versions else key.who,
                REST if key.label in labels else key.label,
                REST if key.model in models else key.model,
                key.source,
            )

        rests = {kind: self.rests.get(kind, frozenset()) | rare.get(kind, frozenset()) for kind in _KINDS}
        if not any(rare.values()):
            return self
        return FactTable(self.axis, self._renamed(renamed), rests)

    def _without_rare(self, most: Mapping[str, int]) -> FactTable:
        """Merge the names with fewest calls, and of each prompt the versions that were called longest ago."""
        rare: dict[str, Set[Any]] = {}
        for kind in most.keys() - {"version"}:
            attempts: dict[Any, int] = {}
            for key, fact in self.facts.items():
                name = getattr(key, "who" if kind == "user" else kind)
                if name != REST:
                    attempts[name] = attempts.get(name, 0) + fact["attempts"]
            rare[kind] = set(sorted(attempts, key=lambda name: (-attempts[name], str(name)))[most[kind] :])
        if "version" in most:
            last_use: dict[tuple[str, Any], int] = {}
            for key in self.facts:
                if key.who != REST:
                    last_use[key.prompt, key.who] = max(key.time, last_use.get((key.prompt, key.who), 0))
            newest = sorted(last_use, key=lambda used: (used[0], -last_use[used], str(used[1])))
            of_prompts = (list(used) for _, used in groupby(newest, itemgetter(0)))
            rare["version"] = {used for of_prompt in of_prompts for used in of_prompt[most["version"] :]}

        return self.merged(rare)

    def _renamed(self, renamed: Callable[[FactKey], FactKey | None]) -> Facts:
        found: Facts = {}
        for key, fact in self.facts.items():
            new = renamed(key)
            if new is None:
                continue
            if new in found:
                found[new].add(fact)
            else:
                found[new] = Fact([*fact.numbers], {**fact.latencies}, {**fact.failures})
        return found


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


def columns(table: FactTable, common: TimeAxis, who: str, names: Mapping[str, Names]) -> dict[str, Any]:
    """Return the facts as columns; `time` is the first of the common buckets that a bucket of theirs holds."""
    rows = sorted(table.facts.items(), key=lambda row: row[0].time)
    begins = [max(0, common.index(table.axis.first + number * table.axis.width)) for number in range(table.axis.count)]
    kinds = {"prompt": "prompt", "who": who, "label": "label", "model": "model", "source": "source"}
    keys = {kind: [names[kind].numbers[getattr(key, column)] for key, _ in rows] for column, kind in kinds.items()}
    errors = names["error"].numbers
    return {
        "rows": len(rows),
        "time_step": -(-table.axis.width // common.width),
        "time": [begins[key.time] for key, _ in rows],
        **keys,
        **{name: [fact.numbers[at] for _, fact in rows] for name, at in _AT.items()},
        "latency": {
            "first": [min(fact.latencies, default=0) for _, fact in rows],
            "counts": [_dense(fact.latencies) for _, fact in rows],
        },
        "failures": _sparse("error", [{errors[kind]: n for kind, n in fact.failures.items()} for _, fact in rows]),
    }


def _dense(counts: Mapping[int, int]) -> str:
    """Return the counts of consecutive buckets, a character each: up to 35 as a digit, others as `(120)`.

    >>> _dense({3: 1, 5: 10, 6: 120})
    '10a(120)'
    """
    if not counts:
        return ""
    first, most = min(counts), len(_DIGITS)
    found = ["0"] * (max(counts) - first + 1)
    for number, n in counts.items():
        found[number - first] = _DIGITS[n] if n < most else f"({n})"
    return "".join(found)


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
