"""Prompts as `.prompt` files of Dotprompt, with every part that those cannot say."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from promptctl.errors import Place
from promptctl.exchange.dotprompt.picoschema import is_picoschema, picoschema
from promptctl.exchange.dotprompt.reading import is_litellm
from promptctl.exchange.dotprompt.settings import EXTENSION, HISTORY_KEY, KEPT_AS_EXTENSIONS, PROVIDERS
from promptctl.exchange.model_settings import THEIR_NAMES
from promptctl.exchange.written import ExportLoss, PromptToWrite, PromptWriter, Written, written_by
from promptctl.files.document import Key
from promptctl.files.free_names import FreeNames
from promptctl.files.names import resolve_path
from promptctl.files.yaml_writing import yaml_text
from promptctl.prompts.prompt import MISSING, Input, Message, Placeholder
from promptctl.template_languages.handlebars.layout import END, WrittenBlock, WrittenNode, WrittenTag, template_text
from promptctl.template_languages.handlebars.scopes import TagValue
from promptctl.template_languages.handlebars.writing import HandlebarsWriter
from promptctl.template_languages.ours import Lose, own_pieces
from promptctl.template_languages.pieces import TextPiece, VariablePiece

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
                    self.lose(_NO_WORD, "tools", number, part=f"tools.{number}.{key}")
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
    required = [each.name for each in inputs if each.is_required]
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
_SOUNDS = {"mp3": "audio/mpeg", "wav": "audio/wav"}
_ADDRESSES = {"image_url": "url", "input_audio": "data", "file": "file_data"}
_NO_WORD = "has no word in Dotprompt"


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

    def _messages(self) -> Iterator[WrittenNode]:
        has_history = False
        for index, message in enumerate(self.prompt.messages):
            at = ("messages", index)
            if isinstance(message, Placeholder):
                if has_history:
                    self.lose("is a second placeholder, and there is one history", *at)
                    continue
                yield WrittenTag("{{history}}")
                if message.input != "history":
                    self.lose("is written as `history`, the name that it has there", *at)
                has_history = True
                continue
            role = _ROLES.get(message.role)
            if role is None:
                self.lose(f"has the role `{message.role}`, which has no text there", *at)
                continue
            if message.role == "developer":
                self.lose("is `developer`, and becomes `system`", *at, "role")
            for key in message.extra:
                self.lose(_NO_WORD, *at, key)
            if index or role != "user":
                yield _role(role)
            nodes = list(self._content(message, (*at, "content")))
            if _is_blank(nodes):
                self.lose("is empty, and is left out there", *at)
            yield from nodes

    def _content(self, message: Message, at: tuple[Key, ...]) -> Iterator[WrittenNode]:
        if isinstance(message.content, str):
            yield from self._template(message.content, self.lose_in(*at))
            return
        before = ""
        for number, part in enumerate(message.content):
            kind, own = str(part.get("type")), (*at, number)
            if kind == before == "text":
                self.lose("is joined with the text before it", *own)
            before = kind
            if part.get("cache_control"):
                self.lose(_NO_WORD, *own, "cache_control")
            shown = self._text_part(part, own) if kind == "text" else self._media(part, kind, own)
            if part.get("when"):
                yield WrittenBlock((f"{{{{#if {part['when']}}}}}", "{{/if}}"), (tuple(shown),))
            else:
                yield from shown

    def _text_part(self, part: Mapping[str, Any], at: tuple[Key, ...]) -> list[WrittenNode]:
        lose = self.lose_in(*at, "text", part=".".join(map(str, at)))
        nodes = list(self._template(part["text"], lose))
        if _is_blank(nodes):
            self.lose("is blank, and is left out there", *at)
        return nodes

    def _media(self, part: Mapping[str, Any], kind: str, at: tuple[Key, ...]) -> list[WrittenNode]:
        inner, more, address = part[kind], "", _ADDRESSES[kind]
        if kind == "input_audio":
            more = f' contentType="{_SOUNDS.get(inner["format"], "audio/" + inner["format"])}"'
            self.lose("is an address or a `data:` URL there, not base64 alone", *at, kind)
        if kind == "file":
            more = f' contentType="{inner.get("format", "application/pdf")}"'
        for key in inner:
            if key not in (address, "format"):
                self.lose(_NO_WORD, *at, kind, key)
        if inner.get(address) is None:
            return []
        lose = self.lose_in(*at, kind, address, part=".".join(map(str, (*at, kind))))
        url = self._url(str(inner[address]), lose)
        return [WrittenTag(f"{{{{media url={url}{more}}}}}")]

    def _url(self, url: str, lose: Lose) -> str:
        """Return an address as `media` takes it: one variable, or a text without any."""
        match own_pieces(self.prompt, url, lose):
            case [VariablePiece(path, ())]:
                return self._writer(lose).path(path)
            case [TextPiece(text)] if '"' not in text and not text.endswith("\\"):
                return f'"{text}"'
            case pieces:
                lose("is put together from texts and values: there it is one of them", 1)
                paths = [each.path for each in pieces if isinstance(each, VariablePiece)]
                return self._writer(lose).path(paths[0]) if paths else '""'

    def _template(self, text: str, lose: Lose) -> Iterator[WrittenNode]:
        pieces = own_pieces(self.prompt, text, lose)
        before, marker, _ = text.partition(_MARKER)
        if marker:
            why = f"has the text `{marker}`, which Dotprompt takes for a mark of its own"
            lose(why, before.count("\n") + 1)
        yield from self._writer(lose).nodes(pieces)

    def _writer(self, lose: Lose, file: str = "") -> HandlebarsWriter:
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

            def lose(why: str, line: int) -> None:
                self.losses.append(ExportLoss(path, why, Place(inner, line)))

            nodes = self._writer(lose, inner).nodes(own_pieces(self.prompt, text, lose))
            self._partials[file] = template_text(nodes).encode()
        return name


def _role(role: str) -> WrittenTag:
    return WrittenTag(f'{{{{role "{role}"}}}}')


def _is_blank(nodes: Sequence[WrittenNode]) -> bool:
    return all(isinstance(each, str) and not each.strip() for each in nodes)
