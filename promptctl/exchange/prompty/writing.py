"""From prompts of ours to files of Prompty 2, with every part that these do not say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.notes import ExportLoss
from promptctl.exchange.prompty.inputs import needs_value
from promptctl.exchange.prompty.models import PROVIDERS
from promptctl.exchange.prompty.properties import OTHER_KIND, fits, properties_of, property_of
from promptctl.exchange.prompty.written_body import BodyWriter
from promptctl.exchange.written import PromptToWrite, Written
from promptctl.files.document import Key
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.prompt import MISSING, Input, Message
from promptctl.templates import BadTemplate
from promptctl.templates.events import Use
from promptctl.templates.uses import uses

_NAMES = {
    "temperature": "temperature",
    "max_tokens": "maxOutputTokens",
    "top_p": "topP",
    "top_k": "topK",
    "frequency_penalty": "frequencyPenalty",
    "presence_penalty": "presencePenalty",
    "seed": "seed",
    "reasoning_effort": "reasoningEffort",
    "stop": "stopSequences",
    "parallel_tool_calls": "allowMultipleToolCalls",
}
_PROVIDERS = {"azure": "foundry"}
_REFERENCE = re.compile(r"\$\{\w+:.*\}", re.DOTALL | re.ASCII)
# What ends the header in Prompty's loader, wherever it stands.
_MARKS = re.compile(r"---|\+\+\+")
_NOT_SAID = {
    "status": "has no place in Prompty",
    "successor": "has no place in Prompty",
    "formerly": "has no place in Prompty",
    "copied_from": "has no place in Prompty",
}


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return each prompt as `<id>.prompty`."""
    files: dict[str, bytes] = {}
    losses: list[ExportLoss] = []
    for each in prompts:
        writer = PromptyWriter(each)
        files[f"{each.prompt.id}.prompty"] = writer.write().encode()
        losses += sorted(writer.losses, key=lambda loss: (loss.place and loss.place.line) or 0)
    return Written(files, tuple(losses))


class PromptyWriter:
    """Writes one prompt; `losses` are all that the file does not say."""

    def __init__(self, prompt: PromptToWrite) -> None:
        self._given = prompt
        self._prompt = prompt.prompt
        self.losses: list[ExportLoss] = []

    def write(self) -> str:
        """Return the file's text."""
        body = BodyWriter(self._given, self.losses.append)
        text = body.write()
        header: dict[str, Any] = {
            **self._about(),
            "model": self._model(),
            "inputs": list(self._inputs(body.rich)),
            "outputs": self._outputs(),
            "tools": list(self._tools()),
        }
        header = {key: value for key, value in header.items() if value}
        header["template"] = {"format": {"kind": "jinja2", "strict": True}, "parser": {"kind": "prompty"}}
        self._lose_references(header, ())
        return f"---\n{_header_text(header)}---\n{text}"

    def _lose(self, keys: tuple[Key, ...], message: str) -> None:
        place = self._given.document.key_place(*keys)
        self.losses.append(ExportLoss(".".join(map(str, keys)), message, place))

    def _about(self) -> dict[str, Any]:
        data = self._given.data
        for key, message in _NOT_SAID.items():
            if data.get(key) not in (None, [], "active"):
                self._lose((key,), message)
        metadata = dict(self._prompt.metadata)
        if "tags" in metadata:
            self._lose(("metadata", "tags"), "is where Prompty has the tags of the prompt itself")
        if self._prompt.tags:
            metadata["tags"] = list(self._prompt.tags)
        return {
            "name": self._prompt.id,
            **({"displayName": data["name"]} if "name" in data else {}),
            **({"description": data["description"]} if data.get("description") else {}),
            **({"metadata": metadata} if metadata else {}),
        }

    def _model(self) -> dict[str, Any]:
        model: dict[str, Any] = {}
        if self._prompt.model is not None:
            provider, separator, id_ = self._prompt.model.partition("/")
            model["id"] = id_ if separator else provider
            if separator:
                model["provider"] = _PROVIDERS.get(provider, provider)
                if provider in PROVIDERS and provider not in _PROVIDERS:
                    self._lose(("model",), f"begins with {provider}/, which comes back as {PROVIDERS[provider]}/")
            model["apiType"] = "chat"
        options: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, value in self._prompt.parameters.items():
            is_said = name in _NAMES and not (name == "stop" and isinstance(value, str))
            (options if is_said else others)[_NAMES[name] if is_said else name] = value
        if self._prompt.response_format is not None:
            others["response_format"] = dict(self._prompt.response_format)
        if others:
            options["additionalProperties"] = others
        return model | ({"options": options} if options else {})

    def _inputs(self, rich: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        for name, each in self._prompt.inputs.items():
            keys: tuple[Key, ...] = ("inputs", name)
            if each.is_sensitive:
                self._lose((*keys, "sensitive"), "has no place in Prompty")
            if name in rich:
                yield self._rich(each, rich[name], keys)
            elif each.schema or not each.is_required or not self._is_bare(name):
                default = {} if each.default is MISSING else {"default": each.default}
                prop = property_of({**each.schema, **default}, keys, self._lose)
                presence = self._presence(each, keys)
                if "default" in presence and not fits(each.default, prop):
                    self._lose((*keys, "default"), OTHER_KIND)
                    presence = {"required": False}
                yield {"name": name, **prop, **presence}

    def _rich(self, each: Input, kind: str, keys: tuple[Key, ...]) -> dict[str, Any]:
        said = {"description"} | (
            {"type"} if each.schema.get("type") == ("array" if kind == "thread" else "string") else set()
        )
        for key in [each for each in each.schema if each not in said]:
            self._lose((*keys, key), f"is not said by an input of the kind {kind}")
        description = {"description": each.description} if each.description else {}
        presence = {} if kind == "thread" and each.default == [] else self._presence(each, keys)
        return {"name": each.name, "kind": kind, **description, **presence}

    def _presence(self, each: Input, keys: tuple[Key, ...]) -> dict[str, Any]:
        if each.default is None:
            self._lose((*keys, "default"), "is null, which is no default in Prompty")
            return {"required": False}
        if each.default is not MISSING:
            return {"default": each.default}
        return {"required": each.is_required}

    def _is_bare(self, name: str) -> bool:
        """Return True if Prompty is told enough of an input of any type by the messages, which print it."""
        contents = [each.content for each in self._prompt.messages if isinstance(each, Message)]
        texts = [each for each in contents if isinstance(each, str)]
        if self._prompt.engine != "jinja2":
            return any(f"{{{{{name}}}}}" in each for each in texts)
        try:
            found = [event for each in texts for event in uses(each) if isinstance(event, Use)]
        except BadTemplate:
            return False
        return needs_value([event for event in found if event.path[0] == name], None)

    def _outputs(self) -> list[dict[str, Any]]:
        output = self._prompt.output
        if output.schema is None:
            return []
        keys: tuple[Key, ...] = ("output", "schema")
        if output.retries:
            self._lose(("output", "retries"), "has no place in Prompty")
        if output.name != "output":
            self._lose(("output", "name"), "has no place in Prompty")
        if not output.is_strict:
            self._lose(("output", "strict"), "is not true here; Prompty always asks providers to hold to the schema")
        if output.schema.get("type") != "object" or not isinstance(output.schema.get("properties"), dict):
            self._lose(keys, "is no object with properties, which is all that Prompty asks for")
            return []
        for key in [
            each for each in output.schema if each not in {"type", "properties", "required", "additionalProperties"}
        ]:
            self._lose((*keys, key), "is a keyword that Prompty's outputs do not have")
        return properties_of(output.schema, keys, self._lose, is_closed=True)

    def _tools(self) -> Iterator[dict[str, Any]]:
        for number, tool in enumerate(self._prompt.tools):
            keys: tuple[Key, ...] = ("tools", number)
            function = tool.get("function")
            if tool.get("type") != "function" or not isinstance(function, Mapping):
                self._lose(keys, "is no function, and its connection to a server is not part of a prompt")
                continue
            if "cache_control" in tool:
                self._lose((*keys, "cache_control"), "has no place in Prompty")
            parameters = function.get("parameters")
            below: tuple[Key, ...] = (*keys, "function", "parameters")
            is_strict = function.get("strict") is True
            written = {"name": function["name"], "kind": "function"}
            if function.get("description"):
                written["description"] = function["description"]
            if isinstance(parameters, Mapping):
                said = {"type", "properties", "required", *(("additionalProperties",) if is_strict else ())}
                for key in [each for each in parameters if each not in said]:
                    self._lose((*below, key), "is a keyword that Prompty's functions do not have")
                if is_strict and parameters.get("additionalProperties") is not False:
                    self._lose(
                        (*below, "additionalProperties"), "is not false here, as Prompty has it for what is strict"
                    )
                written["parameters"] = properties_of(parameters, below, self._lose)
            yield {**written, "strict": is_strict}

    def _lose_references(self, value: Any, keys: tuple[Key, ...]) -> None:
        """Tell of texts that Prompty would take for references to a file or to the environment."""
        if isinstance(value, Mapping):
            for key, each in value.items():
                self._lose_references(each, (*keys, key))
        elif isinstance(value, list):
            for number, each in enumerate(value):
                self._lose_references(each, (*keys, number))
        elif isinstance(value, str) and _REFERENCE.fullmatch(value.strip()):
            self.losses.append(
                ExportLoss(
                    ".".join(map(str, keys)),
                    "is a text that Prompty takes for a reference",
                    self._given.document.place(),
                )
            )


def _header_text(header: Mapping[str, Any]) -> str:
    text = yaml_text(header)
    if _MARKS.search(text) is None:
        return text
    # In JSON, which is YAML too, the marks that would end the header can be escaped.
    text = json.dumps(header, ensure_ascii=False, indent=2)
    return _MARKS.sub(lambda found: f"{found[0][0]}\\u{ord(found[0][0]):04x}{found[0][0]}", text) + "\n"
