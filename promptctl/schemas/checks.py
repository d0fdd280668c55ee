"""Whether schemas are schemas: those in files of their own, and those within a prompt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from promptctl.errors import Place, Problem
from promptctl.files.sources import Sources
from promptctl.files.tree import Tree
from promptctl.schemas.json_schema import check_schema
from promptctl.schemas.references import SchemaSource, bundle

# Beside a reference, these are ours: the rest would be part of the schema.
_REFERENCE = frozenset(("$ref", "default", "required", "description"))
_STEP = re.compile(r"\.([A-Za-z_$][\w$-]*)|\[(\d+)\]|\['([^']*)'\]|\[\"([^\"]*)\"\]")


def check_schema_file(tree: Tree, path: str) -> list[Problem]:
    """Every problem of a schema file, and of the files that it refers to."""
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
    """What is wrong with a bundled schema itself, at the place in its source where that can be told.

    Nothing where the source is only a reference to a file: there it is told with better places.
    """
    data = source.data
    if set(data) <= _REFERENCE and not str(data.get("$ref", "#")).startswith("#"):
        return []
    messages = check_schema(schema)
    told = {message.partition(": ")[0] for message in messages}
    return [_problem(message, source) for message in messages if not _is_told_better(message, told)]


def _is_told_better(message: str, told: set[str]) -> bool:
    """Whether this only repeats, in the meta-schema's words, what is told of the schema that holds the keyword."""
    path = message.partition(": ")[0]
    return "fits none of the" in message and path.rpartition(".")[0] in told


def _problem(message: str, source: SchemaSource) -> Problem:
    """A message that begins with a JSONPath as a problem of the place that it names."""
    path, _, text = message.partition(": ")
    keys: list[str | int] = []
    for name, index, quoted, doubly_quoted in _STEP.findall(path):
        keys.append(int(index) if index else name or quoted or doubly_quoted)
    where = f" at `{path[1:].lstrip('.')}`" if len(path) > 1 else ""
    hint = "mend the schema: it is read as JSON Schema 2020-12"
    return Problem(f"not a JSON Schema{where}: {text}", source.place(*keys), hint, "invalid-schema")
