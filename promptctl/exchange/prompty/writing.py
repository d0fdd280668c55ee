"""From prompts of ours to files of Prompty 2, with every part that these do not say."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from promptctl.exchange.model_settings import THEIR_NAMES
from promptctl.exchange.prompty.inputs import needs_value
from promptctl.exchange.prompty.models import PROVIDERS
from promptctl.exchange.prompty.properties import OTHER_KIND, fits, properties_of, property_of
from promptctl.exchange.prompty.written_body import BodyWriter
from promptctl.exchange.written import PromptToWrite, PromptWriter, Written, written_by
from promptctl.files.document import Key
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.prompt import MISSING, Input, Message
from promptctl.templates import BadTemplate
from promptctl.templates.events import Use
from promptctl.templates.uses import uses

_OPTIONS = ("temperature", "max_tokens", "top_p", "top_k", "frequency_penalty", "presence_penalty", "seed",
            "reasoning_effort", "stop")  # fmt: skip
_NAMES = {name: THEIR_NAMES.get(name, name) for name in _OPTIONS} | {"parallel_tool_calls": "allowMultipleToolCalls"}
_PROVIDERS = {"azure": "foundry"}
_REFERENCE = re.compile(r"\$\{\w+:.*\}", re.DOTALL | re.ASCII)
# What ends the header in Prompty's loader, wherever it stands.
_MARKS = re.compile(r"---|\+\+\+")
_NOT_SAID = ("status", "successor", "formerly", "copied_from")


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return each prompt as `<id>.prompty`."""
    return written_by(map(PromptyWriter, prompts))


class PromptyWriter(PromptWriter):
    """Writes one prompt as a file of Prompty."""

    def files(self) -> dict[str, bytes]:
        """Return the prompt's one file."""
        text = self.text()
        self.losses.sort(key=lambda loss: (loss.place and loss.place.line) or 0)
        return {f"{self.prompt.id}.prompty": text.encode()}

    def text(self) -> str:
        """Return the file's text."""
        body = BodyWriter(self.given)
        text = body.write()
        self.losses = body.losses
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

    def _about(self) -> dict[str, Any]:
        data = self.given.data
        for key in _NOT_SAID:
            if data.get(key) not in (None, [], "active"):
                self.lose("has no place in Prompty", key)
        metadata = dict(self.prompt.metadata)
        if "tags" in metadata:
            self.lose("is where Prompty has the tags of the prompt itself", "metadata", "tags")
        if self.prompt.tags:
            metadata["tags"] = list(self.prompt.tags)
        return {
            "name": self.prompt.id,
            **({"displayName": data["name"]} if "name" in data else {}),
            **({"description": data["description"]} if data.get("description") else {}),
            **({"metadata": metadata} if metadata else {}),
        }

    def _model(self) -> dict[str, Any]:
        model: dict[str, Any] = {}
        if self.prompt.model is not None:
            provider, separator, id_ = self.prompt.model.partition("/")
            model["id"] = id_ if separator else provider
            if separator:
                model["provider"] = _PROVIDERS.get(provider, provider)
                if provider in PROVIDERS and provider not in _PROVIDERS:
                    self.lose(f"begins with {provider}/, which comes back as {PROVIDERS[provider]}/", "model")
            model["apiType"] = "chat"
        options: dict[str, Any] = {}
        others: dict[str, Any] = {}
        for name, value in self.prompt.parameters.items():
            is_said = name in _NAMES and not (name == "stop" and isinstance(value, str))
            (options if is_said else others)[_NAMES[name] if is_said else name] = value
        if self.prompt.response_format is not None:
            others["response_format"] = dict(self.prompt.response_format)
        if others:
            options["additionalProperties"] = others
        return model | ({"options": options} if options else {})

    def _inputs(self, rich: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        for name, each in self.prompt.inputs.items():
            keys: tuple[Key, ...] = ("inputs", name)
            if each.is_sensitive:
                self.lose("has no place in Prompty", *keys, "sensitive")
            if name in rich:
                yield self._rich(each, rich[name], keys)
            elif each.schema or not each.is_required or not self._is_bare(name):
                default = {} if each.default is MISSING else {"default": each.default}
                prop = property_of({**each.schema, **default}, keys, self)
                presence = self._presence(each, keys)
                if "default" in presence and not fits(each.default, prop):
                    self.lose(OTHER_KIND, *keys, "default")
                    presence = {"required": False}
                yield {"name": name, **prop, **presence}

    def _rich(self, each: Input, kind: str, keys: tuple[Key, ...]) -> dict[str, Any]:
        told = {"description": each.description, "type": "array" if kind == "thread" else "string"}
        for key, value in each.schema.items():
            if told.get(key) != value:
                self.lose(f"is not said by an input of the kind {kind}", *keys, key)
        description = {"description": each.description} if each.description else {}
        presence = {} if kind == "thread" and each.default == [] else self._presence(each, keys)
        return {"name": each.name, "kind": kind, **description, **presence}

    def _presence(self, each: Input, keys: tuple[Key, ...]) -> dict[str, Any]:
        if each.default is None:
            self.lose("is null, which is no default in Prompty", *keys, "default")
            return {"required": False}
        if each.default is not MISSING:
            return {"default": each.default}
        return {"required": each.is_required}

    def _is_bare(self, name: str) -> bool:
        """Return True if Prompty is told enough of an input of any type by the messages, which print it."""
        contents = [each.content for each in self.prompt.messages if isinstance(each, Message)]
        texts = [each for each in contents if isinstance(each, str)]
        if self.prompt.engine != "jinja2":
            return any(f"{{{{{name}}}}}" in each for each in texts)
        try:
            found = [event for each in texts for event in uses(each) if isinstance(event, Use)]
        except BadTemplate:
            return False
        return needs_value([event for event in found if event.path[0] == name], None)

    def _outputs(self) -> list[dict[str, Any]]:
        output = self.prompt.output
        if output.schema is None:
            return []
        keys: tuple[Key, ...] = ("output", "schema")
        if output.retries:
            self.lose("has no place in Prompty", "output", "retries")
        if output.name != "output":
            self.lose("has no place in Prompty", "output", "name")
        if not output.is_strict:
            self.lose("is not true here; Prompty always asks providers to hold to the schema", "output", "strict")
        if output.schema.get("type") != "object" or not isinstance(output.schema.get("properties"), dict):
            self.lose("is no object with properties, which is all that Prompty asks for", *keys)
            return []
        for key in output.schema:
            if key not in ("type", "properties", "required", "additionalProperties"):
                self.lose("is a keyword that Prompty's outputs do not have", *keys, key)
        return properties_of(output.schema, keys, self, is_closed=True)

    def _tools(self) -> Iterator[dict[str, Any]]:
        for number, tool in enumerate(self.prompt.tools):
            keys: tuple[Key, ...] = ("tools", number)
            function = tool.get("function")
            if tool.get("type") != "function" or not isinstance(function, Mapping):
                self.lose("is no function, and its connection to a server is not part of a prompt", *keys)
                continue
            if "cache_control" in tool:
                self.lose("has no place in Prompty", *keys, "cache_control")
            parameters = function.get("parameters")
            below: tuple[Key, ...] = (*keys, "function", "parameters")
            is_strict = function.get("strict") is True
            written = {"name": function["name"], "kind": "function"}
            if function.get("description"):
                written["description"] = function["description"]
            if isinstance(parameters, Mapping):
                said = {"type", "properties", "required", *(("additionalProperties",) if is_strict else ())}
                for key in [each for each in parameters if each not in said]:
                    self.lose("is a keyword that Prompty's functions do not have", *below, key)
                if is_strict and parameters.get("additionalProperties") is not False:
                    self.lose("is not false here, as Prompty has it for what is strict", *below, "additionalProperties")
                written["parameters"] = properties_of(parameters, below, self)
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
            self.lose("is a text that Prompty takes for a reference", part=".".join(map(str, keys)))


def _header_text(header: Mapping[str, Any]) -> str:
    text = yaml_text(header)
    if _MARKS.search(text) is None:
        return text
    # In JSON, which is YAML too, the marks that would end the header can be escaped.
    text = json.dumps(header, ensure_ascii=False, indent=2)
    return _MARKS.sub(lambda found: f"{found[0][0]}\\u{ord(found[0][0]):04x}{found[0][0]}", text) + "\n"
