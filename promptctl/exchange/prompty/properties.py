"""Properties, which are Prompty's way to describe inputs, outputs and arguments, as JSON Schemas, and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.prompty.header import PromptyHeader
from promptctl.exchange.written import PromptWriter
from promptctl.files.document import Key

# Prompty's own kinds; those of version 1 have more names for some.
KINDS = {
    "string": "string", "integer": "integer", "float": "number", "boolean": "boolean",
    "array": "array", "object": "object",
}  # fmt: skip
_OLDER = {
    "str": "string", "text": "string", "int": "integer", "number": "number", "double": "number", "bool": "boolean",
    "list": "array", "dict": "object",
}  # fmt: skip
RICH = ("thread", "image", "file", "audio")
_KEYS = ("name", "kind", "type", "description", "required", "nullable", "default", "example", "sample", "enumValues",
         "enum", "items", "properties", "oneOf", "anyOf", "strict")  # fmt: skip
OTHER_KIND = "has a value of another kind than is written"


def named_properties(
    header: PromptyHeader, properties: Any, keys: tuple[Key, ...]
) -> Iterator[tuple[str, Any, tuple[Key, ...]]]:
    """Yield name, property and place of each of a list or mapping of properties. Raises `InvalidFiles` for all else.

    A value that is no mapping is the default of a property of its kind.
    """
    if isinstance(properties, dict):
        for name, each in properties.items():
            yield name, each, (*keys, name)
        return
    hint = "write each as `- name: …` with its `kind`"
    if not isinstance(properties, list):
        raise header.refuse(keys, "is no list or mapping of properties", hint)
    for number, each in enumerate(properties):
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            raise header.refuse(keys, f"has an item without a name, number {number + 1}", hint)
        yield each["name"], each, (*keys, number)


def kind_of(value: Any) -> str:
    """Return the kind of a plain value, which stands for a property with that default."""
    kinds: dict[type, str] = {bool: "boolean", int: "integer", float: "float", list: "array", dict: "object"}
    return kinds.get(type(value), "string")


def declared_kind(prop: Any) -> str | None:
    """Return the kind that a property says, in the spelling of version 2; None if it says none."""
    if not isinstance(prop, dict):
        return kind_of(prop)
    kind = prop.get("kind", prop.get("type"))
    if not isinstance(kind, str):
        known = next((prop[key] for key in ("default", "sample") if prop.get(key) is not None), None)
        return None if known is None else kind_of(known)
    older = _OLDER.get(kind.lower(), kind.lower())
    return "float" if older == "number" else older


def schema_of(header: PromptyHeader, prop: Any, keys: tuple[Key, ...], *, is_closed: bool = False) -> dict[str, Any]:
    """Return a property as a JSON Schema; with `is_closed` as providers ask for it, each key of an object required."""
    if not isinstance(prop, dict):
        return {"type": KINDS[kind_of(prop)]}
    kind = declared_kind(prop)
    schema: dict[str, Any] = {}
    if kind == "union":
        schema = {
            word: [
                schema_of(header, each, (*keys, word, number), is_closed=is_closed)
                for number, each in enumerate(prop[word])
            ]
            for word in ("oneOf", "anyOf")
            if isinstance(prop.get(word), list)
        }
    elif kind in KINDS:
        schema["type"] = KINDS[kind]
    elif kind is not None:
        header.drop((*keys, "kind"), f"`{kind}` is no kind that has a JSON Schema: any value is taken")
    if prop.get("description"):
        schema["description"] = prop["description"]
    values = prop.get("enumValues", prop.get("enum"))
    if isinstance(values, list) and values:
        schema["enum"] = list(values)
    if kind == "array" and "items" in prop:
        schema["items"] = schema_of(header, prop["items"], (*keys, "items"), is_closed=is_closed)
    if kind == "object" and "properties" in prop:
        schema |= object_schema(header, prop["properties"], (*keys, "properties"), is_closed=is_closed)
    if "example" in prop and prop["example"] is not None:
        schema["examples"] = [prop["example"]]
    for key in [each for each in prop if each not in _KEYS]:
        header.drop((*keys, key), "is no key of a property")
    return nullable(schema) if prop.get("nullable") is True else schema


def object_schema(
    header: PromptyHeader, properties: Any, keys: tuple[Key, ...], *, is_closed: bool = False, closes: bool = False
) -> dict[str, Any]:
    """Return the JSON Schema of an object with these properties. Raises `InvalidFiles` if they are none.

    With `closes` no other key is allowed in it, with `is_closed` in no object below it either.
    """
    found: dict[str, Any] = {}
    required: list[str] = []
    for name, prop, below in named_properties(header, properties, keys):
        schema = schema_of(header, prop, below, is_closed=is_closed)
        is_required = isinstance(prop, dict) and prop.get("required") is True
        if isinstance(prop, dict) and prop.get("default") is not None:
            schema["default"] = prop["default"]
        if is_closed and not is_required:
            schema = nullable(schema)
        if is_closed or is_required:
            required.append(name)
        found[name] = schema
    return {
        "type": "object",
        "properties": found,
        **({"required": required} if required else {}),
        **({"additionalProperties": False} if is_closed or closes else {}),
    }


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that also allows null."""
    found, null = dict(schema), {"type": "null"}
    if isinstance(schema.get("type"), str):
        found["type"] = [schema["type"], "null"]
    for word, item in (("enum", None), ("oneOf", null), ("anyOf", null)):
        if word in schema and item not in schema[word]:
            found[word] = [*schema[word], item]
    return found


def property_of(schema: Any, keys: tuple[Key, ...], writer: PromptWriter, *, is_closed: bool = False) -> dict[str, Any]:
    """Return a JSON Schema as a property without its name; `writer` puts down every keyword that it does not say."""
    if not isinstance(schema, dict):
        writer.lose("is no schema that a property can say: it is written as a text", *keys)
        return {"kind": "string"}
    prop: dict[str, Any] = {"kind": "string"}
    said = {"type", "description", "enum", "examples", "default"}
    kind, is_nullable = _kind(schema)
    union = next((word for word in ("oneOf", "anyOf") if isinstance(schema.get(word), list) and schema[word]), None)
    if union and kind is None:
        branches = [each for each in schema[union] if each != {"type": "null"}]
        is_nullable = len(branches) < len(schema[union])
        each = enumerate(branches)
        prop = {"kind": "union"}
        prop[union] = [property_of(one, (*keys, union, number), writer, is_closed=is_closed) for number, one in each]
        said.add(union)
    elif kind in _PROPERTY_KINDS:
        prop = {"kind": _PROPERTY_KINDS[kind]}
    else:
        prop = {"kind": _kind_of_all(_values(schema))}
        kind = KINDS[prop["kind"]]
        at = (*keys, "type") if "type" in schema else keys
        writer.lose(f"says no one type: it is written as {prop['kind']}", *at)
    if isinstance(schema.get("description"), str):
        prop["description"] = schema["description"]
    if is_nullable:
        prop["nullable"] = True
    if isinstance(schema.get("enum"), list):
        prop["enumValues"] = [each for each in schema["enum"] if not (is_nullable and each is None)]
    if kind == "array" and "items" not in schema:
        items = [each for value in _values(schema) if isinstance(value, list) for each in value]
        prop["items"] = {"kind": _kind_of_all(items)}
        if prop["items"]["kind"] == "array":
            prop["items"]["items"] = {"kind": _kind_of_all([one for each in items for one in each])}
        writer.lose(f"says nothing of its items, as Prompty asks: they are written as {prop['items']['kind']}", *keys)
    elif kind == "array":
        prop["items"] = property_of(schema["items"], (*keys, "items"), writer, is_closed=is_closed)
        said.add("items")
    if kind == "object" and isinstance(schema.get("properties"), dict):
        prop["properties"] = properties_of(schema, keys, writer, is_closed=is_closed)
        said |= {"properties", "required", *({"additionalProperties"} if is_closed else ())}
    _add_example(prop, schema, keys, writer)
    for key in [each for each in schema if each not in said]:
        writer.lose("is a keyword that Prompty's properties do not have", *keys, key)
    return prop


def properties_of(
    schema: Mapping[str, Any], keys: tuple[Key, ...], writer: PromptWriter, *, is_closed: bool = False
) -> list[dict[str, Any]]:
    """Return the properties of an object's schema; with `is_closed` as Prompty asks for outputs."""
    required = schema.get("required", [])
    found = []
    for name, each in schema.get("properties", {}).items():
        below = (*keys, "properties", name)
        prop = {"name": name, **property_of(each, below, writer, is_closed=is_closed)}
        if isinstance(each, dict) and "default" in each:
            if each["default"] is None or is_closed:
                writer.lose("is not said by a property of Prompty's", *below, "default")
            if each["default"] is None or fits(each["default"], prop):
                prop["default"] = each["default"]
            else:
                writer.lose(OTHER_KIND, *below, "default")
        if name in required:
            prop["required"] = True
        elif is_closed:
            prop["required"] = True
            writer.lose("is not required here; Prompty asks providers for every key", *below)
        found.append(prop)
    if is_closed and schema.get("additionalProperties") is not False:
        writer.lose("is not false here; Prompty asks providers for no other keys", *keys, "additionalProperties")
    return found


_PROPERTY_KINDS = {kind: name for name, kind in KINDS.items()}


def _kind(schema: Mapping[str, Any]) -> tuple[str | None, bool]:
    """Return the one type of a schema, or of all the values that it allows, and whether null is allowed besides."""
    kinds = schema.get("type")
    if kinds is None and isinstance(schema.get("enum"), list):
        kinds = list({KINDS[kind_of(each)] if each is not None else "null": None for each in schema["enum"]})
    if isinstance(kinds, list):
        others = [kind for kind in kinds if kind != "null"]
        return (others[0] if len(others) == 1 else None), "null" in kinds
    return (kinds if isinstance(kinds, str) else None), False


def fits(value: Any, prop: Mapping[str, Any]) -> bool:
    """Return True if a value is of the kind that a property is written as, with all that is in it."""
    if prop["kind"] == "union":
        return True
    if value is None:
        return prop.get("nullable") is True
    if kind_of(value) not in (prop["kind"], *(("integer",) if prop["kind"] == "float" else ())):
        return False
    if isinstance(value, list):
        return "items" not in prop or all(fits(each, prop["items"]) for each in value)
    below = prop.get("properties", ())
    return not isinstance(value, dict) or all(
        fits(value[each["name"]], each) for each in below if each["name"] in value
    )


def _values(schema: Mapping[str, Any]) -> list[Any]:
    """Return the values that a schema shows: its default and its examples."""
    examples = schema.get("examples")
    shown = [schema.get("default"), *(examples if isinstance(examples, list) else ())]
    return [each for each in shown if each is not None]


def _kind_of_all(values: Sequence[Any]) -> str:
    kinds = {kind_of(each) for each in values}
    return kinds.pop() if len(kinds) == 1 else "float" if kinds == {"integer", "float"} else "string"


def _add_example(prop: dict[str, Any], schema: Mapping[str, Any], keys: tuple[Key, ...], writer: PromptWriter) -> None:
    examples = schema.get("examples")
    if not isinstance(examples, list) or not examples:
        return
    prop["example"] = examples[0]
    if len(examples) > 1 or examples[0] is None:
        writer.lose("has one value in Prompty, which is not null", *keys, "examples")
