"""The way into JSON Schema: check a value against a schema, and a schema itself.

Schemas and values come from strangers: no reference is fetched, patterns run in linear time, and a check that would
take long is stopped and reported.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from time import thread_time
from typing import TYPE_CHECKING, Any

from promptctl.files.names import did_you_mean, nearest
from promptctl.files.plain import Measure, NotPlain, plain
from promptctl.schemas.compiler import MAX_FAILURES, MAX_TIME_S, Check, Compiler, Failure, Run, Stopped
from promptctl.schemas.keywords import (
    ASKING,
    FORMS,
    OLDER_FORMS,
    REFERENCES,
    SEARCH_OF,
    TYPES,
    BadPattern,
    LocalReferences,
    Path,
    compiled,
    is_schema,
    schemas_in,
    translated,
    types_of,
    without_absent,
)

if TYPE_CHECKING:
    from promptctl.schemas.library import References

__all__ = ["TOGETHER_S", "Allowance", "Validator", "check_schema", "schema_faults", "types_of"]

MAX_PROBLEMS = 20
MAX_STEPS = 4_000_000
TOGETHER_S = 5 * MAX_TIME_S
"""Of all inputs of one render, or all defaults of one prompt."""
MAX_SCHEMAS = 2000
_SMALL = 1000

_NEWEST = "https://json-schema.org/draft/2020-12/schema"
_2019 = "https://json-schema.org/draft/2019-09/schema"
_OLDER = re.compile(rf"{re.escape(_2019)}|http://json-schema\.org/draft-0[3467]/schema")
_TOO_DEEP = "schema or value are nested too deeply, or the schema refers to itself"
_RE2 = "patterns are RE2's: no lookaround, no back-references, no repetition above 1000"
# Keywords that only some drafts have, with those and what to write in others. The library is needed for each.
_OF_DRAFTS = {
    "unevaluatedProperties": ((_NEWEST, _2019), "`additionalProperties: false` beside the `properties` it is about"),
    "unevaluatedItems": ((_NEWEST, _2019), "`additionalItems: false` beside the `items` it is about"),
    "$recursiveRef": ((_2019,), "`$dynamicRef`, or `$ref`"),
    "$dynamicRef": ((_NEWEST,), "`$ref`"),
}


# `note` is not meant for `not`, nor `when` for `then`: in a short word only letters that are swapped are a mistake.
_SHORT, _LONG, _LONGEST = 5, 8, 40

_Fault = tuple[Path, str]


@dataclass(slots=True)
class Allowance:
    """The seconds of the processor that the checks of several values have together."""

    left_s: float


class Validator:
    """Checks values against one schema. Cheap to make, safe to share among threads.

    With `shows_values` False no message holds any part of the value.
    """

    def __init__(self, schema: Mapping[str, Any] | bool, *, shows_values: bool = True) -> None:
        self._schema = schema
        self._shows_values = shows_values
        self._check: Check | None = None

    def faults(self, value: Any, allowance: Allowance | None = None) -> list[tuple[str, str]]:
        """Return what is wrong with the value, most useful first: pairs of path below the root and text.

        The time that it takes is taken from the allowance, beyond which nothing is checked.
        """
        most_s = MAX_TIME_S if allowance is None else min(MAX_TIME_S, allowance.left_s)
        run = Run(MAX_STEPS, most_s)
        try:
            if self._check is None:
                self._check = _check_of(self._schema)
            self._check(value, (), run)
        except (Stopped, BadPattern, RecursionError) as error:
            reason = _TOO_DEEP if isinstance(error, RecursionError) else str(error)
            if isinstance(error, Stopped) and most_s < MAX_TIME_S:
                reason = "it takes too long together with what was checked before"
            return [("", f"cannot be checked: {reason}")]
        finally:
            if allowance is not None and run.begun_s is not None:
                allowance.left_s -= thread_time() - run.begun_s
        return self._in_words(run.failures) if run.failures else []

    def problems(self, value: Any, allowance: Allowance | None = None) -> list[str]:
        """Return what is wrong with the value, as `$.path: text`, most useful first; empty if it fits.

        >>> Validator({"properties": {"label": {"enum": ["billing", "bug"]}}}).problems({"label": "billin"})
        ['$.label: must be `billing` or `bug`, not `billin`']
        """
        return [f"${path}: {text}" for path, text in self.faults(value, allowance)]

    def _in_words(self, failures: list[Failure]) -> list[tuple[str, str]]:
        from promptctl.schemas.words import path_text, rank, text_of

        in_order = sorted(failures, key=rank)
        pairs = ((path_text(each.path), text_of(each, shows_values=self._shows_values)) for each in in_order)
        told = list(dict.fromkeys(pairs))
        if len(told) > MAX_PROBLEMS:
            more = len(told) - MAX_PROBLEMS
            told[MAX_PROBLEMS:] = [("", f"has {more}{' or' if len(failures) >= MAX_FAILURES else ''} more problems")]
        return told


def _check_of(schema: Any) -> Check:
    """Return the check of a schema. That of a small one is kept: many inputs are declared alike."""
    with suppress(NotPlain):
        text = json.dumps(plain(schema, Measure()))
        if len(text) <= _SMALL:
            return _kept_check(text)
    return _new_check(schema)


@lru_cache(maxsize=256)
def _kept_check(text: str) -> Check:
    return _new_check(json.loads(text))


def _new_check(schema: Any) -> Check:
    schema, compiler = compiler_of(schema)
    return compiler.check_of(schema)


def compiler_of(schema: Any) -> tuple[Any, Compiler]:
    """Return the schema as plain data, and its compiler. Raises `Stopped` if values cannot be checked against it."""
    schema, faults, needs_library = _read(schema)
    if faults:
        raise Stopped(_fault_text(*faults[0]))
    if not needs_library:
        return schema, Compiler(schema, SEARCH_OF)
    from promptctl.schemas.library import LibraryCompiler

    return schema, LibraryCompiler(schema)


def check_schema(schema: Any) -> list[str]:
    """Return what is wrong with a schema itself, as `$.path: text`; empty if values can be checked against it."""
    return [_fault_text(*fault) for fault in schema_faults(schema)]


def schema_faults(schema: Any) -> list[_Fault]:
    """Return what is wrong with a schema itself, as pairs of the keys that lead there and text."""
    return _read(schema)[1]


def _fault_text(path: Path, text: str) -> str:
    from promptctl.schemas.words import path_text

    return f"${path_text(path)}: {text}"


def _read(schema: Any) -> tuple[Any, list[_Fault], bool]:
    """Return the schema as plain data, what is wrong with it, and if it is the library that can follow it."""
    try:
        schema = plain(schema, Measure())
    except NotPlain as error:
        return None, [((), str(error))], False
    if not is_schema(schema):
        from promptctl.schemas.words import shown

        return schema, [((), f"a schema is a mapping, not {shown(schema)}")], False
    draft = str(schema.get("$schema", _NEWEST) if isinstance(schema, dict) else _NEWEST).rstrip("#")
    if draft != _NEWEST and not _OLDER.fullmatch(draft):
        return schema, [((), f"`$schema: {draft[:80]}` is no draft of JSON Schema that is known here")], False
    faults, needs_library = _survey(schema, draft)
    if needs_library and not faults:
        from promptctl.schemas.library import References

        try:
            faults, _ = _survey(schema, draft, References(schema))
        except (ValueError, TypeError, AttributeError) as error:  # a schema within may name a different draft
            faults = [((), f"an `$id` in this schema is no address: {error}")]
    return schema, faults, needs_library


def _survey(schema: Any, draft: str, references: References | None = None) -> tuple[list[_Fault], bool]:
    """Return what is wrong with a schema, and if it needs the library; with `references`, also those that are lost."""
    faults: list[_Fault] = []
    needs_library, has_ids = False, "draft-03" not in draft and "draft-04" not in draft
    for count, (path, part, targets) in enumerate(_all_schemas(schema, draft, references), 1):
        if count > MAX_SCHEMAS:
            return [*faults, ((), f"the schema has more than {MAX_SCHEMAS:,} parts")], False
        lost = [name for name, target in targets.items() if isinstance(part[name], str) and not is_schema(target)]
        needs_library |= has_ids and (bool(lost) or not _OF_DRAFTS.keys().isdisjoint(part))
        if references is not None or not has_ids:
            faults += [(path, _lost(name, part[name])) for name in lost]
        faults += [(path, text) for text in _oddities(part, draft)]
        faults += [((*path, key), text) for key, text in _misspelt(part)]
        if failures := Run().tries(_form(draft), part, path):
            from promptctl.schemas.words import text_of

            faults += [(failure.path, text_of(failure)) for failure in failures]
    return list(dict.fromkeys(faults))[:MAX_PROBLEMS], needs_library


def _all_schemas(
    root: Any, draft: str, references: References | None
) -> Iterator[tuple[Path, Mapping[str, Any], dict[str, Any]]]:
    """Yield every mapping that is a schema in `root`, itself first, or that a reference leads to.

    Each has its path, and the targets of its references by keyword.
    """
    local = LocalReferences(root)
    stack: list[tuple[Path, Any, Any]] = [((), root, references and references.top)]
    seen: dict[int, Any] = {}
    while stack:
        path, schema, beside = stack.pop()
        if not isinstance(schema, dict) or id(schema) in seen:
            continue
        seen[id(schema)] = schema
        within = references and references.within(schema, beside)
        part = translated(schema, draft) if "draft-03" in draft else without_absent(schema, draft)
        targets: dict[str, Any] = {}
        for keyword in part.keys() & REFERENCES:
            reference = part[keyword]
            found_at = references.follow(reference, within) if references else (local.find(reference), None)
            targets[keyword] = found_at[0]
            stack.append(((*path, keyword), *found_at))
        yield path, part, targets
        stack.extend(((*path, *step), each, within) for step, each in reversed(schemas_in(part)))


@cache
def _form(draft: str) -> Check:
    """Return the check of a schema's own keywords, without the schemas within it."""
    form = {"properties": FORMS if draft == _NEWEST else {**FORMS, **OLDER_FORMS}}
    return Compiler(form, SEARCH_OF).check_of(form)


def _lost(keyword: str, reference: str) -> str:
    said = f"`{keyword}: {reference[:80]}`"
    if reference.startswith("#"):
        return f"{said} leads nowhere"
    return f"{said} is not in this schema, and nothing is ever fetched: copy it to `$defs`"


def _oddities(schema: Mapping[str, Any], draft: str) -> Iterator[str]:
    """Yield what no form says: names that do not exist, and patterns that cannot be used."""
    named = schema.get("type")
    for name in named if isinstance(named, list) else [named]:
        if isinstance(name, str) and name not in TYPES:
            meant = did_you_mean(name[:40], TYPES)
            yield f"`{name[:40]}` is no type of JSON Schema" + (f"; {meant}" if meant else "")
    by_pattern = schema.get("patternProperties")
    for pattern in (schema.get("pattern"), *(by_pattern if isinstance(by_pattern, dict) else ())):
        try:
            _ = isinstance(pattern, str) and compiled(pattern)
        except BadPattern as error:
            yield f"the pattern {pattern[:80]} cannot be used: {error} ({_RE2})"
    for keyword in schema:
        drafts, instead = _OF_DRAFTS.get(keyword, ((draft,), ""))
        if draft not in drafts:
            yield f"`{keyword}` does not exist in this draft: write {instead}"


def _misspelt(schema: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield each key that is nearly a keyword, and its fault. Annotations of other tools are no typos."""
    for key in schema:
        if key not in FORMS and not key.startswith(("x-", "$")) and (meant := meant_keyword(key, ASKING)):
            yield key, f"`{key}` is no keyword of JSON Schema; {meant}"


def meant_keyword(key: str, keywords: Iterable[str] = FORMS) -> str:
    """Return the question that names the keyword that was probably meant; empty if none is near."""
    near = nearest(key, keywords, mistakes=2 if len(key) >= _LONG else 1) if len(key) <= _LONGEST else ()
    is_word = len(key) < _SHORT
    return did_you_mean(key, [each for each in near if not is_word or sorted(each) in (sorted(key), sorted(f"${key}"))])
