"""Two runs over the same cases, side by side: which cases moved, by how much each metric differs, what each cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from promptctl.errors import UsageError
from promptctl.evaluations.outcomes import CaseOutcome, CasePair
from promptctl.statistics.bootstrap import quantile
from promptctl.statistics.intervals import Interval
from promptctl.statistics.metric import MetricComparison, Procedure, compare_metric
from promptctl.statistics.ratios import ratio_of_means, ratio_of_medians

PASSED = "passed"
PASS_SHARE = "pass share"  # noqa: S105 - a metric's name
SCORE = "score"
UsageName = Literal["cost_nano_usd", "tokens", "latency_ms"]
_USAGE: tuple[UsageName, ...] = get_args(UsageName)
# Below this a latency is the program's own, not a model's.
_SHORTEST_MS = 1.0
# A larger share of cases without a result on both sides could hide what head makes worse.
_MOST_ALIKE = 0.1


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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two runs compared, in head's order of cases.

    `improved`, `regressed` and `unchanged` part the graded pairs by status; `flaky` names those of them whose repeats
    disagreed on either side, besides. `errors` are pairs with no grade on one side or both. `changed` (same id, other
    content), `added` and `removed` cases are not comparable and count nowhere else; nor do `expected_failures`, cases
    that have an `xfail` in head. `never_run` cases were planned on
    both sides and came to nothing on either; which ones is not known. If it `is_decided`, these and `not_asked`, which
    one side answered, were left out as they could change nothing. Latencies of sides that were not `is_timed_together`
    are of different times, and differ as the server's load did. `judged_apart` says of each case that a judge decided
    on one side alone why it did; it is among the errors. `lost_metrics` are those that cases have, and none on both
    sides. `edited` names cases that were edited together with head, and maybe others.
    """

    procedure: Procedure
    improved: tuple[CasePair, ...] = ()
    regressed: tuple[CasePair, ...] = ()
    unchanged: tuple[CasePair, ...] = ()
    flaky: tuple[CasePair, ...] = ()
    errors: tuple[CasePair, ...] = ()
    changed: tuple[CasePair, ...] = ()
    expected_failures: tuple[CasePair, ...] = ()
    added: tuple[CaseOutcome, ...] = ()
    removed: tuple[CaseOutcome, ...] = ()
    not_asked: tuple[CasePair, ...] = ()
    judged_apart: Mapping[str, str] = field(default_factory=dict)
    never_run: int = 0
    is_decided: bool = False
    is_timed_together: bool = True
    metrics: tuple[MetricComparison, ...] = ()
    lost_metrics: tuple[str, ...] = ()
    usage: tuple[UsageChange, ...] = ()
    edited: frozenset[str] = frozenset()

    @property
    def graded(self) -> tuple[CasePair, ...]:
        """The pairs that count in the tests."""
        return (*self.improved, *self.regressed, *self.unchanged)

    @property
    def n(self) -> int:
        """Number of cases graded on both sides; repeats do not add to it."""
        return len(self.improved) + len(self.regressed) + len(self.unchanged)

    @property
    def comparable(self) -> int:
        """Number of cases that are the same on both sides, graded or not."""
        return self.n + self.ungraded

    @property
    def left_out(self) -> int:
        """Number of cases that nobody asked, on one side or both, as they could change nothing."""
        return len(self.not_asked) + self.never_run if self.is_decided else 0

    @property
    def ungraded(self) -> int:
        """Number of cases that are the same on both sides and lack a grade on one or both."""
        return len(self.errors) + len(self.not_asked) + self.never_run

    @property
    def alike(self) -> tuple[CasePair, ...]:
        """The pairs that lack a result on both sides whatever head is; none if they are edited or too many."""
        found = tuple(pair for pair in self.errors if pair.is_alike and pair.case_id not in self.edited)
        return found if len(found) <= _MOST_ALIKE * self.comparable else ()

    @property
    def open(self) -> tuple[CasePair, ...]:
        """The pairs with an error that might have been spared them: either side could still pass or fail."""
        alike = {pair.case_id for pair in self.alike}
        return tuple(pair for pair in self.errors if pair.case_id not in alike)

    def metric(self, name: str) -> MetricComparison | None:
        """The metric of that name, if any case has it on both sides."""
        return next((metric for metric in self.metrics if metric.name == name), None)

    def passes_at(self, alpha: float) -> MetricComparison | None:
        """Return the passing cases compared at a level of their own; None if no case is graded on both sides."""
        pairs = self.graded
        if not pairs:
            return None
        base = [float(pair.base.status == "passed") for pair in pairs]
        head = [float(pair.head.status == "passed") for pair in pairs]
        return compare_metric(PASSED, base, head, _clusters(pairs), procedure=replace(self.procedure, alpha=alpha))


def compare_outcomes(
    base: Sequence[CaseOutcome],
    head: Sequence[CaseOutcome],
    *,
    procedure: Procedure | None = None,
    planned: Collection[str] = (),
    never_run: int = 0,
    is_decided: bool = False,
) -> Comparison:
    """Pair two runs by case id and content hash, and compare every metric that both have.

    `planned` names cases that both runs set out to do: one of them that a side lacks is an error there, as in a run
    that was interrupted, rather than added or removed; in one that `is_decided` it was not asked. `never_run` more that
    neither side came to have no names.
    Raises UsageError if a run has two outcomes of one case.
    """
    procedure = procedure or Procedure()
    before, after = _by_id(base, "base"), _by_id(head, "head")
    ids = set(planned)
    pairs = [CasePair(before[case_id], outcome) for case_id, outcome in after.items() if case_id in before]
    expected_failures = [pair for pair in pairs if pair.head.is_xfail]
    pairs = [pair for pair in pairs if not pair.head.is_xfail]
    same = [pair for pair in pairs if pair.base.content_hash == pair.head.content_hash]
    apart = {pair.case_id: why for pair in same if (why := pair.why_apart) is not None}
    same = [pair.ungraded if pair.case_id in apart else pair for pair in same]
    added = [outcome for case_id, outcome in after.items() if case_id not in before]
    removed = [outcome for case_id, outcome in before.items() if case_id not in after]
    errors = [pair for pair in same if not pair.is_graded]
    missing = [CasePair(_never_run(outcome), outcome) for outcome in added if outcome.case_id in ids]
    missing += [CasePair(outcome, _never_run(outcome)) for outcome in removed if outcome.case_id in ids]
    nowhere = [CaseOutcome(case_id=case_id, content_hash="", status="error") for case_id in sorted(ids)]
    missing += [CasePair(lost, lost) for lost in nowhere if lost.case_id not in before and lost.case_id not in after]
    graded = [pair for pair in same if pair.is_graded]
    metrics, lost_metrics = _compare_metrics(graded, procedure)
    usage = compare_usage(same, _clusters(same))
    if is_decided:  # the cases were asked until something was seen in them: an interval of theirs is none
        usage = tuple(replace(each, interval=None) for each in usage)
    return Comparison(
        procedure=procedure,
        improved=tuple(pair for pair in graded if pair.way > 0),
        regressed=tuple(pair for pair in graded if pair.way < 0),
        unchanged=tuple(pair for pair in graded if not pair.way),
        flaky=tuple(pair for pair in graded if pair.base.is_flaky or pair.head.is_flaky),
        errors=tuple(errors if is_decided else [*errors, *missing]),
        changed=tuple(pair for pair in pairs if pair.base.content_hash != pair.head.content_hash),
        expected_failures=tuple(expected_failures),
        added=tuple(outcome for outcome in added if outcome.case_id not in ids),
        removed=tuple(outcome for outcome in removed if outcome.case_id not in ids),
        not_asked=tuple(pair for pair in missing if is_decided and not (pair.base.is_xfail or pair.head.is_xfail)),
        judged_apart=apart,
        never_run=never_run,
        is_decided=is_decided,
        metrics=metrics,
        lost_metrics=lost_metrics,
        usage=usage,
    )


def _by_id(outcomes: Sequence[CaseOutcome], side: str) -> dict[str, CaseOutcome]:
    found: dict[str, CaseOutcome] = {}
    for outcome in outcomes:
        if outcome.case_id in found:
            raise UsageError(
                f"{side} has two results of the case `{outcome.case_id}`",
                hint="Compare one prompt with one model on each side; repeats of a case are reduced to one result.",
            )
        found[outcome.case_id] = outcome
    return found


def _never_run(outcome: CaseOutcome) -> CaseOutcome:
    return CaseOutcome(
        case_id=outcome.case_id,
        content_hash=outcome.content_hash,
        status="error",
        repeats=0,
        replies=0,
        cluster=outcome.cluster,
    )


def _compare_metrics(
    pairs: Sequence[CasePair], procedure: Procedure
) -> tuple[tuple[MetricComparison, ...], tuple[str, ...]]:
    """Compare passes, then, of repeated cases, the share of passing replies, the score, and named metrics by name.

    Equal values are marked, not asked twice. Metrics that no case has on both sides are the second part.
    """
    readers: dict[str, Callable[[CaseOutcome], float | None]] = {
        PASSED: lambda outcome: float(outcome.status == "passed")
    }
    if any(pair.base.repeats > 1 or pair.head.repeats > 1 for pair in pairs):
        readers[PASS_SHARE] = lambda outcome: outcome.pass_share
    readers[SCORE] = lambda outcome: outcome.score
    names = sorted({name for pair in pairs for name in (*pair.base.scores, *pair.head.scores)} - set(readers))
    readers |= {name: _reader(name) for name in names}
    found: list[MetricComparison] = []
    lost: list[str] = []
    seen: dict[tuple[object, ...], MetricComparison] = {}
    for name, read in readers.items():
        values = [(pair, _finite(read(pair.base)), _finite(read(pair.head))) for pair in pairs]
        both = [(pair, before, after) for pair, before, after in values if before is not None and after is not None]
        if not both:
            if any(before is not None or after is not None for _pair, before, after in values):
                lost.append(name)
            continue
        kept = [pair for pair, _before, _after in both]
        base, head = [before for _pair, before, _after in both], [after for _pair, _before, after in both]
        key = (tuple(pair.case_id for pair in kept), tuple(base), tuple(head))
        missing = sum((before is None) != (after is None) for _pair, before, after in values)
        if key in seen:
            found.append(replace(seen[key], name=name, missing=missing, same_as=seen[key].name))
            continue
        seen[key] = compare_metric(name, base, head, _clusters(kept), procedure=procedure, missing=missing)
        found.append(seen[key])
    return tuple(found), tuple(lost)


def _reader(name: str) -> Callable[[CaseOutcome], float | None]:
    return lambda outcome: outcome.scores.get(name)


def _clusters(pairs: Sequence[CasePair]) -> list[tuple[str, str]] | None:
    """Each pair's cluster, a case without one standing for itself; None if no case has one."""
    if all(pair.head.cluster is None and pair.base.cluster is None for pair in pairs):
        return None
    return [
        ("case", pair.case_id) if (named := pair.head.cluster or pair.base.cluster) is None else ("cluster", named)
        for pair in pairs
    ]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def compare_usage(pairs: Sequence[CasePair], clusters: Sequence[Hashable] | None = None) -> tuple[UsageChange, ...]:
    """Compare cost, tokens and latency of pairs of the same case; `clusters` names each pair's group."""
    base_replies = max((pair.base.replies for pair in pairs), default=0)
    is_per_reply = base_replies != max((pair.head.replies for pair in pairs), default=0)
    found = []
    for name in _USAGE:
        divides = is_per_reply and name != "latency_ms"
        sides = [[_amount(side, name, divides) for side in (pair.base, pair.head)] for pair in pairs]
        known = [at for at, side in enumerate(sides) if None not in side]
        change = UsageChange(name, known=0, unknown=0)
        if known:
            base, head = ([sides[at][side] for at in known] for side in (0, 1))
            change = _change(name, base, head, clusters and [clusters[at] for at in known])
        found.append(replace(change, unknown=len(pairs) - len(known), is_per_reply=divides))
    return tuple(found)


def _amount(outcome: CaseOutcome, name: UsageName, divides: bool) -> Any:
    amount = getattr(outcome, name)
    return amount / max(1, outcome.replies) if divides and amount is not None else amount


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
        base_total=math.fsum(before),
        head_total=math.fsum(after),
        base_p50=medians[0],
        head_p50=medians[1],
        base_p95=quantile(before, 0.95),
        head_p95=quantile(after, 0.95),
        interval=None if ratio is None else replace(ratio, low=ratio.low - 1, high=ratio.high - 1),
    )
