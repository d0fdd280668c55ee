"""Schemas of a prompt that are none: no reply could be checked with them, and no tool be called by them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from promptctl.errors import InvalidFiles, Place, Problem
from promptctl.prompts.prompt import Prompt
from promptctl.schemas.json_schema import check_schema

_MOST_KEPT = 1000


class SoundPrompts:
    """Digests of prompts whose schemas are JSON Schemas: finding that out may take longer than the rest of a call."""

    def __init__(self) -> None:
        self._digests: set[str] = set()

    def check(self, prompt: Prompt) -> None:
        """Raise `InvalidFiles`, as `validate` reports it, if a schema of the prompt is no JSON Schema."""
        if prompt.digest in self._digests:
            return
        schemas = ((keys, schema) for keys, schema in _schemas(prompt) if check_schema(schema))
        if problems := [problem for keys, schema in schemas for problem in _at(prompt, keys, schema)]:
            raise InvalidFiles(problems)
        if len(self._digests) >= _MOST_KEPT:
            self._digests.clear()
        self._digests.add(prompt.digest)


def _schemas(prompt: Prompt) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    if prompt.output.schema is not None:
        yield ("output", "schema"), prompt.output.schema
    for index, tool in enumerate(prompt.tools):
        if "parameters" in tool.get("function", {}):
            yield ("tools", index, "function", "parameters"), tool["function"]["parameters"]


def _at(prompt: Prompt, keys: tuple[str | int, ...], schema: Any) -> list[Problem]:
    """Return the problems of one schema, at its lines if it is written in the prompt's file."""
    from promptctl.files.yaml_reader import read_yaml
    from promptctl.schemas.checks import schema_problems
    from promptctl.schemas.references import SchemaSource

    try:
        source = SchemaSource(read_yaml(prompt.text.encode(), prompt.path), (), keys)
        found = schema_problems(schema, source)
    except (InvalidFiles, LookupError, TypeError):
        found = []
    if found:
        return found
    path = prompt.output.schema_path if keys[0] == "output" else None
    place = Place(path or prompt.path)
    return [
        Problem(f"not a JSON Schema: {text}", place, "promptctl validate says where", "invalid-schema")
        for text in check_schema(schema)
    ]
