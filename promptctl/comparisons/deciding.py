"""Ends a comparison as soon as it is decided: by no answer still to come, or as cases are looked at one by one.

Of the three steps of `flips` only the first can be decided early. The fresh pairs of the second and third are asked of
flipped cases, and any case not yet asked may flip: one that then fails every time makes head worse, which is why `not
worse`, `inconclusive` and `powerless` need every case. Nor is `better` sure: a case not yet asked may end in an error.

`decided`: base is asked whole, then head, those cases first that base failed, since each of them could still gain. It
ends as worse once first answers say so though all the rest gain: nothing that comes after can take it back, so the
verdict is that of the whole run, in whatever order it is asked.
`sequential`: both sides case by case, in an order drawn beforehand, by an e-value that may be looked at at any time. It
stands in place of the first step's test, and has half of the level; see `flips.SEQUENTIAL_SHARE`. It ends as worse, or
as better, of the cases looked at, if that is by so much that no confirmed regression outweighs it, no more of them than
the rule allows ended in an error, and the gate asks for nothing that a case not yet asked could still fail.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.confirmation import find_earlier
from promptctl.comparisons.flips import OUTWEIGHING, Bounds, CaseSequence, Steps, is_worse_at_best
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import steps_of
from promptctl.datasets.cases import Case
from promptctl.evaluations.evaluation import Evaluation, cases_of
from promptctl.evaluations.outcomes import CaseResults, CaseStatus, can_gain
from promptctl.evaluations.plan import Pair, Plan, can_differ
from promptctl.evaluations.until import Until, in_random_order, is_hard
from promptctl.log.results import Side
from promptctl.log.store import Store
from promptctl.statistics.metric import Procedure


def until_of(log: Store, pair: Pair, base: Evaluation | None, rule: GateRule, comparisons: int) -> Until | None:
    """Return what ends a comparison early; None if nothing is to.

    `base` is its evaluation, if that was made before. What was compared whole before is not decided anew: the first
    step then tests what was answered first, and the answers are in the cache.
    """
    if pair.base is None or pair.head.spec.until is None or PASSED not in rule.judged:
        return None
    head, before = pair.head.row(), base.row if base else pair.base.row()
    earlier = () if head.spec.afresh else find_earlier(log, before, head).comparisons
    if any(each.status == "finished" for _, each in earlier):
        return None
    differs, is_sequential = can_differ(before) or can_differ(head), head.spec.until == "sequential"
    steps = steps_of(Procedure(comparisons=comparisons), rule, can_differ=differs, is_sequential=is_sequential)
    known = {case.outcome.case_id: case.outcome.status for case in cases_of(log, base.row)} if base else {}
    return UntilCompared(
        InSequence(steps, rule.max_errors) if is_sequential else Foregone(steps),
        known,
        left_out=frozenset(before.spec.left_out),
        can_end_better=rule.is_met_by_better,
    )


class UntilCompared:
    """Ends the two sides of a comparison once `decided` says so. `known` are the statuses of a base made before.

    `left_out` cases are not compared. Better ends it only if it `can_end_better`, and no case that could fail head by
    itself is left.
    """

    def __init__(
        self,
        decided: Foregone | InSequence,
        known: Mapping[str, CaseStatus],
        *,
        left_out: Collection[str] = (),
        can_end_better: bool = True,
    ) -> None:
        self._decided = decided
        self._left_out = left_out
        self._can_end_better = can_end_better
        self._statuses: dict[Side, dict[str, CaseStatus]] = {"base": dict(known), "head": {}}
        self._hard: set[str] = set()

    def order(self, plan: Plan, cases: Iterable[Case]) -> Iterator[tuple[int, Case]]:
        """Yield the cases in the order in which they are asked, each with its place in the dataset."""
        bases = self._statuses["base"]
        # Foregone: those that base did not pass first, as each could still gain.
        goes_last = isinstance(self._decided, Foregone)
        ordered = list(
            in_random_order(cases, plan.spec.seed, lambda case: goes_last and bases.get(case.id) == "passed")
        )
        if plan.spec.side == "head":
            self._hard = {case.id for _, case in ordered if is_hard(case)}
            compared = [case.id for _, case in ordered if case.xfail is None and case.id not in self._left_out]
            self._decided.begin(compared, bases)
        return iter(ordered)

    def heed(self, plan: Plan, case: CaseResults) -> bool:
        """Take in a case of one side; return True once the comparison is decided."""
        side, case_id = plan.spec.side, case.outcome.case_id
        self._statuses[side][case_id] = case.outcome.status
        if side == "head":
            self._hard.discard(case_id)
        way = self._decided.after(case_id, self._statuses["base"], self._statuses["head"])
        return way < 0 or (way > 0 and self._can_end_better and not self._hard)


class Foregone:
    """Decides once head is worse whatever it still answers; base is known whole."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._compared: set[str] = set()
        self._lost = self._most_gained = 0

    def begin(self, compared: Sequence[str], bases: Mapping[str, CaseStatus]) -> None:
        """Take the cases that are compared."""
        self._compared = set(compared)
        for case_id in compared:
            self._count(bases.get(case_id, "error"), "error", 1)

    def after(self, case_id: str, bases: Mapping[str, CaseStatus], heads: Mapping[str, CaseStatus]) -> int:
        """Return the direction that is decided with this case of head, 0 for none."""
        if case_id not in self._compared:
            return 0
        base = bases.get(case_id, "error")
        self._count(base, "error", -1)
        self._count(base, heads[case_id], 1)
        n = len(self._compared)
        return -is_worse_at_best(Bounds(n, (self._lost, n), (0, self._most_gained)), self._steps)

    def _count(self, base: CaseStatus, head: CaseStatus, number: int) -> None:
        self._lost += number * ((base, head) == ("passed", "failed"))
        self._most_gained += number * can_gain(base, head)


class InSequence:
    """Decides by the cases in the order drawn beforehand, as far as both sides have answered without a gap.

    Not in the order of the answers: where replies that fail come sooner, that would alarm.
    """

    def __init__(self, steps: Steps, max_errors: float = 0.0) -> None:
        self._steps = steps
        self._max_errors, self._errors = max_errors, 0
        self._sequence = CaseSequence(steps.first_level, steps.min_effect)
        self._compared: Sequence[str] = ()

    def begin(self, compared: Sequence[str], _bases: Mapping[str, CaseStatus]) -> None:
        """Take the cases that are compared, in their order."""
        self._compared = compared

    def after(self, _case_id: str, bases: Mapping[str, CaseStatus], heads: Mapping[str, CaseStatus]) -> int:
        """Return the direction that is decided with this case, 0 for none."""
        sequence, steps = self._sequence, self._steps
        while sequence.seen < len(self._compared):
            base, head = (side.get(self._compared[sequence.seen]) for side in (bases, heads))
            if base is None or head is None:
                break
            sequence.add(base, head)
            self._errors += "error" in (base, head)
        if sequence.direction > 0 and self._errors > self._max_errors * sequence.seen:
            return 0
        can_be_outweighed = sequence.direction > 0 and steps.rounds and steps.can_differ
        if can_be_outweighed and sequence.p_better >= OUTWEIGHING * steps.first_level:
            return 0
        return sequence.direction
