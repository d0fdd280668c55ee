"""Ends an evaluation as soon as it is decided, so that no request is paid for that could change nothing.

By itself it is decided once it failed, whatever the cases not yet asked answer. It never passes early: one of them may
end in an error, and then it is incomplete. A comparison has its own rule: see `promptctl.comparisons.deciding`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from promptctl.datasets.cases import Case
from promptctl.datasets.selection import drawn_rank
from promptctl.evaluations.evaluation import Summary
from promptctl.evaluations.outcomes import CaseResults, case_results
from promptctl.evaluations.plan import Plan
from promptctl.log.results import EvaluationSpec, ResultRow


class Until(Protocol):
    """Takes the cases of one evaluation, or of both sides of a comparison, and says when they are decided."""

    def order(self, plan: Plan, cases: Iterable[Case]) -> Iterator[tuple[int, Case]]:
        """Yield the cases in the order in which they are asked, each with its place in the dataset."""

    def heed(self, plan: Plan, case: CaseResults) -> bool:
        """Take in a case that has all its repeats; return True once nothing more need be asked."""


def until_of(plan: Plan) -> Until | None:
    """Return what ends an evaluation by itself. One that was decided before is taken up again to be made whole."""
    was_decided = plan.resumes is not None and plan.resumes.totals.stopped == "decided"
    return None if plan.spec.until is None or plan.spec.side != "alone" or was_decided else UntilJudged(plan.spec)


def in_random_order(cases: Iterable[Case], seed: int, group: Callable[[Case], Any]) -> Iterator[tuple[int, Case]]:
    """Yield cases with their places, group by group, each in the order of the seed, which is the same every time."""
    return iter(sorted(enumerate(cases), key=lambda each: (group(each[1]), drawn_rank(seed, each[1].id))))


def is_hard(case: Case) -> bool:
    """Return True if the case alone can fail an evaluation, however many others pass."""
    return case.must_pass or case.is_xfail_strict


class Gathering:
    """Gathers the repeats of cases."""

    def __init__(self, spec: EvaluationSpec) -> None:
        self._spec = spec
        self._rows: dict[str, list[ResultRow]] = {}

    def add(self, row: ResultRow) -> CaseResults | None:
        """Return the case once it has all its repeats."""
        rows = self._rows.setdefault(row.case_id, [])
        rows.append(row)
        if len(rows) < self._spec.repeats:
            return None
        del self._rows[row.case_id]
        return next(case_results(sorted(rows, key=lambda each: each.repeat), self._spec.at_least))


class UntilJudged:
    """Ends an evaluation by itself, once it failed for sure. Cases that can fail it alone are asked first."""

    def __init__(self, spec: EvaluationSpec) -> None:
        self._summary = Summary(spec.cases, spec.repeats, spec.at_least)

    def order(self, plan: Plan, cases: Iterable[Case]) -> Iterator[tuple[int, Case]]:
        """Yield the cases that can fail it alone, then the others, in the order of the seed."""
        return in_random_order(cases, plan.spec.seed, lambda case: not is_hard(case))

    def heed(self, plan: Plan, case: CaseResults) -> bool:
        """Take in a case; return True once the verdict is sure."""
        self._summary.add(case)
        return self._summary.verdict(plan.spec.min_pass)[0] == "failed"
