"""Evaluates prompts beside an earlier version of them, asks for flipped cases again, and tests comparisons together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice, zip_longest
from typing import TYPE_CHECKING, NamedTuple

from promptctl.comparisons import reasons
from promptctl.comparisons.compared import Against, Compared, Sides, notes_on
from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.deciding import until_of
from promptctl.comparisons.flips import (
    MOST_TIMES,
    Findings,
    Flips,
    Pairs,
    Steps,
    can_decide,
    count_fresh,
    decided,
    is_enough,
    lacking,
    sampled,
)
from promptctl.comparisons.gates import ComparisonGroup, JointVerdict, JointVerdictKind, groups_of
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import steps_of
from promptctl.errors import InvalidFiles, PromptctlError, PromptNotFound, RevisionNotFound, UsageError
from promptctl.evaluations.asking import Asker
from promptctl.evaluations.earlier import same_evaluation
from promptctl.evaluations.evaluation import Evaluation, load
from promptctl.evaluations.plan import Pair, Plan
from promptctl.evaluations.planning import plan, target_of
from promptctl.evaluations.rules import reply_rules, server_digest
from promptctl.log.results import OF_JUDGES, StopReason
from promptctl.statistics.paired import mcnemar
from promptctl.versions.former_ids import live_labels

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.evaluations.request import EvaluationRequest
    from promptctl.evaluations.session import Session
    from promptctl.evaluations.until import Until
    from promptctl.log.store import Store
    from promptctl.versions.prompt_at_version import PromptAtVersion


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
            found = _with_base(context, request, head, base)
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


def _with_base(context: Context, request: EvaluationRequest, head: Plan, base: str) -> Pair:
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
    if at_version.prompt.inputs != own.inputs:
        found = _taking(context, found)
    made = Pair.of(head, found)
    if at_version.version.digest == head.target.version.digest:
        return made
    return replace(made, shared=_shared_files(context.prompt(head.spec.ref), at_version))


def _taking(context: Context, base: Plan) -> Plan:
    """Return the plan of a base over the cases that it takes, if it does not take all, and takes any."""
    asker = Asker(context, base)
    taken = {case.id: asker.takes(case) for case in base.cases(context)}
    left_out = tuple(id_ for id_, is_taken in taken.items() if not is_taken)
    if len(left_out) in (0, len(taken)):
        return base
    return replace(base, spec=replace(base.spec, left_out=left_out)).among(frozenset(taken) - {*left_out})


def _shared_files(head: PromptAtVersion, base: PromptAtVersion) -> frozenset[str]:
    """Return the files besides the prompt's own that one version is made of and the other is not, or not as they are.

    Whoever checks files out decides on their line ends.
    """
    texts = [
        {path: side.tree.read(path).replace(b"\r\n", b"\n") for path in side.prompt.closure if path != side.prompt.path}
        for side in (head, base)
    ]
    return frozenset(path for path in texts[0] | texts[1] if texts[0].get(path) != texts[1].get(path))


class ComparedPairs(NamedTuple):
    """The comparison of each pair, or the evaluation of a head without a base, and the verdicts on groups of them."""

    found: list[Compared | Evaluation]
    together: tuple[JointVerdict, ...] = ()


async def evaluate_against(log: Store, session: Session, pairs: Sequence[Pair], rule: GateRule) -> Against:
    """Do the plans of `plan_against`, and compare."""
    found, together = await compare_pairs(log, session, pairs, rule, groups=groups_of(pairs, rule))
    return replace(against_of(pairs, found, rule), together=together)


def against_of(pairs: Sequence[Pair], found: Sequence[Compared | Evaluation], rule: GateRule) -> Against:
    """Return what became of these pairs as one."""
    return Against(
        tuple(each for each in found if isinstance(each, Compared)),
        tuple(each for each in found if isinstance(each, Evaluation)),
        rule,
        next((each.base.spec.ref for each in pairs if each.base), None),
    )


async def compare_pairs(
    log: Store,
    session: Session,
    pairs: Sequence[Pair],
    rule: GateRule,
    comparisons: int | None = None,
    groups: Sequence[ComparisonGroup] = (),
) -> ComparedPairs:
    """Do the plans of all pairs, compare each by itself, and the `groups` of them together.

    Flipped cases are asked for again on both sides, as `flips` says. All share one level, as one of so many
    `comparisons`, these pairs with a base unless a number is given, and groups. One version compared with itself takes
    no share if it is answered out of the cache alike.
    """
    several = (comparisons or sum(each.base is not None for each in pairs)) + len(groups)
    is_by_until = any(each.head.spec.until for each in pairs)
    if is_by_until and PASSED not in rule.judged:
        raise UsageError(
            "what is decided early is the cases that pass, and they are not judged here",
            hint="judge them too, with --metric passed, or ask every case",
        )
    made = await _first_answers(log, session, pairs, rule, several)
    both = [*zip(pairs, made, strict=True)]
    if not comparisons and not is_by_until:  # what ends early ends at the level that it began with
        several -= sum(each.is_same and _is_alike(*sides) for each, sides in both)
    sides = [Sides(log, rule, base, head, each, max(1, several)) if base else None for each, (base, head) in both]
    tests = [JointTest(each, [side for at in each.members if (side := sides[at])], rule) for each in groups]
    for time in range(MOST_TIMES):
        besides = _wanted_together(tests, time)
        asked = [
            (side.flipped, again)
            for at, side in enumerate(sides)
            if side
            for again in side.flipped.wanted(time, besides.get(at, {}))
        ]
        if asked and session.stopped is None:
            answers = await _run(session, [again for _, again in asked])
            for (flipped, _), (base, head) in zip(asked, answers, strict=True):
                flipped.take(base.row, head.row)
    found = [
        side.compared(notes_on(side.comparison, side.base, side.head, side.flipped), session.stopped) if side else head
        for side, (_, head) in zip(sides, made, strict=True)
    ]
    return ComparedPairs(found, tuple(test.verdict(session.stopped) for test in tests))


def _wanted_together(tests: Sequence[JointTest], time: int) -> dict[int, dict[str, int]]:
    """Return the cases that joint tests ask again, by their comparison's place, with the numbers of pairs they lack."""
    found: dict[int, dict[str, int]] = {}
    for test in tests:
        for at, missing in test.wanted(time).items():
            found.setdefault(at, {}).update(missing)
    return found


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


def _is_alike(base: Evaluation | None, head: Evaluation) -> bool:
    return base is not None and base.row.totals.passed == head.row.totals.passed


async def _run(
    session: Session, pairs: Sequence[Pair], untils: Sequence[Until | None] = ()
) -> list[tuple[Evaluation, ...]]:
    """Do the plans of all pairs in one run of the session; return the evaluations of each, base first."""
    todo = [(side, until) for each, until in zip_longest(pairs, untils) for side in each.sides]
    made = iter(await session.run([side for side, _ in todo], [until for _, until in todo]))
    return [tuple(islice(made, len(each.sides))) for each in pairs]


def weigh_together(flips: Flips, pairs: Pairs, steps: Steps) -> Findings:
    """Return what the fresh pairs of all these cases say, which have the whole level.

    No case is confirmed: if more regressed than improved every time, so they did in one of the comparisons. Pairs that
    are still to come count against either claim, as each comparison asks on what it needs itself, not by chance.
    """
    ids = _asked(flips, steps)
    base_alone, head_alone, left = count_fresh(pairs, ids, steps)
    asked = sum(id_ in pairs for id_ in ids)
    share = (head_alone - base_alone) / (max(1, asked) * steps.rounds) * flips.count / max(1, flips.n)
    is_worse = decided(base_alone, head_alone + left, steps.level) < 0
    is_better = decided(base_alone + left, head_alone, steps.level) > 0
    direction = is_better - is_worse if is_enough(share, steps) else 0
    test = mcnemar(head_alone, base_alone)
    return Findings(
        flips,
        steps,
        direction,
        "fresh pairs" if direction else None,
        test.p_worse,
        test.p_better,
        asked,
        base_alone,
        head_alone,
        steps.rounds,
    )


def to_ask_together(flips: Flips, pairs: Pairs, steps: Steps, target: int) -> dict[str, int]:
    """Return the cases to be asked again, each with the number of pairs it lacks, while their sum could decide."""
    ids = _asked(flips, steps)
    return lacking(ids, pairs, target) if can_decide(pairs, ids, steps, steps.level) else {}


def _asked(flips: Flips, steps: Steps) -> tuple[str, ...]:
    lost, gained = sampled(flips.lost, flips.gained, steps.seed)
    return *lost, *gained


class JointTest:
    """The fresh pairs of `flips` over the comparisons of a group, as if all their cases were of one.

    First answers only choose the cases: out of the cache, one may be that of several prompts, and a comparison may have
    ended because of them. A case that was edited, or added, together with head can show a loss, and no gain.
    """

    def __init__(self, group: ComparisonGroup, sides: Sequence[Sides], rule: GateRule) -> None:
        self._group, self._sides = group, sides
        self._steps = steps_of(sides[0].comparison, rule)
        # What a case is called decides if it is in the sample: the same each time.
        rows = [side.head.row for side in sides]
        names = [f"{row.prompt}\n{row.digest}\n{row.spec.dataset}\n{row.model}" for row in rows]
        named = list(enumerate(zip(names, sides, strict=True)))
        lost = {f"{name}\n{id_}": (at, id_) for at, (name, side) in named for id_ in side.flipped.flips.lost}
        gained = {
            f"{name}\n{id_}": (at, id_)
            for at, (name, side) in named
            for id_ in side.flipped.flips.gained
            if id_ not in side.made_with_head
        }
        self._cases = lost | gained
        self._flips = Flips(sum(side.comparison.n for side in sides), tuple(lost), tuple(gained))

    def verdict(self, stopped: StopReason | None = None) -> JointVerdict:
        """Return the verdict on what is known by now; `stopped` is what ended the session."""
        findings = weigh_together(self._flips, self._pairs, self._steps)
        kind: JointVerdictKind = "inconclusive"
        if findings.direction and not self._is_told_by_one:
            kind = "worse" if findings.direction < 0 else "better"
        elif any(self.wanted(time) for time in range(MOST_TIMES)):
            kind = "incomplete"
        rows = [side.head.row for side in self._sides]
        prompts = tuple(dict.fromkeys(row.prompt for row in rows))
        name = reasons.name_together(prompts, len(rows), self._group.causes)
        reason = reasons.jointly(kind, name, findings, stopped)
        evaluations = tuple(row.id for row in rows)
        return JointVerdict(kind, reason, name, self._group.causes, prompts, evaluations, findings)

    def wanted(self, time: int) -> Mapping[int, Mapping[str, int]]:
        """Return the cases to be asked again at this time of asking, by their comparison's place in the command.

        Each has the number of pairs that it lacks. None is asked once a member is worse by itself, as the command then
        fails whatever they answer.
        """
        targets = self._steps.fresh_targets
        if time >= len(targets) or self._is_told_by_one:
            return {}
        found: dict[int, dict[str, int]] = {}
        for name, number in to_ask_together(self._flips, self._pairs, self._steps, targets[time]).items():
            at, case_id = self._cases[name]
            found.setdefault(self._group.members[at], {})[case_id] = number
        return found

    @property
    def _is_told_by_one(self) -> bool:
        """True if a comparison is worse by itself: the command fails by that, and the sum may be no more than it."""
        return any(side.flipped.findings.direction < 0 for side in self._sides)

    @property
    def _pairs(self) -> dict[str, list[int]]:
        pairs = [side.flipped.pairs for side in self._sides]
        return {name: pairs[at][id_] for name, (at, id_) in self._cases.items() if id_ in pairs[at]}
