"""The model and its settings as registries keep them, in one JSON object beside the messages, and as ours; and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.notes import ImportNote
from promptctl.exchange.registries.items import RegistryItem
from promptctl.formats.schemas import load_schema, structure_of

_SCHEMA_SIGNS = (
    "properties",
    "$ref",
    "$defs",
    "anyOf",
    "oneOf",
    "allOf",
    "items",
    "enum",
    "const",
    "additionalProperties",
)
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_FORM_NAME = 64
_MOST_KEYS = 500
_NOWHERE = Place("")


@dataclass(slots=True)
class ModelConfig:
    """The keys of a prompt file that such an object gives, what of it has no place there, and the fate of each key."""

    data: dict[str, Any] = field(default_factory=dict)
    rest: dict[str, Any] = field(default_factory=dict)
    notes: list[ImportNote] = field(default_factory=list)


def read_model_config(config: Mapping[str, Any], item: RegistryItem, key: str, rest_at: str) -> ModelConfig:
    """Return a registry's settings as ours. `key` names the object there; `rest_at` where what is left is written."""
    found, parameters = ModelConfig(), dict[str, Any]()
    if len(config) > _MOST_KEYS:
        found.rest = dict(config)
        found.notes.append(item.note("changed", key, f"is written as `{rest_at}`: it has {len(config):,} keys"))
        return found
    for name, value in config.items():
        part = f"{key}.{name}"
        written = _written(name, value, found.data, parameters)
        if written is None:
            found.rest[name] = value
            found.notes.append(item.note("changed", part, f"is written as `{rest_at}.{name}`: nothing here acts on it"))
        elif written == name:
            found.notes.append(item.note("kept", part, f"is `{written}`"))
        else:
            found.notes.append(item.note("changed", part, f"is written as `{written}`"))
    if parameters:
        found.data["parameters"] = parameters
    return found


def model_config_of(data: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keys and values of such an object for the data of a prompt file."""
    if "model" in data:
        yield "model", data["model"]
    yield from data.get("parameters", {}).items()
    if data.get("tools"):
        yield "tools", data["tools"]


def response_format_of(data: Mapping[str, Any], schema: Any) -> dict[str, Any] | None:
    """Return the chat protocol's `response_format` for the data of a prompt file and its schema, complete in itself."""
    if schema is None:
        return dict(data["response_format"]) if "response_format" in data else None
    output = data["output"]
    form = {"name": output.get("name", "output"), "schema": schema}
    return {"type": "json_schema", "json_schema": form | ({"strict": True} if output.get("strict") else {})}


def _written(name: str, value: Any, data: dict[str, Any], parameters: dict[str, Any]) -> str | None:
    """Put one setting where it belongs, and return the name of the place; None if it has none."""
    if name in ("model", "model_name") and isinstance(value, str) and value.strip() and "model" not in data:
        data["model"] = " ".join(value.split())
        return "model"
    if name == "response_format":
        return _form(value, data)
    if name == "tools":
        tools = tools_of(value)
        if tools is None:
            return None
        if tools:
            data["tools"] = tools
        return "tools"
    known = _parameters().get(name, name)
    problems = structure_of("prompt", "parameters").check_data({known: value}, _NOWHERE)
    if known in parameters or value is None or problems:
        return None
    parameters[known] = value
    return known if known == name else f"parameters.{known}"


def _form(value: Any, data: dict[str, Any]) -> str | None:
    if not isinstance(value, dict) or "output" in data or "response_format" in data:
        return None
    if value.get("type") in ("text", "json_object") and len(value) == 1:
        data["response_format"] = dict(value)
        return "response_format"
    form = value.get("json_schema") if value.get("type") == "json_schema" else None
    if isinstance(form, dict) and isinstance(form.get("schema"), dict):
        if form.keys() - {"name", "schema", "strict", "description"}:
            return None
        data["output"] = output_of(form["schema"], form.get("name"), is_strict=form.get("strict") is True)
        return "output.schema"
    if is_schema(value):
        data["output"] = output_of(value)
        return "output.schema"
    return None


def output_of(schema: Mapping[str, Any], name: Any = None, *, is_strict: bool = False) -> dict[str, Any]:
    """Return the `output` of a prompt file for a schema."""
    output: dict[str, Any] = {"schema": dict(schema)}
    if is_strict:
        output["strict"] = True
    is_name = isinstance(name, str) and 0 < len(name) <= _FORM_NAME and name.replace("-", "_").isascii()
    if is_name and name != "output" and str(name).replace("-", "_").replace("_", "a").isalnum():
        output["name"] = name
    return output


def is_schema(value: Any) -> bool:
    """Return True for an object that can be a JSON Schema."""
    return isinstance(value, dict) and (value.get("type") in _TYPES or any(sign in value for sign in _SCHEMA_SIGNS))


def tools_of(value: Any) -> list[dict[str, Any]] | None:
    """Return tools in the chat protocol's shape, given in it or as their functions alone; None if they are not."""
    if not isinstance(value, list):
        return None
    tools: list[dict[str, Any]] = []
    for each in value:
        tool = _tool_of(each) if isinstance(each, dict) else {}
        if structure_of("prompt", "tool").check_data(tool, _NOWHERE):
            return None
        tools.append(tool)
    return tools


def _tool_of(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("type", "function") != "function":
        return dict(given)
    cached = {key: given[key] for key in ("cache_control",) if "function" in given and key in given}
    function = given.get("function", given)
    named = isinstance(function, dict) and {key: part for key, part in function.items() if part is not None}
    return {"type": "function", "function": named, **cached}


@cache
def _parameters() -> Mapping[str, str]:
    """Return our name of each parameter that is known by different ones."""
    found = load_schema("prompt")["$defs"]["parameters"]
    return {old: new for old, new in found["x-instead"].items() if new in found["properties"]}
