"""Prompts on their way to a foreign format: what is exported, what comes out, and what is lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from promptctl.exchange.notes import ExportLoss

if TYPE_CHECKING:
    from promptctl.files.document import Document
    from promptctl.prompts.prompt import Prompt
    from promptctl.versions.prompt_at_version import PromptAtVersion


@dataclass(frozen=True, slots=True)
class DatasetToWrite:
    """A dataset that tests an exported prompt: the keys of its file, with the cases of a file beside it put in."""

    path: str
    data: Mapping[str, Any]
    document: Document


@dataclass(frozen=True, slots=True)
class PromptToWrite:
    """A prompt at a version, the keys of its native file (`document` knows their places), and its datasets."""

    at: PromptAtVersion
    data: Mapping[str, Any]
    document: Document
    datasets: tuple[DatasetToWrite, ...] = ()

    @property
    def prompt(self) -> Prompt:
        """The prompt, with its closure."""
        return self.at.prompt


@dataclass(frozen=True, slots=True)
class Written:
    """Files of a foreign format, path to bytes, and everything of the prompts that they do not say."""

    files: Mapping[str, bytes]
    losses: tuple[ExportLoss, ...] = ()
