"""Foreign files read and rendered as an import would have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from promptctl.errors import InvalidFiles, Problem
from promptctl.exchange.drafts import ForeignContents, PromptDraft, Source
from promptctl.exchange.formats import format_of, named
from promptctl.files.tree import MemoryTree
from promptctl.formats.formatting import file_of
from promptctl.prompts.loading import load_prompt
from promptctl.prompts.rendering import Renderer
from promptctl.templates.environment import PromptEnvironment
from promptctl.templates.limits import Budget, RenderLimits


def source(path: str, text: str | bytes, **beside: str) -> Source:
    """A foreign file, and others beside it by their paths with `__` for `/` and `_dot_` for `.`."""
    files = {name.replace("_dot_", ".").replace("__", "/"): each for name, each in beside.items()}
    data = text.encode() if isinstance(text, str) else text
    return Source(path, data, MemoryTree({**files, path: data}))


def read(path: str, text: str, expected: str, **beside: str) -> ForeignContents:
    """What a file holds that is told from its content to be of the format `expected`."""
    found = source(path, text, **beside)
    format_ = format_of(found)
    assert format_ is not None, "told to be of no format"
    assert format_.name == expected
    return format_.reader().read(found)


def refused(path: str, text: str, format_: str, **beside: str) -> tuple[Problem, ...]:
    """Why a file is refused."""
    with pytest.raises(InvalidFiles) as caught:
        named(format_).reader().read(source(path, text, **beside))
    return tuple(caught.value.problems)


def rendered(
    contents: ForeignContents, inputs: Mapping[str, Any] | None = None, draft: PromptDraft | None = None
) -> list[dict[str, Any]]:
    """The messages of the first prompt, as they would be sent, read back from the file that it becomes."""
    data = (draft or contents.prompts[0]).data
    path = "prompts/it.prompt.yaml"
    files = {f"prompts/{each.path}": each.text for each in contents.files}
    prompt = load_prompt(MemoryTree({**files, path: file_of(path, data, "prompt")}), "it")
    assert prompt.dialect == "native"
    return list(Renderer(prompt).render(dict(inputs or {})).messages)


def said(contents: ForeignContents) -> list[str]:
    """The notes, without the path."""
    return [str(note) for note in contents.notes]


def printed(template: str, **values: Any) -> str:
    """What our templates print for a text."""
    environment = PromptEnvironment(dict.fromkeys(values, True))
    return "".join(environment.chunks(environment.compile_text(template), values, Budget(RenderLimits())))
