"""The test of several comparisons together, over all their cases that flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from promptctl.comparisons import reasons
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
from promptctl.comparisons.together import ComparisonGroup, JointVerdict, JointVerdictKind
from promptctl.comparisons.verdicts import steps_of
from promptctl.statistics.paired import mcnemar

if TYPE_CHECKING:
    from promptctl.comparisons.compared import Sides
    from promptctl.comparisons.rule import GateRule


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

    @property
    def verdict(self) -> JointVerdict:
        """The verdict on what is known by now."""
        findings = weigh_together(self._flips, self._pairs, self._steps)
        kind: JointVerdictKind = "inconclusive"
        if findings.direction and not self._is_told_by_one:
            kind = "worse" if findings.direction < 0 else "better"
        elif any(self.wanted(time) for time in range(MOST_TIMES)):
            kind = "incomplete"
        rows = [side.head.row for side in self._sides]
        prompts = tuple(dict.fromkeys(row.prompt for row in rows))
        name = reasons.name_together(prompts, len(rows), self._group.causes)
        reason = reasons.jointly(kind, name, findings)
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
