"""Compares evaluations: two of the log as they are, or prompts evaluated beside an earlier version of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptctl.comparisons.compared import Against, Compared
from promptctl.comparisons.comparison import Comparison, compare_outcomes
from promptctl.comparisons.confirmation import Confirmed, Rerun, confirm
from promptctl.comparisons.gates import Decision, check_passes, decide, strictest
from promptctl.comparisons.verdicts import GateRule, judge
from promptctl.datasets.selection import Chosen
from promptctl.errors import INCOMPLETE, UsageError
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, cases_of, load
from promptctl.evaluations.outcomes import CaseResults
from promptctl.evaluations.planning import Pairs, pair, plan
from promptctl.files.wording import count

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.case_outcomes import CaseStatus
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.evaluations.session import Session
    from promptctl.log.results import EvaluationRow
    from promptctl.log.store import Store

RERUNS = 3
MOST_RERUN = 50


def compare(log: Store, base_id: str, head_id: str, rule: GateRule) -> Compared:
    """Compare two evaluations of the log, as they are. Raises `LogError` for an id that it does not have."""
    base, head = (load(log, log.evaluation(id_).id) for id_ in (base_id, head_id))
    return _Sides(log, base, head).compared(rule, note=_difference_of(base.row, head.row))


def checked_base(base: str) -> str:
    """Return what `--against` was given, as it is; raises `UsageError` for what can be no ref."""
    if not base or base == "@":
        raise UsageError("--against names a version: @production, @v7, @origin/main, or another prompt's whole ref")
    return base


def plan_against(context: Context, request: EvaluationRequest, base: str) -> Pairs:
    """Plan the request, and each of its prompts at `base` over the same cases; see `pair`."""
    if request.limits.fails_fast:
        raise UsageError("--fail-fast would leave too little to compare", hint="leave it out, or --against")
    return pair(context, plan(context, request), checked_base(base), request)


async def evaluate_against(
    context: Context, session: Session, pairs: Pairs, rule: GateRule, min_pass: float | None = None
) -> Against:
    """Do the plans of `plan_against`, and compare; heads must also reach the share `min_pass`, where it is given."""
    compared, alone = await compare_pairs(context, session, pairs.pairs, rule, pairs.alone)
    if min_pass is not None:
        compared = [_with_min_pass(context.log, each, min_pass) for each in compared]
    return Against(tuple(compared), tuple(alone))


async def compare_pairs(
    context: Context,
    session: Session,
    pairs: Sequence[tuple[Plan, Plan]],
    rule: GateRule,
    alone: Sequence[Plan] = (),
) -> tuple[list[Compared], list[Evaluation]]:
    """Do the plans of heads and bases, and those without a base, in one run; compare each pair.

    A base evaluation that the log holds already, of the same digest, model and cases, is not made again. Flipped cases
    are then asked for again, three times on each side.
    """
    log = context.log
    kept = [same_evaluation(log, base) for _, base in pairs]
    wanted = [
        each
        for (head, base), row in zip(pairs, kept, strict=True)
        for each in ([base, head] if row is None else [head])
    ]
    made = iter(await session.run([*wanted, *alone]))
    sides = [_Sides(log, load(log, row.id) if row is not None else next(made), next(made)) for row in kept]
    asked = [_rerun_of(side, plans) for side, plans in zip(sides, pairs, strict=True)]
    wanted = [each for rerun in asked for each in rerun.plans]
    by_itself = list(made)
    again = await session.run(wanted) if wanted and session.stopped is None else []
    compared = []
    for side, rerun in zip(sides, asked, strict=True):
        mine, again = again[: len(rerun.plans)], again[len(rerun.plans) :]
        compared.append(side.confirmed(rule, rerun, mine))
    return compared, by_itself


@dataclass(frozen=True, slots=True)
class _Asked:
    """The flipped cases of one comparison, and the plans (base, head) that ask for them again, if they can be."""

    flipped: tuple[str, ...] = ()
    plans: tuple[Plan, ...] = ()


class _Sides:
    """Base and head of one comparison, case by case."""

    def __init__(self, log: Store, base: Evaluation, head: Evaluation) -> None:
        self.base, self.head = base, head
        self.heads = cases_of(log, head.row)
        self.comparison = _comparison(base, head, cases_of(log, base.row), self.heads)
        self._log = log

    def compared(
        self, rule: GateRule, confirmed: Confirmed | None = None, reruns: tuple[Rerun, ...] = (), *, note: str | None
    ) -> Compared:
        """Return the comparison judged, with the cases that must pass and what was not run."""
        verdict = judge(self.comparison, rule, confirmed or Confirmed())
        must_pass = [case.outcome.case_id for case in self.heads if case.must_pass]
        decisions = [decide(verdict, rule)]
        if must_pass:
            decisions.append(check_passes([case.outcome for case in self.heads], must_pass=must_pass))
        if self.head.summary.is_unfinished:
            # Cases that base cannot take are in no comparison, so the verdict does not tell that head lacks them.
            unrun = self.head.summary.never_run
            were = "was" if unrun == 1 else "were"
            decisions.append(Decision.of(INCOMPLETE, f"head: {count(unrun, 'case')} {were} not run."))
        return Compared(self.base, self.head, self.comparison, verdict, strictest(decisions), rule, note, reruns)

    def confirmed(self, rule: GateRule, asked: _Asked, made: Sequence[Evaluation]) -> Compared:
        """Return the comparison judged with the fresh replies to its flipped cases."""
        notes = self._notes()
        reruns: tuple[Rerun, ...] = ()
        if asked.plans and not made:
            notes.append("interrupted before the flipped cases were asked for again")
        elif asked.flipped and not asked.plans:
            notes.append("replies come from recordings, so flipped cases could not be asked for again")
        elif asked.flipped:
            if len(asked.flipped) > MOST_RERUN:
                notes.append(f"of {len(asked.flipped)} flipped cases the first {MOST_RERUN} were asked for again")
            before, after = (_statuses(self._log, each) for each in made)
            reruns = tuple(Rerun(id_, before.get(id_, ()), after.get(id_, ())) for id_ in asked.flipped[:MOST_RERUN])
            if any(len(statuses) < RERUNS for run in reruns for statuses in (run.base, run.head)):
                notes.append("stopped before every flipped case was asked for again three times")
        confirmed = confirm(self.comparison, reruns, runs=RERUNS)
        return self.compared(rule, confirmed, reruns, note="; ".join(notes) or None)

    def _notes(self) -> list[str]:
        notes = []
        if stopped := [side for side, made in (("base", self.base), ("head", self.head)) if made.stopped]:
            sides = " and ".join(stopped)
            notes.append(f"{sides} stopped early; the same command goes on, and asks for nothing that was answered")
        if left_out := self.base.row.spec.left_out:
            notes.append(f"base cannot take the inputs of {len(left_out)} of the cases, which are not compared")
        return notes


def _comparison(
    base: Evaluation, head: Evaluation, bases: Sequence[CaseResults], heads: Sequence[CaseResults]
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
    return compare_outcomes(*outcomes, planned=planned, never_run=min(left))


def _rerun_of(sides: _Sides, plans: tuple[Plan, Plan]) -> _Asked:
    """The flipped cases, and plans that ask both sides for them again: fresh, nothing is taken from the cache."""
    comparison = sides.comparison
    flipped = tuple(pair.case_id for pair in (*comparison.regressed, *comparison.improved))
    head, base = plans
    if not flipped or not head.is_asked:
        return _Asked(flipped)
    ids = flipped[:MOST_RERUN]
    again = [
        replace(
            each,
            chosen=Chosen(len(ids), frozenset(ids)),
            spec=replace(
                each.spec,
                side="rerun",
                replies="ask",
                ids=tuple(sorted(ids)),
                cases=len(ids),
                repeats=RERUNS,
                at_least=None,
            ),
        )
        for each in (base, head)
    ]
    return _Asked(flipped, tuple(again))


def _statuses(log: Store, made: Evaluation) -> Mapping[str, tuple[CaseStatus, ...]]:
    found: dict[str, tuple[CaseStatus, ...]] = {}
    for row in log.results(made.row.id):
        found[row.case_id] = (*found.get(row.case_id, ()), row.status)
    return found


def _with_min_pass(log: Store, found: Compared, min_pass: float) -> Compared:
    if found.head.summary.is_unfinished:
        return found
    outcomes = [case.outcome for case in cases_of(log, found.head.row)]
    return replace(found, decision=strictest([found.decision, check_passes(outcomes, min_pass=min_pass)]))


def _difference_of(base: EvaluationRow, head: EvaluationRow) -> str | None:
    """What beside the prompt differs between two evaluations, in a sentence."""
    names = {
        "dataset": (base.spec.dataset, head.spec.dataset),
        "model": (base.model, head.model),
        "repeats": (base.spec.repeats, head.spec.repeats),
        "passes asked of the repeats": (base.spec.at_least or "all", head.spec.at_least or "all"),
        "judge": (base.spec.judge or "the default", head.spec.judge or "the default"),
        "parameters": (base.spec.parameters, head.spec.parameters),
    }
    differing = [f"{name} ({old} and {new})" for name, (old, new) in names.items() if old != new]
    return f"they differ in more than the prompt: {', '.join(differing)}" if differing else None
