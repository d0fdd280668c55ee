"""Cost, tokens and latency on both sides of a comparison: each change with its interval."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import Literal

from promptctl.evaluations.case_outcomes import CaseOutcome, CasePair
from promptctl.statistics.bootstrap import quantile
from promptctl.statistics.intervals import Interval
from promptctl.statistics.ratios import ratio_of_means, ratio_of_medians

UsageName = Literal["cost_nano_usd", "tokens", "latency_ms"]
# Below this a latency is the program's own, not a model's.
_SHORTEST_MS = 1.0


@dataclass(frozen=True, slots=True)
class UsageChange:
    """One measured quantity (cost, tokens, latency) over the pairs where both sides know it.

    `known` pairs are in the numbers, `unknown` are not. Totals and medians are None if nothing is known. With
    `is_per_reply` costs and tokens are those of one reply a case on either side, as one side has more repeats.
    `interval` is the 95 % interval of `change`: None with fewer than 10 cases (or clusters), with costs or tokens too
    heavy-tailed for an interval that can be trusted, and for latencies below a millisecond.
    """

    name: UsageName
    known: int
    unknown: int
    base_total: float | None = None
    head_total: float | None = None
    base_p50: float | None = None
    head_p50: float | None = None
    base_p95: float | None = None
    head_p95: float | None = None
    interval: Interval | None = None
    is_per_reply: bool = False

    @property
    def sides(self) -> tuple[float | None, float | None]:
        """The numbers that base and head are compared by: medians of latencies, totals of the rest."""
        is_latency = self.name == "latency_ms"
        return (self.base_p50, self.head_p50) if is_latency else (self.base_total, self.head_total)

    @property
    def change(self) -> float | None:
        """The growth from base to head as a share of base: 0.1 is ten per cent more; None without an interval."""
        before, after = self.sides
        return after / before - 1 if self.interval is not None and before and after is not None else None


def compare_usage(pairs: Sequence[CasePair], clusters: Sequence[Hashable] | None = None) -> tuple[UsageChange, ...]:
    """Compare cost, tokens and latency of pairs of the same case; `clusters` names each pair's group."""
    base_replies = max((pair.base.replies for pair in pairs), default=0)
    is_per_reply = base_replies != max((pair.head.replies for pair in pairs), default=0)
    groups = clusters if clusters is not None else [None] * len(pairs)

    def compare(name: UsageName, read: Callable[[CaseOutcome], float | None]) -> UsageChange:
        known = [
            (before, after, group)
            for pair, group in zip(pairs, groups, strict=True)
            if (before := read(pair.base)) is not None and (after := read(pair.head)) is not None
        ]
        if not known:
            return UsageChange(name, known=0, unknown=len(pairs))
        base, head, kept = (list(column) for column in zip(*known, strict=True))
        found = _change(name, base, head, None if clusters is None else kept)
        return replace(found, unknown=len(pairs) - len(known))

    def amount(read: Callable[[CaseOutcome], float | None]) -> Callable[[CaseOutcome], float | None]:
        return (lambda outcome: _per_reply(outcome, read)) if is_per_reply else read

    return (
        replace(compare("cost_nano_usd", amount(lambda each: each.cost_nano_usd)), is_per_reply=is_per_reply),
        replace(compare("tokens", amount(lambda each: each.tokens)), is_per_reply=is_per_reply),
        compare("latency_ms", lambda each: each.latency_ms),
    )


def _per_reply(outcome: CaseOutcome, read: Callable[[CaseOutcome], float | None]) -> float | None:
    amount = read(outcome)
    return None if amount is None else amount / max(1, outcome.replies)


def _change(name: UsageName, base: list[float], head: list[float], clusters: Sequence[Hashable] | None) -> UsageChange:
    before, after = sorted(base), sorted(head)
    medians = quantile(before, 0.5), quantile(after, 0.5)
    if name != "latency_ms":
        ratio = ratio_of_means(base, head, clusters)
    else:
        ratio = ratio_of_medians(base, head, clusters) if max(medians) >= _SHORTEST_MS else None
    return UsageChange(
        name,
        known=len(base),
        unknown=0,
        base_total=fsum(before),
        head_total=fsum(after),
        base_p50=medians[0],
        head_p50=medians[1],
        base_p95=quantile(before, 0.95),
        head_p95=quantile(after, 0.95),
        interval=None if ratio is None else replace(ratio, low=ratio.low - 1, high=ratio.high - 1),
    )
