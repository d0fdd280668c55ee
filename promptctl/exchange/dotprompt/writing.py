"""Prompts as `.prompt` files of Dotprompt, with every part that those cannot say."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.dotprompt.picoschema import is_picoschema, picoschema
from promptctl.exchange.dotprompt.reading import is_litellm
from promptctl.exchange.dotprompt.settings import EXTENSION, HISTORY_KEY, KEPT_AS_EXTENSIONS, PROVIDERS
from promptctl.exchange.model_settings import THEIR_NAMES
from promptctl.exchange.written import ExportLoss, PromptToWrite, PromptWriter, Written, written_by
from promptctl.files.free_names import FreeNames
from promptctl.files.names import resolve_path
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.prompt import MISSING, Input, Message, Placeholder
from promptctl.template_languages.handlebars.layout import END, WrittenBlock, WrittenNode, WrittenTag, template_text
from promptctl.template_languages.handlebars.scopes import TagValue
from promptctl.template_languages.handlebars.writing import HandlebarsWriter
from promptctl.template_languages.ours import own_pieces
from promptctl.template_languages.pieces import Piece, TextPiece, VariablePiece

_THEIR_PROVIDERS = {ours: theirs for theirs, ours in PROVIDERS.items()}


class WrittenSettings(PromptWriter):
    """Keys of the front matter, and what they do not say."""

    def data(self, histories: Collection[str]) -> dict[str, Any]:
        """Return the front matter; `histories` are the inputs that hold the conversation so far."""
        prompt = self.prompt
        matter: dict[str, Any] = {}
        if prompt.model:
            provider, _, name = prompt.model.partition("/")
            matter["model"] = f"{_THEIR_PROVIDERS[provider]}/{name}" if provider in _THEIR_PROVIDERS else prompt.model
        if prompt.description:
            matter["description"] = prompt.description
        matter |= self._extensions()
        last = self.prompt.messages[-1:]
        if not histories and any(isinstance(each, Message) and each.role != "user" for each in last):
            matter[HISTORY_KEY] = False
        if prompt.parameters:
            matter["config"] = {THEIR_NAMES.get(key, key): value for key, value in prompt.parameters.items()}
        matter |= self._input(histories)
        matter |= self._output()
        if tools := self._tools():
            matter["toolDefs"] = tools
        if prompt.metadata:
            matter["metadata"] = dict(prompt.metadata)
        return matter or {"metadata": {}}

    def _extensions(self) -> dict[str, Any]:
        """Return what only people and promptctl read, as keys of an extension."""
        return {
            f"{EXTENSION}{key}": self.given.data[key]
            for key in KEPT_AS_EXTENSIONS
            if self.given.data.get(key) is not None
        }

    def _input(self, histories: Collection[str]) -> dict[str, Any]:
        inputs = [each for each in self.prompt.inputs.values() if each.name not in histories]
        for name in histories:
            given = self.prompt.inputs.get(name)
            if given is not None and given.default != []:
                key = () if given.default is MISSING else ("default",)
                self.lose("is lost: a history there begins empty", "inputs", name, *key)
            elif given is not None and given.schema.keys() - {"type"}:
                told = ", ".join(f"`{each}`" for each in given.schema if each != "type")
                self.lose(f"is a history without {told} there", "inputs", name)
        for each in self.prompt.inputs.values():
            if each.is_sensitive:
                self.lose("is lost: Dotprompt keeps no value back", "inputs", each.name, "sensitive")
        if not inputs:
            return {}
        written: dict[str, Any] = {"schema": _schema(inputs)}
        defaults = {each.name: each.default for each in inputs if each.default is not MISSING}
        return {"input": {**written, **({"default": defaults} if defaults else {})}}

    def _output(self) -> dict[str, Any]:
        output, prompt = self.prompt.output, self.prompt
        if output.schema is None:
            form = (prompt.response_format or {}).get("type")
            return {"output": {"format": "json" if form == "json_object" else "text"}} if form else {}
        if output.retries:
            self.lose("is lost: nothing asks again there", "output", "retries")
        if output.is_strict:
            self.lose("is lost: that is an application's affair there", "output", "strict")
        if output.name != "output":
            self.lose("is lost: a schema has no name there", "output", "name")
        schema = output.schema
        short = picoschema(schema)
        # A schema that says neither `type` nor `properties` would be read as Picoschema.
        if short is None and is_picoschema(schema):
            self.lose("says no `type`: Dotprompt would take it for Picoschema", "output", "schema")
            return {"output": {"format": "json"}}
        if "type" not in schema:
            self.lose("says no `type`: Dotprompt takes it for an object", "output", "schema")
        return {"output": {"format": "json", "schema": dict(schema) if short is None else short}}

    def _tools(self) -> list[dict[str, Any]]:
        tools: list[dict[str, Any]] = []
        for number, tool in enumerate(self.prompt.tools):
            function = tool.get("function")
            if not isinstance(function, Mapping):
                self.lose("is a tool that the provider runs, which Dotprompt does not have", "tools", number)
                continue
            for key in (*(key for key in tool if key not in ("type", "function")), *function):
                if key not in ("name", "description", "parameters"):
                    self.lose("has no word in Dotprompt", "tools", number, part=f"tools.{number}.{key}")
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


_ROLES = {"assistant": "model", "system": "system", "user": "user", "developer": "system"}
_MARKER = "<<<dotprompt:"
PlaceOf = Callable[[int], "Place | None"]
_SOUNDS = {"mp3": "audio/mpeg", "wav": "audio/wav"}


class PartialNames:
    """Names of partials of all prompts that are exported together: each path has one, and each name one text."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._free = FreeNames()

    def name(self, path: str, text: str) -> str:
        """Return the name of a partial: that of its file, or with its folder if a different one has it."""
        if (path, text) not in self._names:
            stem = posixpath.basename(path).partition(".")[0]
            longer = path.partition(".")[0].replace("/", "-")
            self._names[path, text] = self._free.take(longer if stem in self._free else stem)
        return self._names[path, text]


def write(prompts: Sequence[PromptToWrite]) -> Written:
    """Return one file for each prompt, and one for each partial."""
    names = PartialNames()
    written = written_by(_FileWriter(prompt, names) for prompt in prompts)
    return Written(written.files, tuple(dict.fromkeys(written.losses)))


class _FileWriter(PromptWriter):
    def __init__(self, given: PromptToWrite, names: PartialNames) -> None:
        super().__init__(given)
        self._names = names
        self._values = {
            each.name: TagValue((each.name,), each.schema, not each.is_required) for each in self.prompt.inputs.values()
        }
        self._partials: dict[str, bytes] = {}

    def files(self) -> dict[str, bytes]:
        """Return the prompt's file and its partials."""
        nodes = list(self._messages())
        body = template_text(nodes)
        if is_litellm(body) or body != body.lstrip():
            body = template_text([_role("user"), *nodes])
        if body != body.rstrip():
            body += END
        histories = [each.input for each in self.prompt.messages if isinstance(each, Placeholder)]
        settings = WrittenSettings(self.given)
        matter = settings.data(histories)
        self.losses = [*settings.losses, *self.losses]
        return {f"{self.prompt.id}.prompt": f"---\n{yaml_text(matter)}---\n{body}\n".encode(), **self._partials}

    def _lose(self, part: str, why: str, place: Place | None) -> None:
        self.losses.append(ExportLoss(part, why, place))

    def _messages(self) -> Iterator[WrittenNode]:
        has_history = False
        messages = self.prompt.messages
        for index, message in enumerate(messages):
            if isinstance(message, Placeholder):
                if has_history:
                    self._lose(f"messages.{index}", "is a second placeholder, and there is one history", message.place)
                else:
                    yield WrittenTag("{{history}}")
                    if message.input != "history":
                        self._lose(f"messages.{index}", "is written as `history`, the name that it has there",
                                   message.place)  # fmt: skip
                has_history = True
                continue
            role = _ROLES.get(message.role)
            if role is None:
                self._lose(
                    f"messages.{index}", f"has the role `{message.role}`, which has no text there", message.place
                )
                continue
            if message.role == "developer":
                self._lose(f"messages.{index}.role", "is `developer`, and becomes `system`", message.place)
            for key in message.extra:
                self._lose(f"messages.{index}.{key}", "has no word in Dotprompt", message.place)
            if index or role != "user":
                yield _role(role)
            nodes = list(self._content(message, index))
            if not any(not isinstance(each, str) or each.strip() for each in nodes):
                self._lose(f"messages.{index}", "is empty, and is left out there", message.place)
            yield from nodes

    def _content(self, message: Message, index: int) -> Iterator[WrittenNode]:
        if isinstance(message.content, str):
            yield from self._template(message.content, message, f"messages.{index}.content")
            return
        before = ""
        for number, part in enumerate(message.content):
            name = f"messages.{index}.content.{number}"
            place = message.place_of(1, number if number < len(message.part_places) else None)
            kind = str(part.get("type"))
            if kind == before == "text":
                self._lose(name, "is joined with the text before it", place)
            before = kind
            if part.get("cache_control"):
                self._lose(f"{name}.cache_control", "has no word in Dotprompt", place)
            shown = self._text_part(part, message, name) if kind == "text" else self._media(part, name, place)
            if part.get("when"):
                yield WrittenBlock((f"{{{{#if {part['when']}}}}}", "{{/if}}"), (tuple(shown),))
            else:
                yield from shown

    def _text_part(self, part: Mapping[str, Any], message: Message, name: str) -> list[WrittenNode]:
        nodes = list(self._template(part["text"], message, name))
        if not any(not isinstance(each, str) or each.strip() for each in nodes):
            self._lose(name, "is blank, and is left out there", message.place)
        return nodes

    def _media(self, part: Mapping[str, Any], name: str, place: Place | None) -> list[WrittenNode]:
        kind, more = str(part["type"]), ""
        inner: Mapping[str, Any] = part[kind]
        url = inner.get({"image_url": "url", "input_audio": "data", "file": "file_data"}[kind])
        if kind == "input_audio":
            more = f' contentType="{_SOUNDS.get(inner["format"], "audio/" + inner["format"])}"'
            self._lose(f"{name}.input_audio", "is an address or a `data:` URL there, not base64 alone", place)
        if kind == "file":
            more = f' contentType="{inner.get("format", "application/pdf")}"'
        for key in inner:
            if key not in ("url", "data", "format", "file_data"):
                self._lose(f"{name}.{kind}.{key}", "has no word in Dotprompt", place)
        if url is None:
            return []
        return [WrittenTag(f"{{{{media url={self._url(str(url), f'{name}.{kind}', place)}{more}}}}}")]

    def _url(self, url: str, name: str, place: Place | None) -> str:
        """Return an address as `media` takes it: one variable, or a text without any."""
        match self._pieces(url, name, lambda _: place):
            case [VariablePiece(path, ())]:
                return self._writer(name, lambda _: place).path(path)
            case [TextPiece(text)] if '"' not in text and not text.endswith("\\"):
                return f'"{text}"'
            case pieces:
                self._lose(name, "is put together from texts and values: there it is one of them", place)
                paths = [each.path for each in pieces if isinstance(each, VariablePiece)]
                return self._writer(name, lambda _: place).path(paths[0]) if paths else '""'

    def _pieces(self, text: str, name: str, place_of: PlaceOf) -> tuple[Piece, ...]:
        return own_pieces(self.prompt, text, lambda why, line: self._lose(name, why, place_of(line)))

    def _template(self, text: str, message: Message, name: str) -> Iterator[WrittenNode]:
        pieces = self._pieces(text, name, message.place_of)
        before, marker, _ = text.partition(_MARKER)
        if marker:
            why = f"has the text `{marker}`, which Dotprompt takes for a mark of its own"
            self._lose(name, why, message.place_of(before.count("\n") + 1))
        yield from self._writer(name, message.place_of).nodes(pieces)

    def _writer(self, name: str, place_of: PlaceOf, file: str = "") -> HandlebarsWriter:
        def lose(why: str, line: int) -> None:
            self._lose(name, why, place_of(line))

        return HandlebarsWriter(self._values, lose, lambda path: self._partial(path, file or self.prompt.path))

    def _partial(self, reference: str, including: str) -> str:
        """Return the name of a file that a different one includes, once it is written."""
        base = self.prompt.base
        path = resolve_path(reference, including, base).removeprefix(f"{base}/")
        text = self.prompt.partials.get(path, "")
        name = self._names.name(path, text)
        file = f"_{name}.prompt"
        if file not in self._partials:
            self._partials[file] = b""
            inner = f"{base}/{path}"
            writer = self._writer(path, lambda line: Place(inner, line), inner)
            nodes = writer.nodes(self._pieces(text, path, lambda line: Place(inner, line)))
            self._partials[file] = template_text(nodes).encode()
        return name


def _role(role: str) -> WrittenTag:
    return WrittenTag(f'{{{{role "{role}"}}}}')
