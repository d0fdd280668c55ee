"""Comparisons of one command that share a cause, and what they show together though none does by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from promptctl.comparisons.comparison import PASSED
from promptctl.comparisons.flips import Findings
from promptctl.comparisons.gates import Decision
from promptctl.comparisons.rule import GateRule
from promptctl.errors import CHECK_FAILED, INCOMPLETE, OK
from promptctl.evaluations.plan import Pair, can_differ

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

    Comparisons of replies that never differ are in none, as each is sure by itself, nor is the second of two of the
    same. Without fresh pairs nothing could test any. There are no more groups than comparisons, the largest: however
    many files a branch cuts its prompts into, it takes no more than half of each level.
    """
    if PASSED not in rule.judged or not rule.reruns:
        return ()
    # Two of the same work, of datasets with the same cases say, have each other's fresh pairs in the log.
    places = {each.head.spec.comparison: at for at, each in reversed([*enumerate(pairs)]) if each.base is not None}
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
    several = [ComparisonGroup(found, tuple(shared)) for found, shared in causes.items() if len(found) > 1]
    return tuple(sorted(several, key=lambda group: -len(group.members))[: len(compared)])


def _causes(pair: Pair) -> frozenset[str]:
    """Return what differs in this comparison that others may share."""
    models = {side.target.model for side in pair.sides}
    is_default = all(side.target.prompt.model is None for side in pair.sides)
    return pair.shared | {DEFAULT_MODEL} if is_default and len(models) > 1 else pair.shared
