"""The judges of a workspace, and people who label replies in their place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptctl.calibrations.labelling import Imported, LabelRequest, ReplyLabelling
    from promptctl.context import Context
    from promptctl.datasets.questions import LabelledReplies


class Judges:
    """Takes labels of people, and says how far people agree."""

    def __init__(self, context: Context) -> None:
        self._context = context

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

    def labels(self, dataset: str) -> LabelledReplies:
        """Return everybody's labels of a dataset: those that count, and those of what it does not ask any more.

        Raises `DatasetNotFound` and `InvalidFiles`.
        """
        from promptctl.calibrations.labels import labelled_replies

        return labelled_replies(self._context.fresh(), dataset)
