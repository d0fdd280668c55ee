"""The judges of a workspace, and people who label replies in their place."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from promptctl.workspace.evaluating import in_session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from promptctl.calibrations.agreement import AgreementReport
    from promptctl.calibrations.calibrating import Calibrated, CalibrationRequest
    from promptctl.calibrations.labelling import Imported, LabelItem, LabelRequest, ReplyLabelling
    from promptctl.calibrations.listing import JudgeStatus
    from promptctl.calls.loop import LoopThread
    from promptctl.context import Context
    from promptctl.datasets.questions import LabelledReplies
    from promptctl.evaluations.estimate import Estimate
    from promptctl.evaluations.session import OnProgress


class Judges:
    """Takes labels of people, and says how far people agree, among themselves and with a judge."""

    def __init__(self, context: Context, waiting: Callable[[str], LoopThread]) -> None:
        self._context = context
        self._waiting = waiting

    def label(self, request: LabelRequest) -> ReplyLabelling:
        """Return the replies to label, and what writes a person's labels of them.

        Raises `DatasetNotFound`, `InvalidFiles`, and `UsageError` if there is no reply or no question to label.
        """
        from promptctl.calibrations.labelling import ReplyLabelling

        return ReplyLabelling(self._context.fresh(), request)

    def import_labels(self, dataset: str, file: str | os.PathLike[str]) -> Imported:
        """Check the labels of a file that a page saved, and propose the files of labels with them; nothing is written.

        Raises `InvalidFiles` for whatever is wrong with a line, and `WorkspaceError` for a file that cannot be read.
        """
        from promptctl.calibrations.labelling import import_labels

        return import_labels(self._context.fresh(), dataset, Path(file))

    def write_page(self, labelling: ReplyLabelling, items: Sequence[LabelItem], file: str | os.PathLike[str]) -> None:
        """Write a page on which the person labels these items offline, and saves a file for `import_labels`.

        Raises `UsageError` for a suffix other than .html.
        """
        from promptctl.reports.labelling import write_label_page

        write_label_page(Path(file), labelling, items)

    def agreement(self, dataset: str) -> AgreementReport:
        """Return how far the people who labelled a dataset agree, and about which replies they do not.

        Raises `WorkspaceError` if nobody has labelled it, `DatasetNotFound`, and `InvalidFiles`.
        """
        from promptctl.calibrations.agreement import agreement

        return agreement(self._context.fresh(), dataset)

    def labels(self, dataset: str) -> LabelledReplies:
        """Return everybody's labels of a dataset: those that count, and those of what it does not ask any more.

        Raises `DatasetNotFound` and `InvalidFiles`.
        """
        from promptctl.calibrations.agreement import labelled_replies

        return labelled_replies(self._context.fresh(), dataset)

    def calibrate(self, request: CalibrationRequest, on_progress: OnProgress | None = None) -> Calibrated:
        """Ask a judge for its verdicts on the replies that people labelled, and measure how well it agrees with them.

        Nothing is written: the result has the `proposal` of the judge's file. Raises `PromptNotFound` for an unknown
        judge, `WorkspaceError` without a label of a reply that it grades, `ModelConfigurationError` if it cannot be
        asked, and `Incomplete` if it was not asked for every verdict.
        """
        from promptctl.calibrations.calibrating import calibrate, plan_calibration

        context, loop = self._context.fresh(), self._waiting("Judges.calibrate from a thread of its own")
        planned = plan_calibration(context, request)
        work = partial(calibrate, context, planned)
        return in_session(context, work, request.limits, on_progress, loop)

    def estimate(self, request: CalibrationRequest) -> Sequence[Estimate]:
        """Return what `calibrate` would ask and cost at most; nothing is asked."""
        from promptctl.calibrations.calibrating import plan_calibration
        from promptctl.calibrations.estimating import estimate_calibration

        context = self._context.fresh()
        planned = plan_calibration(context, request)
        return self._waiting("Judges.estimate from a thread of its own").run(estimate_calibration(context, planned))

    def list(self) -> list[JudgeStatus]:
        """Return the judges that datasets ask, each with what is known of its agreement with people."""
        from promptctl.calibrations.listing import list_judges

        return list_judges(self._context.fresh())
