"""Costs added up by group: each with its share, the dearest first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from promptctl.log.call_totals import PERIODS, CallTotals, Dimension
from promptctl.log.filter import Filter

Totals = Callable[[Filter, Sequence[Dimension]], list[CallTotals]]
# What the running totals know; these filters are answered at once for any source.
_COUNTS_ALL = frozenset({"prompt", "version", "digest", "source"})
_KNOWN = frozenset({"prompt", "prompts", "renames", "version", "digest", "since", "until", "source"})


@dataclass(frozen=True, slots=True)
class CostTable:
    """The costs of calls by group, and together.

    `rows` are sorted by cost, the dearest first; with a day, week or month among the groups, in the order of time.
    `evaluations` are the costs of evaluations that the filter leaves out, `without_row` those of calls whose rows were
    never kept, or pruned, and that cannot be grouped so; None if there are none, or if that is not known.
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


def cost_table(totals: Totals, wanted: Filter, by: Sequence[Dimension]) -> CostTable:
    """Add up the costs of the calls that the filter means by each of the dimensions."""
    names = tuple(name.removeprefix("local_") for name in by)
    rows = totals(wanted, by)
    total = _sum(rows)
    periods = [name for name in names if name in PERIODS]
    rows.sort(key=lambda row: (*(row.group[name] or "" for name in periods), -row.known_cost_nano_usd, -row.calls))
    given = {name for name in Filter.__slots__ if getattr(wanted, name) not in (None, (), {}, "")}
    evaluations = without_row = None
    if given <= _KNOWN:
        if wanted.source == "app":
            evaluations = _sum(totals(replace(wanted, source="eval"), ()))
        if not given & {"since", "until"} and not set(by) <= _COUNTS_ALL:
            without_row = _difference(_sum(totals(wanted, ())), total)
    return CostTable(names, tuple(rows), total, _if_any(evaluations), _if_any(without_row))


def _sum(rows: Sequence[CallTotals]) -> CallTotals:
    total = CallTotals()
    for row in rows:
        total.add(row)
    return total


def _difference(whole: CallTotals, counted: CallTotals) -> CallTotals:
    return CallTotals(
        calls=whole.calls - counted.calls,
        blocked=whole.blocked - counted.blocked,
        known_cost_nano_usd=whole.known_cost_nano_usd - counted.known_cost_nano_usd,
        priced=whole.priced - counted.priced,
        unpriced=whole.unpriced - counted.unpriced,
        input_tokens=whole.input_tokens - counted.input_tokens,
        output_tokens=whole.output_tokens - counted.output_tokens,
        cached_tokens=whole.cached_tokens - counted.cached_tokens,
        attempts=whole.attempts - counted.attempts,
        last_at=whole.last_at,
    )


def _if_any(totals: CallTotals | None) -> CallTotals | None:
    return totals if totals is not None and totals.calls > 0 else None


def _numbers(row: CallTotals) -> dict[str, Any]:
    return {
        "calls": row.calls,
        "attempts": row.attempts,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "cached_tokens": row.cached_tokens,
        "cost_nano_usd": row.cost_nano_usd,
        "average_cost_nano_usd": row.average_cost_nano_usd,
        "unpriced": row.unpriced,
        "last_call_at": row.last_at or None,
    }
