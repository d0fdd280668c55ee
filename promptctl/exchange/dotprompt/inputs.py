"""Inputs of a `.prompt` file: its `input.schema` and `input.default`, and what its template uses besides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from promptctl.exchange.dotprompt.picoschema import is_picoschema, name_of
from promptctl.exchange.dotprompt.settings import Keys, ReadSettings
from promptctl.exchange.drafts import Fate
from promptctl.exchange.front_matter import PromptText
from promptctl.template_languages.handlebars.scopes import Inputs

# Keywords of the schema of all inputs that say nothing more than our `inputs` do.
_SAID = ("type", "properties", "required", "additionalProperties", "$defs", "$schema", "description", "title")
HISTORY = "history"


def inputs_of(text: PromptText, result: ReadSettings) -> Inputs:
    """Return the inputs as they are declared; the template adds what it finds."""
    declared = text.data.get("input")
    if declared is not None and not isinstance(declared, Mapping):
        result.drop(["input"], "is not a mapping with `schema` and `default`")
        declared = None
    declared = declared or {}
    inputs = Inputs(_schema(declared["schema"], result) if declared.get("schema") is not None else None)
    defaults = declared.get("default") or {}
    if isinstance(defaults, Mapping):
        inputs.defaults.update(defaults)
        for name in defaults:
            words = f"is written as inputs.{inputs.name_of(str(name))}.default"
            result.note("kept", ["input", "default", name], words)
    else:
        result.drop(["input", "default"], "is not a mapping of names to values")
    for key in declared:
        if key not in ("schema", "default"):
            result.drop(["input", key], "has no word in a prompt file")
    return inputs


def written_inputs(inputs: Inputs, result: ReadSettings, *, history: str | None) -> dict[str, Any]:
    """Return the `inputs` of the prompt file."""
    schema = inputs.schema
    written: dict[str, Any] = {}
    required = schema.get("required", ())
    places = _places(result.text.data["input"]["schema"]) if inputs.is_declared else {}
    for key, each in schema.get("properties", {}).items():
        name = inputs.name_of(key)
        written[name] = _input(each, key, inputs, is_required=key in required)
        _note_declared(key, places[key], inputs, result, is_required=key in required)
    for key in dict.fromkeys([*inputs.defaults, *inputs.found]):
        name = inputs.name_of(key)
        if name not in written:
            written[name] = _found(key, inputs.found.get(key, {}), inputs)
            _note_found(key, name, inputs, result)
    if history:
        written[history] = {"type": "array", "default": []}
    return written


def history_name(inputs: Inputs) -> str:
    """Return the name of the input that holds the conversation so far."""
    taken = {*inputs.renamed.values()}
    return next(name for name in (HISTORY, "conversation", "earlier_messages", "_history") if name not in taken)


def _schema(schema: Any, result: ReadSettings) -> dict[str, Any] | None:
    keys: Keys = ["input", "schema"]
    read = result.json_schema(schema, keys, "write each input's JSON Schema under inputs")
    if read is None:
        return None
    if read.get("type") != "object" or not isinstance(read.get("properties"), Mapping):
        message = "is the schema of one value, and inputs have names here: they are taken from the template"
        result.drop(keys, message, "name the inputs")
        return None
    if read.get("additionalProperties") not in (None, False):
        result.drop(keys, "allows other properties, and inputs have names here", "name them")
    for keyword in read:
        if keyword not in _SAID:
            result.drop([*keys, keyword], "is about all inputs at once")
    if is_picoschema(schema):
        _without_null(read)
    return read


def _without_null(schema: dict[str, Any]) -> None:
    """Take null out of what may be left out: Picoschema adds it, and here an optional input is simply not given."""
    required = schema.get("required", ())
    for name, each in schema["properties"].items():
        if name in required:
            continue
        if isinstance(each.get("type"), list):
            each["type"] = each["type"][0]
        if "enum" in each and each["enum"][-1:] == [None]:
            each["enum"] = each["enum"][:-1]


def _input(schema: Any, key: str, inputs: Inputs, *, is_required: bool) -> dict[str, Any]:
    written: dict[str, Any] = dict(schema) if isinstance(schema, Mapping) else {}
    if "$defs" in inputs.schema and "#/$defs/" in repr(written):
        written["$defs"] = inputs.schema["$defs"]
    if key in inputs.defaults:
        written["default"] = inputs.defaults[key]
    elif not is_required and "default" not in written:
        if "required" in written:
            written = {"allOf": [written]}
        written["required"] = False
    return written


def _found(key: str, found: Mapping[str, Any], inputs: Inputs) -> dict[str, Any]:
    written = dict(found)
    if key in inputs.defaults:
        written["default"] = inputs.defaults[key]
    elif inputs.is_declared:
        written["required"] = False
    return written


def _places(schema: Mapping[str, Any]) -> dict[str, Keys]:
    """Return the way in the front matter to each input that it declares."""
    if is_picoschema(schema):
        return {name_of(key): ["input", "schema", key] for key in schema}
    return {key: ["input", "schema", "properties", key] for key in schema["properties"]}


def _note_declared(key: str, keys: Keys, inputs: Inputs, result: ReadSettings, *, is_required: bool) -> None:
    name = inputs.name_of(key)
    is_renamed = "" if name == key else ", a name that Jinja takes"
    if key in inputs.defaults or is_required:
        fate: Fate = "changed" if is_renamed else "kept"
        more = ""
        if key in inputs.added_defaults:
            fate, more = "changed", " with an empty default: a missing one is empty there"
            more += ", so nothing in it is required" if key in inputs.loosened else ""
    else:
        fate, more = "changed", " that is not required; it cannot be null"
    result.note(fate, keys, f"is written as inputs.{name}{is_renamed}{more}", part=f"input.schema.{key}")


def _note_found(key: str, name: str, inputs: Inputs, result: ReadSettings) -> None:
    is_renamed = "" if name == key else ", a name that Jinja takes"
    if key in inputs.defaults:
        message = f"is not declared: it is written as inputs.{name}{is_renamed}, of any type"
    elif inputs.is_declared:
        message = f"is not in input.schema: it is written as inputs.{name}{is_renamed}, which is not required"
    else:
        message = f"is written as inputs.{name}{is_renamed}, of any type; it must be given here"
    result.note("changed", ["input"], message, part=f"{{{{{key}}}}}")
