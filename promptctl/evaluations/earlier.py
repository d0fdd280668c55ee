"""Earlier evaluations in the log: cases that did not pass, the last command, what need not be done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from promptctl.errors import UsageError

if TYPE_CHECKING:
    from promptctl.evaluations.plan import Plan
    from promptctl.log.results import EvaluationRow
    from promptctl.log.store import Store

_FEW = 100


class FailedCases:
    """The cases that did not pass the last time, or in the evaluation of that id, for one command."""

    def __init__(self, log: Store, evaluation_id: str | None) -> None:
        self._log = log
        self._named = None if evaluation_id is None else log.evaluation(evaluation_id)
        self._is_known = self._named is not None
        self._never: list[str] = []

    def of(self, prompt: str, dataset: str, model: str | None) -> tuple[str, frozenset[str]] | None:
        """Return the model that was asked, and the ids of the cases; None if nothing is known.

        Known are evaluations of the prompt at any version, on the dataset, with the model (with any if None).
        """
        for row in [self._named] if self._named else _newest_first(self._log, prompt=prompt):
            is_same = row.prompt == prompt and row.spec.dataset == dataset and model in (None, row.model)
            if is_same and (self._named or not row.spec.is_part_of_comparison):
                self._is_known = True
                failed = self._log.results(row.id, statuses=("failed", "error"))
                return row.model, frozenset(each.case_id for each in failed)
        if self._named is None:
            asked = f" with {model}" if model else ""
            self._never.append(f"{prompt} has not been evaluated{asked} on {dataset} yet")
        return None

    def finish(self, warn: Callable[[str], None]) -> None:
        """Say what was never evaluated. Raises `UsageError` if nothing ever was."""
        if self._never and not self._is_known:
            raise UsageError(self._never[0], hint="leave --failed out")
        for message in self._never:
            warn(f"{message}, and is left out")


def last_command(log: Store) -> list[EvaluationRow]:
    """The evaluations of the last command, in the order in which they were begun. Raises `UsageError` without any."""
    newest = next((row for row in _newest_first(log) if not row.spec.is_part_of_comparison), None)
    if newest is None:
        raise UsageError("nothing has been evaluated yet", hint="promptctl eval PROMPT")
    return [row for row in reversed(log.evaluations(group=newest.group)) if not row.spec.is_part_of_comparison]


def same_evaluation(log: Store, plan: Plan) -> EvaluationRow | None:
    """Return a finished evaluation of the log that the plan would only repeat, if its replies may be reused.

    Its row says the plan's version: the same content can have been evaluated before its commit, or under another id.
    """
    if plan.spec.replies not in ("cache", "record"):
        return None
    target, version = plan.target, plan.target.version
    for row in _newest_first(log, digest=version.digest, status="finished"):
        is_same = row.prompt == target.prompt.id and row.model == target.model and row.spec.is_same_work(plan.spec)
        if is_same and not row.totals.errors:
            return replace(
                row,
                version=version.number,
                version_display=version.display,
                commit=version.commit,
                is_dirty=version.is_dirty,
                label=version.label,
            )
    return None


def _newest_first(log: Store, **wanted: Any) -> Iterator[EvaluationRow]:
    """Yield evaluations for a search of the newest that fits: few at first, then all of them from the newest on."""
    for limit in (_FEW, None):
        yield from log.evaluations(**wanted, limit=limit)
