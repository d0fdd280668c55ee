"""Both sides of one comparison, case by case as the log has them, with all that was ever asked of flipped cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from types import MappingProxyType

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.confirmation import Earlier, Rerun, find_earlier
from promptctl.comparisons.flips import MOST_TIMES, CaseSequence, Findings, Flips, sequence_of, to_ask, weigh
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import flips_of, steps_of
from promptctl.evaluations.evaluation import Evaluation, cases_of
from promptctl.evaluations.outcomes import CaseOutcome, CasePair, CaseResults, CaseStatus, outcome_of, reduce_repeats
from promptctl.evaluations.plan import Pair, can_differ, comparison_keys
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store
from promptctl.statistics.metric import Procedure


class Sides:
    """Base and head of one comparison; `comparisons` of them are made together.

    `heads` are head's cases, `added` those of them that came together with it. `flips` are the cases that flipped, now
    or in `earlier` comparisons of the same; `pair` is what asks them again, by the `steps`.
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
        self._log, self._pair = log, pair
        self.heads = cases_of(log, head.row)
        self.added = pair.added if pair else frozenset[str]()
        self.earlier = find_earlier(log, base.row, head.row)
        self.comparison = replace(
            _compared(base, head, cases_of(log, base.row), self.heads, comparisons),
            is_timed_together=_is_timed_together(base.row, head.row, self.earlier),
            edited=pair.edited if pair else frozenset(),
        )
        self._hashes = {each.case_id: each.head.content_hash for each in self.comparison.graded}
        # The shares of the level are those of the first comparison: the first step tests that.
        first = self.earlier.comparisons[0][1] if self.earlier.comparisons else head.row
        differs, is_sequential = can_differ(base.row) or can_differ(head.row), first.spec.until == "sequential"
        self.steps = steps_of(self.comparison.procedure, rule, can_differ=differs, is_sequential=is_sequential)
        self.flips = self._all_flips()
        self._rounds: dict[str, list[tuple[CaseStatus, CaseStatus]]] = {}
        for each in self.earlier.reruns:
            self.take(*each)
        if not (self.earlier.reruns or pair):
            self.steps = replace(self.steps, rounds=0)

    @property
    def is_alike(self) -> bool:
        """True if no test can tell both sides apart: no case ever flipped, and no grade differs."""
        return not (self.flips.count or any(self.flips.tested)) and all(
            (before.pass_share, before.score, before.scores) == (after.pass_share, after.score, after.scores)
            for before, after in ((each.base, each.head) for each in self.comparison.graded)
        )

    @property
    def made_with_head(self) -> frozenset[str]:
        """The cases that were edited, or added, together with head."""
        return self.comparison.edited | self.added

    @property
    def is_unfinished(self) -> bool:
        """True if a flipped case is still to be asked again: the session was stopped, or replies failed."""
        return any(self.wanted(time) for time in range(MOST_TIMES))

    @property
    def reruns(self) -> tuple[Rerun, ...]:
        """The flipped cases that were asked again, lost ones first."""
        return tuple(self._rerun(id_) for id_ in (*self.flips.lost, *self.flips.gained) if id_ in self._rounds)

    @property
    def findings(self) -> Findings:
        """The answer of the three steps."""
        return weigh(self.flips, self.pairs, self.steps)

    @property
    def unconfirmed(self) -> frozenset[str]:
        """The lost cases that fresh pairs speak against, or are still to be asked for."""
        if self.is_unfinished:
            return frozenset(self.flips.lost).difference(self.findings.confirmed.regressions)
        return frozenset(run.case_id for run in self.reruns if any(way >= 0 for way in run.pairs))

    def wanted(self, time: int, besides: Mapping[str, int] = MappingProxyType({})) -> list[Pair]:
        """Return the pairs of plans that ask for what is wanted at this time of asking; none if nothing is.

        `besides` are the numbers of pairs that cases lack for a test of several comparisons.
        """
        if self._pair is None:
            return []
        targets = self.steps.targets(self.flips.n)
        own = to_ask(self.flips, self.pairs, self.steps, targets[time]) if time < len(targets) else {}
        missing = {id_: max(own.get(id_, 0), besides.get(id_, 0)) for id_ in {*own, *besides}}
        by_number = groupby(sorted(missing, key=lambda id_: (missing[id_], id_)), key=missing.__getitem__)
        return [self._pair.again(list(ids), number * self.head.row.spec.repeats) for number, ids in by_number]

    def take(self, base: EvaluationRow, head: EvaluationRow) -> None:
        """Add the fresh pairs of an evaluation on base and one on head."""
        before, after = (self._statuses(row) for row in (base, head))
        for case_id, statuses in before.items():
            both = [(status, after[case_id][at]) for at, status in statuses.items() if at in after.get(case_id, {})]
            self._rounds.setdefault(case_id, []).extend(both)

    @property
    def pairs(self) -> dict[str, list[int]]:
        """The fresh pairs of each case, as `flips.Pairs` has them."""
        return {id_: self._rerun(id_).pairs for id_ in self._rounds}

    def _rerun(self, id_: str) -> Rerun:
        base, head = (tuple(both[side] for both in self._rounds[id_]) for side in (0, 1))
        return Rerun(id_, base, head)

    def _all_flips(self) -> Flips:
        """Return the cases that ever flipped; the first comparison of the same is the one that the first step tests."""
        comparison = self.comparison
        flips = flips_of(comparison)
        flipped = dict.fromkeys(flips.lost, -1) | dict.fromkeys(flips.gained, 1)
        first, sequence = None, self._in_sequence((*comparison.graded, *comparison.errors), self.head.row)
        for base, head in reversed(self.earlier.comparisons):
            before, after = (
                {(each.outcome.case_id, each.outcome.content_hash): each.outcome for each in cases_of(self._log, row)}
                for row in (base, head)
            )
            both = [CasePair(before[key], after[key]) for key in before.keys() & after.keys()]
            both = [pair for pair in both if not pair.head.is_xfail]
            then = {pair.case_id: pair.way for pair in both if pair.way}
            flipped |= then
            first = sum(way < 0 for way in then.values()), sum(way > 0 for way in then.values())
            sequence = self._in_sequence(both, head)
        known = [id_ for id_ in flipped if id_ in self._hashes]
        lost, gained = (tuple(id_ for id_ in known if flipped[id_] == way) for way in (-1, 1))
        return Flips(flips.n, lost, gained, first, sequence)

    def _in_sequence(self, pairs: Iterable[CasePair], head: EvaluationRow) -> CaseSequence | None:
        if head.spec.until != "sequential":
            return None
        return sequence_of(pairs, head.spec.seed, self.steps.first_level, self.steps.min_effect)

    def _statuses(self, row: EvaluationRow) -> Mapping[str, Mapping[int, CaseStatus]]:
        """Return the case's status each time that it was asked anew, by number; of repeats, what they reduce to."""
        spec = self.head.row.spec
        found: dict[str, dict[int, list[CaseOutcome]]] = {}
        for result in self._log.results(row.id):
            if self._hashes.get(result.case_id) == (result.case_digest or ""):
                rounds = found.setdefault(result.case_id, {})
                rounds.setdefault((result.repeat - 1) // spec.repeats, []).append(outcome_of(result))
        return {
            case_id: {
                at: reduce_repeats(outcomes, spec.at_least).status
                for at, outcomes in rounds.items()
                if len(outcomes) == spec.repeats
            }
            for case_id, rounds in found.items()
        }


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
