"""The parts of a prompt that a model sees, each with the lines of the files that say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from promptctl.files.document import Document, Key
from promptctl.files.names import PathRefused, resolve_path
from promptctl.files.sources import Sources
from promptctl.files.tree import Tree
from promptctl.formats.github_dialect import parameter_keys
from promptctl.prompts.closure import Declared, message_texts, resolve
from promptctl.prompts.prompt import Prompt
from promptctl.templates.events import Use
from promptctl.templates.reading import includes
from promptctl.templates.uses import simple_uses, variables

PartKind = Literal["model", "parameter", "message", "partial", "tool", "schema"]


@dataclass(frozen=True, slots=True)
class SeenPart:
    """One part: its lines of the file at `path`, None for all of them; and the inputs that fill something in it.

    `key` names it for people: a message's role, a partial's path, a parameter's name.
    """

    kind: PartKind
    key: str
    path: str
    lines: range | None
    inputs: tuple[str, ...] = ()


def seen_parts(tree: Tree, prompt: Prompt) -> tuple[list[SeenPart], Mapping[str, SeenPart]]:
    """Return the parts in the order in which a model is given them, and those of inputs' defaults by their names."""
    sources = Sources(tree)
    declared = resolve(prompt.path, sources)
    if declared is None:
        return [], {}
    found = _PartsOf(prompt, declared, sources)
    return list(found.all()), found.defaults()


class _PartsOf:
    def __init__(self, prompt: Prompt, declared: Declared, sources: Sources) -> None:
        self._prompt = prompt
        self._data = declared.file.data
        self._document: Document = declared.file.document
        self._base = declared.base
        self._partials = declared.partials
        self._files = [path for path in sources.paths if path != prompt.path]
        self._told: set[str] = set()

    def all(self) -> Iterator[SeenPart]:
        yield from self._at("model", "model", ("model",))
        for name in self._data.get("parameters") or {}:
            yield from self._at("parameter", name, parameter_keys(self._document.data, name))
        roles = [message.get("role", "") for message in self._data["messages"]]
        for index, message in enumerate(self._data["messages"]):
            yield from self._message(index, message, roles)
        for index, tool in enumerate(self._data.get("tools") or ()):
            function = tool.get("function") or {}
            if "$ref" not in tool:
                yield from self._at("tool", str(function.get("name", tool.get("type", index))), ("tools", index))
        if self._prompt.output.schema_path is None:
            yield from self._at("schema", "output", ("output", "schema"), ("response_format",), ("jsonSchema",))
        tools = {str(tool.get("$ref", "")).partition("#")[0] for tool in self._data.get("tools") or ()}
        named = {self._resolved(each, self._prompt.path) for each in tools if each}
        for path in self._files:
            if path not in self._told and path.removeprefix(f"{self._base}/") not in self._partials:
                yield self._file("tool" if path in named else "schema", path)

    def defaults(self) -> dict[str, SeenPart]:
        parts = (
            part for name in self._prompt.inputs for part in self._at("parameter", name, ("inputs", name, "default"))
        )
        return {part.key: part for part in parts}

    def _at(self, kind: PartKind, key: str, *places: tuple[Key, ...]) -> Iterator[SeenPart]:
        for keys in places:
            if lines := self._document.value_lines(*keys):
                yield SeenPart(kind, key, self._prompt.path, lines)
                return

    def _message(self, index: int, message: Mapping[str, Any], roles: Sequence[str]) -> Iterator[SeenPart]:
        if "placeholder" in message:
            name = message["placeholder"]
            lines = self._document.value_lines("messages", index, "placeholder")
            yield SeenPart("message", name, self._prompt.path, lines, (name,))
            return
        role = roles[index]
        key = role if roles.count(role) == 1 else f"{role} {roles[: index + 1].count(role)}"
        texts = [text for text, _ in message_texts([message])]
        content = message.get("content")
        parts = content if isinstance(content, list) else []
        names = {name for text in texts for name in self._inputs_of(text)}
        names |= {each["when"] for each in parts if "when" in each}
        lines = self._document.value_lines("messages", index, "content")
        yield SeenPart("message", key, self._prompt.path, lines, self._in_order(names))
        for text in texts:
            yield from self._included(text, self._prompt.path)

    def _included(self, text: str, path: str) -> Iterator[SeenPart]:
        if self._prompt.engine != "jinja2":
            return
        for reference, _ in includes(text):
            target = self._resolved(reference, path)
            name = target.removeprefix(f"{self._base}/")
            if target in self._told or name not in self._partials:
                continue
            partial = self._partials[name]
            yield self._file("partial", target, self._in_order(self._inputs_of(partial)))
            yield from self._included(partial, target)

    def _file(self, kind: PartKind, path: str, inputs: tuple[str, ...] = ()) -> SeenPart:
        self._told.add(path)
        return SeenPart(kind, path.removeprefix(f"{self._base}/"), path, None, inputs)

    def _inputs_of(self, text: str) -> set[str]:
        if self._prompt.engine == "jinja2":
            return variables(text)
        return {use.path[0] for use in simple_uses(text) if isinstance(use, Use)}

    def _in_order(self, names: set[str]) -> tuple[str, ...]:
        return tuple(name for name in self._prompt.inputs if name in names)

    def _resolved(self, reference: str, path: str) -> str:
        try:
            return resolve_path(reference, path, self._base)
        except PathRefused:
            return ""
