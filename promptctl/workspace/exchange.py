"""Prompts moved in from the formats of other tools, and out to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from promptctl.context import Context
    from promptctl.exchange.exporting import Export, ExportRequest
    from promptctl.exchange.imported import ImportReport, ImportRequest


class Exchange:
    """Imports and exports prompts. Both write nothing: `Workspace.write` takes an import's proposal."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def import_files(self, request: ImportRequest) -> ImportReport:
        """Return the files that foreign ones become, with what was kept, changed and dropped of each.

        Raises `UsageError` for a path or a format that is none; what cannot be imported is in the report.
        """
        from promptctl.exchange.importing import import_files

        return import_files(self._context.fresh(), request)

    def export(self, request: ExportRequest) -> Export:
        """Return prompts in a foreign format, or everything that would be lost, if that was not accepted.

        Raises `UsageError` for a format that is none, and `PromptNotFound` or `RevisionNotFound` for a ref.
        """
        from promptctl.exchange.exporting import export

        return export(self._context.fresh(), request)
