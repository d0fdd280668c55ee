"""Picoschema, Dotprompt's short form of JSON Schema, both ways: https://google.github.io/dotprompt/reference/picoschema.

`city: string, its name` is a property that is required, `zip?: integer` one that may be left out or null,
`tags(array, some tags): string` a list, `(*): any` any other property.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

SCALARS = ("any", "boolean", "integer", "null", "number", "string")
_JSON_TYPES = (*SCALARS, "object", "array")
_WILDCARD = "(*)"
_MAX_DEPTH = 40

# Returns the JSON Schema that an application registers under a name. Raises `BadSchema`.
Named = Callable[[str], Mapping[str, Any]]
# Returns what stands for a part that is no schema, or raises the error.
InPlace = Callable[["BadSchema"], dict[str, Any]]


class BadSchema(Exception):
    """A schema that is none; the message says why, `keys` where in it."""

    def __init__(self, message: str, keys: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.keys = keys


def no_names(name: str) -> Mapping[str, Any]:
    """Refuse the name of a schema."""
    raise BadSchema(f"`{name}` is no type of Picoschema; if it names a schema, that is in an application's code")


def refuse(error: BadSchema) -> dict[str, Any]:
    """Let one part that is no schema refuse all."""
    raise error


def name_of(key: Any) -> str:
    """Return the name of the property that a key declares: `tags` of `tags?(array, some tags)`."""
    return str(key).partition("(")[0].removesuffix("?")


def is_picoschema(schema: Any) -> bool:
    """Return True unless it is JSON Schema: a mapping with `type` or `properties`."""
    if not isinstance(schema, Mapping):
        return True
    declared = schema.get("type")
    return not (isinstance(declared, str) and declared in _JSON_TYPES) and not isinstance(
        schema.get("properties"), Mapping
    )


def json_schema(schema: Any, named: Named = no_names, bad: InPlace = refuse) -> dict[str, Any]:
    """Return the JSON Schema of what stands under `schema:`, Picoschema or JSON Schema. Raises `BadSchema`.

    >>> json_schema({"city": "string, its name", "zip?": "integer"})["properties"]["zip"]
    {'type': ['integer', 'null']}
    """
    if isinstance(schema, Mapping) and not is_picoschema(schema):
        return dict(schema) if "type" in schema else {**schema, "type": "object"}
    return _read(schema, (named, bad), ())


def picoschema(schema: Mapping[str, Any]) -> Any | None:
    """Return a JSON Schema as Picoschema, or None if that cannot say all of it.

    >>> picoschema({"type": "string", "description": "a name"})
    'string, a name'
    """
    try:
        short = _written(schema, 0)
        back = json_schema(short)
    except BadSchema:
        return None
    return short if back == schema and _order(back) == _order(schema) else None


def _read(schema: Any, rules: tuple[Named, InPlace], keys: tuple[str, ...]) -> dict[str, Any]:
    if len(keys) > _MAX_DEPTH:
        raise BadSchema("the schema is nested too deeply", keys)
    if isinstance(schema, str):
        return _scalar(schema, rules, keys)
    if not isinstance(schema, Mapping):
        raise BadSchema("a Picoschema is a text such as `string, what it is`, or a mapping", keys)
    properties: dict[str, Any] = {}
    required: list[str] = []
    result: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    for key, value in schema.items():
        if key == _WILDCARD:
            result["additionalProperties"] = _read(value, rules, (*keys, key))
            continue
        head, _, info = str(key).partition("(")
        name = name_of(key)
        if name == head:
            required.append(name)
        try:
            properties[name] = _property(info, value, rules, (*keys, key), is_optional=name != head)
        except BadSchema as error:
            properties[name] = rules[1](error)
    if required:
        result["required"] = required
    return result


def _property(
    info: str, value: Any, rules: tuple[Named, InPlace], keys: tuple[str, ...], *, is_optional: bool
) -> dict[str, Any]:
    kind, description = _described(info[:-1]) if info else ("", "")
    if kind == "enum":
        if not isinstance(value, list):
            raise BadSchema("the values of an enum are a list", keys)
        return _with({"enum": [*value, None] if is_optional and None not in value else value}, description)
    if kind not in ("", "array", "object"):
        raise BadSchema(f"`({kind})` is neither `array`, `object` nor `enum`", keys)
    read = _read(value, rules, keys)
    result: dict[str, Any] = {"type": "array", "items": read} if kind == "array" else dict(read)
    if is_optional and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return _with(result, description)


def _scalar(text: str, rules: tuple[Named, InPlace], keys: tuple[str, ...]) -> dict[str, Any]:
    named, bad = rules
    kind, description = _described(text)
    try:
        schema = {} if kind == "any" else {"type": kind} if kind in SCALARS else dict(named(kind))
    except BadSchema as error:
        schema = bad(BadSchema(error.message, keys))
    return _with(schema, description)


def _with(schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {**schema, "description": description} if description else schema


def _described(text: str) -> tuple[str, str]:
    kind, _, description = text.partition(",")
    return kind, description.lstrip(" ")


def _written(schema: Any, depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        raise BadSchema("it is no schema that Picoschema has words for")
    kind = schema.get("type", "any")
    if kind in SCALARS:
        description = schema.get("description")
        return f"{kind}, {description}" if description else kind
    short: dict[str, Any] = {}
    for name, value in schema.get("properties", {}).items():
        key, written = _written_property(name, value, depth, is_required=name in schema.get("required", ()))
        short[key] = written
    if isinstance(schema.get("additionalProperties"), Mapping):
        short[_WILDCARD] = _written(schema["additionalProperties"], depth + 1)
    return short


def _written_property(name: str, schema: Any, depth: int, *, is_required: bool) -> tuple[str, Any]:
    if not isinstance(schema, Mapping):
        raise BadSchema("it is no schema that Picoschema has words for")
    kind = schema.get("type")
    if not is_required and isinstance(kind, list) and len(kind) == 2 and kind[1] == "null":
        kind = kind[0]
    key, end = name if is_required else f"{name}?", f", {schema['description']})" if "description" in schema else ")"
    if "enum" in schema:
        values = schema["enum"]
        return f"{key}(enum{end}", values if is_required or values[-1:] != [None] else values[:-1]
    if kind == "array":
        return f"{key}(array{end}", _written(schema.get("items"), depth + 1)
    if kind == "object":
        inner = {word: value for word, value in schema.items() if word != "description"}
        return f"{key}(object{end}", _written({**inner, "type": "object"}, depth + 1)
    return key, _written({**schema, "type": kind} if kind else schema, depth + 1)


def _order(schema: Any) -> list[Any]:
    """Return the names of all properties in their order, which equality does not compare."""
    if not isinstance(schema, Mapping):
        return []
    properties = schema.get("properties", {})
    return [*properties, *[_order(each) for each in properties.values()], _order(schema.get("items"))]
