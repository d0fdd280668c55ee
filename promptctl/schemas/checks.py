"""Checks that schemas are schemas: those in files of their own, and those within a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.errors import Place, Problem
from promptctl.files.sources import Sources
from promptctl.files.tree import Tree
from promptctl.schemas.json_schema import schema_faults
from promptctl.schemas.keywords import Path
from promptctl.schemas.references import SchemaSource, bundle
from promptctl.schemas.words import path_text

# Beside a reference, these are ours: the rest would be part of the schema.
_REFERENCE = frozenset(("$ref", "default", "required", "description"))


def check_schema_file(tree: Tree, path: str) -> list[Problem]:
    """Return every problem of a schema file, and of the files that it refers to."""
    sources = Sources(tree)
    document = sources.document(path, Place(path), "schema")
    if document is None or isinstance(document.data, bool):
        return sources.problems
    if not isinstance(document.data, dict):
        what = "the file is empty" if document.data is None else "a schema must be a mapping"
        return [*sources.problems, Problem(what, document.place(), "write a JSON Schema", "invalid-schema")]
    source = SchemaSource(document)
    schema = bundle(source, sources)
    return [*sources.problems, *schema_problems(schema, source)]


def schema_problems(schema: Mapping[str, Any], source: SchemaSource) -> list[Problem]:
    """Return what is wrong with a bundled schema itself, at the place in its source if that is known.

    Nothing if the source is only a reference to a file: there it is reported with better places.
    """
    data = source.data
    if set(data) <= _REFERENCE and not str(data.get("$ref", "#")).startswith("#"):
        return []
    return [_problem(path, text, source) for path, text in schema_faults(schema)]


def _problem(path: Path, text: str, source: SchemaSource) -> Problem:
    where = f" at `{path_text(path).lstrip('.')}`" if path else ""
    hint = "mend the schema: it is read as JSON Schema 2020-12"
    return Problem(f"not a JSON Schema{where}: {text}", source.place(*path), hint, "invalid-schema")
