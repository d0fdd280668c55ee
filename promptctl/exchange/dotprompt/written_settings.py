"""Front matter of a prompt that is exported to Dotprompt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from promptctl.exchange.dotprompt.picoschema import is_picoschema, picoschema
from promptctl.exchange.dotprompt.settings import EXTENSION, HISTORY_KEY, KEPT_AS_EXTENSIONS, PARAMETERS, PROVIDERS
from promptctl.exchange.notes import ExportLoss
from promptctl.exchange.written import PromptToWrite
from promptctl.prompts.prompt import MISSING, Input, Message, Prompt

_THEIR_PARAMETERS = {ours: theirs for theirs, ours in PARAMETERS.items()}
_THEIR_PROVIDERS = {ours: theirs for theirs, ours in PROVIDERS.items()}


class WrittenSettings:
    """Keys of the front matter, and what they do not say."""

    def __init__(self, of: PromptToWrite) -> None:
        self._of = of
        self._prompt: Prompt = of.prompt
        self.losses: list[ExportLoss] = []

    def data(self, histories: Collection[str]) -> dict[str, Any]:
        """Return the front matter; `histories` are the inputs that hold the conversation so far."""
        prompt = self._prompt
        matter: dict[str, Any] = {}
        if prompt.model:
            provider, _, name = prompt.model.partition("/")
            matter["model"] = f"{_THEIR_PROVIDERS[provider]}/{name}" if provider in _THEIR_PROVIDERS else prompt.model
        if prompt.description:
            matter["description"] = prompt.description
        matter |= self._extensions()
        last = self._prompt.messages[-1:]
        if not histories and any(isinstance(each, Message) and each.role != "user" for each in last):
            matter[HISTORY_KEY] = False
        if prompt.parameters:
            matter["config"] = {_THEIR_PARAMETERS.get(key, key): value for key, value in prompt.parameters.items()}
        matter |= self._input(histories)
        matter |= self._output()
        if tools := self._tools():
            matter["toolDefs"] = tools
        if prompt.metadata:
            matter["metadata"] = dict(prompt.metadata)
        return matter or {"metadata": {}}

    def _lose(self, part: str, why: str, *at: str | int) -> None:
        self.losses.append(ExportLoss(part, why, self._of.document.key_place(*at)))

    def _extensions(self) -> dict[str, Any]:
        """Return what only people and promptctl read, as keys of an extension."""
        return {
            f"{EXTENSION}{key}": self._of.data[key] for key in KEPT_AS_EXTENSIONS if self._of.data.get(key) is not None
        }

    def _input(self, histories: Collection[str]) -> dict[str, Any]:
        inputs = [each for each in self._prompt.inputs.values() if each.name not in histories]
        for name in histories:
            given = self._prompt.inputs.get(name)
            if given is not None and given.default != []:
                key = () if given.default is MISSING else ("default",)
                part = ".".join(("inputs", name, *key))
                self._lose(part, "is lost: a history there begins empty", "inputs", name, *key)
            elif given is not None and given.schema.keys() - {"type"}:
                told = ", ".join(f"`{each}`" for each in given.schema if each != "type")
                self._lose(f"inputs.{name}", f"is a history without {told} there", "inputs", name)
        for each in self._prompt.inputs.values():
            if each.is_sensitive:
                self._lose(
                    f"inputs.{each.name}.sensitive", "is lost: Dotprompt keeps no value back", "inputs", each.name
                )
        if not inputs:
            return {}
        written: dict[str, Any] = {"schema": _schema(inputs)}
        defaults = {each.name: each.default for each in inputs if each.default is not MISSING}
        return {"input": {**written, **({"default": defaults} if defaults else {})}}

    def _output(self) -> dict[str, Any]:
        output, prompt = self._prompt.output, self._prompt
        if output.schema is None:
            form = (prompt.response_format or {}).get("type")
            return {"output": {"format": "json" if form == "json_object" else "text"}} if form else {}
        if output.retries:
            self._lose("output.retries", "is lost: nothing asks again there", "output", "retries")
        if output.is_strict:
            self._lose("output.strict", "is lost: that is an application's affair there", "output", "strict")
        if output.name != "output":
            self._lose("output.name", "is lost: a schema has no name there", "output", "name")
        schema = output.schema
        short = picoschema(schema)
        # A schema that says neither `type` nor `properties` would be read as Picoschema.
        if short is None and is_picoschema(schema):
            self._lose("output.schema", "says no `type`: Dotprompt would take it for Picoschema", "output", "schema")
            return {"output": {"format": "json"}}
        if "type" not in schema:
            self._lose("output.schema", "says no `type`: Dotprompt takes it for an object", "output", "schema")
        return {"output": {"format": "json", "schema": dict(schema) if short is None else short}}

    def _tools(self) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        for number, tool in enumerate(self._prompt.tools):
            function = tool.get("function")
            if not isinstance(function, Mapping):
                self._lose(
                    f"tools.{number}",
                    "is a tool that the provider runs, which Dotprompt does not have",
                    "tools",
                    number,
                )
                continue
            for key in (*(key for key in tool if key not in ("type", "function")), *function):
                if key not in ("name", "description", "parameters"):
                    self._lose(f"tools.{number}.{key}", "has no word in Dotprompt", "tools", number)
            tools.append(
                {
                    **{key: function[key] for key in ("name", "description") if key in function},
                    "inputSchema": dict(function.get("parameters", {})),
                }
            )
        return tools


def _schema(inputs: list[Input]) -> Any:
    """Return the schema of all inputs, as Picoschema if that says all of it."""
    declared = {each.name: dict(each.schema) for each in inputs}
    required = [each.name for each in inputs if each.is_required and each.default is MISSING]
    said = {"type": "object", "properties": declared, **({"required": required} if required else {})}
    nullable = {name: schema if name in required else _or_null(schema) for name, schema in declared.items()}
    short = picoschema({**said, "properties": nullable, "additionalProperties": False})
    return said if short is None else short


def _or_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of what may be left out as Picoschema has it, which allows null then."""
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    return {**schema, "type": [schema["type"], "null"]} if isinstance(schema.get("type"), str) else dict(schema)
