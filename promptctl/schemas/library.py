"""Schemas that refer beyond one scope, or ask what other schemas have evaluated: the jsonschema library follows them.

The library knows `$id`, dynamic scopes, and how each draft reads them, so it decides which schemas apply to a value.
What their keywords ask is checked by the compiler, with the same bounds and messages. The library's own keywords are
not used: some take quadratic time, and some search with Python's patterns.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from promptctl.schemas.compiler import Check, Compiler, Run, Stopped, refuse_key
from promptctl.schemas.keywords import REFERENCES, SEARCH_OF, Path, found, item_schemas, translated

# The address of a schema without an `$id`.
_ADDRESS = "https://schema.invalid/"


class References:
    """The references of one document, as the library follows them. Nothing is ever fetched."""

    def __init__(self, root: Any) -> None:
        """Read the `$id`s and anchors of a root that has the form of a schema; fails at one that has not."""
        from jsonschema import Draft202012Validator, validators
        from referencing import Registry
        from referencing.jsonschema import specification_with

        draft: Any = validators.validator_for(root, default=Draft202012Validator)
        self.draft = draft
        self._resource_of: Any = specification_with(self.draft.ID_OF(self.draft.META_SCHEMA)).create_resource
        registry: Any = Registry().with_resource(_ADDRESS, self._resource_of(root))
        self.top = registry.crawl().resolver(_ADDRESS)

    def within(self, schema: Any, beside: Any) -> Any:
        """Return the resolver of references in `schema`, given the one of the schema around it."""
        return beside.in_subresource(self._resource_of(schema))

    def follow(self, reference: str, resolver: Any) -> tuple[Any, Any]:
        """Return the schema that a reference names, and the resolver around it; None if there is none."""
        from referencing.exceptions import Unresolvable

        try:
            resolved = resolver.lookup(reference)
        except (Unresolvable, ValueError, TypeError, AttributeError):  # a pointer may lead anywhere
            return None, resolver
        return resolved.contents, resolved.resolver


@dataclass(slots=True)
class _Application:
    """A value that a schema is applied to, the library's validator there, and which keys were evaluated."""

    value: Any
    validator: Any = None
    evaluated: set[str | int] = field(default_factory=set)


class LibraryCompiler(Compiler):
    """A compiler whose checks let the library decide which schemas apply."""

    enough_fitting = sys.maxsize  # each alternative that fits evaluates keys

    def __init__(self, root: Any) -> None:
        super().__init__(root, SEARCH_OF)
        from jsonschema import validators

        references = References(root)
        draft = references.draft
        known = {name: partial(_follow, draft.VALIDATORS[name]) for name in REFERENCES if name in draft.VALIDATORS}
        create: Any = validators.create
        kind = create(
            draft.META_SCHEMA,
            {**known, "": self._apply_keywords},
            id_of=draft.ID_OF,
            applicable_validators=lambda schema: [
                *((name, schema[name]) for name in known if name in schema),
                ("", None),
            ],
        )
        kind.evolve = _evolved
        self._top = kind(root, _resolver=references.top)

    def check_of(self, schema: Any) -> Check:
        """Return a check that has the library apply the schema."""
        return super().check_of(schema) if isinstance(schema, bool) else partial(self._apply, schema)

    def _apply(self, schema: Any, value: Any, path: Path, run: Run) -> None:
        validator = run.place.validator if run.place else self._top
        _collect(validator.evolve(format_checker=(run, path)).descend(value, schema), value, path, run)

    def _apply_keywords(self, validator: Any, _: Any, value: Any, schema: Any) -> tuple[()]:
        """Check what the schema itself asks; the library has followed its references before."""
        run, path = validator.format_checker
        run.step()
        known = self._checks.get(id(schema))
        if known is None:
            own = {key: each for key, each in translated(schema, self.draft).items() if key not in REFERENCES}
            known = self._checks[id(schema)] = schema, self._compiled(own)
        run.place.validator = validator
        known[1](value, path, run)
        run.place.evaluated |= self._evaluated(schema, value, path, run)
        for keyword, kind in (("unevaluatedProperties", dict), ("unevaluatedItems", list)):
            if keyword not in schema or value.__class__ is not kind:
                continue
            is_refused = kind is dict and schema[keyword] is False
            check = partial(refuse_key, schema) if is_refused else self.check_of(schema[keyword])
            keys = value if kind is dict else range(len(value))
            for key in keys:
                if key not in run.place.evaluated:
                    check(value[key], (*path, key), run)
            run.place.evaluated.update(keys)
        return ()

    def _evaluated(self, schema: Any, value: Any, path: Path, run: Run) -> Set[str | int]:
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
        if "contains" in schema and "$dynamicRef" in self._top.VALIDATORS:  # since draft 2020-12
            fitting = self.check_of(schema["contains"])
            indexes.update(index for index, item in enumerate(value) if not run.tries(fitting, item, path))
        return indexes


def _collect(errors: Iterable[Any], value: Any, path: Path, run: Run) -> None:
    """Go through the library's errors, which applies schemas; what they evaluate counts around them if they fit."""
    _need_frames(40)
    around, run.place = run.place, _Application(value)
    failed = len(run.failures)
    for _ in errors:  # only of a reference to `false`; all other failures are in the run
        run.fail(path, "false", {}, value)
    if around and value is around.value and len(run.failures) == failed:
        around.evaluated |= run.place.evaluated
    run.place = around


def _need_frames(count: int) -> None:
    """Raise `RecursionError` if fewer calls than that can be nested: the library's own code in Rust would abort."""
    if count:
        _need_frames(count - 1)


def _follow(follow: Callable[..., Iterable[Any]], validator: Any, reference: str, value: Any, schema: Any) -> tuple[()]:
    """Apply the schema that a reference names, as the library's keyword `follow` does."""
    from referencing.exceptions import Unresolvable

    run, path = validator.format_checker
    try:
        _collect(follow(validator, reference, value, schema), value, path, run)
    except Unresolvable as error:  # below a dynamic anchor the library loses sight of the `$id` around it
        raise Stopped(f"`#{error.ref}` leads nowhere: write the `$id` of its schema before `#`") from None
    return ()


def _evolved(validator: Any, **changes: Any) -> Any:
    """Return the validator with changes, of the same class: the library's own class for a `$schema` has no bounds."""
    kept = {"schema": validator.schema, "format_checker": validator.format_checker, "_resolver": validator._resolver}
    return type(validator)(**{**kept, **changes})
