"""Evaluates prompts beside an earlier version of them, and asks for flipped cases again."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice, zip_longest
from typing import TYPE_CHECKING

from promptctl.comparisons.compared import Against, Compared, Sides
from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.deciding import until_of
from promptctl.comparisons.flips import MOST_TIMES
from promptctl.comparisons.notes import notes_on
from promptctl.comparisons.rule import GateRule
from promptctl.errors import InvalidFiles, PromptctlError, PromptNotFound, RevisionNotFound, UsageError
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.plan import Pair
from promptctl.evaluations.planning import plan, target_of
from promptctl.evaluations.rules import reply_rules, server_digest
from promptctl.log.results import OF_JUDGES
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
    return pair(context, request, heads, _where_left(context, request, base or _usual_base(context, heads)))


def _where_left(context: Context, request: EvaluationRequest, base: str) -> str:
    """Return the base, or the commit at which HEAD left it if the request's changes are those since then."""
    revision, commit = request.left or ("", "")
    if base != f"@{revision}" or context.now().commit_of(revision) == commit:
        return base
    is_label = any(
        each.label == revision for found in live_labels(context.now(), context.warn).values() for each in found
    )
    return base if is_label else f"@{commit}"


def pair(context: Context, request: EvaluationRequest, heads: Sequence[Plan], base: str) -> list[Pair]:
    """Return each of the request's plans with the plan of its base, over the same cases.

    `base` is `@label`, `@v7` or `@<revision>` of the same prompt, or another prompt's whole ref. It is asked only for
    cases that give it the inputs it needs, if there are any. Of prompts that nobody named, those that `base` does not
    have are paired with None; one that was named raises `PromptNotFound` or `RevisionNotFound`. So does a label, number
    or revision that no prompt has: it is misspelt.
    """
    pairs: list[Pair] = []
    unknown: RevisionNotFound | None = None
    for head in heads:
        found = Pair(head)
        try:
            found = Pair.of(head, _base_plan(context, request, head, base))
        except (PromptNotFound, RevisionNotFound) as error:
            if not (request.is_of_own and base.startswith("@")):
                raise
            unknown = error if isinstance(error, RevisionNotFound) else unknown
        except InvalidFiles as error:
            if not (request.is_of_own and request.on_broken):
                raise
            request.on_broken(error)
        pairs.append(found)
    if unknown is not None and all(each.base is None for each in pairs):
        raise unknown
    return pairs


def _base_plan(context: Context, request: EvaluationRequest, head: Plan, base: str) -> Plan:
    own = head.target.prompt
    ref = f"{own.id}{base}" if base.startswith("@") else base
    try:
        at_version = context.prompt(ref)
    except PromptNotFound as error:
        hint: str | None = f"to evaluate {own.id} by itself: promptctl eval {own.id}"
        if not base.startswith("@"):
            hint = error.hint
            with suppress(PromptctlError):
                context.prompt(f"{own.id}@{base}")
                hint = f"did you mean `@{base}`?"
        raise PromptNotFound(f"nothing to compare with: {error.message}", hint=hint) from error
    model = head.target.model if request.models else (at_version.model or head.target.model)
    target = target_of(context, request, at_version, model)
    of_judges = {name: rule for name, rule in head.spec.rules.items() if name in OF_JUDGES}
    spec = replace(
        head.spec,
        ref=ref,
        drops_unknown_inputs=True,
        parameters=target.parameters,
        server=server_digest(target.server),
        rules=reply_rules(context, target.model) | of_judges,
    )
    found = replace(head, target=target, spec=spec)
    if at_version.prompt.inputs == own.inputs:
        return found
    asker = Asker(context, found)
    taken = {case.id: asker.takes(case) for case in found.cases(context)}
    left_out = tuple(id_ for id_, is_taken in taken.items() if not is_taken)
    if len(left_out) in (0, len(taken)):
        return found
    return replace(found, spec=replace(spec, left_out=left_out)).among(frozenset(taken) - {*left_out})


async def evaluate_against(log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule) -> Against:
    """Do the plans of `plan_against`, and compare."""
    return against_of(pairs, await compare_pairs(log, session, pairs, rule), rule)


def against_of(pairs: Sequence[Pair], found: Sequence[Compared | Evaluation], rule: GateRule) -> Against:
    """Return what became of these pairs as one."""
    return Against(
        tuple(each for each in found if isinstance(each, Compared)),
        tuple(each for each in found if isinstance(each, Evaluation)),
        rule,
        next((each.base.spec.ref for each in pairs if each.base), None),
    )


async def compare_pairs(
    log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule, comparisons: int | None = None
) -> list[Compared | Evaluation]:
    """Do the plans of all pairs; return for each its comparison, or the evaluation of a head without a base.

    Flipped cases are asked for again on both sides, as `flips` says. All share one level, as one of so many
    `comparisons`: these pairs unless a number is given.
    """
    comparisons = comparisons or len(pairs)
    if any(each.head.spec.until for each in pairs) and PASSED not in rule.judged:
        raise UsageError(
            "what is decided early is the cases that pass, and they are not judged here",
            hint="judge them too, with --metric passed, or ask every case",
        )
    made = await _first_answers(log, session, pairs, rule, comparisons)
    both = zip(pairs, made, strict=True)
    sides = [Sides(log, rule, base, head, each, comparisons) if base else None for each, (base, head) in both]
    for time in range(MOST_TIMES):
        asked = [(side.flipped, again) for side in sides if side for again in side.flipped.wanted(time)]
        if asked and session.stopped is None:
            answers = await _run(session, [again for _, again in asked])
            for (flipped, _), (base, head) in zip(asked, answers, strict=True):
                flipped.take(base.row, head.row)
    return [
        side.compared(notes_on(side.comparison, side.base, side.head, side.flipped)) if side else head
        for side, (_, head) in zip(sides, made, strict=True)
    ]


async def _first_answers(
    log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule, comparisons: int
) -> list[tuple[Evaluation | None, Evaluation]]:
    """Evaluate both sides of all pairs; a base whose evaluation the log has is not asked, nor what is decided."""
    missing = {at: each.base for at, each in enumerate(pairs) if each.base}
    kept = {at: row for at, base in missing.items() if (row := same_evaluation(log, base))}
    bases = {at: load(log, row) for at, row in kept.items()}
    missing = {at: base for at, base in missing.items() if at not in bases}
    if any(each.head.spec.until == "decided" for each in pairs):
        bases |= zip(missing, await session.run([*missing.values()]), strict=True)
        missing = {}
    untils = [until_of(log, each, bases.get(at), rule, comparisons) for at, each in enumerate(pairs)]
    made = await _run(session, [Pair(each.head, missing.get(at)) for at, each in enumerate(pairs)], untils)
    return [(first[0] if first else bases.get(at), head) for at, (*first, head) in enumerate(made)]


async def _run(
    session: Session, pairs: Sequence[Pair], untils: Sequence[Until | None] = ()
) -> list[tuple[Evaluation, ...]]:
    """Do the plans of all pairs in one run of the session; return the evaluations of each, base first."""
    todo = [(side, until) for each, until in zip_longest(pairs, untils) for side in each.sides]
    made = iter(await session.run([side for side, _ in todo], [until for _, until in todo]))
    return [tuple(islice(made, len(each.sides))) for each in pairs]
