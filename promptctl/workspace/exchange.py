"""Prompts moved in from the formats of other tools, and out to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.exchange.exporting import Export, ExportRequest
    from promptctl.exchange.history.plan import RegistryHistory
    from promptctl.exchange.history.writing import WrittenHistory
    from promptctl.exchange.imported import ImportReport, ImportRequest


class Exchange:
    """Imports and exports prompts. Both write nothing.

    `Workspace.write` takes an import's proposal, `write_history` the past of a registry's prompts.
    """

    def __init__(self, context: Context) -> None:
        self._context = context

    def import_files(self, request: ImportRequest) -> ImportReport:
        """Return the files that foreign ones become, with what was kept, changed and dropped of each.

        Raises `UsageError` for a path or a format that is none; what cannot be imported is in the report.
        """
        from promptctl.exchange.importing import import_files

        return import_files(self._context.fresh(), request)

    def write_history(self, history: RegistryHistory) -> WrittenHistory:
        """Make the commits of an import's history on the current branch, all or none, and move its labels.

        Raises `GitError` and `WorkspaceError`, for a branch or a file that is not as it was; nothing has changed then.
        """
        from promptctl.exchange.history.writing import write_history

        return write_history(self._context.fresh(), history)

    def export(self, request: ExportRequest) -> Export:
        """Return prompts in a foreign format, or everything that would be lost, if that was not accepted.

        Raises `UsageError` for a format that is none, and `PromptNotFound` or `RevisionNotFound` for a ref.
        """
        from promptctl.exchange.exporting import export

        return export(self._context.fresh(), request)
