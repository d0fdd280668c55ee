"""Both sides of one comparison, case by case as the log has them, with all that was ever asked of flipped cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.confirmation import Earlier, FlippedCases
from promptctl.comparisons.rule import GateRule
from promptctl.evaluations.evaluation import Evaluation, cases_of
from promptctl.evaluations.outcomes import CaseResults
from promptctl.evaluations.plan import Pair, comparison_keys
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.statistics.metric import Procedure


class Sides:
    """Base and head of one comparison; `comparisons` of them are made together.

    `heads` are head's cases, `added` those of them that came together with it. `flipped` are the cases that flipped,
    with what was ever asked of them; `pair` is what asks for more.
    """

    def __init__(
        self,
        log: Store,
        rule: GateRule,
        base: Evaluation,
        head: Evaluation,
        pair: Pair | None = None,
        comparisons: int = 1,
    ) -> None:
        self.rule, self.base, self.head = rule, base, head
        self.heads = cases_of(log, head.row)
        self.added = pair.added if pair else frozenset[str]()
        compared = _compared(base, head, cases_of(log, base.row), self.heads, comparisons)
        self.flipped = FlippedCases(log, compared, base.row, head.row, rule, pair)
        is_timed_together = _is_timed_together(base.row, head.row, self.flipped.earlier)
        edited = pair.edited if pair else frozenset[str]()
        self.comparison = replace(compared, is_timed_together=is_timed_together, edited=edited)

    @property
    def is_alike(self) -> bool:
        """True if no test can tell both sides apart: no case ever flipped, and no grade differs."""
        flips = self.flipped.flips
        return not (flips.count or any(flips.tested)) and all(
            (before.pass_share, before.score, before.scores) == (after.pass_share, after.score, after.scores)
            for before, after in ((each.base, each.head) for each in self.comparison.graded)
        )

    @property
    def made_with_head(self) -> frozenset[str]:
        """The cases that were edited, or added, together with head."""
        return self.comparison.edited | self.added


def _compared(
    base: Evaluation, head: Evaluation, bases: Sequence[CaseResults], heads: Sequence[CaseResults], comparisons: int
) -> Comparison:
    """Both sides, case by case. What an unfinished side had still to do is an error there, not a removed case."""
    outcomes = [[case.outcome for case in side] for side in (bases, heads)]
    ids = [{outcome.case_id for outcome in side} for side in outcomes]
    planned, left = set[str](), []
    for own, other, made in ((ids[0], ids[1], base), (ids[1], ids[0], head)):
        missing = other - own if made.summary.is_unfinished else set[str]()
        missing -= {*made.row.spec.left_out}
        planned |= missing
        left.append(max(0, made.summary.never_run - len(missing)))
    # Head ended early only as its comparison with this base was decided.
    is_decided = head.stopped == "decided" and head.row.spec.comparison in comparison_keys(head.row, base.row)
    procedure = Procedure(comparisons=comparisons)
    return compare_outcomes(*outcomes, procedure=procedure, planned=planned, never_run=min(left), is_decided=is_decided)


def _is_timed_together(base: EvaluationRow, head: EvaluationRow, earlier: Earlier) -> bool:
    """Return True if one command asked both sides at the same time, and took no reply from the cache.

    Where nothing of head was asked, it is the first comparison of the same that its replies and latencies are of.
    """
    if earlier.comparisons and {*head.totals.reply_sources} == {"cache"}:
        base, head = earlier.comparisons[0]
    sources = {*base.totals.reply_sources, *head.totals.reply_sources}
    return base.group == head.group and head.spec.until != "decided" and "cache" not in sources
