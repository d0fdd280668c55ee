"""The tools of a Prompty file: functions as the chat-completions protocol has them, others by their names only."""

from __future__ import annotations

from typing import Any

from promptctl.exchange.prompty.header import PromptyHeader
from promptctl.exchange.prompty.properties import object_schema
from promptctl.files.document import Key

_KINDS = {
    "mcp": "is a server of the Model Context Protocol, which promptctl does not call",
    "openapi": "is an OpenAPI service, which promptctl does not call",
}


def read_tools(header: PromptyHeader, inline: Any) -> list[dict[str, Any]]:
    """Return the functions among the tools; `inline` are those that version 1 has among the parameters, as they are."""
    found: list[dict[str, Any]] = []
    for number, tool in enumerate(inline or ()):
        keys: tuple[Key, ...] = (
            "model",
            "parameters" if "parameters" in header.data["model"] else "options",
            "tools",
            number,
        )
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict):
            found.append({"type": "function", "function": tool["function"]})
            header.note("kept", keys, "is written under `tools`")
        else:
            header.drop(keys, "is no function of the chat-completions protocol")
    tools = header.data.get("tools")
    listed = tools.items() if isinstance(tools, dict) else enumerate(tools if isinstance(tools, list) else ())
    for key, tool in listed:
        named = {"name": key, **tool} if isinstance(key, str) and isinstance(tool, dict) else tool
        function = _function(header, named, ("tools", key))
        if function:
            found.append({"type": "function", "function": function})
    return found


def _function(header: PromptyHeader, tool: Any, keys: tuple[Key, ...]) -> dict[str, Any] | None:
    name = tool.get("name", tool.get("id")) if isinstance(tool, dict) else None
    if not isinstance(name, str):
        header.drop(keys, "has no name")
        return None
    kind = tool.get("kind", tool.get("type"))
    if kind != "function":
        message = _KINDS.get(str(kind), f"is of the kind `{kind}`, which a program gives its meaning")
        hint = "offer the model a function in its place, if your program has one"
        header.drop(keys, f"the tool `{name}` {message}", hint)
        return None
    is_strict = tool.get("strict") is True
    parameters = tool.get("parameters", [])
    if isinstance(parameters, dict) and isinstance(parameters.get("properties"), list):
        parameters = parameters["properties"]
    schema = object_schema(header, parameters, (*keys, "parameters"), closes=is_strict)
    _take_bindings(header, tool.get("bindings"), schema, keys)
    header.note("kept", keys, f"the function `{name}` is written under `tools`")
    for key in [
        each
        for each in tool
        if each not in {"name", "id", "kind", "type", "description", "parameters", "strict", "bindings"}
    ]:
        header.drop((*keys, key), "is no key of a function")
    return {
        "name": name,
        **({"description": tool["description"]} if tool.get("description") else {}),
        **({"parameters": schema} if schema["properties"] or is_strict or "parameters" in tool else {}),
        **({"strict": True} if is_strict else {}),
    }


def _take_bindings(header: PromptyHeader, bindings: Any, schema: dict[str, Any], keys: tuple[Key, ...]) -> None:
    """Take the arguments that a program fills in out of what the model is told of, as Prompty does."""
    if isinstance(bindings, list):
        bindings = {
            each["name"]: each for each in bindings if isinstance(each, dict) and isinstance(each.get("name"), str)
        }
    for name, binding in (bindings or {}).items() if isinstance(bindings, dict | None) else ():
        schema["properties"].pop(name, None)
        if name in schema.get("required", ()):
            schema["required"].remove(name)
        given = binding.get("input") if isinstance(binding, dict) else None
        source = f"of the input `{given}`" if isinstance(given, str) else "that Prompty gives"
        message = f"the model is not told of `{name}`; the program that runs the function gives it the value {source}"
        header.drop((*keys, "bindings", name), message)
    if schema.get("required") == []:
        del schema["required"]
