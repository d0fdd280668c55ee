"""Checks that schemas are schemas: those in files of their own, and those within a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from promptctl.errors import Place, Problem
from promptctl.files.names import SCHEMA_SUFFIXES
from promptctl.files.sources import Sources
from promptctl.files.tree import Tree
from promptctl.schemas.json_schema import meant_keyword, schema_faults
from promptctl.schemas.keywords import FORMS, Path, schemas_in
from promptctl.schemas.references import SchemaSource, bundle
from promptctl.schemas.words import path_text

# Beside a reference, these are ours: the rest would be part of the schema.
_REFERENCE = frozenset(("$ref", "default", "required", "sensitive", "description"))
_OF_INPUTS = frozenset(("sensitive",))
_NO_KEYWORD = "remove it, or begin its name with `x-`"
# Keys that people write for keywords of JSON Schema, with what to do.
_INSTEAD = {
    "optional": "write `required: false`, or give a `default`",
    "nullable": 'write `type: [string, "null"]`',
    "example": "use `examples`, a list",
    **dict.fromkeys(("values", "options", "choices", "allowed"), "use `enum`"),
    "min": "use `minimum`, of a text `minLength`",
    "max": "use `maximum`, of a text `maxLength`",
    **dict.fromkeys(("help", "desc", "doc", "hint"), "use `description`"),
    **dict.fromkeys(("discriminator", "order", "xml"), _NO_KEYWORD),
}


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


def schema_problems(schema: Mapping[str, Any], source: SchemaSource, *, is_closed: bool = False) -> list[Problem]:
    """Return what is wrong with a bundled schema itself, at the place in its source if that is known.

    If it `is_closed`, as that of an input, a key that is no keyword of JSON Schema nor ours is an error too; in a file
    of its own a schema may have annotations of other tools. Nothing if the source is only a reference to a schema's
    file: there it is reported with better places.
    """
    data = source.data
    unknown = dict(_unknown_keys(source, ())) if is_closed else {}
    if set(data) <= _REFERENCE and str(data.get("$ref", "")).partition("#")[0].endswith(SCHEMA_SUFFIXES):
        return []
    faults = [fault for fault in schema_faults(schema) if fault[0] not in unknown]
    return [*unknown.values(), *(_problem(path, text, source) for path, text in faults)]


def _unknown_keys(source: SchemaSource, path: Path) -> Iterator[tuple[Path, Problem]]:
    """Yield the problem of each key of a written schema that is no keyword, with the keys that lead to it."""
    for key in source.data:
        ours = _OF_INPUTS if not path else ()
        if (key not in FORMS or key in _INSTEAD) and key not in ours and not key.startswith("x-"):
            hint = _INSTEAD.get(key) or meant_keyword(key, (*FORMS, *ours)) or _NO_KEYWORD
            name = path_text((*source.base, *source.keys)).lstrip(".")
            place = source.document.key_place(*source.base, *source.keys, key)
            yield (*path, key), Problem(f"unknown key `{key}` in `{name}`", place, hint, "unknown-key")
    for keys, schema in schemas_in(source.data):
        if isinstance(schema, dict):
            yield from _unknown_keys(source.below(*keys), (*path, *keys))


def _problem(path: Path, text: str, source: SchemaSource) -> Problem:
    where = f" at `{path_text(path).lstrip('.')}`" if path else ""
    hint = "mend the schema: it is read as JSON Schema 2020-12"
    return Problem(f"not a JSON Schema{where}: {text}", source.place(*path), hint, "invalid-schema")
