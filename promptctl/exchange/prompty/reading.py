"""From a Prompty file to a prompt of ours, and a note on each of its parts."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

from promptctl.errors import InvalidFiles
from promptctl.exchange.drafts import NOT_BLANK, DatasetDraft, ForeignContents, PromptDraft, Source, by_line
from promptctl.exchange.prompty.header import MARKS, PromptyHeader, header_with_base, parted
from promptctl.exchange.prompty.inputs import InputsReader
from promptctl.exchange.prompty.messages import MessagesReader
from promptctl.exchange.prompty.models import ModelReader
from promptctl.exchange.prompty.properties import object_schema
from promptctl.files.document import Key

SUFFIX = ".prompty"
_MOST_LOOKED_AT = 64 << 10
# Keys that no other tool's header has; and those of Dotprompt, which has a header too.
_SIGNS = re.compile(
    r"^(?:(?:authors|sample|outputs|displayName):|inputs:[ \t]*\n[ \t]*-[ \t]*name:"
    r"|template:[ \t]*\n[ \t]+(?:format|parser):"
    r"|model:[ \t]*\n(?:[ \t][^\n]*\n)*?[ \t]+(?:api|apiType|configuration|connection|provider):)",
    re.MULTILINE,
)
_DOTPROMPT = re.compile(r"^(?:input|output|config|ext|variant|toolDefs):|\{\{role ", re.MULTILINE)
_OF_VERSION_1 = frozenset(("sample", "authors", "base", "tags", "version"))
_MODEL_OF_VERSION_1 = frozenset(("api", "configuration", "parameters", "response"))
_READ = frozenset((
    "name", "displayName", "description", "metadata", "model", "inputs", "outputs", "tools", "template", "sample",
    "authors", "tags", "version", "instructions", "base",
))  # fmt: skip
_NOT_SAID = {
    "$schema": "is that of Prompty's editors; promptctl's are found by the file's name",
    "kind": "is always `prompt`",
    "id": "the id is the path of the imported file",
}


def is_one(source: Source) -> bool:
    """Return True for a file with the keys of Prompty in its header; by its name alone if it has no other's keys."""
    is_named = source.path.endswith(SUFFIX)
    try:
        header = parted(source).header if is_named or source.text.lstrip().startswith(MARKS) else None
    except InvalidFiles:
        return is_named and bool(source.data.strip())
    if header is None:
        return is_named
    header = header[:_MOST_LOOKED_AT]
    return (is_named or bool(_SIGNS.search(header))) and not _DOTPROMPT.search(header)


def read(source: Source) -> ForeignContents:
    """Return the prompt of a Prompty file, and its sample as a dataset. Raises `InvalidFiles`."""
    header = header_with_base(source)
    reader = PromptyReader(header)
    data = reader.prompt()
    place = source.place(1)
    wish = posixpath.basename(source.path).removesuffix(SUFFIX)
    datasets = reader.datasets(wish, data)
    return ForeignContents((PromptDraft(wish, data, place),), datasets, (), by_line(header.notes))


def version_of(data: Mapping[str, Any]) -> int:
    """Return 1 for a header with keys that version 2 renamed or left out, 2 for any other."""
    model, template, inputs = data.get("model"), data.get("template"), data.get("inputs")
    format_ = template.get("format", {}) if isinstance(template, dict) else template
    listed = inputs.values() if isinstance(inputs, dict) else inputs if isinstance(inputs, list) else ()
    is_1 = (
        not _OF_VERSION_1.isdisjoint(data)
        or (isinstance(model, dict) and not _MODEL_OF_VERSION_1.isdisjoint(model))
        or isinstance(format_, str)
        or any(isinstance(each, dict) and "type" in each and "kind" not in each for each in listed)
    )
    return 1 if is_1 else 2


class PromptyReader:
    """Reads one file part by part; every part adds a note to its header."""

    def __init__(self, header: PromptyHeader) -> None:
        self._header = header
        self.version = version_of(header.data)
        self._model = ModelReader(header)
        self._inputs = InputsReader(header, self.version)

    def prompt(self) -> dict[str, Any]:
        """Return the keys of the native file. Raises `InvalidFiles`."""
        data = self._about()
        data |= self._model.read()
        self._inputs.read()
        messages = MessagesReader(self._header, self.version, self._inputs, self._format(), self._model.api)
        data["messages"] = messages.read()
        if inputs := self._inputs.declared(messages.events):
            data["inputs"] = inputs
        if output := self._outputs(data):
            data.pop("response_format", None)
            data |= output
        tools = read_tools(self._header, self._model.tools)
        if tools:
            data["tools"] = tools
        for key in [each for each in self._header.data if each not in _READ]:
            self._header.drop((key,), _NOT_SAID.get(key, "is no key of Prompty"))
        return data

    def datasets(self, wish: str, data: Mapping[str, Any]) -> tuple[DatasetDraft, ...]:
        """Return the file's sample as a dataset with one case, which any reply of the right form passes."""
        case = self._inputs.case()
        if case is None:
            return ()
        is_json = "output" in data or data.get("response_format") == {"type": "json_object"}
        found = {
            "prompts": [wish],
            "description": "The sample of the imported file. Any reply passes: say what is expected of it.",
            "defaults": {"assert": [{"type": "is-json"} if is_json else dict(NOT_BLANK)]},
            "cases": [{"id": "sample", "inputs": case}],
        }
        return (DatasetDraft(wish, found, self._header.place("sample" if "sample" in self._header.data else "inputs")),)

    def _about(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        metadata: dict[str, Any] = {}
        name, title = self._text("name"), self._text("displayName")
        path = self._header.source.path.removesuffix(SUFFIX)
        if title:
            found["name"] = title
            self._header.note("changed", ("displayName",), "is written as `name`")
        if name in (path, posixpath.basename(path)):
            self._header.note("kept", ("name",), "is the id, as the path has it")
        elif name and title:
            why = "is not written: `displayName` is the title, and the path of the file the id"
            self._header.drop(("name",), why)
        elif name:
            found["name"] = name
            self._header.note("kept", ("name",), "is the title")
        if (description := self._text("description")) is not None:
            found["description"] = description
            self._header.note("kept", ("description",), "is the description")
        given = self._header.data.get("metadata")
        if isinstance(given, dict):
            metadata |= given
            self._header.note("kept", ("metadata",), "is the metadata")
        elif given is not None:
            metadata["metadata"] = given
            self._header.note("changed", ("metadata",), "is written as `metadata.metadata`: it is no mapping")
        for key in ("authors", "tags", "version"):
            if self._header.data.get(key) is not None:
                metadata[key] = self._header.data[key]
                written = "tags" if key == "tags" else f"metadata.{key}"
                self._header.note("changed", (key,), f"is written as `{written}`")
        tags = metadata.get("tags")
        if isinstance(tags, list) and tags and all(isinstance(tag, str) and tag for tag in tags):
            found["tags"] = list(dict.fromkeys(metadata.pop("tags")))
        return found | ({"metadata": metadata} if metadata else {})

    def _text(self, key: str) -> str | None:
        value = self._header.data.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self._header.note("changed", (key,), "is written as a text")
        return str(value)

    def _format(self) -> str:
        """Return the language of the body: `jinja2` or `mustache`. Raises `InvalidFiles` for any other."""
        template = self._header.data.get("template")
        keys: tuple[Key, ...] = ("template", "format") if isinstance(template, dict) else ("template",)
        if template is None:
            return "jinja2"
        if not isinstance(template, dict):
            template = {"format": template}
        found = template.get("format", template.get("type", "jinja2"))
        kind = found.get("kind", "jinja2") if isinstance(found, dict) else found
        if kind not in ("jinja2", "nunjucks", "mustache", "*", ""):
            raise self._header.refuse(keys, f"names `{kind}`: only jinja2 and mustache are read")
        if kind == "mustache":
            self._header.note("changed", keys, "is rewritten as Jinja")
        else:
            self._header.note("kept", keys, "is Jinja")
        self._template_rest(template, found)
        return "mustache" if kind == "mustache" else "jinja2"

    def _template_rest(self, template: Mapping[str, Any], format_: Any) -> None:
        strict = format_.get("strict") if isinstance(format_, dict) else template.get("strict")
        if strict is not None:
            at = ("format",) if isinstance(format_, dict) else ()
            message = "no value can begin a message here, whatever it holds"
            self._header.note("kept" if strict else "changed", ("template", *at, "strict"), message)
        parser = template.get("parser")
        kind = parser.get("kind") if isinstance(parser, dict) else parser
        if kind not in (None, "prompty", "*", ""):
            raise self._header.refuse(("template", "parser"), f"names `{kind}`: only prompty's own is read")
        if kind is not None:
            self._header.note("kept", ("template", "parser"), "is how messages are told from one another")
        for key in [each for each in template if each not in {"format", "type", "parser", "strict"}]:
            self._header.drop(("template", key), "is no key of a template in Prompty")
        for name, part in (("format", format_), ("parser", parser)):
            if isinstance(part, dict) and part.get("options"):
                self._header.drop(("template", name, "options"), "promptctl's templates have no options")

    def _outputs(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return `outputs` as the form of the reply; beside `json_object` they only name keys that programs read."""
        outputs = self._header.data.get("outputs")
        if not outputs:
            return {}
        if "output" in data:
            self._header.drop(("outputs",), "`response_format` says the form of the reply")
            return {}
        is_strict = "response_format" not in data
        schema = object_schema(self._header, outputs, ("outputs",), is_closed=is_strict)
        how = "asked for strictly as Prompty does: each key required, no other allowed"
        message = f"is written as `output.schema`, {how if is_strict else 'which takes the place of `response_format`'}"
        self._header.note("changed", ("outputs",), message)
        return {"output": {"schema": schema, **({"strict": True} if is_strict else {})}}


_KINDS = {
    "mcp": "is a server of the Model Context Protocol, which promptctl does not call",
    "openapi": "is an OpenAPI service, which promptctl does not call",
}


def read_tools(header: PromptyHeader, inline: Any) -> list[dict[str, Any]]:
    """Return the functions among the tools; `inline` are those that version 1 has among the parameters, as they are."""
    found: list[dict[str, Any]] = []
    for number, tool in enumerate(inline or ()):
        keys = ("model", "parameters" if "parameters" in header.data["model"] else "options", "tools", number)
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
    for key in tool:
        if key not in ("name", "id", "kind", "type", "description", "parameters", "strict", "bindings"):
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
