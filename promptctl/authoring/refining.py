"""Schemas of inputs from their shapes in the templates, refined by the values that were given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from promptctl.authoring.shapes import UsedValue, own_keys, schema_of_shape
from promptctl.schemas.from_values import MANY, few_words, schema_of
from promptctl.schemas.json_schema import Validator, types_of
from promptctl.templates.events import ITEM, VALUE


def declared_input(
    shape: UsedValue, by_calls: Sequence[Any], by_cases: Sequence[Any], *, has_words: bool
) -> dict[str, Any]:
    """Return what a prompt's file says of an input: its JSON Schema, with `default` or `required: false` beside it.

    Every value given fits it. Only calls make an enum, and of one that `has_words` alone: a secret has none.
    """
    values = [*by_calls, *by_cases]
    schema = _refined(schema_of_shape(shape), shape, values)
    if has_words and schema == {"type": "string"} and (words := few_words([v for v in by_calls if isinstance(v, str)])):
        schema["enum"] = words
    if "enum" in schema and not _fit(schema, values):
        del schema["enum"]
    if not _fit(schema, values):
        schema = schema_of(values)
    own = own_keys(shape, types_of(schema))
    if "default" in own and not _fit(schema, [own["default"]]):
        own = {}
    if own and "required" in schema:  # the keys that an object needs stand under the same name
        del schema["required"]
    return {**schema, **own}


def missing_keys(given: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys found that an input's declaration lacks; what is written by hand is never changed."""
    if given.keys() & {"$ref", "enum", "const", "anyOf", "oneOf", "allOf", "not", "if"}:
        return {}
    own = ("default", "required")
    if "type" not in given:
        return {key: value for key, value in found.items() if key not in given and key not in own}
    if given["type"] != found.get("type"):
        return {}
    keys = ("items", "prefixItems") if given["type"] == "array" else ("properties", "additionalProperties")
    below = {key: found[key] for key in keys if key in found}
    return {} if given.keys() & set(keys) or given["type"] not in ("array", "object") else below


def _refined(schema: dict[str, Any], shape: UsedValue, values: Sequence[Any]) -> dict[str, Any]:
    known = [value for value in values if value is not None]
    if not known:
        return schema
    if shape.is_vague and "enum" not in schema:
        refined = schema_of(values)
        return refined if refined.get("type") != "array" or "messages" not in shape.acts else schema
    refined = dict(schema)
    if schema.get("type") == "number" and len(known) >= MANY and all(type(value) is int for value in known):
        refined["type"] = "integer"
    if schema.get("type") == "array" and "messages" not in shape.acts:
        items = [item for value in known if isinstance(value, list) for item in value]
        below = _refined(schema.get("items", {}), shape.below.get(ITEM, UsedValue()), items)
        refined |= {"items": below} if below else {}
    if schema.get("type") == "object":
        _refine_entries(refined, shape, [value for value in known if isinstance(value, Mapping)])
    if len(known) < len(values) and isinstance(refined.get("type"), str):
        refined["type"] = [refined["type"], "null"]
    return refined


def _refine_entries(schema: dict[str, Any], shape: UsedValue, objects: Sequence[Mapping[str, Any]]) -> None:
    if "properties" in schema:
        schema["properties"] = {
            name: _refined(below, shape.below[name], [each[name] for each in objects if name in each])
            for name, below in schema["properties"].items()
        }
    elif VALUE in shape.below or "additionalProperties" in schema:
        entries = [value for each in objects for value in each.values()]
        below = _refined(schema.get("additionalProperties", {}), shape.below.get(VALUE, UsedValue()), entries)
        if below:
            schema["additionalProperties"] = below


def _fit(schema: Mapping[str, Any], values: Sequence[Any]) -> bool:
    validator = Validator(schema, shows_values=False)
    return not any(validator.faults(value) for value in values)
