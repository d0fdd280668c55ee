"""One prompt file as plain data: its dialect told from its content, its shape checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.errors import InvalidFiles, Problem
from promptctl.files.document import Document
from promptctl.files.names import PLACEHOLDER, nearest
from promptctl.files.yaml_reader import read_yaml
from promptctl.formats.schemas import structure_of

Dialect = Literal["native", "github"]

# Keys that only a native file has. `tags` and `metadata` are often added to GitHub's files as well.
_NATIVE_KEYS = frozenset(
    (
        "parameters",
        "inputs",
        "template",
        "output",
        "response_format",
        "tools",
        "status",
        "successor",
        "formerly",
        "copied_from",
    )
)
_LOOSE_NATIVE_KEYS = frozenset(("tags", "metadata"))
_SHARED_KEYS = ("name", "description", "model", "messages")
_MEANT_FOR_OURS = (
    *_NATIVE_KEYS,
    *_LOOSE_NATIVE_KEYS,
    *_SHARED_KEYS,
    "temperature",
    "top_p",
    "settings",
    "options",
    "deprecated",
)
_NATIVE_FOR = {
    "modelParameters": "`parameters`",
    "responseFormat": "`output` or `response_format`",
    "jsonSchema": "`output`",
    "testData": "a dataset below datasets/",
    "evaluators": "a dataset below datasets/",
}
# What GitHub's `{{name}}` never is: blocks, comments, spaces, filters.
_JINJA = re.compile(r"\{[%#]|\{\{-?\s|\{\{[\w.]+\s*[|(\[]")


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
    document = _read(data, path)
    if not isinstance(document.data, dict) or "messages" not in document.data:
        from promptctl.formats.foreign import foreign_shape, foreign_text

        is_text = isinstance(document.data, str)
        foreign = (foreign_text(data.decode(), path) if is_text else None) or foreign_shape(document)
        if foreign is not None:
            raise InvalidFiles([foreign])
    if dialect_of(document) == "github":
        from promptctl.formats.github_dialect import read_github_prompt

        prompt = read_github_prompt(document)
        return PromptFile(path, "github", prompt.data, document, prompt.inline_dataset, prompt.problems)
    problems = structure_of("prompt").check(document) + _contradictions(document)
    if problems:
        raise InvalidFiles(problems)
    return PromptFile(path, "native", document.data, document)


def _read(data: bytes, path: str) -> Document:
    """Return the file's YAML. Raises `InvalidFiles`: with one problem if its text is that of another tool."""
    try:
        return read_yaml(data, path)
    except InvalidFiles:
        from promptctl.formats.foreign import foreign_text

        foreign = foreign_text(data.decode("utf-8", "replace"), path)
        if foreign is None:
            raise
        raise InvalidFiles([foreign]) from None


def dialect_of(document: Document) -> Dialect:
    """Return whose file it is, by its keys or its templates. Raises `InvalidFiles` for a mixture."""
    data = document.data
    native = [key for key in data if key in _NATIVE_KEYS]
    github = [key for key in data if key in _NATIVE_FOR]
    if native and github:
        raise InvalidFiles(
            [
                Problem(
                    f"`{key}` is GitHub's and `{native[0]}` is promptctl's: one file cannot mix the two",
                    document.key_place(key),
                    f"use {_NATIVE_FOR[key]} in its place",
                    "mixed-dialects",
                )
                for key in github
            ]
        )
    if native or github:
        return "native" if native else "github"
    if not _LOOSE_NATIVE_KEYS.isdisjoint(data):
        return "native"
    texts = _plain_texts(data.get("messages"))
    if any(map(PLACEHOLDER.search, texts)):
        return "github"
    # A key that neither has is passed over in GitHub's files; a typo of one of ours makes the file no other's.
    unknown = [key for key in data if key not in _SHARED_KEYS]
    is_foreign = bool(texts and unknown) and not any(nearest(key, _MEANT_FOR_OURS) for key in unknown)
    return "github" if is_foreign else "native"


def _plain_texts(messages: Any) -> list[str]:
    """Return the texts of messages that are all text without anything that only Jinja has; none for any others."""
    if not isinstance(messages, list):
        return []
    texts: list[str] = []
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if not isinstance(content, str) or _JINJA.search(content):
            return []
        texts.append(content)
    return texts


def _contradictions(document: Document) -> list[Problem]:
    """Keys that are each sound and cannot stand together."""
    data = document.data
    problems: list[Problem] = []
    if "response_format" in data and "output" in data:
        place = document.key_place("response_format")
        hint = "remove it: `output.schema` says the form of the reply"
        problems.append(Problem("`response_format` cannot stand beside `output`", place, hint, "contradiction"))
    if "successor" in data and data.get("status", "active") == "active":
        place, hint = document.key_place("successor"), "write `status: deprecated` beside it, or remove it"
        problems.append(Problem("an active prompt has no `successor`", place, hint, "contradiction"))
    inputs = data.get("inputs")
    for name, schema in inputs.items() if isinstance(inputs, dict) else ():
        if isinstance(schema, dict) and "default" in schema and schema.get("required") is True:
            place = document.key_place("inputs", name, "required")
            message = f"`{name}` has a default, so it cannot be required"
            problems.append(Problem(message, place, "remove one of the two", "contradiction"))
    return problems
