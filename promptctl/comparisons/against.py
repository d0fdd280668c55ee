"""Evaluates prompts beside an earlier version of them, and asks for flipped cases again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from promptctl.comparisons.compared import Against, Compared
from promptctl.comparisons.confirmation import Rerun, confirm
from promptctl.comparisons.gates import check_passes, strictest
from promptctl.comparisons.sides import Sides
from promptctl.comparisons.verdicts import GateRule
from promptctl.datasets.selection import Chosen
from promptctl.errors import UsageError
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, cases_of, load
from promptctl.evaluations.planning import Pairs, pair, plan

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.case_outcomes import CaseStatus
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.evaluations.session import Session
    from promptctl.log.store import Store

RERUNS = 3
MOST_RERUN = 50


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
    sides = [Sides(log, load(log, row.id) if row is not None else next(made), next(made)) for row in kept]
    asked = [_rerun_of(side, plans) for side, plans in zip(sides, pairs, strict=True)]
    wanted = [each for rerun in asked for each in rerun.plans]
    by_itself = list(made)
    again = await session.run(wanted) if wanted and session.stopped is None else []
    compared = []
    for side, rerun in zip(sides, asked, strict=True):
        mine, again = again[: len(rerun.plans)], again[len(rerun.plans) :]
        compared.append(_confirmed(log, side, rule, rerun, mine))
    return compared, by_itself


@dataclass(frozen=True, slots=True)
class _Asked:
    """The flipped cases of one comparison, and the plans (base, head) that ask for them again, if they can be."""

    flipped: tuple[str, ...] = ()
    plans: tuple[Plan, ...] = ()


def _confirmed(log: Store, sides: Sides, rule: GateRule, asked: _Asked, made: Sequence[Evaluation]) -> Compared:
    """Return the comparison judged with the fresh replies to its flipped cases."""
    notes = _notes(sides)
    reruns: tuple[Rerun, ...] = ()
    if asked.plans and not made:
        notes.append("interrupted before the flipped cases were asked for again")
    elif asked.flipped and not asked.plans:
        notes.append("replies come from recordings, so flipped cases could not be asked for again")
    elif asked.flipped:
        if len(asked.flipped) > MOST_RERUN:
            notes.append(f"of {len(asked.flipped)} flipped cases the first {MOST_RERUN} were asked for again")
        before, after = (_statuses(log, each) for each in made)
        reruns = tuple(Rerun(id_, before.get(id_, ()), after.get(id_, ())) for id_ in asked.flipped[:MOST_RERUN])
        if any(len(statuses) < RERUNS for run in reruns for statuses in (run.base, run.head)):
            notes.append("stopped before every flipped case was asked for again three times")
    confirmed = confirm(sides.comparison, reruns, runs=RERUNS)
    return sides.compared(rule, confirmed, reruns, note="; ".join(notes) or None)


def _notes(sides: Sides) -> list[str]:
    notes = []
    if stopped := [side for side, made in (("base", sides.base), ("head", sides.head)) if made.stopped]:
        named = " and ".join(stopped)
        notes.append(f"{named} stopped early; the same command goes on, and asks for nothing that was answered")
    if left_out := sides.base.row.spec.left_out:
        notes.append(f"base cannot take the inputs of {len(left_out)} of the cases, which are not compared")
    return notes


def _rerun_of(sides: Sides, plans: tuple[Plan, Plan]) -> _Asked:
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
