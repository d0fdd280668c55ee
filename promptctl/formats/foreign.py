"""Prompt files of other tools: told from their keys, and refused with what they look like and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.errors import Problem
from promptctl.files.document import Document

_AS_MESSAGES = "put its text under `messages:`, as `- role: user` with `content: |`"
_WITH_INPUTS = _AS_MESSAGES + ", and its variables under `inputs:`"


def foreign_shape(document: Document) -> Problem | None:
    """Return the problem of a file without `messages`, with what it looks like; None if it looks like a prompt."""
    data = document.data
    found: tuple[str, str] | None = None
    if data is None:
        found = "the file is empty", "write at least `messages:` with one message"
    elif isinstance(data, list) and data and all(isinstance(item, dict) and "role" in item for item in data):
        found = "this is a list of messages without a prompt around it", "put it under `messages:`"
    elif not isinstance(data, dict):
        found = f"a prompt is a mapping, this is {'a list' if isinstance(data, list) else 'text'}", _AS_MESSAGES
    elif (shape := _shape(data)) is not None:
        found = f"this looks like {shape[0]}, not like a prompt of promptctl", shape[1]
    return None if found is None else Problem(found[0], document.place(), found[1], "foreign-format")


def _shape(data: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the name of a foreign kind of file, and what to do with one."""

    def has(*keys: str) -> bool:
        return any(key in data for key in keys)

    def has_text(*keys: str) -> bool:
        return any(isinstance(data.get(key), str) for key in keys)

    if has_text("template") and has("template_format", "input_variables", "execution_settings"):
        return "a prompt of Semantic Kernel or LangChain", _WITH_INPUTS
    if has("_type"):
        return "a prompt of LangChain", _WITH_INPUTS
    if has("prompts", "providers") and has("tests", "providers", "defaultTest", "scenarios"):
        hint = "write each of its prompts as a file here, and its tests as a dataset below datasets/"
        return "a promptfoo configuration", hint
    if has("cases") or (has("prompts") and has("defaults", "min_pass")):
        return "a dataset", "move it below datasets/, without `.prompt` in its name"
    if has("$schema", "$defs", "properties") or data.get("type") == "object":
        return "a JSON Schema", "name it <name>.schema.yaml"
    if has("sample", "authors") and isinstance(data.get("model"), dict):
        hint = _AS_MESSAGES + "; `model.configuration` becomes `model`, `sample` a case of a dataset"
        return "the header of a Prompty file", hint
    if has_text("system", "prompt", "user", "template", "text", "instructions", "content"):
        hint = _AS_MESSAGES + "; a system prompt as `- role: system`"
        return "a template of another tool, with its text under a key of its own", hint
    return None
