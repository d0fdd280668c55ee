"""Comparisons of one command that share a cause, tested together: all their flipped cases as if they were of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from promptctl.comparisons import reasons
from promptctl.comparisons.comparison import PASSED
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
from promptctl.comparisons.gates import Decision
from promptctl.comparisons.rule import GateRule
from promptctl.comparisons.verdicts import steps_of
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.plan import Pair, can_differ
from promptctl.log.results import StopReason
from promptctl.statistics.paired import mcnemar

if TYPE_CHECKING:
    from promptctl.comparisons.sides import Sides

JointVerdictKind = Literal["worse", "better", "inconclusive", "incomplete"]
DEFAULT_MODEL = "the default model"
_EXIT_CODES: Mapping[JointVerdictKind, int] = {"worse": CHECK_FAILED, "incomplete": INCOMPLETE}


@dataclass(frozen=True, slots=True)
class ComparisonGroup:
    """Comparisons that are tested together: their places among the command's, and what they have in common.

    `causes` are shared files that differ between base and head in all of them, and the default model; without any they
    are simply all of the command.
    """

    members: tuple[int, ...]
    causes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JointVerdict:
    """The verdict on several comparisons together, of the cases that pass.

    `name` says in words which they are, `causes` are those of the `ComparisonGroup`. `prompts` are their ids,
    `evaluations` those of the heads compared. `findings` holds the numbers of cases and of fresh pairs. `incomplete`
    says that flipped cases could not be asked again to the end. It and `worse` decide, the others do not.
    """

    kind: JointVerdictKind
    reason: str
    name: str
    causes: tuple[str, ...]
    prompts: tuple[str, ...]
    evaluations: tuple[str, ...]
    findings: Findings

    @property
    def p(self) -> float | None:
        """The one-sided p-value, of head being better for `better`, else of its being worse; None if incomplete."""
        if self.kind == "incomplete":
            return None
        return self.findings.p_better if self.kind == "better" else self.findings.p_worse

    @property
    def decision(self) -> Decision:
        """The decision of any gate."""
        code = _EXIT_CODES.get(self.kind, OK)
        return Decision.of(code, self.reason) if code else Decision(OK)


def deciding(found: Sequence[JointVerdict]) -> JointVerdict | None:
    """Return the verdict that stands against what was compared: the surest, as groups that overlap say the same."""
    against = [each for each in found if not each.decision.is_passed]
    return min(against, key=lambda each: 1.0 if each.p is None else each.p, default=None)


def groups_of(pairs: Sequence[Pair], rule: GateRule) -> tuple[ComparisonGroup, ...]:
    """Return the groups of comparisons to be tested together, which are known before anything is asked.

    Comparisons of replies that never differ are in none, as each is sure by itself, nor are one version's with itself
    and the second of two of the same. Without fresh pairs nothing could test any. There are no more groups than
    comparisons, the largest: however many files a branch cuts its prompts into, it takes no more than half of each
    level.
    """
    if PASSED not in rule.judged or not rule.reruns:
        return ()
    # Two of the same work, of datasets with the same cases say, have each other's fresh pairs in the log.
    several = [(at, each) for at, each in enumerate(pairs) if each.base is not None and not each.is_same]
    places = {each.head.spec.comparison: at for at, each in reversed(several)}
    differing = (at for at in sorted(places.values()) if any(can_differ(side.row()) for side in pairs[at].sides))
    compared = {at: pairs[at] for at in differing}
    members: dict[str, list[int]] = {}
    for at, each in compared.items():
        for cause in _causes(each):
            members.setdefault(cause, []).append(at)
    causes: dict[tuple[int, ...], list[str]] = {}
    for cause, found in sorted(members.items()):
        causes.setdefault(tuple(found), []).append(cause)
    causes.setdefault(tuple(compared), [])
    groups = [ComparisonGroup(found, tuple(shared)) for found, shared in causes.items() if len(found) > 1]
    return tuple(sorted(groups, key=lambda group: -len(group.members))[: len(compared)])


def _causes(pair: Pair) -> frozenset[str]:
    """Return what differs in this comparison that others may share."""
    models = {side.target.model for side in pair.sides}
    is_default = all(side.target.prompt.model is None for side in pair.sides)
    return pair.shared | {DEFAULT_MODEL} if is_default and len(models) > 1 else pair.shared


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
        self._steps = steps_of(sides[0].comparison.procedure, rule)
        # What a case is called decides if it is in the sample: the same each time.
        rows = [side.head.row for side in sides]
        names = [f"{row.prompt}\n{row.digest}\n{row.spec.dataset}\n{row.model}" for row in rows]
        named = list(enumerate(zip(names, sides, strict=True)))
        lost = {f"{name}\n{id_}": (at, id_) for at, (name, side) in named for id_ in side.flips.lost}
        gained = {
            f"{name}\n{id_}": (at, id_)
            for at, (name, side) in named
            for id_ in side.flips.gained
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
        return any(side.findings.direction < 0 for side in self._sides)

    @property
    def _pairs(self) -> dict[str, list[int]]:
        pairs = [side.pairs for side in self._sides]
        return {name: pairs[at][id_] for name, (at, id_) in self._cases.items() if id_ in pairs[at]}


def wanted_together(tests: Sequence[JointTest], time: int) -> dict[int, dict[str, int]]:
    """Return the cases that joint tests ask again, by their comparison's place, with the numbers of pairs they lack."""
    found: dict[int, dict[str, int]] = {}
    for test in tests:
        for at, missing in test.wanted(time).items():
            found.setdefault(at, {}).update(missing)
    return found
