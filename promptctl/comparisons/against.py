"""Evaluates prompts beside an earlier version of them, and asks for flipped cases again."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from promptctl.comparisons.compared import Against, Compared
from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.confirmation import FlippedCases
from promptctl.comparisons.deciding import decided_note, until_of
from promptctl.comparisons.flips import MOST_ASKED, MOST_TIMES
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.sides import Sides
from promptctl.errors import UsageError
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.planning import Pair, pair, plan
from promptctl.files.wording import count
from promptctl.versions.former_ids import live_labels

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.plan import Plan
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.evaluations.session import Session
    from promptctl.evaluations.until import Until
    from promptctl.log.store import Store


def _usual_base(context: Context, heads: Sequence[Plan]) -> str:
    """Return what to compare with if nothing is named: `gate.base`, else production, else the default branch."""
    named, labels = context.settings.gate.base, live_labels(context.now(), context.warn)
    if named is not None:
        return f"@{named.removeprefix('@')}"
    if all(any(each.label == "production" for each in labels.get(head.target.prompt.id, ())) for head in heads):
        return "@production"
    return f"@{context.now().line.name}"


def plan_against(context: Context, request: EvaluationRequest, base: str | None) -> list[Pair]:
    """Plan the request, and each of its prompts at `base` over the same cases; see `pair`.

    Without a base it is the one of the settings, else the label production if each prompt has it, else the branch.
    """
    if request.limits.fails_fast:
        raise UsageError("--fail-fast would leave too little to compare", hint="leave it out, or --against")
    if base in ("", "@"):
        raise UsageError("--against names a version: @production, @v7, @origin/main, or another prompt's whole ref")
    heads = plan(context, request)
    return pair(context, request, heads, base or _usual_base(context, heads))


async def evaluate_against(log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule) -> Against:
    """Do the plans of `plan_against`, and compare."""
    found = await compare_pairs(log, session, pairs, rule)
    return Against(
        tuple(each for each in found if isinstance(each, Compared)),
        tuple(each for each in found if isinstance(each, Evaluation)),
        rule,
        next((each.base.spec.ref for each in pairs if each.base), None),
    )


async def compare_pairs(
    log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule
) -> list[Compared | Evaluation]:
    """Do the plans of all pairs; return for each its comparison, or the evaluation of a head without a base.

    Flipped cases are asked for again on both sides, as `flips` says; all comparisons share one level.
    """
    if any(each.head.spec.until for each in pairs) and PASSED not in rule.judged:
        raise UsageError(
            "what is decided early is the cases that pass, and they are not judged here",
            hint="judge them too, with --metric passed, or ask every case",
        )
    made = await _first_answers(log, session, pairs, rule)
    first = [Sides(log, base, head, comparisons=len(pairs)) if base else None for base, head in made]
    flipped = [side.flipped(log, rule, each) if side else None for side, each in zip(first, pairs, strict=True)]
    for time in range(MOST_TIMES):
        asked = [(cases, again) for cases in flipped if cases for again in cases.wanted(time)]
        if asked and session.stopped is None:
            for (cases, _), (base, head) in zip(asked, await _run(session, [again for _, again in asked]), strict=True):
                cases.take(base.row, head.row)
    return [
        side.compared(rule, cases, note="; ".join(_notes(side, cases)) or None) if side and cases else head
        for side, cases, (_, head) in zip(first, flipped, made, strict=True)
    ]


async def _first_answers(
    log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule
) -> list[tuple[Evaluation | None, Evaluation]]:
    """Evaluate both sides of all pairs; a base whose evaluation the log has is not asked, nor what is decided."""
    missing = {at: each.base for at, each in enumerate(pairs) if each.base}
    kept = {at: row for at, base in missing.items() if (row := same_evaluation(log, base))}
    bases = {at: load(log, row) for at, row in kept.items()}
    missing = {at: base for at, base in missing.items() if at not in bases}
    if any(each.head.spec.until == "decided" for each in pairs):
        bases |= zip(missing, await session.run([*missing.values()]), strict=True)
        missing = {}
    untils = [until_of(log, each, bases.get(at), rule, len(pairs)) for at, each in enumerate(pairs)]
    made = await _run(session, [Pair(each.head, missing.get(at)) for at, each in enumerate(pairs)], untils)
    return [(first[0] if first else bases.get(at), head) for at, (*first, head) in enumerate(made)]


async def _run(
    session: Session, pairs: Sequence[Pair], untils: Sequence[Until | None] = ()
) -> list[tuple[Evaluation, ...]]:
    """Do the plans of all pairs in one run of the session; return the evaluations of each, base first."""
    todo = [(side, until) for each, until in zip_longest(pairs, untils) for side in each.sides]
    made = iter(await session.run([side for side, _ in todo], [until for _, until in todo]))
    return [tuple(islice(made, len(each.sides))) for each in pairs]


def _notes(sides: Sides, flipped: FlippedCases) -> list[str]:
    notes = []
    if sides.comparison.is_decided:
        notes.append(decided_note(sides.comparison, sides.base, sides.head))
    both = (("before", sides.base), ("after", sides.head))
    if stopped := [side for side, made in both if made.stopped not in (None, "decided")]:
        named = " and ".join(stopped)
        notes.append(f"{named} stopped early; the same command goes on, and asks for nothing that was answered")
    if left_out := sides.base.row.spec.left_out:
        notes.append(
            f"the version before cannot take the inputs of {len(left_out)} of the cases, which are not compared"
        )
    if code_left_out := sides.head.row.spec.code_left_out:
        notes.append(code_left_out)
    findings, earlier = flipped.findings, flipped.earlier
    if findings.asked and findings.flips.count > MOST_ASKED:
        notes.append(f"of {findings.flips.count} flipped cases a random sample of {findings.asked} was asked for again")
    if earlier.comparisons and findings.flips.count and flipped.steps.rounds:
        times = len(earlier.comparisons) + 1
        notes.append(f"the same was compared {times} times, and all answers to flipped cases count")
    if earlier.comparisons and findings.flips.sequence and findings.flips.sequence.direction:
        notes.append("what the first comparison of the same decided case by case stays decided")
    if earlier.set_aside:
        notes.append(f"begun afresh: {count(earlier.set_aside, 'earlier comparison')} of the same set aside")
    return notes
