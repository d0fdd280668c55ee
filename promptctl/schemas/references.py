"""JSON Schemas that name others by `$ref`, bundled into one that needs no other file.

A reference is a path below `prompts/` (with a leading `./`: beside the file), a JSON pointer after `#`, or both. What
is pulled in from elsewhere becomes a definition of the bundle, once, however often it is named; so schemas may refer to
each other in circles. Nothing is ever fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from functools import partial
from typing import Any

from promptctl.errors import Place, Problem
from promptctl.files.document import Document, Key
from promptctl.files.free_names import first_free
from promptctl.files.sources import Sources
from promptctl.schemas.keywords import BY_NAME, LISTED, ONE, map_schemas, pointer_keys

Keys = tuple[Key, ...]

_OF_A_FILE = frozenset(("$id", "$schema"))
_TO_REWRITE = _OF_A_FILE | {"$ref", "$dynamicRef"}
_MAX_VALUES = 100_000
_SUFFIX = re.compile(r"(?:\.schema)?\.(?:yaml|yml|json)\Z")
_ANCHOR = re.compile(r"#[^/]+")
_DRAFT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True, slots=True)
class SchemaSource:
    """A schema as it is written: `base` leads from the document to it, `keys` from there to a part of it."""

    document: Document
    base: Keys = ()
    keys: Keys = ()

    @property
    def data(self) -> Any:
        """Return the schema's data."""
        data = self.document.data
        for key in (*self.base, *self.keys):
            data = data[key]
        return data

    @property
    def whole(self) -> SchemaSource:
        """Return the schema that this is a part of."""
        return SchemaSource(self.document, self.base)

    def place(self, *keys: Key) -> Place:
        """Return the place of the value at `keys`."""
        return self.document.place(*self.base, *self.keys, *keys)

    def below(self, *keys: Key) -> SchemaSource:
        """Return a part of it."""
        return SchemaSource(self.document, self.base, (*self.keys, *keys))


def bundle(source: SchemaSource, sources: Sources, leave_out: Set[str] = frozenset()) -> dict[str, Any]:
    """Return the schema with everything it refers to inside; problems are added to `sources`.

    `leave_out` are keys of the schema's top level that are not its own.
    """
    data = {key: value for key, value in source.data.items() if key not in leave_out}
    if data.keys().isdisjoint(_TO_REWRITE) and not any(isinstance(value, dict | list) for value in data.values()):
        return data
    return _Bundle(sources).make(source, data)


def follow(reference: Any, source: SchemaSource, sources: Sources, noun: str) -> SchemaSource | None:
    """Return the place that a `$ref` in `source` names; None, and a problem, if there is nothing."""
    place = source.place("$ref")
    if not isinstance(reference, str):
        sources.problems.append(Problem("`$ref` must be text", place, "write a path", "wrong-type"))
        return None
    path, _, fragment = reference.partition("#")
    target = source.whole
    if path:
        found = sources.locate(path, source.document.path, place)
        document = None if found is None else sources.document(found, place, noun)
        if document is None:
            return None
        target = SchemaSource(document)
    if fragment and not fragment.startswith("/"):
        hint = "write a JSON pointer, such as `#/$defs/name`"
        sources.problems.append(Problem(f"`#{fragment}` is no JSON pointer", place, hint, "bad-reference"))
        return None
    data, keys = target.data, []
    for token in pointer_keys(fragment):
        key: Key = int(token) if isinstance(data, list) and token.isascii() and token.isdigit() else token
        try:
            data = data[key]
        except (KeyError, IndexError, TypeError):
            message = f"there is nothing at `#{fragment}` in {target.document.path}"
            hint = f"`{key}` is not there; write a JSON pointer, such as `#/$defs/name`"
            sources.problems.append(Problem(message, place, hint, "bad-reference"))
            return None
        keys.append(key)
    return target.below(*keys)


class _Bundle:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._names: dict[SchemaSource, str] = {}
        self._taken: set[str] = set()
        self._pending: list[tuple[str, SchemaSource]] = []
        self._values = 0
        self._anchors: dict[str, SchemaSource] = {}

    def make(self, source: SchemaSource, data: dict[str, Any]) -> dict[str, Any]:
        """Return the bundle; a schema that is nothing but a reference becomes the schema that it names."""
        if self._sources.is_full_of_schemas:
            return {}
        self._home = source
        seen = {source}
        while set(data) == {"$ref"}:
            target = follow(data["$ref"], self._home, self._sources, "schema")
            if target is None:
                return {}
            if target in seen:
                self._tell("the schema refers to itself and to nothing else", self._home.place("$ref"))
                return {}
            seen.add(target)
            if not isinstance(target.data, dict):
                self._tell("a schema must be a mapping", target.place())
                return {}
            self._home, data = target, dict(target.data)
        self._check_draft(data)
        if isinstance(data.get("$defs"), dict):
            self._taken.update(data["$defs"])
        bundled: dict[str, Any] = self._rewritten(self._home, data)
        definitions: dict[str, Any] = {}
        while self._pending:
            name, target = self._pending.pop()
            definitions[name] = definition = self._rewritten(target, target.data)
            if isinstance(definition, dict) and target.whole != self._home.whole:
                # Whatever refers to them has its own copies among the bundle's definitions.
                definition.pop("$defs", None)
                definition.pop("definitions", None)
        if definitions:
            own = bundled.get("$defs")
            bundled["$defs"] = {**(own if isinstance(own, dict) else {}), **dict(sorted(definitions.items()))}
        return bundled if self._sources.takes_schema(bundled, source.place()) else {}

    def _rewritten(self, source: SchemaSource, schema: Any, *keys: Key) -> Any:
        """Return the schema at `keys` of a source with its references turned into ones within the bundle."""
        source = source.below(*keys)
        self._values += 1
        if self._values > _MAX_VALUES:
            if self._values == _MAX_VALUES + 1:
                self._tell(f"the schema has more than {_MAX_VALUES:,} parts", self._home.place())
            return {}
        if not isinstance(schema, dict):
            return schema
        anchor = schema.get("$dynamicAnchor")
        if isinstance(anchor, str) and self._anchors.setdefault(anchor, source.whole) != source.whole:
            place = source.place("$dynamicAnchor")
            self._tell(f"`$dynamicAnchor: {anchor}` is in two files of this schema: rename one", place)
        make = partial(self._rewritten, source)
        made = {
            key: self._reference(value, source) if _is_path(key, value) else map_schemas(key, value, make)
            for key, value in schema.items()
            if key not in _OF_A_FILE
        }
        if "$dynamicRef" in made and "$ref" not in made:  # in one document without `$id`s they are the same
            made["$ref"] = made.pop("$dynamicRef")
        return made

    def _reference(self, reference: Any, source: SchemaSource) -> str:
        target = follow(reference, source, self._sources, "schema")
        if target is None:
            return "#"
        home = self._home
        inside = target.keys[len(home.keys) :]
        is_at_home = target.whole == home.whole and target.keys[: len(home.keys)] == home.keys
        if is_at_home and _holds_schemas(inside):
            return "#" + "".join(f"/{_token(key)}" for key in inside)
        if not isinstance(target.data, dict | bool):
            self._tell("a schema must be a mapping", target.place())
            return "#"
        return f"#/$defs/{_token(self._name(target))}"

    def _name(self, target: SchemaSource) -> str:
        """Return the definition's name in the bundle; the first time, its schema is put on the list."""
        if target not in self._names:
            said = str(target.keys[-1]) if target.keys else _SUFFIX.sub("", target.document.path.rpartition("/")[2])
            wanted = re.sub(r"[^A-Za-z0-9_-]", "_", said) or "schema"
            name = first_free(wanted, self._taken.__contains__, sign="_")
            self._taken.add(name)
            self._names[target] = name
            self._pending.append((name, target))
        return self._names[target]

    def _check_draft(self, data: Mapping[str, Any]) -> None:
        draft = data.get("$schema", _DRAFT)
        if draft != _DRAFT:
            message = f"the schema is written for {draft}, and read as JSON Schema 2020-12"
            hint = f"write `$schema: {_DRAFT}`, or leave it out"
            place = self._home.place("$schema")
            self._sources.problems.append(Problem(message, place, hint, "other-draft", "warning"))

    def _tell(self, message: str, place: Place) -> None:
        self._sources.problems.append(Problem(message, place, "mend the schema", "bad-reference"))


def _is_path(keyword: str, value: Any) -> bool:
    return keyword == "$ref" or (keyword == "$dynamicRef" and not _ANCHOR.fullmatch(str(value)))


def _holds_schemas(keys: Keys) -> bool:
    """Return True if the way leads only through places that hold schemas, all of which are rewritten."""
    index = 0
    while index < len(keys):
        is_listed = keys[index] in LISTED and index + 1 < len(keys) and isinstance(keys[index + 1], int)
        if keys[index] in BY_NAME or is_listed:
            index += 2
        elif keys[index] in ONE:
            index += 1
        else:
            return False
    return index == len(keys)


def _token(key: Key) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
