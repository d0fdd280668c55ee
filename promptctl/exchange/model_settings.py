"""Settings of a model by the names that other tools have for them, as the keys of a prompt file that they are here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from promptctl.errors import Place
from promptctl.formats.schemas import load_schema, structure_of

# Our parameters by the names that Dotprompt and Prompty have for them.
THEIR_NAMES = {
    "max_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "stop": "stopSequences",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "reasoning_effort": "reasoningEffort",
    "safety_settings": "safetySettings",
    "logit_bias": "logitBias",
    "top_logprobs": "topLogProbs",
    "min_p": "minP",
}
_OTHER_NAMES = {theirs: ours for ours, theirs in THEIR_NAMES.items()} | {
    "allowMultipleToolCalls": "parallel_tool_calls"
}
_FORM_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_FORM_KEYS = {"name", "schema", "strict", "description"}
_SCHEMA_SIGNS = {
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
}
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_UNKNOWN = "is no parameter that a prompt has here"
_NOWHERE = Place("")


@dataclass(slots=True)
class ForeignSettings:
    """The keys of a prompt file that settings of a model give."""

    data: dict[str, Any] = field(default_factory=dict)

    def take(self, name: str, value: Any) -> tuple[str | None, str]:
        """Put a setting where it belongs. Return the place, such as `parameters.top_p`; or None, and why as a clause.

        What is here already stays: of two names of one parameter the first one counts.
        """
        if name in ("model", "model_name"):
            if not isinstance(value, str) or not value.strip() or "model" in self.data:
                return None, "is no model's name" if "model" not in self.data else "is said already"
            self.data["model"] = " ".join(value.split())
            return "model", ""
        if name == "response_format":
            return self._take_form(value)
        if name == "tools":
            tools = tools_of(value)
            if tools is None:
                return None, "are no tools of the chat-completions protocol"
            self.data |= {"tools": tools} if tools else {}
            return "tools", ""
        known, parameters = parameter_of(name), self.data.get("parameters", {})
        if known is None:
            return None, _UNKNOWN
        if known in parameters:
            return None, f"is said already, as `parameters.{known}`"
        if value is None or (problems := structure_of("prompt", "parameters").check_data({known: value}, _NOWHERE)):
            return None, "has no value" if value is None else f"has a value that it cannot have: {problems[0].message}"
        self.data["parameters"] = {**parameters, known: value}
        return f"parameters.{known}", ""

    def _take_form(self, value: Any) -> tuple[str | None, str]:
        if "output" in self.data or "response_format" in self.data:
            return None, "is said already"
        value = {"type": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            return None, "is no form of a reply that is known"
        form = value.get("json_schema") if value.get("type") == "json_schema" else None
        if value.get("type") in ("text", "json_object") and len(value) == 1:
            self.data["response_format"] = dict(value)
            return "response_format", ""
        if isinstance(form, Mapping) and isinstance(form.get("schema"), Mapping) and not form.keys() - _FORM_KEYS:
            self.data["output"] = output_of(form["schema"], form.get("name"), is_strict=form.get("strict") is True)
            return "output.schema", ""
        if is_schema(value):
            self.data["output"] = output_of(value)
            return "output.schema", ""
        return None, "is no form of a reply that is known"


@cache
def _names() -> Mapping[str, str]:
    schema = load_schema("prompt")["$defs"]["parameters"]
    known = schema["properties"]
    others = {old: new for old, new in schema["x-instead"].items() if new in known}
    return {**_OTHER_NAMES, **others, **{name: name for name in known}}


def parameter_of(name: str) -> str | None:
    """Return our name of a parameter, whichever a tool has for it; None for one that is not known.

    >>> parameter_of("maxOutputTokens"), parameter_of("top_p"), parameter_of("stream")
    ('max_tokens', 'top_p', None)
    """
    return _names().get(name)


def output_of(schema: Mapping[str, Any], name: Any = None, *, is_strict: bool = False) -> dict[str, Any]:
    """Return the `output` of a prompt file for a schema, with its name if it can have that."""
    output: dict[str, Any] = {"schema": dict(schema)} | ({"strict": True} if is_strict else {})
    is_name = isinstance(name, str) and name != "output" and _FORM_NAME.fullmatch(name)
    return output | ({"name": name} if is_name else {})


def is_schema(value: Any) -> bool:
    """Return True for an object that can be a JSON Schema."""
    return isinstance(value, Mapping) and (value.get("type") in _TYPES or not _SCHEMA_SIGNS.isdisjoint(value))


def tools_of(value: Any) -> list[dict[str, Any]] | None:
    """Return tools in the chat protocol's shape, given in it or as their functions alone; None if they are not."""
    if not isinstance(value, list):
        return None
    tools = [_tool_of(each) if isinstance(each, dict) else {} for each in value]
    return None if any(structure_of("prompt", "tool").check_data(tool, _NOWHERE) for tool in tools) else tools


def _tool_of(given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("type", "function") != "function":
        return dict(given)
    cached = {key: given[key] for key in ("cache_control",) if "function" in given and key in given}
    function = given.get("function", given)
    named = isinstance(function, dict) and {key: part for key, part in function.items() if part is not None}
    return {"type": "function", "function": named, **cached}
