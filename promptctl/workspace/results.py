"""The results of a workspace: evaluations of the past, out of the log."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from promptctl.errors import CaseNotFound
from promptctl.files.names import did_you_mean
from promptctl.files.wording import name_some

if TYPE_CHECKING:
    from promptctl.comparisons.compared import Compared
    from promptctl.comparisons.together import JointVerdict
    from promptctl.context import Context
    from promptctl.evaluations.evaluation import Evaluation
    from promptctl.evaluations.outcomes import CaseResults
    from promptctl.evaluations.trend import Trend
    from promptctl.log.results import EvaluationRow, ResultRow, ResultStatus


class Results:
    """Reads, exports and deletes evaluations. One is named by its id or a unique beginning or end of it."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def evaluations(
        self,
        *,
        prompt: str | None = None,
        status: str | None = None,
        verdict: str | None = None,
        dataset: str | None = None,
        before: str | None = None,
        limit: int | None = None,
    ) -> list[EvaluationRow]:
        """Return the rows of evaluations, newest first; `prompt` is an id or a glob, `dataset` the path of one.

        With `before`, the whole id of an evaluation, those that come after it in the list. Raises `PromptNotFound` for
        an id that is neither in the files nor in the log.
        """
        from promptctl.workspace.names import check_logged_prompt

        check_logged_prompt(self._context.fresh(), prompt)
        log = self._context.log
        return log.evaluations(
            prompt=prompt, status=status, verdict=verdict, dataset=dataset, before=before, limit=limit
        )

    def row(self, wanted: str) -> EvaluationRow:
        """Return the row of one evaluation, with the totals that it ended with; raises what `evaluation` raises."""
        return self._context.log.evaluation(wanted)

    def is_running(self, row: EvaluationRow) -> bool:
        """Return True if a process is running the evaluation now."""
        from promptctl.evaluations.claims import is_claimed

        return is_claimed(self._context.state_folder, row.group)

    def evaluation(self, wanted: str) -> Evaluation:
        """Return one evaluation, counted from its results.

        Raises `UsageError` for fewer than 4 characters of an id, and `LogError` if none or several match.
        """
        from promptctl.evaluations.evaluation import load

        return load(self._context.log, self._context.log.evaluation(wanted))

    def cases(self, wanted: str, *, status: ResultStatus | None = None, first: int = 0) -> Iterator[CaseResults]:
        """Yield what became of each case of an evaluation, in the order of its dataset, with every reply.

        With a `status` those cases alone that came to it; `first` is the position in the dataset to begin at.
        """
        from promptctl.evaluations.outcomes import case_results

        row = self._context.log.evaluation(wanted)
        told = (status,) if status is not None and row.spec.repeats == 1 else ()  # of repeats, all decide together
        cases = case_results(self._context.log.results(row.id, statuses=told, first=first), row.spec.at_least)
        return (case for case in cases if status in (None, case.outcome.status))

    def case(self, wanted: str, case_id: str) -> CaseResults:
        """Return what became of one case of an evaluation. Raises `CaseNotFound` if it has none of that id."""
        ids = []
        for case in self.cases(wanted):
            if case.outcome.case_id == case_id:
                return case
            ids.append(case.outcome.case_id)
        hint = did_you_mean(case_id, ids) or f"its cases are {name_some(ids)}"
        raise CaseNotFound(f"evaluation `{wanted}` has no case `{case_id}`", hint=hint)

    def messages(self, row: ResultRow) -> dict[str, Any]:
        """Return a result's rendered messages under the key `messages`: None if the log does not keep them."""
        from promptctl.reports.asked import AskedMessages

        return AskedMessages(self._context.log).as_dict(row)

    def last_command(self) -> list[EvaluationRow]:
        """Return the evaluations that were begun together last. Raises `UsageError` if there are none."""
        from promptctl.evaluations.earlier import last_command

        return last_command(self._context.log)

    def trend(self, ref: str, dataset: str | None = None, model: str | None = None) -> Trend:
        """Follow a prompt from version to version, up to the one that the ref names.

        `dataset` is a name or path; dataset and model are by default those of the newest evaluation.
        """
        from promptctl.evaluations.trend import trend

        return trend(self._context.fresh(), ref, dataset, model)

    def export(self, evaluations: Sequence[Evaluation], file: str | os.PathLike[str]) -> None:
        """Write evaluations with every result: .json .jsonl .csv .md .xml .html, by the file's suffix."""
        from promptctl.reports.files import write_report

        write_report(Path(file), self._context.fresh(), evaluations)

    def export_comparisons(
        self,
        compared: Sequence[Compared],
        file: str | os.PathLike[str],
        alone: Sequence[Evaluation] = (),
        together: Sequence[JointVerdict] = (),
    ) -> None:
        """Write comparisons with every result of both sides, and evaluations that were compared with nothing.

        `together` are those of `Against`.
        """
        from promptctl.comparisons.compared import Against
        from promptctl.reports.comparison_files import write_comparisons

        found = Against(tuple(compared), tuple(alone), together=tuple(together))
        write_comparisons(Path(file), self._context.fresh(), found)

    def export_trend(self, trend: Trend, file: str | os.PathLike[str]) -> None:
        """Write a trend as a page with charts, and with every case of its evaluations."""
        from promptctl.reports.trend_page import write_trend

        write_trend(Path(file), self._context.fresh(), trend)

    def delete(self, wanted: Sequence[str]) -> list[tuple[EvaluationRow, int]]:
        """Delete evaluations; return each with how many results it had. Their executions stay in the log.

        Raises `UsageError`, and deletes nothing, if a process is running one of them.
        """
        from promptctl.evaluations.claims import refuse_claimed

        log = self._context.log
        rows = [log.evaluation(each) for each in wanted]
        refuse_claimed(self._context.state_folder, rows)
        return [(row, log.delete_evaluation(row.id)) for row in rows]
