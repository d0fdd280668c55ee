"""Two evaluations side by side, with what the difference means; and those that had nothing to be compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.confirmation import Earlier, FlippedCases, Rerun
from promptctl.comparisons.gates import Decision, check_passes, decide, strictest
from promptctl.comparisons.must_pass import check_must_pass
from promptctl.comparisons.notes import differences
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.together import JointVerdict, deciding
from promptctl.comparisons.verdicts import Verdict, judge
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.evaluation import Evaluation, cases_of, load
from promptctl.evaluations.outcomes import CaseResults
from promptctl.evaluations.plan import Pair, comparison_keys
from promptctl.files.wording import count, name_some
from promptctl.log.results import STOPPED, EvaluationRow, StopReason
from promptctl.log.store import Store
from promptctl.statistics.metric import Procedure


@dataclass(frozen=True, slots=True)
class Compared:
    """Two evaluations side by side, what the difference means, and whether it is good enough.

    `note` says what a reader must know of how it was made: replies that could not be asked for again, say. `let_pass`
    is what does not fail head, in sentences: cases that must pass and do not by no fault of its own, or have no result.
    `edited` are the cases that were edited together with head.
    """

    base: Evaluation
    head: Evaluation
    comparison: Comparison
    verdict: Verdict
    decision: Decision
    rule: GateRule
    note: str | None = None
    reruns: tuple[Rerun, ...] = ()
    let_pass: tuple[str, ...] = ()
    edited: tuple[str, ...] = ()

    @property
    def is_told(self) -> bool:
        """True if there is a verdict that says something of head: neither inconclusive nor powerless."""
        return self.verdict.kind not in ("inconclusive", "powerless")

    @property
    def warning(self) -> str | None:
        """A warning about what the gate let pass, also regressions that held on fresh replies; None without any."""
        told, held = [*self.let_pass], self.verdict.confirmed.regressions
        if held and self.decision.is_passed and self.rule.gate != "strict":
            told.insert(0, f"{count(len(held), 'confirmed regression')}; --gate strict would fail")
        return "; ".join(told) or None


@dataclass(frozen=True, slots=True)
class Against:
    """Prompts beside an earlier version of them; `alone` are those that were not there yet.

    `base` is the ref of the first of them that was compared with, such as `support/triage@main`. `together` are the
    verdicts on comparisons that share a cause, and on all of them.
    """

    compared: tuple[Compared, ...]
    alone: tuple[Evaluation, ...] = ()
    rule: GateRule = field(default_factory=GateRule)
    base: str | None = None
    together: tuple[JointVerdict, ...] = ()

    @property
    def heads(self) -> list[Evaluation]:
        """The evaluations that are judged."""
        return [*(each.head for each in self.compared), *self.alone]

    @property
    def decided_together(self) -> JointVerdict | None:
        """The verdict on comparisons together that stands against them."""
        return deciding(self.together)

    @property
    def decision(self) -> Decision:
        """The decision on all of it."""
        decisions = [*(each.decision for each in self.compared), *map(decision_of, self.alone)]
        if not decisions:
            decisions.append(Decision.of(INCOMPLETE, "Not every prompt was evaluated."))
        if (joint := self.decided_together) is not None:
            decisions.append(joint.decision)
        return strictest(decisions)


def decision_of(found: Evaluation) -> Decision:
    """Return the decision on an evaluation by itself, by its own `min_pass` and `must_pass`."""
    codes = {"passed": OK, "failed": CHECK_FAILED, "incomplete": INCOMPLETE}
    return Decision.of(codes[found.verdict], f"{found.row.prompt}: {found.reason}.")


def compare(log: Store, base_id: str, head_id: str, rule: GateRule) -> Compared:
    """Compare two evaluations of the log, as they are. Raises `LogError` for an id that it does not have."""
    base, head = (load(log, log.evaluation(id_)) for id_ in (base_id, head_id))
    return Sides(log, rule, base, head).compared(differences(base.row, head.row))


class Sides:
    """Base and head of one comparison, case by case as the log has them; `comparisons` of them are made together.

    `flipped` are the cases that flipped, with what was ever asked of them; `pair` is what asks for more.
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
        self.base, self.head = base, head
        self._rule, self._heads = rule, cases_of(log, head.row)
        self._added = pair.added if pair else frozenset[str]()
        procedure = Procedure(comparisons=comparisons)
        compared = _comparison(base, head, cases_of(log, base.row), self._heads, procedure)
        self.flipped = FlippedCases(log, compared, base.row, head.row, rule, pair)
        is_timed_together = _is_timed_together(base.row, head.row, self.flipped.earlier)
        edited = pair.edited if pair else frozenset[str]()
        self.comparison = replace(compared, is_timed_together=is_timed_together, edited=edited)

    @property
    def made_with_head(self) -> frozenset[str]:
        """The cases that were edited, or added, together with head."""
        return self.comparison.edited | self._added

    def compared(self, notes: Iterable[str], stopped: StopReason | None = None) -> Compared:
        """Return the comparison judged, with the cases that must pass and what was not run.

        `stopped` is what ended the session that was to ask flipped cases again.
        """
        comparison, rule = self.comparison, self._rule
        verdict = judge(comparison, rule, self.flipped.findings)
        counted = [case for case in self._heads if not case.outcome.is_xfail]
        outcomes = [case.outcome for case in counted]
        hard = check_must_pass(counted, comparison, self.flipped.unconfirmed, rule, self._added)
        decisions = [decide(verdict, rule, comparison.usage), hard.decision]
        if rule.min_pass is not None and not self.head.summary.is_unfinished:
            decisions.append(check_passes(outcomes, min_pass=rule.min_pass))
        # Cases that base cannot take are in no comparison, and a few may lack a result in one: the verdict alone does
        # not tell that a side stopped.
        for side, made in (("After", self.head), ("Before", self.base)):
            if made.summary.is_unfinished and not (comparison.is_decided and rule.is_met_by_better):
                unrun = made.summary.never_run
                were = "was" if unrun == 1 else "were"
                why = f": {STOPPED[made.stopped]}" if made.stopped else ""
                decisions.append(Decision.of(INCOMPLETE, f"{side}: {count(unrun, 'case')} {were} not run{why}."))
        if passing := self.head.summary.xpassed_strictly:
            told = f"{count(len(passing), 'case')} that `xfail` expects to fail passed: {name_some(passing)}."
            decisions.append(Decision.of(CHECK_FAILED, told))
        if self.flipped.is_unfinished and verdict.kind != "worse":
            why = f": {STOPPED[stopped]}" if stopped else ""
            told = f"Flipped cases were not asked again to the end{why}; give the command again."
            decisions.append(Decision.of(INCOMPLETE, told))
        undecided = (self.base.summary.undecided, self.head.summary.undecided)
        if comparison.judged_apart and verdict.kind == "incomplete":
            decisions.append(Decision.of(INCOMPLETE, f"Evaluate both sides anew: {self._evaluating}."))
        doubts = () if comparison.judged_apart else filter(None, undecided)
        note = "; ".join(dict.fromkeys([*notes, *doubts])) or None
        decision, reruns = strictest(decisions), self.flipped.reruns
        let_pass = (*hard.let_pass, *_without_result(comparison, verdict))
        return Compared(self.base, self.head, comparison, verdict, decision, rule, note, reruns, let_pass)

    @property
    def _evaluating(self) -> str:
        """The commands that evaluate both sides anew."""
        rows = (self.base.row, self.head.row)
        refs = (f"{row.prompt}@{row.commit[:9]}" if row.commit and not row.is_dirty else row.spec.ref for row in rows)
        return ", ".join(dict.fromkeys(f"promptctl eval {ref}" for ref in refs))


def _without_result(comparison: Comparison, verdict: Verdict) -> Iterator[str]:
    """Yield what is said of the cases without a result where the others were judged without them."""
    if verdict.kind == "incomplete" or comparison.is_decided:
        return
    for pairs, where in ((comparison.alike, "on both sides alike"), (comparison.open, "on one side")):
        if ids := [pair.case_id for pair in pairs]:
            yield f"{count(len(ids), 'case')} without a result {where}, and not compared: {name_some(ids)}"


def _comparison(
    base: Evaluation,
    head: Evaluation,
    bases: Sequence[CaseResults],
    heads: Sequence[CaseResults],
    procedure: Procedure,
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
    return compare_outcomes(*outcomes, procedure=procedure, planned=planned, never_run=min(left), is_decided=is_decided)


def _is_timed_together(base: EvaluationRow, head: EvaluationRow, earlier: Earlier) -> bool:
    """Return True if one command asked both sides at the same time, and took no reply from the cache.

    Where nothing of head was asked, it is the first comparison of the same that its replies and latencies are of.
    """
    if earlier.comparisons and {*head.totals.reply_sources} == {"cache"}:
        base, head = earlier.comparisons[0]
    sources = {*base.totals.reply_sources, *head.totals.reply_sources}
    return base.group == head.group and head.spec.until != "decided" and "cache" not in sources
