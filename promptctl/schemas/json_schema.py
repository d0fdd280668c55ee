"""The way into JSON Schema: check a value against a schema, and a schema itself.

Schemas and values come from strangers: no reference is fetched, patterns run in linear time, and a check that would
take long is stopped and reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from promptctl.files.names import did_you_mean
from promptctl.files.plain import Measure, NotPlain, plain
from promptctl.schemas.compiler import MAX_FAILURES, Check, Compiler, Failure, Run, Stopped
from promptctl.schemas.keywords import FORMS, OLDER_FORMS, TYPES, Path, is_schema, resolve, schemas_in, types_of
from promptctl.schemas.patterns import BadPattern, compiled, found
from promptctl.schemas.words import path_text, rank, shown, text_of

__all__ = ["Validator", "check_schema", "schema_faults", "types_of"]

MAX_PROBLEMS = 20
MAX_STEPS = 1_000_000
MAX_SCHEMAS = 2000

_NEWEST = "https://json-schema.org/draft/2020-12/schema"
_OLDER = re.compile(r"https://json-schema\.org/draft/2019-09/schema|http://json-schema\.org/draft-0[467]/schema")
_TOO_DEEP = "schema or value are nested too deeply, or the schema refers to itself"
_RE2 = "patterns are RE2's: no lookaround, no back-references, no repetition above 1000"
_UNSUPPORTED = {
    "unevaluatedProperties": "write `additionalProperties: false` beside the `properties` it is about",
    "unevaluatedItems": "write `items: false` beside the `prefixItems` it is about",
    "$recursiveRef": "write `$ref`",
    "$dynamicRef": "write `$ref`",
}


class Validator:
    """Checks values against one schema. Cheap to make, safe to share among threads.

    With `shows_values` False no message holds any part of the value.
    """

    def __init__(self, schema: Mapping[str, Any] | bool, *, shows_values: bool = True) -> None:
        self._schema = schema
        self._shows_values = shows_values
        self._check: Check | None = None

    def faults(self, value: Any) -> list[tuple[str, str]]:
        """Return what is wrong with the value, most useful first: pairs of path below the root and text."""
        run = Run(MAX_STEPS)
        try:
            if self._check is None:
                self._check = _compiled(self._schema)
            self._check(value, (), run)
        except (Stopped, BadPattern, RecursionError) as error:
            reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)
            return [("", f"cannot be checked: {reason}")]
        return self._in_words(run.failures) if run.failures else []

    def problems(self, value: Any) -> list[str]:
        """Return what is wrong with the value, as `$.path: text`, most useful first; empty if it fits.

        >>> Validator({"properties": {"label": {"enum": ["billing", "bug"]}}}).problems({"label": "billin"})
        ['$.label: must be `billing` or `bug`, not `billin`']
        """
        return [f"${path}: {text}" for path, text in self.faults(value)]

    def _in_words(self, failures: list[Failure]) -> list[tuple[str, str]]:
        in_order = sorted(failures, key=rank)
        pairs = ((path_text(each.path), text_of(each, shows_values=self._shows_values)) for each in in_order)
        told = list(dict.fromkeys(pairs))
        if len(told) > MAX_PROBLEMS:
            more = len(told) - MAX_PROBLEMS
            told[MAX_PROBLEMS:] = [("", f"has {more}{' or' if len(failures) >= MAX_FAILURES else ''} more problems")]
        return told


def _compiled(schema: Any) -> Check:
    schema, faults = _read(schema)
    if faults:
        raise Stopped(_fault_text(*faults[0]))
    return Compiler(schema, found).check_of(schema)


def check_schema(schema: Any) -> list[str]:
    """Return what is wrong with a schema itself, as `$.path: text`; empty if values can be checked against it."""
    return [_fault_text(*fault) for fault in schema_faults(schema)]


def schema_faults(schema: Any) -> list[tuple[Path, str]]:
    """Return what is wrong with a schema itself, as pairs of the keys that lead there and text."""
    return _read(schema)[1]


def _fault_text(path: Path, text: str) -> str:
    return f"${path_text(path)}: {text}"


def _read(schema: Any) -> tuple[Any, list[tuple[Path, str]]]:
    """Return the schema as plain data, and what is wrong with it."""
    try:
        schema = plain(schema, Measure())
    except NotPlain as error:
        return None, [((), str(error))]
    return schema, _faults(schema)


def _faults(schema: Any) -> list[tuple[Path, str]]:
    if not is_schema(schema):
        return [((), f"a schema is a mapping, not {shown(schema)}")]
    draft = str(schema.get("$schema", _NEWEST) if isinstance(schema, dict) else _NEWEST).rstrip("#")
    if draft != _NEWEST and not _OLDER.fullmatch(draft):
        return [((), f"`$schema: {draft[:80]}` is no draft of JSON Schema that is known here")]
    faults: list[tuple[Path, str]] = []
    for count, (path, part) in enumerate(_all_schemas(schema), 1):
        if count > MAX_SCHEMAS:
            return [*faults, ((), f"the schema has more than {MAX_SCHEMAS:,} parts")]
        faults += [(path, text) for text in _oddities(part, schema)]
        faults += [(failure.path, text_of(failure)) for failure in Run().tries(_form(draft), part, path)]
    return list(dict.fromkeys(faults))[:MAX_PROBLEMS]


def _all_schemas(root: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Yield every mapping that is a schema in `root`, itself first, or that a `$ref` leads to, with its path."""
    stack: list[tuple[Path, Any]] = [((), root)]
    seen: set[int] = set()
    while stack:
        path, schema = stack.pop()
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen.add(id(schema))
        yield path, schema
        stack.append(((*path, "$ref"), resolve(root, schema.get("$ref"))))
        stack.extend(((*path, *step), each) for step, each in reversed(schemas_in(schema)))


@cache
def _form(draft: str) -> Check:
    """Return the check of a schema's own keywords, without the schemas within it."""
    form = {"properties": FORMS if draft == _NEWEST else {**FORMS, **OLDER_FORMS}}
    return Compiler(form, found).check_of(form)


def _oddities(schema: Mapping[str, Any], root: Any) -> Iterator[str]:
    """Yield what no form says: names that do not exist, references and patterns that cannot be used."""
    named = schema.get("type")
    for name in named if isinstance(named, list) else [named]:
        if isinstance(name, str) and name not in TYPES:
            meant = did_you_mean(name[:40], TYPES)
            yield f"`{name[:40]}` is no type of JSON Schema" + (f"; {meant}" if meant else "")
    reference = schema.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        yield f"`$ref: {reference[:80]}` is not in this schema, and nothing is ever fetched"
    elif isinstance(reference, str) and not is_schema(resolve(root, reference)):
        yield f"`$ref: {reference[:80]}` leads nowhere"
    by_pattern = schema.get("patternProperties")
    for pattern in (schema.get("pattern"), *(by_pattern if isinstance(by_pattern, dict) else ())):
        try:
            _ = isinstance(pattern, str) and compiled(pattern)
        except BadPattern as error:
            yield f"the pattern {pattern[:80]} cannot be used: {error} ({_RE2})"
    for keyword in schema:
        if keyword in _UNSUPPORTED:
            yield f"`{keyword}` is not supported: {_UNSUPPORTED[keyword]}"
            continue
        # Annotations of other tools are no typos, so only a name nearly spelled as a keyword is taken for one.
        is_ours = keyword in FORMS or keyword.startswith(("x-", "$")) or len(keyword) > 40
        if not is_ours and (meant := did_you_mean(keyword, FORMS, mistakes=1)):
            yield f"`{keyword}` is no keyword of JSON Schema; {meant}"
