"""A request to import files of other tools, and its report: proposed files, and the fate of every part."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.errors import OK, WORKSPACE, Problem
from promptctl.exchange.drafts import ImportNote, counted
from promptctl.exchange.history.plan import RegistryHistory
from promptctl.files.plain import record_data
from promptctl.files.proposal import Proposal


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRequest:
    """Files and folders to import, as paths from the current folder.

    `format` is the name of their format, by default told from each file's content. Ids begin with the folder `into`;
    `id` is that of the only prompt. With `replaces`, files of the workspace with other content are overwritten. Of
    prompts that a registry kept in several versions each becomes a commit, unless only the `latest` is wanted.
    """

    paths: Sequence[str | os.PathLike[str]]
    format: str | None = None
    into: str = ""
    id: str | None = None
    replaces: bool = False
    latest: bool = False


@dataclass(frozen=True, slots=True)
class ImportedSource:
    """One foreign file: its format, the ids of its prompts, the files that it becomes, and the fate of its parts."""

    path: str
    format: str
    prompts: tuple[str, ...]
    files: tuple[str, ...]
    notes: tuple[ImportNote, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self, counts=counted(self.notes))


@dataclass(frozen=True, slots=True)
class ImportReport:
    """Everything that an import found; nothing is written yet.

    The `proposal` has the files that are not in commits of the `history`.
    `refused` says why files, or parts of them, are not imported; `passed_over` are files of folders that are of no
    known format; `ours` counts those that are promptctl's own already.
    """

    sources: tuple[ImportedSource, ...]
    refused: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    passed_over: tuple[str, ...]
    ours: int
    proposal: Proposal
    history: RegistryHistory = field(default_factory=RegistryHistory)

    @property
    def exit_code(self) -> int:
        """3 if a file was refused."""
        return WORKSPACE if self.refused else OK

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON object with stable keys."""
        return record_data(self, without=("proposal",))
