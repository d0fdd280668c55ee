"""One prompt file as plain data: its dialect told from its content, its shape checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.errors import Problem
from promptctl.formats.yaml_reader import Document

Dialect = Literal["native", "github"]


@dataclass(frozen=True, slots=True)
class PromptFile:
    """A prompt file of sound shape. `data` has the native keys whatever the dialect; `problems` are warnings.

    `document` is the file as it stands, for places; `inline_dataset` is what GitHub's dialect keeps beside the prompt
    (`testData`, `evaluators`), as plain data.
    """

    path: str
    dialect: Dialect
    data: Mapping[str, Any]
    document: Document
    inline_dataset: Mapping[str, Any] | None = None
    problems: tuple[Problem, ...] = ()


def read_prompt_file(data: bytes, path: str) -> PromptFile:
    """Read a prompt file of either dialect. Raises `InvalidFiles` with every problem of its shape."""
    raise NotImplementedError
