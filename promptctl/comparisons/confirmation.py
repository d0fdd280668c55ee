"""Flipped cases asked again on both sides, and what earlier comparisons of the same content asked already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from types import MappingProxyType

from promptctl.comparisons.comparison import Comparison
from promptctl.comparisons.flips import MOST_TIMES, CaseSequence, Findings, Flips, sequence_of, to_ask, weigh
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import flips_of, steps_of
from promptctl.evaluations.evaluation import cases_of
from promptctl.evaluations.outcomes import CaseOutcome, CasePair, CaseStatus, outcome_of, reduce_repeats
from promptctl.evaluations.plan import ADDED_TO_KEY, Pair, can_differ, comparison_keys
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store


@dataclass(frozen=True, slots=True)
class Rerun:
    """The fresh pairs of one flipped case: its statuses on base and on head, pair by pair."""

    case_id: str
    base: tuple[CaseStatus, ...] = ()
    head: tuple[CaseStatus, ...] = ()

    @property
    def pairs(self) -> list[int]:
        """The pairs as `flips.Pairs` has them; one with an error says nothing."""
        both = zip(self.base, self.head, strict=True)
        return [(head == "passed") - (base == "passed") for base, head in both if "error" not in (base, head)]


@dataclass(frozen=True, slots=True)
class Earlier:
    """Earlier comparisons of the same content, oldest first, and reruns of flipped cases; each is (base, head).

    One that ended once it was decided is among them. `set_aside` comparisons were made before one that was begun
    afresh, and count no longer.
    """

    comparisons: tuple[tuple[EvaluationRow, EvaluationRow], ...] = ()
    reruns: tuple[tuple[EvaluationRow, EvaluationRow], ...] = ()
    set_aside: int = 0


def find_earlier(log: Store, base: EvaluationRow, head: EvaluationRow) -> Earlier:
    """Return what the log has of earlier comparisons of the same content as that of base and head."""
    keys = comparison_keys(head, base)
    if head.spec.side != "head" or head.spec.comparison not in keys:
        return Earlier()
    digests = dict.fromkeys((base.digest, head.digest))
    found = {
        row.id: row
        for digest in digests
        for row in log.evaluations(digest=digest)
        if row.spec.comparison in keys
        and row.spec.unlike((base if row.spec.drops_unknown_inputs else head).spec).isdisjoint(ADDED_TO_KEY)
    }
    rows = [found[id_] for id_ in sorted(found)]
    heads = [row for row in rows if row.spec.side == "head" and row.id <= head.id]
    since = max((row.id for row in heads if row.spec.afresh), default="")
    bases = {row.group: row for row in rows if row.spec.side == "base"}
    # Both sides of a time of asking begin one after the other; two times may ask the same of the same cases.
    reruns: dict[object, tuple[list[EvaluationRow], list[EvaluationRow]]] = {}
    for row in rows:
        if row.spec.side == "rerun" and row.id >= since:
            asked = (row.group, row.spec.ids, row.spec.repeats)
            reruns.setdefault(asked, ([], []))[not row.spec.drops_unknown_inputs].append(row)
    return Earlier(
        tuple(
            (bases.get(row.group, base), row)
            for row in heads
            if since <= row.id < head.id and (row.status == "finished" or row.totals.stopped == "decided")
        ),
        tuple(
            both for bases_again, heads_again in reruns.values() for both in zip(bases_again, heads_again, strict=False)
        ),
        sum(row.id < since for row in heads),
    )


class FlippedCases:
    """The flipped cases of one comparison, with all that was ever asked of them."""

    def __init__(
        self,
        log: Store,
        comparison: Comparison,
        base: EvaluationRow,
        head: EvaluationRow,
        rule: GateRule,
        pair: Pair | None = None,
    ) -> None:
        self.earlier = find_earlier(log, base, head)
        self._log, self._pair, self._spec = log, pair, head.spec
        self._hashes = {pair.case_id: pair.head.content_hash for pair in comparison.graded}
        # The shares of the level are those of the first comparison: the first step tests that.
        first = self.earlier.comparisons[0][1] if self.earlier.comparisons else head
        differs, is_sequential = can_differ(base) or can_differ(head), first.spec.until == "sequential"
        self.steps = steps_of(comparison, rule, can_differ=differs, is_sequential=is_sequential)
        flips = flips_of(comparison)
        if is_sequential and first is head:
            pairs = (*comparison.graded, *comparison.errors)
            flips = replace(flips, sequence=self._in_sequence(pairs, head))
        self.flips = self._with_earlier(flips)
        self._rounds: dict[str, list[tuple[CaseStatus, CaseStatus]]] = {}
        for each in self.earlier.reruns:
            self.take(*each)
        if not (self.earlier.reruns or pair):
            self.steps = replace(self.steps, rounds=0)

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
        return [self._pair.again(list(ids), number * self._spec.repeats) for number, ids in by_number]

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

    def _with_earlier(self, flips: Flips) -> Flips:
        """Add the cases that flipped in earlier comparisons; the first of them is the one that the first step tests."""
        flipped = dict.fromkeys(flips.lost, -1) | dict.fromkeys(flips.gained, 1)
        first, sequence = None, flips.sequence
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
            sequence = self._in_sequence(both, head) if head.spec.until == "sequential" else None
        known = [id_ for id_ in flipped if id_ in self._hashes]
        lost, gained = (tuple(id_ for id_ in known if flipped[id_] == way) for way in (-1, 1))
        return Flips(flips.n, lost, gained, first, sequence)

    def _in_sequence(self, pairs: Iterable[CasePair], head: EvaluationRow) -> CaseSequence:
        return sequence_of(pairs, head.spec.seed, self.steps.first_level, self.steps.min_effect)

    def _statuses(self, row: EvaluationRow) -> Mapping[str, Mapping[int, CaseStatus]]:
        """Return the case's status each time that it was asked anew, by number; of repeats, what they reduce to."""
        repeats, at_least = self._spec.repeats, self._spec.at_least
        found: dict[str, dict[int, list[CaseOutcome]]] = {}
        for result in self._log.results(row.id):
            if self._hashes.get(result.case_id) == (result.case_digest or ""):
                rounds = found.setdefault(result.case_id, {})
                rounds.setdefault((result.repeat - 1) // repeats, []).append(outcome_of(result))
        return {
            case_id: {
                at: reduce_repeats(outcomes, at_least).status
                for at, outcomes in rounds.items()
                if len(outcomes) == repeats
            }
            for case_id, rounds in found.items()
        }
