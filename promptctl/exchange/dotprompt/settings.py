"""Front matter of Dotprompt, apart from `input`: model, config, output, tools and the rest, into keys of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from promptctl.exchange.dotprompt.picoschema import BadSchema, is_picoschema, json_schema
from promptctl.exchange.drafts import Fate, ImportNote
from promptctl.exchange.front_matter import PromptText
from promptctl.exchange.model_settings import ForeignSettings, parameter_of

# What Genkit's plugins call a provider, and LiteLLM.
PROVIDERS = {"googleai": "gemini", "vertexai": "vertex_ai"}
# Our keys that Dotprompt has no word for, and that say nothing of what is sent: kept as its extensions.
EXTENSION = "promptctl."
Keys = list[str | int]
# Says that no conversation so far is to be put behind the messages, though none of the user is last.
HISTORY_KEY = f"{EXTENSION}history"
KEPT_AS_EXTENSIONS = ("name", "status", "successor", "formerly", "copied_from", "tags")


@dataclass
class ReadSettings:
    """Keys of a prompt file from the front matter, and what became of each key there."""

    text: PromptText
    settings: ForeignSettings = field(default_factory=ForeignSettings)
    notes: list[ImportNote] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> dict[str, Any]:
        """The keys of the prompt file."""
        return self.settings.data

    def note(
        self, fate: Fate, keys: Sequence[str | int], message: str, hint: str | None = None, part: str = ""
    ) -> None:
        """Add a note on a key of the front matter, named by the way to it: `toolDefs[0].inputSchema`."""
        named = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).lstrip(".")
        self.notes.append(ImportNote(fate, part or named, message, self.text.place(*keys), hint))

    def drop(self, keys: Sequence[str | int], message: str, hint: str | None = None) -> None:
        """Note that a key of the front matter is not kept."""
        self.note("dropped", keys, message, hint)

    def json_schema(self, schema: Any, keys: Keys, hint: str | None = None) -> dict[str, Any] | None:
        """Return a schema as JSON Schema; a part that is none allows anything, and is noted. None if all of it is."""

        def drop(error: BadSchema) -> dict[str, Any]:
            if not error.keys:
                raise error
            where = [*keys, *error.keys]
            self.drop(where, f"{error.message}: any value is taken", hint)
            return {}

        try:
            return json_schema(schema, bad=drop)
        except BadSchema as error:
            self.drop(keys, error.message, hint)
            return None


def settings(text: PromptText) -> ReadSettings:
    """Return the front matter as keys of a prompt file."""
    result = ReadSettings(text)
    for key, value in text.data.items():
        if key in _READERS:
            _read(result, key, value)
        elif key.removeprefix(EXTENSION) in KEPT_AS_EXTENSIONS and key.startswith(EXTENSION):
            own = key.removeprefix(EXTENSION)
            result.data[own] = value
            result.note("kept", [key], f"is written as {own}")
        elif key == HISTORY_KEY and value is False:
            result.note("kept", [key], "no conversation is put behind the messages")
        elif key != "input":
            result.metadata[key] = value
            why = "" if "." in key or key in ("variant", "version") else "; Dotprompt itself leaves it out"
            result.note("changed", [key], f"is written as metadata.{key}{why}")
    if result.metadata:
        result.data["metadata"] = result.metadata
    return result


def litellm_settings(text: PromptText) -> ReadSettings:
    """Return the front matter of LiteLLM's dialect, in which keys it does not know are parameters of the call."""
    result = ReadSettings(text)
    for key, value in text.data.items():
        if key in ("model", "output", "description", "metadata"):
            _read(result, key, value)
        elif key != "input":
            add_parameter(result, key, value, [key])
    if result.metadata:
        result.data["metadata"] = result.metadata
    return result


def _read(result: ReadSettings, key: str, value: Any) -> None:
    if value is not None or key == "model":  # any other key says nothing if it is empty
        _READERS[key](result, value)


def add_parameter(result: ReadSettings, key: str, value: Any, keys: Keys) -> None:
    """Add one parameter of the model, if our files have it and the value is one that it takes."""
    if key in ("apiKey", "api_key"):
        hint = "name an environment variable under `models:` in promptctl.yaml"
        result.drop(keys, "keys have no place in a prompt file", hint)
        return
    place, why = result.settings.take(key, value)
    if place is not None:
        result.note("kept", keys, f"is written as {place}")
        return
    result.metadata.setdefault("config", {})[key] = value
    is_known = parameter_of(key) is not None
    hint = "correct it under parameters" if is_known else "parameters.extra_body sends what only one provider knows"
    result.drop(keys, f"{why}: it is written as metadata.config.{key}, and not sent", hint)


def _model(result: ReadSettings, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        message = "is not the name of a model" if value else "is empty"
        result.drop(["model"], message, "set `model:` in the prompt, or the workspace's default")
        return
    provider, _, name = value.partition("/")
    model = f"{PROVIDERS[provider]}/{name}" if name and provider in PROVIDERS else value.strip()
    result.data["model"] = model
    words = "is the same" if model == value else f"is `{model}`, as LiteLLM names it"
    result.note("kept" if model == value else "changed", ["model"], words)


def _config(result: ReadSettings, value: Any) -> None:
    if not isinstance(value, Mapping):
        result.drop(["config"], "is not a mapping of parameters")
        return
    for key, each in value.items():
        add_parameter(result, key, each, ["config", key])


def _output(result: ReadSettings, value: Any) -> None:
    if not isinstance(value, Mapping):
        result.drop(["output"], "is not a mapping with `format` and `schema`")
        return
    form, schema = value.get("format"), value.get("schema")
    if schema is not None:
        _output_schema(result, schema)
    if form is not None:
        _output_format(result, form, has_schema="output" in result.data)
    for key in value:
        if key not in ("format", "schema"):
            result.drop(["output", key], "has no word in a prompt file")


def _output_schema(result: ReadSettings, schema: Any) -> None:
    keys: Keys = ["output", "schema"]
    read = result.json_schema(schema, keys, "write the JSON Schema under output.schema")
    if read is None:
        return
    result.data["output"] = {"schema": read}
    is_pico = is_picoschema(schema)
    words = "is Picoschema, and is written as JSON Schema" if is_pico else "is the same"
    result.note("changed" if is_pico else "kept", keys, words)


def _output_format(result: ReadSettings, form: Any, *, has_schema: bool) -> None:
    keys: Keys = ["output", "format"]
    types = {"json": "json_object", "text": "text"}
    if isinstance(form, str) and form in types and not has_schema:
        result.data["response_format"] = {"type": types[form]}
        result.note("kept", keys, "is written as response_format")
    elif form == "json":
        result.note("kept", keys, "is said by output.schema")
    else:
        hint = "say it in the messages, or with output.schema"
        result.drop(keys, f"`{form}` is a format of an application's code", hint)


def _tools(result: ReadSettings, value: Any) -> None:
    names = value if isinstance(value, list) else [value]
    definitions = result.text.data.get("toolDefs")
    listed = definitions if isinstance(definitions, list) else [definitions]
    defined = [each.get("name") for each in listed if isinstance(each, Mapping)]
    for number, name in enumerate(names):
        if name not in defined:
            hint = "declare it under `tools`, with its parameters"
            shown = f"`{name}` is a name only" if isinstance(name, str) else "is no name"
            message = f"{shown}: what it is and takes is in an application's code"
            result.drop(["tools", number], message, hint)


def _tool_definitions(result: ReadSettings, value: Any) -> None:
    for number, each in enumerate(value if isinstance(value, list) else [value]):
        keys = list[str | int](["toolDefs", number])
        if not isinstance(each, Mapping) or not isinstance(each.get("name"), str):
            result.drop(keys, "has no name")
            continue
        function = {key: each[key] for key in ("name", "description") if key in each}
        schema = each.get("inputSchema")
        if schema and (read := result.json_schema(schema, [*keys, "inputSchema"])) is not None:
            function["parameters"] = read
        result.data.setdefault("tools", []).append({"type": "function", "function": function})
        result.note("kept", keys, "is written under tools")
        if "outputSchema" in each:
            result.drop([*keys, "outputSchema"], "has no word in a prompt file")


def _described(result: ReadSettings, value: Any) -> None:
    result.data["description"] = str(value)
    result.note("kept", ["description"], "is the same")


def _named(result: ReadSettings, value: Any) -> None:
    result.data["name"] = str(value)
    result.note("kept", ["name"], "is written as name, a title for people; the id comes from the file's path")


def _metadata(result: ReadSettings, value: Any) -> None:
    if not isinstance(value, Mapping):
        result.drop(["metadata"], "is not a mapping")
        return
    result.metadata = {**value, **result.metadata}
    result.note("kept", ["metadata"], "is the same")


_READERS = {
    "model": _model,
    "config": _config,
    "output": _output,
    "tools": _tools,
    "toolDefs": _tool_definitions,
    "description": _described,
    "name": _named,
    "metadata": _metadata,
}
