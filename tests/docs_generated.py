"""The parts of the documentation that are written from the product itself, so that they cannot drift from it.

Between `<!-- keys KIND PATH -->` and `<!-- end -->` stands the table of the keys of a kind of file, out of its JSON
Schema; between `<!-- log tables -->` and `<!-- end -->` the tables and views of the log. `python -m
tests.docs_generated` writes them anew.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from promptctl.formats.schemas import Kind, load_schema
from promptctl.log.sqlite.schema import empty_log

ROOT = Path(__file__).parent.parent
_MARKED = re.compile(r"(<!-- (?P<what>keys|log tables)(?P<words>[^>]*) -->\n).*?(<!-- end -->)", re.DOTALL)
_WORDS = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "`true`, `false`",
    "array": "list",
    "object": "mapping",
    "null": "`null`",
}
_NAMED = {"assertion": "an assertion", "fraction": "a share"}
_MOST_VALUES = 7
_MOST_KEYS = 5


def generated(page: str) -> str:
    """The page with its marked parts as they ought to be."""
    return _MARKED.sub(lambda found: f"{found[1]}\n{_part(found['what'], found['words'].split())}\n{found[4]}", page)


def _part(what: str, words: list[str]) -> str:
    if what == "log tables":
        return log_tables()
    kind, *path = words
    return keys_table(kind, path[0] if path else "")  # type: ignore[arg-type]


def log_tables() -> str:
    """A table of the log's views, and then its tables, with their columns."""
    rows = ["| view or table | columns |", "|---|---|"]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(empty_log())
        listing = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY type DESC, rowid"
        for (name,) in connection.execute(listing).fetchall():
            columns = connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
            rows.append(f"| `{name}` | {', '.join(f'`{column}`' for (column,) in columns)} |")
    return "\n".join(rows) + "\n"


def all_keys(schema: Any) -> Iterator[str]:
    """The names of the keys that a schema speaks of, at any depth."""
    if isinstance(schema, list):
        for each in schema:
            yield from all_keys(each)
    elif isinstance(schema, dict):
        yield from schema.get("properties", ())
        for each in schema.values():
            yield from all_keys(each)


def keys_table(kind: Kind, path: str) -> str:
    """A table of the keys that the schema allows at a path such as `$defs.case`."""
    root = load_schema(kind)
    schema: Any = root
    for step in path.split(".") if path else ():
        schema = _resolved(schema[step], root)
    required = schema.get("required", ())
    rows = ["| key | value | meaning |", "|---|---|---|"]
    for name, part in schema["properties"].items():
        need = "; required" if name in required else ""
        resolved = _resolved(part, root)
        value = _value(part, root) + (f"; default `{json.dumps(resolved['default'])}`" if "default" in resolved else "")
        meaning = part.get("description") or resolved.get("description") or ""
        rows.append(f"| `{name}` | {value}{need} | {meaning.replace('|', '&#124;')} |")
    return "\n".join(rows) + "\n"


def _resolved(schema: Any, root: Mapping[str, Any]) -> Any:
    reference = schema.get("$ref", "")
    if not reference.startswith("#/$defs/"):
        return schema
    return {**root["$defs"][reference.removeprefix("#/$defs/")], **{k: v for k, v in schema.items() if k != "$ref"}}


def _value(schema: Any, root: Mapping[str, Any]) -> str:
    """What a value may be, in a few words."""
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = _resolved(schema, root)
    if name in ("message", "placeholder", "part", "case", "share"):
        return f"a {name}"
    if name in _NAMED:
        return _NAMED[name]
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        values = schema["enum"]
        return ", ".join(f"`{value}`" for value in values) if len(values) <= _MOST_VALUES else "one of those below"
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(dict.fromkeys(_value(part, root) for part in schema["anyOf"]))
    kinds = schema.get("type")
    if kinds is None:
        return "anything"
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_kind(each, schema, root) for each in kinds if each != "null" or len(kinds) == 1)


def _kind(kind: str, schema: Any, root: Mapping[str, Any]) -> str:
    if kind == "array" and isinstance(schema.get("items"), dict):
        return f"list of: {_value(schema['items'], root)}"
    if kind in ("integer", "number"):
        return _WORDS[kind] + _range(schema)
    keys = schema.get("properties", ())
    if kind == "object" and schema.get("additionalProperties") is False and len(keys) <= _MOST_KEYS:
        return f"mapping of {', '.join(f'`{key}`' for key in keys)}"
    return _WORDS[kind]


def _range(schema: Any) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    if "exclusiveMinimum" in schema:
        return f" above {schema['exclusiveMinimum']}" + (f", at most {high}" if high is not None else "")
    return f", at least {low}" if low is not None else f", at most {high}" if high is not None else ""


def pages() -> list[Path]:
    """The README and every page of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


if __name__ == "__main__":
    for page in pages():
        page.write_text(generated(page.read_text(encoding="utf-8")), encoding="utf-8")
