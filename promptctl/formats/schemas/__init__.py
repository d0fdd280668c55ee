"""The JSON Schemas of our own file kinds: one source for checking files, for editors and for the docs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Literal

from promptctl.schemas.structure import Structure

Kind = Literal["prompt", "dataset", "promptctl", "github-prompt", "recording", "human-label", "calibration"]
# The kinds that people write, and that editors help with.
KINDS: tuple[Kind, ...] = ("prompt", "dataset", "promptctl", "github-prompt")

_OTHER_FILE = ".schema.json#/$defs/"


@cache
def load_schema(kind: Kind) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of file, complete in itself. Shared: not to be changed."""
    schema = _read(kind)
    definitions: dict[str, Any] = schema.get("$defs", {})
    for name, definition in definitions.items():
        # A definition that two kinds share stands in one of them.
        other, is_elsewhere, there = definition.get("$ref", "").partition(_OTHER_FILE)
        if is_elsewhere:
            definitions[name] = _read(other)["$defs"][there]
    return schema


@cache
def structure_of(kind: Kind, definition: str | None = None) -> Structure:
    """Return the structure of a kind of file, or of one of its definitions (`case` of `dataset`)."""
    return Structure(load_schema(kind), definition)


def schema_text(kind: Kind) -> str:
    """Return the schema as a file for editors."""
    return json.dumps(load_schema(kind), indent=2, ensure_ascii=False) + "\n"


def _read(kind: str) -> dict[str, Any]:
    path = Path(__file__).parent / f"{kind}.schema.json"
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema
