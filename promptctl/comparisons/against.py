"""Evaluates prompts and their bases in one session, asks for flipped cases again on both sides, and compares."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from promptctl.comparisons.compared import Compared, judged
from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.deciding import until_of
from promptctl.comparisons.edited import beside_own
from promptctl.comparisons.flips import MOST_TIMES
from promptctl.comparisons.notes import notes_on
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.sides import Sides
from promptctl.comparisons.together import JointTest, JointVerdict, groups_of, wanted_together
from promptctl.errors import UsageError
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.plan import Pair

if TYPE_CHECKING:
    from promptctl.evaluations.session import Session
    from promptctl.evaluations.until import Until
    from promptctl.log.store import Store


class ComparedPairs(NamedTuple):
    """The comparison of each pair, or the evaluation of a head without a base, and the verdicts on groups of them."""

    found: list[Compared | Evaluation]
    together: tuple[JointVerdict, ...] = ()


async def compare_pairs(
    log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule, among: int | None = None
) -> ComparedPairs:
    """Do the plans of all pairs, compare each by itself, and those that share a cause together.

    Flipped cases are asked for again on both sides, as `flips` says. All comparisons, and groups of them, share one
    level. Pairs that are only some `among` so many comparisons are not tested together. One version compared with
    itself takes no share if it is answered out of the cache alike, now and whenever the same was compared.
    """
    groups = groups_of(pairs, rule) if among is None else ()
    several = (among or sum(each.base is not None for each in pairs)) + len(groups)
    is_by_until = any(each.head.spec.until for each in pairs)
    if is_by_until and PASSED not in rule.judged:
        raise UsageError(
            "what is decided early is the cases that pass, and they are not judged here",
            hint="judge them too, with --metric passed, or ask every case",
        )
    made = await _first_answers(log, session, pairs, rule, several)

    def sides_of(several: int) -> dict[int, Sides]:
        both = enumerate(zip(pairs, made, strict=True))
        return {at: Sides(log, rule, base, head, each, max(1, several)) for at, (each, (base, head)) in both if base}

    # What ends early ends at the level that it began with.
    same = [] if among or is_by_until else [at for at, each in enumerate(pairs) if each.is_same]
    sides = sides_of(several - len(same))
    if apart := sum(not sides[at].is_alike for at in same):
        sides = sides_of(several - len(same) + apart)
    tests = [JointTest(each, [sides[at] for at in each.members], rule) for each in groups]
    for time in range(MOST_TIMES):
        besides = wanted_together(tests, time)
        asked = [(each, again) for at, each in sides.items() for again in each.wanted(time, besides.get(at, {}))]
        if asked and session.stopped is None:
            answers = await _run(session, [again for _, again in asked])
            for (each, _), (base, head) in zip(asked, answers, strict=True):
                each.take(base.row, head.row)
    found = [
        beside_own(judged(sides[at], notes_on(sides[at]), session.stopped), sides[at].added) if at in sides else head
        for at, (_, head) in enumerate(made)
    ]
    return ComparedPairs(found, tuple(test.verdict(session.stopped) for test in tests))


async def _first_answers(
    log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule, comparisons: int
) -> list[tuple[Evaluation | None, Evaluation]]:
    """Evaluate both sides of all pairs; a base whose evaluation the log has is not asked, nor what is decided."""
    missing = {at: each.base for at, each in enumerate(pairs) if each.base}
    bases = {at: load(log, row) for at, base in missing.items() if (row := same_evaluation(log, base))}
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
