"""The keywords of JSON Schema: the form of each one's value, which of them hold schemas, how a pattern is found.

The one table that checking, bundling and comparing of schemas go by. Drafts 4 to 2020-12; 2020-12 if they differ.
Draft 3 is translated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, cached_property, lru_cache, partial
from typing import Any
from urllib.parse import unquote

Path = tuple[str | int, ...]

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),  # and a float that is whole
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "array": (list,),
    "object": (dict,),
}

# Where a schema holds schemas: under one key, in a list, in a mapping by name.
ONE = frozenset(
    {
        "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
        "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
LISTED = frozenset({"allOf", "anyOf", "oneOf", "prefixItems", "items"})
BY_NAME = frozenset({"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"})

REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")

# Keywords that describe a value and refuse none.
ANNOTATIONS = (
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment",
    "contentEncoding", "contentMediaType", "contentSchema",
)  # fmt: skip

_SCHEMA = {"type": ["object", "boolean"]}
_SCHEMAS = {"type": "array", "minItems": 1, "items": _SCHEMA}
_NAMED = {"type": "object", "additionalProperties": _SCHEMA}
_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXTS = {"type": "array", "items": _TEXT}
# In wide use beside the keywords of JSON Schema, and no typos of them.
_OF_OTHERS = ("discriminator", "example", "nullable", "optional", "order", "xml")

_ALIKE: tuple[tuple[Any, frozenset[str]], ...] = (
    (True, frozenset({*ANNOTATIONS, *_OF_OTHERS})),
    (_SCHEMAS, LISTED),
    (_SCHEMA, ONE),
    (_NAMED, BY_NAME),
    (_COUNT, frozenset({"minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"})),
    (_COUNT, frozenset({"minContains", "maxContains"})),
    (_NUMBER, frozenset({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})),
    (_TEXT, frozenset({"pattern", "format", "$id", "$schema", "$anchor", "$dynamicAnchor", *REFERENCES})),
    (True, frozenset({"const", "$vocabulary", "$recursiveAnchor", "id"})),
)
# Keyword -> the schema of its own value.
FORMS: dict[str, Any] = {
    **{keyword: form for form, keywords in _ALIKE for keyword in keywords},
    "type": {"type": ["string", "array"], "items": _TEXT, "minItems": 1},
    "uniqueItems": {"type": "boolean"},
    "enum": {"type": "array"},
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
    "required": _TEXTS,
    "dependentRequired": {"type": "object", "additionalProperties": _TEXTS},
    "dependencies": {"type": "object", "additionalProperties": {**_TEXTS, "type": ["object", "boolean", "array"]}},
}
# What a typo may mean: one of a keyword that refuses nothing does no harm.
ASKING = FORMS.keys() - {*ANNOTATIONS, *_OF_OTHERS}
# Where older drafts differ: before 2020-12, and draft 4.
OLDER_FORMS: dict[str, Any] = {
    "items": {"type": ["object", "boolean", "array"], "items": _SCHEMA},
    "exclusiveMinimum": {"type": ["boolean", "number"]},
    "exclusiveMaximum": {"type": ["boolean", "number"]},
}

# Keywords that refuse values, and the draft that brought them; what replaced `dependencies` came in 2019-09.
_SINCE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("draft-03", ()),
    ("draft-04", ("allOf", "anyOf", "oneOf", "not", "multipleOf", "minProperties", "maxProperties")),
    ("draft-06", ("const", "contains", "propertyNames")),
    ("draft-07", ("if", "then", "else")),
    ("2019-09", ("dependentRequired", "dependentSchemas", "minContains", "maxContains")),
    ("2020-12", ("prefixItems",)),
)


def without_absent(schema: Mapping[str, Any], draft: str) -> Mapping[str, Any]:
    """Return the schema without keywords of other drafts, which mean nothing in this one."""
    absent = _absent_in(draft)
    return schema if absent.isdisjoint(schema) else {key: each for key, each in schema.items() if key not in absent}


@cache
def _absent_in(draft: str) -> frozenset[str]:
    drafts = [name for name, _ in _SINCE]
    own = next((index for index, name in enumerate(drafts) if name in draft), len(drafts) - 1)
    later = [keyword for _, keywords in _SINCE[own + 1 :] for keyword in keywords]
    return frozenset(later if "draft-0" in draft else (*later, "dependencies"))


def is_schema(value: Any) -> bool:
    """Return whether the value can be a schema: a mapping, true or false."""
    return isinstance(value, (dict, bool))


def map_schemas(keyword: str, value: Any, make: Callable[..., Any]) -> Any:
    """Return a keyword's value with `make(schema, *keys)` in place of each schema that it holds directly."""
    if keyword in BY_NAME and isinstance(value, dict):
        return {name: make(each, keyword, name) for name, each in value.items()}
    if keyword in LISTED and isinstance(value, list):
        return [make(each, keyword, index) for index, each in enumerate(value)]
    return make(value, keyword) if keyword in ONE else value


def schemas_in(schema: Mapping[str, Any]) -> list[tuple[Path, Any]]:
    """Return each schema that this one holds directly, with the keys that lead to it."""
    found: list[tuple[Path, Any]] = []
    for keyword, value in schema.items():
        map_schemas(keyword, value, lambda each, *keys: found.append((keys, each)))
    return [(keys, each) for keys, each in found if is_schema(each)]


def item_schemas(schema: Mapping[str, Any], absent: Any = True) -> tuple[Any, Any]:
    """Return the schemas of the first items and of all others, also as older drafts wrote them (`items` as a list)."""
    if isinstance(schema.get("items"), list):
        return schema["items"], schema.get("additionalItems", absent)
    return schema.get("prefixItems", ()), schema.get("items", absent)


def pointer_keys(pointer: str) -> list[str]:
    """Return the keys of a JSON pointer, unescaped: `/$defs/a~1b` leads through `$defs` and `a/b`."""
    return [part.replace("~1", "/").replace("~0", "~") for part in unquote(pointer).split("/")[1:]]


class LocalReferences:
    """The references within one document, such as `#/$defs/user` and `#user`. Its anchors are collected only once."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def find(self, reference: Any) -> Any:
        """Return the part of the document that a reference names; None if there is none."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return None
        if reference[1:] and not reference.startswith("#/"):
            return self._anchors.get(reference[1:])
        found = self._root
        for key in pointer_keys(reference[1:]):
            if isinstance(found, dict) and key in found:
                found = found[key]
            elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
                found = found[int(key)]
            else:
                return None
        return found

    @cached_property
    def _anchors(self) -> dict[str, Any]:
        anchors: dict[str, Any] = {}
        stack, seen = [self._root], set[int]()
        while stack:
            schema = stack.pop()
            if not isinstance(schema, dict) or id(schema) in seen:
                continue
            seen.add(id(schema))
            for name in (schema.get("$anchor"), schema.get("$dynamicAnchor")):
                if isinstance(name, str):
                    anchors.setdefault(name, schema)
            stack.extend(each for _, each in reversed(schemas_in(schema)))
        return anchors


def types_of(schema: Any, references: LocalReferences | None = None, depth: int = 0) -> list[str]:
    """Return the types that a value of this schema may have, in the schema's order; empty if it does not say."""
    references = references or LocalReferences(schema)
    if not isinstance(schema, dict) or depth > 8:
        return []
    if schema.get("type") is not None:
        return [name for name in type_names(schema) if isinstance(name, str) and name in TYPES]
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if isinstance(allowed, list):
        return list(dict.fromkeys(type_of(value) for value in allowed))
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), list):
            return list(
                dict.fromkeys(name for each in schema[keyword] for name in types_of(each, references, depth + 1))
            )
    parts = [*schema.get("allOf", ()), references.find(schema.get("$ref"))]
    return next(filter(None, (types_of(each, references, depth + 1) for each in parts)), [])


def type_names(schema: Mapping[str, Any]) -> list[str]:
    """Return the names under a schema's `type`."""
    named: Any = schema["type"]
    return named if isinstance(named, list) else [named]


def translated(schema: Mapping[str, Any], draft: str) -> Mapping[str, Any]:
    """Return a schema without keywords of other drafts, in later words; the schemas in it stay as they are."""
    schema = without_absent(schema, draft)
    if "draft-0" not in draft:
        return schema
    if "$ref" in schema:  # alone, whatever is beside it
        return {"$ref": schema["$ref"]}
    return with_numeric_bounds(_from_draft_3(schema) if "draft-03" in draft else schema)


def with_numeric_bounds(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the schema with bounds as after draft 4, which wrote `exclusiveMinimum: true` beside `minimum`."""
    made = dict(schema)
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if isinstance(made.get(exclusive), bool) and made.pop(exclusive) and bound in made:
            made[exclusive] = made.pop(bound)
    return made


def _from_draft_3(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    made = {
        key: value for key, value in schema.items() if key not in ("disallow", "divisibleBy", "extends", "required")
    }
    properties = schema.get("properties")
    if isinstance(properties, dict):
        made["required"] = [
            name for name, each in properties.items() if isinstance(each, dict) and each.get("required") is True
        ]
    if "divisibleBy" in schema:
        made["multipleOf"] = schema["divisibleBy"]
    if "extends" in schema:
        made["allOf"] = schema["extends"] if isinstance(schema["extends"], list) else [schema["extends"]]
    if "disallow" in schema:
        made["not"] = {"type": schema["disallow"]}
    named: list[Any] = type_names(schema) if "type" in schema else []
    if "any" in named:
        del made["type"]
    elif any(isinstance(each, dict) for each in named):
        del made["type"]
        made["anyOf"] = [each if isinstance(each, dict) else {"type": each} for each in named]
    if isinstance(schema.get("dependencies"), dict):
        rules = schema["dependencies"].items()
        made["dependencies"] = {name: [rule] if isinstance(rule, str) else rule for name, rule in rules}
    return made


def type_of(value: Any) -> str:
    """Return the JSON Schema type of a plain value, `integer` for a float that is whole."""
    if value.__class__ is float:
        return "integer" if value.is_integer() else "number"
    return next(name for name, classes in TYPES.items() if value.__class__ in classes)


# RE2's time is at worst the product of the text's length and the pattern's: a third of a second for so many.
MAX_MATCH_STEPS = 50_000_000
_PATTERN_MEMORY = 1 << 20
_SMALLER = "write `+` or `*` there, and bound the length by itself (in a schema by `maxLength`)"
_UNICODE_ESCAPE = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9A-Fa-f]{4})")


class BadPattern(ValueError):
    """A pattern that is no regular expression, or that cannot be searched for in linear time."""


@lru_cache(maxsize=512)
def compiled(pattern: str) -> Any:
    """Return the pattern compiled by RE2, which searches in linear time whatever comes. Raises `BadPattern`."""
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _PATTERN_MEMORY
    try:
        return re2.compile(_UNICODE_ESCAPE.sub(r"\1\\x{\2}", pattern), options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if error.args else ""
        words = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else "it is not Unicode text"
        if words.startswith("pattern too large"):
            words = "it is too large, as `{1,200}` holds its part 200 times: " + _SMALLER
        raise BadPattern(words) from None


def found(pattern: str, text: str) -> bool:
    """Return whether the pattern is found anywhere in the text. Raises `BadPattern`."""
    expression = compiled(pattern)
    if len(text) * expression.programsize > MAX_MATCH_STEPS:
        raise BadPattern(f"the text is too long for the pattern {pattern[:80]}: {_SMALLER}")
    try:
        return expression.search(text) is not None
    except UnicodeEncodeError:
        return False


SEARCH_OF = partial(partial, found)
"""Returns the function that finds a pattern in a text."""
