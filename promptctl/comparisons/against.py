"""Evaluates prompts beside an earlier version of them, and asks for flipped cases again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING

from promptctl.comparisons.compared import Against, Compared
from promptctl.comparisons.confirmation import Rerun, confirm
from promptctl.comparisons.sides import Sides
from promptctl.comparisons.verdicts import GateRule
from promptctl.errors import UsageError
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.planning import Pair, pair, plan, rerun

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.case_outcomes import CaseStatus
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.evaluations.session import Session
    from promptctl.log.store import Store

RERUNS = 3
MOST_RERUN = 50


def plan_against(context: Context, request: EvaluationRequest, base: str) -> list[Pair]:
    """Plan the request, and each of its prompts at `base` over the same cases; see `pair`."""
    if request.limits.fails_fast:
        raise UsageError("--fail-fast would leave too little to compare", hint="leave it out, or --against")
    if base in ("", "@"):
        raise UsageError("--against names a version: @production, @v7, @origin/main, or another prompt's whole ref")
    return pair(context, request, plan(context, request), base)


async def evaluate_against(log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule) -> Against:
    """Do the plans of `plan_against`, and compare."""
    found = await compare_pairs(log, session, pairs, rule)
    compared = tuple(each for each in found if isinstance(each, Compared))
    return Against(compared, tuple(each for each in found if isinstance(each, Evaluation)))


async def compare_pairs(
    log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule
) -> list[Compared | Evaluation]:
    """Do the plans of all pairs; return for each its comparison, or the evaluation of a head without a base.

    A base evaluation that the log holds already, of the same digest, model and cases, is not made again. Flipped cases
    are then asked for again, three times on each side.
    """
    kept = [same_evaluation(log, each.base) if each.base else None for each in pairs]
    made = await _run(session, [Pair(each.head) if row else each for each, row in zip(pairs, kept, strict=True)])
    first: list[Sides | None] = []
    for row, (*bases, head) in zip(kept, made, strict=True):
        bases += [load(log, row.id)] if row else []
        first.append(Sides(log, bases[0], head) if bases else None)
    again = [
        (each, sides.comparison.flipped[:MOST_RERUN] if sides and each.head.is_asked else ())
        for each, sides in zip(pairs, first, strict=True)
    ]
    reruns = await ask_again(log, session, again, RERUNS)
    return [
        _confirmed(sides, rule, ids, fresh) if sides else head
        for sides, (*_, head), (_, ids), fresh in zip(first, made, again, reruns, strict=True)
    ]


async def ask_again(
    log: Store, session: Session, wanted: Sequence[tuple[Pair, Sequence[str]]], repeats: int
) -> list[tuple[Rerun, ...]]:
    """Ask both sides of each pair anew for some of its cases, by id, in one run; nothing comes from the cache.

    Returns for each pair its cases in that order, each with the statuses of its repeats; none of them if the session
    was stopped before.
    """
    fresh = [rerun(each, ids, repeats) for each, ids in wanted if ids]
    made = iter(await _run(session, fresh) if fresh and session.stopped is None else ())
    found = []
    for _, ids in wanted:
        sides = [_statuses(log, each) for each in (next(made, ()) if ids else ())]
        found.append(tuple(Rerun(id_, *(each.get(id_, ()) for each in sides)) for id_ in ids if sides))
    return found


async def _run(session: Session, pairs: Sequence[Pair]) -> list[tuple[Evaluation, ...]]:
    """Do the plans of all pairs in one run of the session; return the evaluations of each, base first."""
    made = iter(await session.run([side for each in pairs for side in each.sides]))
    return [tuple(islice(made, len(each.sides))) for each in pairs]


def _confirmed(sides: Sides, rule: GateRule, asked: Sequence[str], reruns: tuple[Rerun, ...]) -> Compared:
    """Return the comparison judged with the fresh replies to its flipped cases."""
    notes = _notes(sides)
    flipped = sides.comparison.flipped
    if asked and not reruns:
        notes.append("interrupted before the flipped cases were asked for again")
    elif flipped and not asked:
        notes.append("replies come from recordings, so flipped cases could not be asked for again")
    elif len(flipped) > len(asked):
        notes.append(f"of {len(flipped)} flipped cases the first {len(asked)} were asked for again")
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


def _statuses(log: Store, made: Evaluation) -> dict[str, tuple[CaseStatus, ...]]:
    found: dict[str, tuple[CaseStatus, ...]] = {}
    for row in log.results(made.row.id):
        found[row.case_id] = (*found.get(row.case_id, ()), row.status)
    return found
