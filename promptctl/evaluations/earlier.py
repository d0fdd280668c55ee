"""Finds earlier evaluations in the log: the last one of something, what did not pass in it, what is left unfinished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from promptctl.errors import UsageError
from promptctl.evaluations.plan import Plan
from promptctl.evaluations.request import ResumeRequest
from promptctl.log.results import EvaluationRow
from promptctl.log.store import Store

_RECENT = 1000


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Subject of evaluations: a prompt at any version, on one dataset, with one model (with any if None)."""

    prompt: str
    dataset: str
    model: str | None = None

    def is_of(self, row: EvaluationRow) -> bool:
        """Return True if the evaluation has this subject."""
        is_same = row.prompt == self.prompt and row.spec.dataset == self.dataset
        return is_same and (self.model is None or row.model == self.model)


def last_evaluation(log: Store, wanted: Evaluated, evaluation_id: str | None = None) -> EvaluationRow | None:
    """Return the last evaluation of that, or the one of that id; None if there was none, or it is of something else."""
    if evaluation_id is not None:
        named = log.evaluation(evaluation_id)
        return named if wanted.is_of(named) else None
    recent = log.evaluations(prompt=wanted.prompt, limit=_RECENT)
    return next((row for row in recent if wanted.is_of(row) and not row.spec.is_part_of_comparison), None)


def last_command(log: Store) -> list[EvaluationRow]:
    """The evaluations of the last command, in the order in which they were begun. Raises `UsageError` without any."""
    recent = [row for row in log.evaluations(limit=_RECENT) if not row.spec.is_part_of_comparison]
    if not recent:
        raise UsageError("nothing has been evaluated yet", hint="promptctl eval PROMPT")
    return _of_one_command(recent)


def failed_cases(log: Store, row: EvaluationRow) -> frozenset[str]:
    """The ids of the cases that did not pass."""
    return frozenset(each.case_id for each in log.results(row.id, statuses=("failed", "error")))


def unfinished(log: Store, request: ResumeRequest, is_running: Callable[[str], bool]) -> list[EvaluationRow]:
    """Return the evaluations to take up again: all of one command, the oldest first.

    Those of a command that `is_running`, by its group, are passed over. Raises `UsageError` if there are none.
    """
    if request.evaluation is not None:
        return [log.evaluation(request.evaluation)]
    recent = [row for row in log.evaluations(limit=_RECENT) if not row.spec.is_part_of_comparison]
    if request.prompts:
        recent = [row for row in recent if row.prompt in request.prompts]
    with_errors = [row for row in recent if row.totals.errors]
    waiting = [row for row in recent if row.status != "finished" or (request.retries_errors and row in with_errors)]
    free = [row for row in waiting if not is_running(row.group)]
    if free:
        return _of_one_command(free)
    if waiting:
        raise UsageError("what is unfinished is being run by another process", hint="wait for its end, or stop it")
    hint = "see them with: promptctl results list"
    if with_errors and not request.retries_errors:
        hint = f"to ask again for what ended in an error: promptctl eval resume {with_errors[0].id[-8:]} --retry-errors"
    raise UsageError("no evaluation is left unfinished", hint=hint)


def same_evaluation(log: Store, plan: Plan) -> EvaluationRow | None:
    """Return a finished evaluation of the log that the plan would only repeat, if its replies may be reused."""
    if plan.spec.replies not in ("cache", "record"):
        return None
    target = plan.target
    for row in log.evaluations(digest=target.version.digest, status="finished", limit=50):
        is_same = row.prompt == target.prompt.id and row.model == target.model and row.spec.is_same_work(plan.spec)
        if is_same and not row.totals.errors:
            return row
    return None


def _of_one_command(rows: list[EvaluationRow]) -> list[EvaluationRow]:
    """Return the evaluations of the newest one's command, the oldest first."""
    return [row for row in reversed(rows) if row.group == rows[0].group]
