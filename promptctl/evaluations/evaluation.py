"""One evaluation as it stands in the log: begun, finished, or read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from promptctl.errors import LogError
from promptctl.evaluations.outcomes import CaseResults, case_results
from promptctl.evaluations.summary import EvaluationVerdict, Summary, summarise
from promptctl.log.results import EvaluationRow, StopReason, Totals
from promptctl.log.store import Store


@dataclass(frozen=True, slots=True)
class Evaluation:
    """An evaluation of the log in numbers, with its verdict. `stopped` says what ended it early."""

    row: EvaluationRow
    summary: Summary
    totals: Totals
    verdict: EvaluationVerdict
    reason: str
    stopped: StopReason | None = None

    @property
    def min_pass(self) -> float:
        """The share of all cases that must pass."""
        return self.row.spec.min_pass


def finish(log: Store, row: EvaluationRow, stopped: StopReason | None, on_warning: Callable[[str], None]) -> Evaluation:
    """Count an evaluation and say in the log how it ended; what ended it early matters only if something is left.

    A log that cannot be read or written leaves it incomplete: what it did not take waits in files beside it.
    """
    try:
        summary = _summary(log, row, stopped)
        found = _judged(row, summary, stopped if summary.is_unfinished else None)
        status = "incomplete" if summary.is_unfinished else "finished"
        log.update_evaluation(row.id, status=status, totals=found.totals)
        return replace(found, row=replace(row, status=status, totals=found.totals))
    except LogError as error:
        on_warning(f"{error.message}; the evaluation can be resumed once the log can be written")
        summary = Summary(row.spec.cases, row.spec.repeats, row.spec.at_least)
        return Evaluation(row, summary, Totals(), "incomplete", "the log could not be written to its end", "log")


def load(log: Store, row: EvaluationRow) -> Evaluation:
    """Return the evaluation of a row of the log, counted anew from its results."""
    stopped = row.totals.stopped
    return _judged(row, _summary(log, row, stopped), stopped)


def cases_of(log: Store, row: EvaluationRow) -> list[CaseResults]:
    """Return the cases of an evaluation that have all their repeats, in the order of its dataset."""
    cases = case_results(log.results(row.id), row.spec.at_least)
    return [case for case in cases if len(case.rows) >= row.spec.repeats]


def _summary(log: Store, row: EvaluationRow, stopped: StopReason | None) -> Summary:
    spec = row.spec
    is_decided = stopped == "decided" and spec.side == "alone"
    return summarise(spec, case_results(log.results(row.id), spec.at_least), is_decided=is_decided)


def _judged(row: EvaluationRow, summary: Summary, stopped: StopReason | None) -> Evaluation:
    verdict, reason = summary.verdict(row.spec.min_pass)
    if row.spec.code_left_out:
        reason += f"; {row.spec.code_left_out}"
    return Evaluation(row, summary, summary.totals(row.spec.min_pass, stopped), verdict, reason, stopped)
