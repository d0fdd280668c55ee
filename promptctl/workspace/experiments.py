"""The experiments of a workspace: who gets which version, what is known of each, and how it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

if TYPE_CHECKING:
    from collections.abc import Sequence

    from promptctl.calls.prepare import RunOptions
    from promptctl.context import Context
    from promptctl.experiments.drawing import Assignment
    from promptctl.experiments.ending import Ending
    from promptctl.experiments.report import ExperimentReport
    from promptctl.experiments.status import ExperimentStatus


class Experiments:
    """Shows the experiments of `promptctl.yaml` and what they found, and ends them."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def all(self) -> list[ExperimentStatus]:
        """Return every experiment of the settings as it stands now, in their order."""
        from promptctl.experiments.status import experiment_statuses

        return experiment_statuses(self._context.fresh())

    def experiment(self, name: str) -> ExperimentStatus:
        """Return one experiment as it stands now. Raises `ExperimentNotFound`."""
        from promptctl.experiments.status import experiment_status

        return experiment_status(self._context.fresh(), name)

    def report(self, name: str) -> ExperimentReport:
        """Return what the calls of an experiment say, true however often it is read. Raises `ExperimentNotFound`."""
        from promptctl.experiments.ending import report_of

        return report_of(self._context.fresh(), name)

    def stop(self, name: str, reason: str) -> Ending:
        """Stop an experiment in `promptctl.yaml`: everybody gets the version of control.

        Raises `UsageError` without a reason, and `ExperimentNotFound`.
        """
        from promptctl.experiments.ending import stop

        return stop(self._context.fresh(), name, reason)

    def promote(self, name: str, arm: str | None = None, *, reason: str = "", is_forced: bool = False) -> Ending:
        """Move the label of control to the version of a better arm, by default the best, with the report as evidence.

        Raises `LabelRefused` if the report does not say that it is better, unless `is_forced` for a reason, or if a
        rule of the label stops the move.
        """
        from promptctl.experiments.ending import promote

        return promote(self._context.fresh(), name, arm, reason=reason, is_forced=is_forced)

    def step(self, names: Sequence[str] = ()) -> list[Ending]:
        """Do what `ends` says of each experiment, or of those named, that is decided. Done again, it does nothing."""
        from promptctl.experiments.ending import step

        return step(self._context.fresh(), names)

    def draw(self, ref: str, **options: Unpack[RunOptions]) -> Assignment:
        """Return the prompt that a call with these options would get, and the arm that it is; nothing is asked.

        Raises what `run` raises of an experiment, its name and its key.
        """
        from promptctl.experiments.drawing import assign

        return assign(self._context.fresh(), ref, options)
