"""A comparison judged: its verdict, the decision on it, notes; and those of one command, with what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Self

from promptctl.comparisons.comparison import Comparison
from promptctl.comparisons.confirmation import Rerun
from promptctl.comparisons.gates import Decision, check_passes, decide, strictest
from promptctl.comparisons.must_pass import check_must_pass
from promptctl.comparisons.notes import differences
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.sides import Sides
from promptctl.comparisons.together import JointVerdict, deciding
from promptctl.comparisons.verdicts import Verdict, judge
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.plan import Pair, ask_the_same
from promptctl.files.wording import count, name_some
from promptctl.log.results import STOPPED, StopReason
from promptctl.log.store import Store


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
    def is_same(self) -> bool:
        """True if both sides asked the same of one version."""
        return ask_the_same(self.base.row, self.head.row)

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

    @classmethod
    def of(
        cls,
        found: Iterable[Compared | Evaluation],
        rule: GateRule,
        pairs: Iterable[Pair] = (),
        together: tuple[JointVerdict, ...] = (),
    ) -> Self:
        """Return what became of pairs as one; `found` are the comparisons, and the heads without a base."""
        made = [*found]
        return cls(
            tuple(each for each in made if isinstance(each, Compared)),
            tuple(each for each in made if isinstance(each, Evaluation)),
            rule,
            next((each.base.spec.ref for each in pairs if each.base), None),
            together,
        )

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
    return judged(Sides(log, rule, base, head), differences(base.row, head.row))


def judged(sides: Sides, notes: Iterable[str], stopped: StopReason | None = None) -> Compared:
    """Return the comparison of both sides judged, with the cases that must pass and what was not run.

    `stopped` is what ended the session that was to ask flipped cases again.
    """
    comparison, rule = sides.comparison, sides.rule
    verdict = judge(comparison, rule, sides.findings)
    counted = [case for case in sides.heads if not case.outcome.is_xfail]
    hard, let_pass = check_must_pass(counted, comparison, sides.unconfirmed, rule, sides.added)
    decisions = [decide(verdict, rule, comparison.usage), hard]
    if rule.min_pass is not None and not sides.head.summary.is_unfinished:
        decisions.append(check_passes([case.outcome for case in counted], min_pass=rule.min_pass))
    decisions += [*_unrun(sides), *_unasked(sides, verdict, stopped)]
    if passing := sides.head.summary.xpassed_strictly:
        told = f"{count(len(passing), 'case')} that `xfail` expects to fail passed: {name_some(passing)}."
        decisions.append(Decision.of(CHECK_FAILED, told))
    doubts = () if comparison.judged_apart else (each.summary.undecided for each in (sides.base, sides.head))
    return Compared(
        sides.base,
        sides.head,
        comparison,
        verdict,
        strictest(decisions),
        rule,
        note="; ".join(dict.fromkeys([*notes, *filter(None, doubts)])) or None,
        reruns=sides.reruns,
        let_pass=(*let_pass, *_without_result(comparison, verdict)),
    )


def _unrun(sides: Sides) -> Iterator[Decision]:
    """Yield the decision on each side that stopped.

    The verdict alone does not tell: cases that base cannot take are in no comparison, and a few may lack a result.
    """
    if sides.comparison.is_decided and sides.rule.is_met_by_better:
        return
    for side, made in (("After", sides.head), ("Before", sides.base)):
        if made.summary.is_unfinished:
            unrun = made.summary.never_run
            were = "was" if unrun == 1 else "were"
            why = f": {STOPPED[made.stopped]}" if made.stopped else ""
            yield Decision.of(INCOMPLETE, f"{side}: {count(unrun, 'case')} {were} not run{why}.")


def _unasked(sides: Sides, verdict: Verdict, stopped: StopReason | None) -> Iterator[Decision]:
    """Yield the decision on what is still to be asked, of flipped cases or of judges."""
    if sides.is_unfinished and verdict.kind != "worse":
        why = f": {STOPPED[stopped]}" if stopped else ""
        told = f"Flipped cases were not asked again to the end{why}; give the command again."
        yield Decision.of(INCOMPLETE, told)
    if sides.comparison.judged_apart and verdict.kind == "incomplete":
        rows = (sides.base.row, sides.head.row)
        refs = (f"{row.prompt}@{row.commit[:9]}" if row.commit and not row.is_dirty else row.spec.ref for row in rows)
        evaluating = ", ".join(dict.fromkeys(f"promptctl eval {ref}" for ref in refs))
        yield Decision.of(INCOMPLETE, f"Evaluate both sides anew: {evaluating}.")


def _without_result(comparison: Comparison, verdict: Verdict) -> Iterator[str]:
    """Yield what is said of the cases without a result where the others were judged without them."""
    if verdict.kind == "incomplete" or comparison.is_decided:
        return
    for pairs, where in ((comparison.alike, "on both sides alike"), (comparison.open, "on one side")):
        if ids := [pair.case_id for pair in pairs]:
            yield f"{count(len(ids), 'case')} without a result {where}, and not compared: {name_some(ids)}"
