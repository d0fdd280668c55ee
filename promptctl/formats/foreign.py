"""Prompt files of other tools: told from their keys, and refused with what they look like and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from promptctl.errors import Problem
from promptctl.files.document import Document

_AS_MESSAGES = "put its text under `messages:`, as `- role: user` with `content: |`"


def foreign_shape(document: Document) -> Problem | None:
    """What the file looks like where it is no prompt of ours; None where nothing speaks against it."""
    data = document.data
    if data is None:
        return _problem(document, "the file is empty", "write at least `messages:` with one message")
    if isinstance(data, list):
        if data and all(isinstance(item, dict) and "role" in item for item in data):
            return _problem(
                document, "this is a list of messages without a prompt around it", "put it under `messages:`"
            )
        return _problem(document, "a prompt is a mapping, this is a list", _AS_MESSAGES)
    if not isinstance(data, dict):
        return _problem(document, "a prompt is a mapping, this is text", _AS_MESSAGES)
    if "messages" in data:
        return None
    for is_shape, name, hint in _SHAPES:
        if is_shape(data):
            return _problem(document, f"this looks like {name}, not like a prompt of promptctl", hint)
    return None


def _problem(document: Document, message: str, hint: str) -> Problem:
    return Problem(message, document.place(), hint, "foreign-format")


def _is_text(data: Mapping[str, Any], *keys: str) -> bool:
    return any(isinstance(data.get(key), str) for key in keys)


def _has(data: Mapping[str, Any], *keys: str) -> bool:
    return any(key in data for key in keys)


_Test = Callable[[Mapping[str, Any]], bool]

_SHAPES: tuple[tuple[_Test, str, str], ...] = (
    (
        lambda data: (
            _is_text(data, "template") and _has(data, "template_format", "input_variables", "execution_settings")
        ),
        "a prompt of Semantic Kernel or LangChain",
        _AS_MESSAGES + ", and its variables under `inputs:`",
    ),
    (lambda data: _has(data, "_type"), "a prompt of LangChain", _AS_MESSAGES + ", and its variables under `inputs:`"),
    (
        lambda data: (
            _has(data, "prompts", "providers") and _has(data, "tests", "providers", "defaultTest", "scenarios")
        ),
        "a promptfoo configuration",
        "write each of its prompts as a file here, and its tests as a dataset below datasets/",
    ),
    (
        lambda data: _has(data, "cases") or (_has(data, "prompts") and _has(data, "defaults", "min_pass")),
        "a dataset",
        "move it below datasets/, without `.prompt` in its name",
    ),
    (
        lambda data: _has(data, "$schema", "$defs", "properties") or data.get("type") == "object",
        "a JSON Schema",
        "name it <name>.schema.yaml",
    ),
    (
        lambda data: _has(data, "sample", "authors") and isinstance(data.get("model"), dict),
        "the header of a Prompty file",
        _AS_MESSAGES + "; `model.configuration` becomes `model`, `sample` a case of a dataset",
    ),
    (
        lambda data: _is_text(data, "system", "prompt", "user", "template", "text", "instructions", "content"),
        "a template of another tool, with its text under a key of its own",
        _AS_MESSAGES + "; a system prompt as `- role: system`",
    ),
)
