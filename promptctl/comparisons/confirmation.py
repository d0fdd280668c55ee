"""Flipped cases run again: which of the flips hold, and which were noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.comparisons.comparison import Comparison
    from promptctl.evaluations.case_outcomes import CaseStatus


@dataclass(frozen=True, slots=True)
class Rerun:
    """The statuses of one flipped case, run again, fresh, on each side."""

    case_id: str
    base: tuple[CaseStatus, ...]
    head: tuple[CaseStatus, ...]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Flipped cases, by id, that held when both sides were run again."""

    regressions: tuple[str, ...] = ()
    improvements: tuple[str, ...] = ()


def confirm(comparison: Comparison, reruns: Sequence[Rerun], *, runs: int = 3) -> Confirmed:
    """Return the flipped cases that held: at least `runs` fresh runs on each side, all in agreement with the flip."""

    def held(statuses: tuple[CaseStatus, ...], wanted: CaseStatus) -> bool:
        return len(statuses) >= runs and set(statuses) == {wanted}

    regressed = {pair.case_id for pair in comparison.regressed}
    improved = {pair.case_id for pair in comparison.improved}
    return Confirmed(
        regressions=tuple(
            run.case_id
            for run in reruns
            if run.case_id in regressed and held(run.base, "passed") and held(run.head, "failed")
        ),
        improvements=tuple(
            run.case_id
            for run in reruns
            if run.case_id in improved and held(run.base, "failed") and held(run.head, "passed")
        ),
    )
