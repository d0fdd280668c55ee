"""Costs added up by group: each with its share, the dearest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from promptctl.log.call_totals import PERIODS, CallTotals, Dimension
from promptctl.log.filter import Filter

if TYPE_CHECKING:
    from promptctl.log.store import Store

# What the running totals know; these filters are answered at once for any source.
_KNOWN = frozenset({"prompt", "prompts", "renames", "version", "digest", "since", "until", "source"})
_NUMBERS = (
    "calls", "attempts", "input_tokens", "output_tokens", "cached_tokens", "cost_nano_usd", "average_cost_nano_usd",
    "unpriced", "untold",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CostTable:
    """The costs of calls by group, and together.

    `rows` are sorted by cost, the dearest first; with a day, week or month among the groups, in the order of time.
    `evaluations` are the costs of evaluations that the filter leaves out; None if there are none, or if that is not
    known. `without_row` are those of calls whose rows were never kept, or pruned, and of which nothing but prompt,
    version and source is known: the filter may mean them or not. None if there are none, or if all are counted.
    """

    by: tuple[str, ...]
    rows: tuple[CallTotals, ...]
    total: CallTotals
    evaluations: CallTotals | None = None
    without_row: CallTotals | None = None

    def share(self, row: CallTotals) -> float | None:
        """Return the share of a group in the known cost; None if nothing has a cost."""
        return row.known_cost_nano_usd / self.total.known_cost_nano_usd if self.total.known_cost_nano_usd else None

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return {
            "by": list(self.by),
            "rows": [{**row.group, **_numbers(row), "share": self.share(row)} for row in self.rows],
            "total": _numbers(self.total),
            "not_counted": {
                "evaluations": self.evaluations and _numbers(self.evaluations),
                "without_row": self.without_row and _numbers(self.without_row),
            },
        }


def cost_table(log: Store, wanted: Filter, by: Sequence[Dimension]) -> CostTable:
    """Add up the costs of the calls that the filter means by each of the dimensions."""
    names = tuple(name.removeprefix("local_") for name in by)
    rows = log.totals(wanted, by, costs_only=True)
    total = _sum(rows)
    periods = [name for name in names if name in PERIODS]
    rows.sort(key=lambda row: (*(row.group[name] or "" for name in periods), -row.known_cost_nano_usd, -row.calls))
    evaluations = None
    if wanted.given <= _KNOWN and wanted.source == "app":
        evaluations = _sum(log.totals(replace(wanted, source="eval"), (), costs_only=True))
    evaluations = evaluations if evaluations is not None and evaluations.calls else None
    return CostTable(names, tuple(rows), total, evaluations, log.without_row(wanted, by, costs_only=True))


def _sum(rows: Sequence[CallTotals]) -> CallTotals:
    total = CallTotals()
    for row in rows:
        total.add(row)
    return total


def _numbers(row: CallTotals) -> dict[str, Any]:
    return {**{name: getattr(row, name) for name in _NUMBERS}, "last_call_at": row.last_at or None}
