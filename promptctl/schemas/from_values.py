"""JSON Schemas of recorded values: their types by genson, and an enum where few words are used again and again."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

# A text is one of a few words if so many values have no more different ones, and each was seen more than once.
MANY = 20
FEW = 6
# A word of a vocabulary. Names and sentences of people are none, however often they are repeated.
_WORD = re.compile(r"[a-z][a-z0-9]{0,30}(?:[-_ ][a-z0-9]{1,30}){0,3}|[A-Z][A-Z0-9]{0,30}(?:[-_][A-Z0-9]{1,30}){0,3}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,60}")
_MOST_KEYS = 60


def schema_of(values: Sequence[Any]) -> dict[str, Any]:
    """Return the schema that genson finds for these values: {} for none.

    An object whose keys are data themselves, not names, has no properties.

    >>> schema_of([{"a": 1}, {"a": 2.5, "b": None}])
    {'type': 'object', 'properties': {'a': {'type': 'number'}, 'b': {'type': 'null'}}, 'required': ['a']}
    """
    from genson import SchemaBuilder

    builder = SchemaBuilder(schema_uri=None)
    for value in values:
        builder.add_object(value)
    return _with_names_alone(builder.to_schema())


def with_enums(schema: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    """Return the schema of these values with an enum for each text that is one of few words."""
    tightened = dict(schema)
    if schema.get("type") == "string" and "enum" not in schema:
        words = few_words([value for value in values if isinstance(value, str)])
        return {**tightened, "enum": words} if words else tightened
    if isinstance(schema.get("items"), Mapping):
        items = [item for value in values if isinstance(value, list) for item in value]
        tightened["items"] = with_enums(schema["items"], items)
    if isinstance(schema.get("properties"), Mapping):
        objects = [value for value in values if isinstance(value, Mapping)]
        tightened["properties"] = {
            name: with_enums(below, [value[name] for value in objects if name in value])
            for name, below in schema["properties"].items()
        }
    return tightened


def few_words(values: Sequence[str]) -> list[str]:
    """Return the different values, sorted, if they are a few words of a vocabulary that many values use; else none."""
    counts = Counter(values)
    is_vocabulary = 2 <= len(counts) <= FEW and len(values) >= max(MANY, 5 * len(counts))
    if is_vocabulary and min(counts.values()) > 1 and all(map(_WORD.fullmatch, counts)):
        return sorted(counts)
    return []


def _with_names_alone(schema: dict[str, Any]) -> dict[str, Any]:
    properties = schema.get("properties", {})
    if len(properties) > _MOST_KEYS or not all(map(_KEY.fullmatch, properties)):
        schema = {key: value for key, value in schema.items() if key not in ("properties", "required")}
    for name in ("items", *(("properties",) if "properties" in schema else ())):
        below = schema.get(name)
        if name == "properties" and below:
            schema["properties"] = {key: _with_names_alone(each) for key, each in below.items()}
        elif isinstance(below, dict):
            schema["items"] = _with_names_alone(below)
    if "anyOf" in schema:
        schema["anyOf"] = [_with_names_alone(each) for each in schema["anyOf"]]
    return schema
