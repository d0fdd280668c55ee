"""Schemas that ask how a check came to them, or what others have evaluated: `$dynamicRef`, `unevaluatedProperties`.

Each check keeps the resources that it came through, and the keys of its value that were evaluated; a schema that fits
hands these on to the one around it.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from promptctl.schemas.compiler import Check, Compiler, Run, Schema, refuse_key
from promptctl.schemas.keywords import SEARCH_OF, Path, found, item_schemas, translated

_UNEVALUATED = (("unevaluatedProperties", dict), ("unevaluatedItems", list))


@dataclass(slots=True)
class _Application:
    """A value that a schema is applied to, the resources on the way there, and which keys were evaluated."""

    value: Any
    scope: tuple[str, ...]
    evaluated: set[str | int] = field(default_factory=set)


class ScopedCompiler(Compiler):
    """A compiler whose checks know their scope."""

    enough_fitting = sys.maxsize  # each alternative that fits evaluates keys

    def __init__(self, root: Any) -> None:
        super().__init__(root, SEARCH_OF)
        self.parts_in_scopes = {name: partial(_dynamic, name) for name in ("$dynamicRef", "$recursiveRef")}

    def _compiled(self, schema: Schema) -> Check:
        address, check = self.references.address_of(schema), super()._compiled(schema)
        return partial(self._apply, translated(schema, self.references.draft), address, check)

    def _apply(self, schema: Schema, address: str, check: Check, value: Any, path: Path, run: Run) -> None:
        run.step()
        around: _Application | None = run.place
        scope = around.scope if around else ()
        place = run.place = _Application(value, scope if address in scope else (*scope, address))
        failed = len(run.failures)
        check(value, path, run)
        place.evaluated |= self._evaluated(schema, value, path, run)
        for keyword, kind in _UNEVALUATED:
            if keyword in schema and value.__class__ is kind:
                self._apply_to_rest(keyword, schema, place, path, run)
        if around and value is around.value and len(run.failures) == failed:
            around.evaluated |= place.evaluated
        run.place = around

    def _apply_to_rest(self, keyword: str, schema: Schema, place: _Application, path: Path, run: Run) -> None:
        value = place.value
        is_refused = value.__class__ is dict and schema[keyword] is False
        check = partial(refuse_key, schema) if is_refused else self.check_of(schema[keyword])
        keys = value if value.__class__ is dict else range(len(value))
        for key in keys:
            if key not in place.evaluated:
                check(value[key], (*path, key), run)
        place.evaluated.update(keys)

    def _evaluated(self, schema: Schema, value: Any, path: Path, run: Run) -> Set[str | int]:
        """Return the keys or indexes of the value that the schema's own keywords speak about."""
        if value.__class__ is dict:
            if "additionalProperties" in schema:
                return set(value)
            names, patterns = schema.get("properties", {}), schema.get("patternProperties", ())
            return {name for name in value if name in names or any(found(each, name) for each in patterns)}
        if value.__class__ is not list:
            return frozenset()
        first, rest = item_schemas(schema, None)
        indexes = {*range(min(len(first), len(value)) if rest is None else len(value))}
        if "contains" in schema and "2019-09" not in self.references.draft:  # since draft 2020-12
            fitting = self.check_of(schema["contains"])
            indexes.update(index for index, item in enumerate(value) if not run.tries(fitting, item, path))
        return indexes


def _dynamic(keyword: str, of: Compiler, schema: Schema) -> Check:
    """Return the check of a reference that means the outermost resource with its anchor, of those on the way to it."""
    references, target = of.references, of.references.find(schema[keyword], schema)
    fragment = schema[keyword].partition("#")[2]
    anchor, name = ("$dynamicAnchor", fragment) if keyword == "$dynamicRef" else ("$recursiveAnchor", True)
    is_dynamic = isinstance(target, Mapping) and target.get(anchor) == name

    def check(value: Any, path: Path, run: Run) -> None:
        run.step()
        outermost = references.outermost(anchor, name, run.place.scope) if is_dynamic else None
        of.check_of(outermost or target)(value, path, run)

    return check
