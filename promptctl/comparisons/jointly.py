"""The test of several comparisons together, over all their cases that flipped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from promptctl.comparisons import reasons
from promptctl.comparisons.flips import MOST_TIMES, Flips, to_ask, weigh
from promptctl.comparisons.together import ComparisonGroup, JointVerdict, JointVerdictKind
from promptctl.comparisons.verdicts import steps_of

if TYPE_CHECKING:
    from promptctl.comparisons.compared import Sides
    from promptctl.comparisons.rule import GateRule


class JointTest:
    """The first two steps of `flips` over the comparisons of a group, as if all their cases were of one.

    Cases that were edited together with head count nowhere. First answers are left out if some are still to come; if a
    comparison may have ended because of what they showed; and if a prompt and model has several datasets, as one answer
    out of the cache may then be that of two cases.
    """

    def __init__(self, group: ComparisonGroup, sides: Sequence[Sides], rule: GateRule) -> None:
        self._group, self._sides = group, sides
        self._steps = replace(steps_of(sides[0].comparison, rule), is_joint=True)
        # What a case is called decides if it is in the sample: the same each time.
        names = [f"{side.head.row.prompt}\n{side.head.row.spec.dataset}\n{side.head.row.model}" for side in sides]
        self._cases = {
            f"{name}\n{id_}": (at, id_)
            for at, (name, side) in enumerate(zip(names, sides, strict=True))
            for id_ in (*side.flipped.flips.lost, *side.flipped.flips.gained)
            if id_ not in side.comparison.edited
        }
        lost = [{*side.flipped.flips.lost} for side in sides]
        self._flips = Flips(
            n=sum(case.case_id not in side.comparison.edited for side in sides for case in side.comparison.graded),
            lost=tuple(name for name, (at, id_) in self._cases.items() if id_ in lost[at]),
            gained=tuple(name for name, (at, id_) in self._cases.items() if id_ not in lost[at]),
            first=self._first_answers(),
        )

    @property
    def verdict(self) -> JointVerdict:
        """The verdict on what is known by now."""
        findings = weigh(self._flips, self._pairs, self._steps)
        kind: JointVerdictKind = "inconclusive"
        if findings.direction:
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
        targets = self._steps.targets(self._flips.n)
        if time >= len(targets) or any(side.flipped.findings.direction < 0 for side in self._sides):
            return {}
        found: dict[int, dict[str, int]] = {}
        for name, number in to_ask(self._flips, self._pairs, self._steps, targets[time]).items():
            at, case_id = self._cases[name]
            found.setdefault(self._group.members[at], {})[case_id] = number
        return found

    @property
    def _pairs(self) -> dict[str, list[int]]:
        pairs = [side.flipped.pairs for side in self._sides]
        return {name: pairs[at][id_] for name, (at, id_) in self._cases.items() if id_ in pairs[at]}

    def _first_answers(self) -> tuple[int, int]:
        """Return how many cases were lost, and gained, when each was first compared; none if their sum is no test."""
        sides = self._sides
        asked = [
            {(row.digest, row.model) for row in rows}
            for rows in zip(*((s.base.row, s.head.row) for s in sides), strict=True)
        ]
        is_open = any(made.summary.is_unfinished for side in sides for made in (side.base, side.head))
        if is_open or any(side.flipped.ends_early for side in sides) or any(len(each) < len(sides) for each in asked):
            return 0, 0
        ways = [
            way for side in sides for id_, way in side.flipped.first_ways.items() if id_ not in side.comparison.edited
        ]
        return ways.count(-1), ways.count(1)
